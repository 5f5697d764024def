"""A tree that grows where the draft model expects acceptance."""

from __future__ import annotations

import heapq

import torch
from jaxtyping import Float
from torch import Tensor

from tokenlab.transport.decoding.proposal import Drawing, Proposal, _mark, _table, draw_children
from tokenlab.transport.decoding.tree_cache import Reader


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
