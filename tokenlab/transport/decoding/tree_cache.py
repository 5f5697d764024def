"""A model that reads ahead: after the text in its cache stand drafts that can be taken back.

A row's text has the slots 0, 1, 2, ... without padding, so that a slot is a position. A round appends a block
after the longest row: unread text, then a tree of drafts, each of which sees the text and its ancestors.
:meth:`TreeCache.settle` moves what was accepted to the end of its row's text and cuts the rest off. Rows may
accept different numbers.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from tokenlab.errors import ArgumentError
from tokenlab.lm.cache import CHUNK, empty_cache
from tokenlab.lm.forward import num_positions, run_model
from tokenlab.lm.unwrap import input_device


class TreeCache:
    """A causal model and its cache: ``settled`` tokens of each row's text, after ``calls`` forwards.

    Its logits are cut to ``vocab_size`` ids; with ``whole``, no probability may lie beyond.
    """

    def __init__(
        self, model, rows: int, name: str = "model", *, vocab_size: int | None = None, whole: bool = True
    ) -> None:
        self.model, self.name, self.vocab_size, self.whole = model, name, vocab_size, whole
        self.device = input_device(model)
        self.cache = empty_cache(model)
        self.settled = [0] * rows
        self.calls = 0
        self.last_position = (num_positions(model) or 2**31) - 1
        self._begin_block()

    def _begin_block(self) -> None:
        self.front = max(self.settled)  # slots before the block
        self.text = self.tree = 0  # slots of the block, of both kinds
        self.unread = [0] * len(self.settled)  # tokens of text in the block, of each row

    def read(
        self,
        texts: list[list[int]] | None,
        tokens: Int64[Tensor, "rows nodes"] | None = None,
        depths: Int64[Tensor, "nodes"] | Int64[Tensor, "rows nodes"] | None = None,
        seen: Bool[Tensor, "rows nodes tree"] | None = None,
    ) -> Float[Tensor, "rows nodes_and_text_end vocab"]:
        """Logits at the end of the texts (if given), then at new nodes of the trees, in one forward.

        Parameters
        ----------
        texts
            All tokens of each row, in the first call of a round.
        tokens, depths
            The new nodes, and their steps after the text, from 1 on.
        seen
            Which nodes each new one sees, itself included, of all read in this round. Default: all before it.
        """
        new_text = 0
        if texts is not None:
            unread = [text[known:] for text, known in zip(texts, self.settled, strict=True)]
            self.unread = [len(part) for part in unread]
            self.text = new_text = max(self.unread)
            # Aligned on the right; what is in front is never looked at.
            padded = torch.tensor(
                [[0] * (new_text - len(part)) + part for part in unread], device=self.device
            )
            tokens = padded if tokens is None else torch.cat([padded, tokens], 1)
        nodes = tokens.shape[1] - new_text
        self.tree += nodes
        output = run_model(
            self.model,
            tokens,
            keep=nodes + (new_text > 0),
            attention_mask=self.mask(new_text, nodes, seen),
            position_ids=self.positions(new_text, nodes, depths),
            cache=self.cache,
            use_cache=True,
            name=self.name,
        )
        self.calls += 1
        return self._cut(output.logits)

    def _cut(self, logits: Float[Tensor, "rows kept vocab"]) -> Float[Tensor, "rows kept known"]:
        beyond = logits[..., self.vocab_size :] if self.vocab_size is not None else logits[..., :0]
        if not beyond.shape[-1]:
            return logits
        if self.whole:
            mass = (beyond.logsumexp(-1) - logits.logsumexp(-1)).exp().amax().item()
            # Less than that changes no sum of the probabilities that are left.
            if mass > torch.finfo(logits.dtype).eps:
                raise ArgumentError(
                    f"vocab_size is {self.vocab_size}, but {self.name} gives a probability of {mass:.3g} to ids "
                    "from there on, expected none: they are no padding"
                )
        return logits[..., : self.vocab_size]

    def settle(self, kept: list[list[int]]) -> None:
        """Keep the text of the block, and of each row's tree the nodes ``kept``, in this order."""
        rows, sources, targets = [], [], []
        for row, nodes in enumerate(kept):
            unread = self.unread[row]
            block = [*range(self.text - unread, self.text), *(self.text + node for node in nodes)]
            for target, slot in enumerate(block, self.settled[row]):
                if self.front + slot != target:
                    rows.append(row), sources.append(self.front + slot), targets.append(target)
            self.settled[row] += len(block)
        if rows:
            moves = [torch.tensor(indices) for indices in (rows, sources, targets)]
            for layer in self.cache.layers:
                # Layers may lie on several devices, and some share others' keys.
                if getattr(layer, "keys", None) is None:
                    continue
                rows, sources, targets = (indices.to(layer.keys.device) for indices in moves)
                # What is read stands after what is written; the right side is a copy all the same.
                layer.keys[rows, :, targets] = layer.keys[rows, :, sources]
                layer.values[rows, :, targets] = layer.values[rows, :, sources]
        self._drop(self.front + self.text + self.tree - max(self.settled))
        self._begin_block()

    def catch_up(self, texts: list[list[int]]) -> None:
        """Read long prompts in pieces, up to a last one for the first round."""
        while max(len(text) - known for text, known in zip(texts, self.settled, strict=True)) > CHUNK:
            # A row's last token is left: the first round begins with it.
            pieces = [
                text[: min(known + CHUNK, len(text) - 1)]
                for text, known in zip(texts, self.settled, strict=True)
            ]
            self.read(pieces)
            self.settle([[]] * len(pieces))

    def select(self, rows: list[int]) -> None:
        """Go on with these rows only."""
        for layer in self.cache.layers:
            if getattr(layer, "keys", None) is not None:
                layer.batch_select_indices(torch.tensor(rows, device=layer.keys.device))
        self.settled = [self.settled[row] for row in rows]
        self._drop(self.front - max(self.settled))
        self._begin_block()

    def _drop(self, slots: int) -> None:
        # To older transformers, 0 is not how many to remove but how many to keep.
        if slots:
            self.cache.crop(-slots)

    def positions(self, new_text: int, nodes: int, depths: Tensor | None) -> Int64[Tensor, "rows new"]:
        device = self.device
        ends = [known + unread for known, unread in zip(self.settled, self.unread, strict=True)]
        ends = torch.tensor(ends, device=device).unsqueeze(1)
        steps = [torch.arange(1 - new_text, 1, device=device).expand(len(ends), -1)]
        if nodes:
            steps.append(depths.expand(len(ends), -1))
        positions = ends - 1 + torch.cat(steps, 1)
        # Only positions that nobody looks at lie outside: before a text, and after its last token.
        return positions.clamp_(0, self.last_position)

    def mask(self, new_text: int, nodes: int, seen: Tensor | None) -> Bool[Tensor, "rows 1 new slots"] | None:
        """What each new token sees: the text in front, the block's text, and its own branch."""
        device, new = self.device, new_text + nodes
        before = self.front + self.text + self.tree - new
        even = min(self.settled) == self.front and min(self.unread) == self.text
        if even and seen is None:
            if new == 1:
                return None
            mask = torch.ones(1, 1, new, before + new, dtype=torch.bool, device=device).tril_(before)
            return mask.expand(len(self.settled), -1, -1, -1)
        rows, front, text = len(self.settled), self.front, self.text
        settled, unread = (torch.tensor(n, device=device).view(-1, 1, 1) for n in (self.settled, self.unread))
        mask = torch.zeros(rows, new, before + new, dtype=torch.bool, device=device)
        mask[:, :, :front] = torch.arange(front, device=device) < settled
        is_text = torch.arange(text, device=device) >= text - unread
        if new_text:
            order = torch.ones(text, text, dtype=torch.bool, device=device).tril_()
            # Padding sees itself, since a softmax needs something to see.
            alone = torch.eye(text, dtype=torch.bool, device=device)
            mask[:, :text, front : front + text] = (order & is_text) | alone
        mask[:, new_text:, front : front + text] = is_text
        if nodes:
            if seen is None:
                seen = torch.ones(nodes, self.tree, dtype=torch.bool, device=device).tril_(self.tree - nodes)
            mask[:, new_text:, front + text :] = seen
        return mask.unsqueeze(1)
