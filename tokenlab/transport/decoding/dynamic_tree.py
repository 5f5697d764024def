r"""A tree that grows where the draft model expects acceptance, after DySpec (arXiv 2410.11744).

Openings for new nodes wait in a heap, each worth the probability of being reached. With y drawn from R, what
is left of the draft's distribution at an opening of value v, the opening below y is worth :math:`v\,R(y)`,
and the next one beside y :math:`v\,(1 - R(y))`.

Ours are the limit on depth, greedy decoding, which takes children by probability, and fewer calls for the
same tree: when the best opening is at a node not read yet, all such nodes are read in one forward.

Whether a sibling is drawn depends on the draws before it, never on itself. So rules that test siblings one by
one against what is left stay lossless; rules that must know their number beforehand are refused.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from tokenlab.transport.decoding.proposal import DraftSampler, Proposal
from tokenlab.transport.decoding.tree_cache import TreeCache


class GrowingTree:
    """The dynamic tree of one row while it grows.

    Openings are (-value, age, parent, sibling): the best comes first, of equal ones the oldest. The value is
    the product of draft probabilities down to the parent, times the mass not drawn there yet.
    """

    def __init__(self, num_nodes: int, depth: int) -> None:
        self.num_nodes, self.depth = num_nodes, depth
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
        """Nodes that may have children but were not read."""
        return [n for n, slot in enumerate(self.slots) if slot < 0 and self.depths[n] < self.depth]

    def ancestors(self, node: int) -> list[int]:
        """The nearest first."""
        found = []
        while (node := self.parents[node]) >= 0:
            found.append(node)
        return found

    def grow(self) -> None:
        """Fill the best openings, until the tree is full or the best is at an unread node."""
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
            self.add_opening(value * left, parent, sibling + 1)
            if depth + 1 < self.depth:
                self.add_opening(value * prob, len(self.tokens) - 1, 0)

    def add_opening(self, value: float, parent: int, sibling: int) -> None:
        """An opening for a child, which waits in the heap."""
        self.age += 1
        heapq.heappush(self.heap, (-value, self.age, parent, sibling))


def draft_dynamic_tree(
    tree_cache: TreeCache, texts: list[list[int]], num_nodes: int, depth: int, sampler: DraftSampler
) -> Proposal:
    """A tree for each text; they grow at their own pace and read together."""
    trees = [GrowingTree(num_nodes, depth) for _ in texts]
    probs = [sampler.process(tree_cache.read(texts))]
    for tree, order in zip(trees, _orders(probs[0], num_nodes, sampler), strict=True):
        tree.order[-1] = order
        tree.grow()
    read = 1
    while any(tree.waits for tree in trees):
        new = [tree.unread() if tree.waits else [] for tree in trees]
        probs.append(sampler.process(_read(tree_cache, trees, new, read)))
        width = probs[-1].shape[1]
        orders = _orders(probs[-1], num_nodes, sampler)
        for row, (tree, nodes) in enumerate(zip(trees, new, strict=True)):
            tree.order |= zip(nodes, orders[row * width :], strict=False)
            tree.grow()
        read += width
    return _collect(trees, torch.cat(probs, 1))


def _read(
    tree_cache: TreeCache, trees: list[GrowingTree], new: list[list[int]], read: int
) -> Float[Tensor, "rows nodes vocab"]:
    """Logits at new nodes of each tree, after ``read`` distributions."""
    device, width, slots = tree_cache.device, max(map(len, new)), read - 1
    ancestors = []
    for row, (tree, nodes) in enumerate(zip(trees, new, strict=True)):
        for i, node in enumerate(nodes):
            tree.slots[node], tree.drawn_from[1 + node] = slots + i, read + i
            ancestors += [(row, i, tree.slots[above]) for above in tree.ancestors(node)]
    seen = torch.zeros(len(trees), width, slots + width, dtype=torch.bool)
    seen[:, :, slots:] = torch.eye(width, dtype=torch.bool)
    tokens = ([tree.tokens[n] for n in nodes] for tree, nodes in zip(trees, new, strict=True))
    depths = ([tree.depths[n] for n in nodes] for tree, nodes in zip(trees, new, strict=True))
    return tree_cache.read(
        None,
        _table(tokens, width, 0, device),
        _table(depths, width, 1, device),
        _mark(seen, ancestors).to(device),
    )


def _orders(
    probs: Float[Tensor, "rows nodes vocab"], number: int, sampler: DraftSampler
) -> list[list[tuple[int, float]]]:
    """For each node the tokens, in the order in which they would be drawn, with their mass."""
    flat = probs.flatten(0, 1)
    tokens, exist = sampler.children(flat.unsqueeze(1), min(number, flat.shape[-1]))
    masses = flat.gather(1, tokens[:, 0])
    return [
        [pair for pair, is_there in zip(zip(*row, strict=True), there, strict=True) if is_there]
        for *row, there in zip(tokens[:, 0].tolist(), masses.tolist(), exist[:, 0].tolist(), strict=True)
    ]


def _collect(trees: list[GrowingTree], probs: Float[Tensor, "rows read vocab"]) -> Proposal:
    device, width = probs.device, max(len(tree.tokens) for tree in trees)
    ancestors = [
        (row, node, above)
        for row, tree in enumerate(trees)
        for node in range(len(tree.tokens))
        for above in tree.ancestors(node)
    ]
    seen = torch.eye(width, dtype=torch.bool).repeat(len(trees), 1, 1)
    return Proposal(
        tokens=_table((tree.tokens for tree in trees), width, 0, device),
        depths=_table((tree.depths for tree in trees), width, 1, device),
        seen=_mark(seen, ancestors).to(device),
        parents=[tree.parents for tree in trees],
        node=[list(range(len(tree.tokens))) for tree in trees],
        probs=probs,
        drawn_from=[tree.drawn_from for tree in trees],
        slots=[tree.slots + [-1] * (width - len(tree.slots)) for tree in trees],
    )


def _table(rows: Iterable[list[int]], width: int, fill: int, device: torch.device) -> Tensor:
    """Rows filled up on the right."""
    return torch.tensor([row + [fill] * (width - len(row)) for row in rows], device=device)


def _mark(mask: Tensor, indices: list[tuple[int, ...]]) -> Tensor:
    if indices:
        mask[torch.tensor(indices).unbind(1)] = True
    return mask
