r"""What the draft model proposes in one round: a chain, sequences, or a tree.

===================  =======================================================================
structure            drafts
===================  =======================================================================
chain                one sequence
iid_sequences        k independent sequences, as in SpecTr (arXiv 2310.15141). Equal prefixes
                     are read once by both models, and count as often as they were drawn
without_replacement  a tree with fixed branching, as in RSD-C (arXiv 2402.14160): the children
                     of a node are drawn without replacement (Gumbel-top-k). Rules with a distribution
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

from functools import lru_cache

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from tokenlab.transport.decoding.dynamic_tree import _dynamic
from tokenlab.transport.decoding.proposal import Drawing, Proposal, draw_children, draw_each, draw_one
from tokenlab.transport.decoding.tree_cache import Reader


def propose(
    structure: str,
    reader: Reader,
    texts: list[list[int]],
    num_drafts: int | tuple[int, ...],
    length: int,
    drawing: Drawing,
) -> Proposal:
    """Let the draft model read the texts and draw drafts of up to ``length`` tokens after them."""
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
