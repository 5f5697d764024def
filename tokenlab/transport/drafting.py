r"""What the draft model proposes in one round: a chain, sequences, or a tree.

===================  =======================================================================
structure            drafts
===================  =======================================================================
chain                one sequence
iid_sequences        k independent sequences, as in SpecTr (arXiv 2310.15141). Equal prefixes
                     are read once by both models, and count as often as they were drawn
without_replacement  a tree with fixed branching, as in RSD-C (arXiv 2402.14160): the children
                     of a node are drawn without replacement (Gumbel-top-k). Rules with a law
                     of their own draw them by it: ``"greedy"``, ``"spechub"``
dynamic              a tree of k nodes that grows where the draft model expects acceptance
===================  =======================================================================

**The dynamic tree.** After DySpec (arXiv 2410.11744) are the heap of open places, each worth
the probability of being reached, and what follows a draw: with y drawn from what is left, R, of
the draft's distribution at a place of value v, the place below y is worth :math:`v\,R(y)` and
the one beside y, where the next sibling would be drawn without y, :math:`v\,(1 - R(y))`. Ours
is how the draft model is called: when the best place belongs to a node that it has not read, it
reads all such nodes of all rows in one forward. This gives the same tree with fewer calls. Ours is
also the limit on depth, and the tree for greedy decoding, which takes the children of a node
in the order of their probability instead of drawing them.

Whether a sibling is drawn depends on what was drawn before, never on the sibling itself. So
rules that test siblings one by one against what the earlier ones left stay lossless; rules that
must know the number of siblings beforehand do not, and are refused.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from tokenlab.ops import open_uniform, top_k
from tokenlab.transport.cache import Reader
from tokenlab.transport.drafts import draw_drafts

STRUCTURES = ("chain", "iid_sequences", "without_replacement", "dynamic")


@dataclass
class Proposal:
    """The drafts of one round, for all rows.

    *Nodes* are what both models read: each prefix once. *Drafts* are what was drawn: with i.i.d.
    sequences several may stand at one node. Parents stand in front of their children.

    Attributes
    ----------
    tokens : Int64[Tensor, "rows nodes"]
        Token of each node.
    depths : Int64[Tensor, "rows nodes"] or Int64[Tensor, "nodes"]
        1 for the first behind the text.
    seen : Bool[Tensor, "rows nodes nodes"], optional
        Which nodes each node sees: its ancestors and itself. None for a chain.
    parents : list of lists of int
        For each row the parent of each *draft*, among the drafts; -1 is the end of the text.
    node : list of lists of int
        For each row the node of each draft. A draft that is no node (there was no token left
        to draw) is not listed.
    probs : Float[Tensor, "rows read vocab"]
        Distributions of the draft model, wherever it has read.
    drawn_from : list of lists of int
        For each row: index into ``probs`` for the end of the text, then for each draft:
        what its children were drawn from; -1 where it has none.
    slots : list of lists of int
        For each row where each node stands in the draft model's own tree, -1 if it was not read.
    """

    tokens: Int64[Tensor, "rows nodes"]
    depths: Tensor
    seen: Tensor | None
    parents: list[list[int]]
    node: list[list[int]]
    probs: Float[Tensor, "rows read vocab"]
    drawn_from: list[list[int]]
    slots: list[list[int]]


@dataclass(frozen=True)
class Drawing:
    """How tokens are drawn at a node.

    Attributes
    ----------
    process : callable
        From logits to probabilities, with temperature and truncation.
    sampling : str or None
        Law of the drafts; None takes the most probable tokens (greedy decoding).
    generator : torch.Generator or None
        Source of the noise.
    """

    process: Callable[[Tensor], Tensor]
    sampling: str | None
    generator: torch.Generator | None


def propose(
    structure: str,
    reader: Reader,
    texts: list[list[int]],
    num_drafts: int | tuple[int, ...],
    length: int,
    drawing: Drawing,
) -> Proposal:
    """Let the draft model read the texts and draw drafts of up to ``length`` tokens behind them."""
    if structure == "chain":
        return _chain(reader, texts, length, drawing)
    if structure == "iid_sequences":
        return _sequences(reader, texts, num_drafts, length, drawing)
    if structure == "without_replacement":
        return _branching(reader, texts, num_drafts[:length], drawing)
    return _dynamic(reader, texts, num_drafts, length, drawing)


def _chain(reader: Reader, texts: list[list[int]], length: int, drawing: Drawing) -> Proposal:
    tokens, probs = [], [drawing.process(reader.read(texts)[:, 0])]
    for depth in range(1, length + 1):
        tokens.append(draw_one(probs[-1], drawing))
        if depth < length:
            logits = reader.read(None, tokens[-1].unsqueeze(1), _depth(depth, reader))
            probs.append(drawing.process(logits[:, 0]))
    rows = len(texts)
    probs.append(probs[-1])  # the last token has no children: its row is not read
    return Proposal(
        torch.stack(tokens, 1),
        torch.arange(1, length + 1, device=reader.model.device),
        None,
        [list(range(-1, length - 1))] * rows,
        [list(range(length))] * rows,
        torch.stack(probs, 1),
        [[*range(length), -1]] * rows,
        [[*range(length - 1), -1]] * rows,
    )


def _sequences(
    reader: Reader, texts: list[list[int]], num_drafts: int, length: int, drawing: Drawing
) -> Proposal:
    rows, device = len(texts), reader.model.device
    every = torch.arange(num_drafts, device=device)
    probs = [drawing.process(reader.read(texts))]
    # For each sequence the row of probs[-1] to draw from, and the node where it stands.
    place = torch.zeros(rows, num_drafts, dtype=torch.long, device=device)
    tokens, depths, seen = [], [], torch.zeros(rows, 0, 0, dtype=torch.bool, device=device)
    node, drawn_from, nodes, read = [], [place], 0, 1
    for depth in range(1, length + 1):
        token = draw_each(probs[-1], place, drawing)
        # The first sequence with the same prefix stands for all of them.
        same = (place.unsqueeze(2) == place.unsqueeze(1)) & (token.unsqueeze(2) == token.unsqueeze(1))
        first = same.int().argmax(2)
        distinct = first == every
        width = int(distinct.sum(1).max())
        # A row with fewer prefixes reads some twice.
        chosen = (~distinct).int().argsort(dim=1, stable=True)[:, :width]
        seen = _grow(seen, nodes - probs[-1].shape[1] + place.gather(1, chosen) if depth > 1 else None, width)
        place = (distinct.cumsum(1) - 1).gather(1, first)
        node.append(nodes + place)
        tokens.append(token.gather(1, chosen))
        depths.append(torch.full((width,), depth, device=device))
        nodes += width
        if depth < length:
            logits = reader.read(None, tokens[-1], depths[-1], seen[:, -width:])
            probs.append(drawing.process(logits))
            drawn_from.append(read + place)
            read += width
        else:
            drawn_from.append(torch.full_like(place, -1))
    # The drafts stand level by level, and each is the child of its own sequence's last one.
    parents = [-1] * num_drafts + list(range((length - 1) * num_drafts))
    return Proposal(
        torch.cat(tokens, 1),
        torch.cat(depths),
        seen,
        [parents] * rows,
        torch.cat(node, 1).tolist(),
        torch.cat(probs, 1),
        torch.cat([drawn_from[0][:, :1], *drawn_from[1:]], 1).tolist(),
        [[*range(nodes - width), *[-1] * width]] * rows,
    )


def _branching(
    reader: Reader, texts: list[list[int]], branching: tuple[int, ...], drawing: Drawing
) -> Proposal:
    rows = len(texts)
    parents, depths, seen = shape_of(branching, reader.model.device)
    probs = [drawing.process(reader.read(texts))]
    tokens, there, begin = [], [], 0
    for depth, number in enumerate(branching, 1):
        children, exist = draw_children(probs[-1], number, drawing)
        if tokens:
            exist = exist & there[-1].unsqueeze(2)
        tokens.append(children.flatten(1))
        there.append(exist.flatten(1))
        end = begin + tokens[-1].shape[1]
        if depth < len(branching):
            level = seen[begin:end, :end].expand(rows, -1, -1)
            probs.append(drawing.process(reader.read(None, tokens[-1], depths[begin:end], level)))
        begin, inner = end, begin
    nodes = len(parents)
    drawn_from = [*range(inner + 1), *[-1] * (nodes - inner)]
    slots = [*range(inner), *[-1] * (nodes - inner)]
    exist = torch.cat(there, 1)
    if bool(exist.all()):
        lists = [parents] * rows, [list(range(nodes))] * rows, [drawn_from] * rows
    else:
        kept = [[i for i, is_there in enumerate(row) if is_there] for row in exist.tolist()]
        number = [{-1: -1} | {node: i for i, node in enumerate(row)} for row in kept]
        lists = (
            [[number[r][parents[node]] for node in row] for r, row in enumerate(kept)],
            kept,
            [[0, *(drawn_from[1 + node] for node in row)] for row in kept],
        )
    return Proposal(
        torch.cat(tokens, 1),
        depths,
        seen.expand(rows, -1, -1),
        lists[0],
        lists[1],
        torch.cat(probs, 1),
        lists[2],
        [slots] * rows,
    )


class _Growth:
    """The dynamic tree of one row while it grows.

    The heap holds places (-value, age, parent, sibling): the best comes first, of equal ones
    the oldest. With :math:`v_n` the product of draft probabilities down to node n, the place of
    its next child is worth :math:`v_n` times the mass of the tokens not drawn there yet.
    """

    def __init__(self, num_nodes: int, length: int) -> None:
        self.num_nodes, self.length = num_nodes, length
        self.tokens: list[int] = []
        self.parents: list[int] = []
        self.depths: list[int] = []
        self.values: list[float] = []
        self.slots: list[int] = []  # in the draft model's cache, -1 where it has not read
        self.drawn_from = [0]
        self.order: dict[int, list[tuple[int, float]]] = {}
        self.age = 0
        self.heap = [(-1.0, 0, -1, 0)]

    @property
    def waits(self) -> bool:
        """Whether it could grow, were more of it read."""
        return len(self.tokens) < self.num_nodes and bool(self.heap)

    def unread(self) -> list[int]:
        """Nodes that may have children but were not read yet."""
        return [n for n, slot in enumerate(self.slots) if slot < 0 and self.depths[n] < self.length]

    def grow(self) -> None:
        """Fill the best places, until the tree is full or the best belongs to a node not read yet."""
        while self.waits and self.heap[0][2] in self.order:
            _, _, parent, sibling = heapq.heappop(self.heap)
            order = self.order[parent]
            if sibling == len(order):
                continue
            token, prob = order[sibling]
            value, depth = (self.values[parent], self.depths[parent]) if parent >= 0 else (1.0, 0)
            self.tokens.append(token), self.parents.append(parent), self.depths.append(depth + 1)
            self.values.append(value * prob), self.slots.append(-1), self.drawn_from.append(-1)
            left = 1 - sum(mass for _, mass in order[: sibling + 1])
            self._open(value * left, parent, sibling + 1)
            if depth + 1 < self.length:
                self._open(value * prob, len(self.tokens) - 1, 0)

    def _open(self, value: float, parent: int, sibling: int) -> None:
        self.age += 1
        heapq.heappush(self.heap, (-value, self.age, parent, sibling))


def _dynamic(
    reader: Reader, texts: list[list[int]], num_nodes: int, length: int, drawing: Drawing
) -> Proposal:
    rows, device = len(texts), reader.model.device
    trees = [_Growth(num_nodes, length) for _ in texts]
    probs = [drawing.process(reader.read(texts))]
    for tree, order in zip(trees, _orders(probs[0], num_nodes, drawing), strict=True):
        tree.order[-1] = order
        tree.grow()
    read, slots = 1, 0
    while any(tree.waits for tree in trees):
        new = [tree.unread() if tree.waits else [] for tree in trees]
        width = max(map(len, new))
        ancestors = []
        for row, (tree, nodes) in enumerate(zip(trees, new, strict=True)):
            for i, node in enumerate(nodes):
                tree.slots[node], tree.drawn_from[1 + node] = slots + i, read + i
                while (node := tree.parents[node]) >= 0:
                    ancestors.append((row, i, tree.slots[node]))
        seen = torch.zeros(rows, width, slots + width, dtype=torch.bool)
        seen[:, :, slots:] = torch.eye(width, dtype=torch.bool)
        tokens = ([tree.tokens[n] for n in nodes] for tree, nodes in zip(trees, new, strict=True))
        depths = ([tree.depths[n] for n in nodes] for tree, nodes in zip(trees, new, strict=True))
        logits = reader.read(
            None,
            _table(tokens, width, 0, device),
            _table(depths, width, 1, device),
            _mark(seen, ancestors).to(device),
        )
        probs.append(drawing.process(logits))
        orders = _orders(probs[-1], num_nodes, drawing)
        for row, (tree, nodes) in enumerate(zip(trees, new, strict=True)):
            tree.order |= zip(nodes, orders[row * width :], strict=False)
            tree.grow()
        read, slots = read + width, slots + width
    return _collect(trees, torch.cat(probs, 1), device)


def _orders(
    probs: Float[Tensor, "rows nodes vocab"], number: int, drawing: Drawing
) -> list[list[tuple[int, float]]]:
    """For each node the tokens in the order in which its children would be drawn, with their mass.

    They are drawn at once; a later one is looked at only if it becomes a child.
    """
    flat = probs.flatten(0, 1)
    tokens, exist = draw_children(flat.unsqueeze(1), min(number, flat.shape[-1]), drawing)
    masses = flat.gather(1, tokens[:, 0])
    return [
        [pair for pair, is_there in zip(zip(*row, strict=True), there, strict=True) if is_there]
        for *row, there in zip(tokens[:, 0].tolist(), masses.tolist(), exist[:, 0].tolist(), strict=True)
    ]


def _collect(trees: list[_Growth], probs: Tensor, device: torch.device) -> Proposal:
    width = max(len(tree.tokens) for tree in trees)
    ancestors = []
    for row, tree in enumerate(trees):
        for node, parent in enumerate(tree.parents):
            while parent >= 0:
                ancestors.append((row, node, parent))
                parent = tree.parents[parent]
    seen = torch.eye(width, dtype=torch.bool).repeat(len(trees), 1, 1)
    return Proposal(
        _table((tree.tokens for tree in trees), width, 0, device),
        _table((tree.depths for tree in trees), width, 1, device),
        _mark(seen, ancestors).to(device),
        [tree.parents for tree in trees],
        [list(range(len(tree.tokens))) for tree in trees],
        probs,
        [tree.drawn_from for tree in trees],
        [tree.slots + [-1] * (width - len(tree.slots)) for tree in trees],
    )


def _table(rows: Iterable[Iterable[int]], width: int, fill: int, device: torch.device) -> Tensor:
    """Rows of different lengths, filled up on the right."""
    lists = [list(row) for row in rows]
    return torch.tensor([row + [fill] * (width - len(row)) for row in lists], device=device)


def _mark(mask: Tensor, places: list[tuple[int, ...]]) -> Tensor:
    if places:
        mask[torch.tensor(places).unbind(1)] = True
    return mask


# --- draws -------------------------------------------------------------------------------


def draw_one(probs: Float[Tensor, "rows vocab"], drawing: Drawing) -> Int64[Tensor, " rows"]:
    """One token of each row, by inverse CDF; for greedy decoding the most probable one."""
    if drawing.sampling is None:
        return probs.argmax(-1)
    return _pick(probs.cumsum(-1, dtype=torch.float64), drawing.generator)


def draw_each(
    probs: Float[Tensor, "rows nodes vocab"], place: Int64[Tensor, "rows drafts"], drawing: Drawing
) -> Int64[Tensor, "rows drafts"]:
    """One token for each draft, from the node at which it stands."""
    rows = torch.arange(len(place), device=place.device).unsqueeze(1)
    if drawing.sampling is None:
        return probs.argmax(-1)[rows, place]
    return _pick(probs.cumsum(-1, dtype=torch.float64)[rows, place], drawing.generator)


def _pick(cdf: Tensor, generator: torch.Generator | None) -> Tensor:
    uniform = open_uniform(cdf.shape[:-1], generator=generator, device=cdf.device)
    # The product rounds to less than the total, so there is a place, and its mass is not 0.
    threshold = uniform.unsqueeze(-1) * cdf[..., -1:]
    return torch.searchsorted(cdf, threshold, right=True).squeeze(-1)


def draw_children(
    probs: Float[Tensor, "rows nodes vocab"], number: int, drawing: Drawing
) -> tuple[Int64[Tensor, "rows nodes drafts"], Bool[Tensor, "rows nodes drafts"]]:
    """Distinct children of each node, and which of them exist.

    A node has as many as asked for, or as its distribution has tokens: truncation may leave few.
    """
    if drawing.sampling is None:
        found = top_k(probs, number, validate=False)
        return found.indices, found.values > 0
    tokens = draw_drafts(probs, number, drawing.sampling, generator=drawing.generator, validate=False)
    support = (probs > 0).sum(-1, keepdim=True)
    if drawing.sampling == "spechub":
        # With one token there is no pair.
        return tokens, (support > 1).expand_as(tokens)
    return tokens, torch.arange(number, device=probs.device) < support


# --- shapes ------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def shape_of(
    branching: tuple[int, ...], device: torch.device
) -> tuple[list[int], Int64[Tensor, " nodes"], Bool[Tensor, "nodes nodes"]]:
    """Parents, depths and ancestors of a tree with this many children on each level."""
    parents, depths, level = [], [], [-1]
    for depth, number in enumerate(branching, 1):
        begin = len(parents)
        parents += [parent for parent in level for _ in range(number)]
        depths += [depth] * (len(parents) - begin)
        level = range(begin, len(parents))
    seen = torch.eye(len(parents), dtype=torch.bool)
    for node, parent in enumerate(parents):
        if parent >= 0:
            seen[node] |= seen[parent]
    return parents, torch.tensor(depths, device=device), seen.to(device)


def _grow(
    seen: Bool[Tensor, "rows nodes nodes"], parents: Int64[Tensor, "rows new"] | None, new: int
) -> Bool[Tensor, "rows grown grown"]:
    """Add nodes that see themselves and what their parents see."""
    rows, nodes = seen.shape[:2]
    grown = torch.zeros(rows, nodes + new, nodes + new, dtype=torch.bool, device=seen.device)
    grown[:, :nodes, :nodes] = seen
    grown[:, nodes:, nodes:] = torch.eye(new, dtype=torch.bool, device=seen.device)
    if parents is not None:
        grown[:, nodes:, :nodes] = seen[torch.arange(rows, device=seen.device).unsqueeze(1), parents]
    return grown


def _depth(depth: int, reader: Reader) -> Int64[Tensor, " 1"]:
    return torch.tensor([depth], device=reader.model.device)
