"""Rows of tokens for training: packed, shuffled, some rearranged for infilling.

They depend on seed and step alone, not on restarts or the number of processes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from tokenlab.errors import ArgumentError, check_int


class PackedRows:
    """Batches of token rows, cut from shuffled documents laid end to end.

    ArgumentError: if the documents do not fill a row, or ``fim_ids`` are missing.

    Parameters
    ----------
    source, english
        Encoded documents, from ``<bos>`` to ``<eos>``.
    batch_size
        Rows in a step, over all processes.
    english_repeats
        How often an epoch shows each English document.
    fim_rate
        Share of the source rows within one document that are rearranged for infilling.
    fim_ids : (bos, eos, prefix, suffix, middle)
    """

    def __init__(
        self,
        source: Sequence[Tensor],
        english: Sequence[Tensor],
        *,
        row_length: int,
        batch_size: int,
        seed: int,
        english_repeats: int = 1,
        fim_rate: float = 0.0,
        fim_ids: tuple[int, int, int, int, int] | None = None,
    ) -> None:
        # Five markers and a token between them.
        check_int("row_length", row_length, low=6 if fim_rate else 1)
        check_int("batch_size", batch_size, low=1)
        if fim_rate and fim_ids is None:
            raise ArgumentError(f"fim_rate is {fim_rate}, but fim_ids are not given")
        self.source, self.english = list(source), list(english)
        self.row_length, self.batch_size, self.seed = row_length, batch_size, seed
        self.english_repeats, self.fim_rate, self.fim_ids = english_repeats, fim_rate, fim_ids
        self._epoch: int | None = None
        self._rows = torch.empty(0, row_length, dtype=torch.int32)
        # One row less than fits, because each epoch cuts at another offset.
        tokens = sum(map(len, self.source)), english_repeats * sum(map(len, self.english))
        self.rows_per_epoch = sum(max(n // row_length - 1, 0) for n in tokens)
        self.tokens_per_epoch = self.rows_per_epoch * row_length
        if self.rows_per_epoch < 1:
            raise ArgumentError(f"{sum(tokens)} tokens do not fill one row of {row_length}")

    def batch(self, step: int) -> Tensor:
        """Rows of one step: int64, [batch_size, row_length]."""
        start = step * self.batch_size
        rows = [self._row(index) for index in range(start, start + self.batch_size)]
        return torch.stack(rows).long()

    def _row(self, index: int) -> Tensor:
        epoch, position = divmod(index, self.rows_per_epoch)
        if epoch != self._epoch:
            self._rows, self._epoch = self._make_epoch(epoch), epoch
        return self._rows[position]

    def _make_epoch(self, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        source = self._cut(self.source, generator)
        english = self._cut(self.english * self.english_repeats, generator)
        if self.fim_rate and len(source):
            source = torch.stack([self._maybe_fim(row, generator) for row in source])
        rows = torch.cat([source, english])
        return rows[torch.randperm(len(rows), generator=generator)]

    def _cut(self, documents: list[Tensor], generator: torch.Generator) -> Tensor:
        """Lay shuffled documents end to end, and cut rows from a random offset on."""
        if not documents:
            return torch.empty(0, self.row_length, dtype=torch.int32)
        order = torch.randperm(len(documents), generator=generator)
        stream = torch.cat([documents[i] for i in order]).int()
        offset = int(torch.randint(self.row_length, (), generator=generator))
        count = max(len(stream) // self.row_length - 1, 0)
        return stream[offset : offset + count * self.row_length].view(count, self.row_length)

    def _maybe_fim(self, row: Tensor, generator: torch.Generator) -> Tensor:
        coin, where, length, order = torch.rand(4, generator=generator).tolist()
        bos, eos = self.fim_ids[:2]
        if coin >= self.fim_rate or bool(((row == bos) | (row == eos)).any()):
            return row
        return rearrange_for_infilling(row, self.fim_ids, where, length, suffix_first=order < 0.5)


def rearrange_for_infilling(
    row: Tensor, fim_ids: tuple[int, int, int, int, int], where: float, length: float, *, suffix_first: bool
) -> Tensor:
    """Cut a row into prefix P, middle M and suffix S, and move the middle to the end.

    Prefix first (PSM): ``<bos> <pre> P <suf> S <mid> M <eos>``.
    Suffix first (SPM): ``<bos> <pre> <suf> S <mid> P M <eos>``.
    The last five tokens make room. ``where`` and ``length``, in [0, 1), choose start and size of M, the
    size evenly in the logarithm, up to half a row.

    Reference: Bavarian et al. 2022, arXiv 2207.14255.
    """
    bos, eos, prefix_id, suffix_id, middle_id = fim_ids
    text = row[: len(row) - 5]
    size = int(math.exp(length * math.log(max(len(text) // 2, 1))))
    start = int(where * (len(text) - size))
    prefix, middle, suffix = text[:start], text[start : start + size], text[start + size :]

    def ids(*values: int) -> Tensor:
        return torch.tensor(values, dtype=row.dtype)

    if suffix_first:
        parts = [ids(bos, prefix_id, suffix_id), suffix, ids(middle_id), prefix, middle, ids(eos)]
    else:
        parts = [ids(bos, prefix_id), prefix, ids(suffix_id), suffix, ids(middle_id), middle, ids(eos)]
    return torch.cat(parts)
