"""Reading contexts with a KV cache that holds their whole tree, each token once.

Each node has a slot in one row of keys and values. A mask shows it only its ancestors, whose number is its
position: any number of new contexts are read in one forward.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tokenlab.bytelevel.model.context_tree import ContextTree
from tokenlab.lm.cache import CHUNK, empty_cache
from tokenlab.lm.forward import run_model
from tokenlab.lm.unwrap import input_device


class CachedReader:
    """Logits after contexts of a tree, at most ``max_rows`` in a forward; keys and values are kept."""

    def __init__(self, model, tree: ContextTree, max_rows: int) -> None:
        self.model, self.tree, self.max_rows = model, tree, max_rows
        self.device = input_device(model)
        self.num_forwards = self.num_tokens = 0
        self._empty()

    def read(self, asked: Sequence[int]) -> Iterator[tuple[list[int], Float[Tensor, "part vocab"]]]:
        """Logits after each context. Of those read before only the last token is read again."""
        wanted = set(asked)
        order, seen = [], set()
        for node in asked:
            branch = []
            while node >= 0 and node not in self._slots and node not in seen:
                seen.add(node)
                branch.append(node)
                node = self.tree[node].parent
            order += reversed(branch)  # parents before children
        order += [node for node in asked if node not in seen]
        block, rows = [], []
        for node in order:
            if len(block) == CHUNK or (node in wanted and len(rows) == self.max_rows):
                yield [block[row] for row in rows], self._forward(block, rows)
                block, rows = [], []
            if node in wanted:
                rows.append(len(block))
            block.append(node)
        yield [block[row] for row in rows], self._forward(block, rows)

    def forget(self, nodes: Sequence[int]) -> None:
        """Let go of contexts; slots are freed once most are such."""
        for node in nodes:
            self._slots.pop(node, None)
        if len(self._slots) < len(self._nodes) - len(self._slots):
            self._compact()

    @torch.no_grad()
    def _forward(self, block: list[int], rows: list[int]) -> Float[Tensor, "rows vocab"]:
        front = len(self._nodes)
        new = [node for node in block if node not in self._slots]  # what is read again stands after
        try:
            for node in new:
                self._store(node)
            logits, _ = run_model(
                self.model,
                torch.tensor([[self.tree[node].token for node in block]], device=self.device),
                keep=rows,
                attention_mask=self._mask(block, front),
                position_ids=torch.tensor([[self.tree[node].position for node in block]], device=self.device),
                cache=self.cache,
                use_cache=True,
                name="model",
            )
        except BaseException:
            # Also of an interrupt in a notebook: the reader is what it was before.
            for node in new:
                self._slots.pop(node, None)
            del self._nodes[front:], self._run_starts[front:]
            self._trim(front)
            raise
        self._trim(len(self._nodes))
        self.num_forwards += 1
        self.num_tokens += len(block)
        return logits[0]

    def _mask(self, block: list[int], front: int) -> Bool[Tensor, "1 1 block slots"] | None:
        """Every node of the block sees its ancestors and itself."""
        seen = np.zeros((len(block), front + len(block)), dtype=bool)
        for row, node in enumerate(block):
            seen[row, front + row] = True
            node = self.tree[node].parent
            while node >= 0:
                # Ancestors mostly stand side by side: a run of slots at a time.
                last = self._slots[node]
                first = self._run_starts[last]
                seen[row, first : last + 1] = True
                node = self.tree[self._nodes[first]].parent
        if len(block) == 1 and seen.all():
            return None
        return torch.from_numpy(seen).to(self.device)[None, None]

    def _store(self, node: int) -> None:
        slot, parent = len(self._nodes), self.tree[node].parent
        self._slots[node] = slot
        self._nodes.append(node)
        follows = slot > 0 and parent == self._nodes[slot - 1]
        self._run_starts.append(self._run_starts[slot - 1] if follows else slot)

    def _trim(self, length: int) -> None:
        for layer in self._layers():
            layer.keys, layer.values = layer.keys[..., :length, :], layer.values[..., :length, :]

    def _compact(self) -> None:
        alive = [slot for slot, node in enumerate(self._nodes) if node in self._slots]
        nodes = [self._nodes[slot] for slot in alive]
        if not alive:
            return self._empty()
        layers = self._layers()
        parts = [(layer.keys[..., alive, :], layer.values[..., alive, :]) for layer in layers]
        # Nothing has changed up to here, whatever interrupted it.
        for layer, (keys, values) in zip(layers, parts, strict=True):
            layer.keys, layer.values = keys, values
        self._slots, self._nodes, self._run_starts = {}, [], []
        for node in nodes:
            self._store(node)

    def _empty(self) -> None:
        self.cache = empty_cache(self.model)
        self._slots: dict[int, int] = {}  # of each node that was read
        self._nodes: list[int] = []  # in each slot; forgotten ones have no entry in _slots
        self._run_starts: list[int] = []  # where the run begins in which each slot's parent is the one before

    def _layers(self) -> list:
        """Layers that hold something: some share others' keys, and none does at first."""
        return [layer for layer in self.cache.layers if getattr(layer, "keys", None) is not None]
