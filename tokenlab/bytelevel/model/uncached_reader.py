"""Reading contexts from their first token on: for models whose cache cannot hold a tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tokenlab.bytelevel.model.context_tree import ContextTree
from tokenlab.lm.forward import run_model
from tokenlab.lm.unwrap import input_device

#: Tokens of one forward, padding included.
BATCH = 4096


class UncachedReader:
    """Logits after contexts of a tree, each read afresh.

    Contexts on one path share a row of a batch. Rows are padded on the right: what follows a token never
    changes its logits.
    """

    def __init__(self, model, tree: ContextTree, max_rows: int) -> None:
        self.model, self.tree, self.max_rows = model, tree, max_rows
        self.num_forwards = self.num_tokens = 0

    def read(self, asked: Sequence[int]) -> Iterator[tuple[list[int], Float[Tensor, "part vocab"]]]:
        """Logits after each context, those of the longest path first."""
        batch: list[tuple[list[int], list[int]]] = []  # path, the nodes wanted on it
        positions: set[int] = set()
        for path, wanted in self._paths(asked):
            more = positions | {self.tree[node].position for node in wanted}
            count = len(batch) + 1
            # The longest path came first.
            if batch and (count * len(batch[0][0]) > BATCH or count * len(more) > self.max_rows):
                yield self._forward(batch, sorted(positions))
                batch, more = [], {self.tree[node].position for node in wanted}
            batch.append((path, wanted))
            positions = more
        yield self._forward(batch, sorted(positions))

    def forget(self, nodes: Sequence[int]) -> None:
        """Nothing was kept."""

    def _paths(self, asked: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
        """Paths that together pass through all nodes, longest first, and the nodes wanted on each."""
        left = set(asked)
        for node in sorted(asked, key=lambda node: -self.tree[node].position):
            if node not in left:
                continue
            path = self.tree.path(node)
            wanted = [step for step in path if step in left]
            left.difference_update(wanted)
            for start in range(0, len(wanted), self.max_rows):
                yield path, wanted[start : start + self.max_rows]

    @torch.no_grad()
    def _forward(
        self, batch: list[tuple[list[int], list[int]]], positions: list[int]
    ) -> tuple[list[int], Float[Tensor, "nodes vocab"]]:
        width = max(len(path) for path, _ in batch)
        ids = [[self.tree[node].token for node in path] for path, _ in batch]
        # Any token serves as padding; a path's last one is no special token that a model might look for.
        padded = torch.tensor(
            [row + row[-1:] * (width - len(row)) for row in ids], device=input_device(self.model)
        )
        output = run_model(self.model, padded, keep=positions, name="model").logits
        column = {position: index for index, position in enumerate(positions)}
        nodes = [node for _, wanted in batch for node in wanted]
        rows = [row for row, (_, wanted) in enumerate(batch) for _ in wanted]
        logits = output[rows, [column[self.tree[node].position] for node in nodes]]
        self.num_forwards += 1
        self.num_tokens += sum(map(len, ids))
        return nodes, logits
