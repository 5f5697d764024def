"""What gzip, xz and an n-gram model of bytes make of the text that ``lab-target`` is judged on.

A model that predicts text is a compressor: all are measured in bits per byte. To beat the n-gram model,
which sees five bytes, a model must have learnt more than spelling.
"""

from __future__ import annotations

import gzip
import lzma
from functools import lru_cache

import numpy as np

from tokenlab.errors import ArgumentError, check_int


def gzip_bits_per_byte(data: bytes) -> float:
    """Bits per byte of ``gzip -9``."""
    _check_not_empty(data)
    return 8 * len(gzip.compress(data, 9, mtime=0)) / len(data)


def xz_bits_per_byte(data: bytes, given: bytes = b"") -> float:
    """Bits per byte of ``xz -9``, which has compressed ``given`` before."""
    _check_not_empty(data)
    return 8 * (_xz_size(given + data) - _xz_size(given)) / len(data)


# A table asks for the size of the same training text once for each text beside it.
@lru_cache(maxsize=2)
def _xz_size(content: bytes) -> int:
    # A dictionary of 128 MiB, so that all of the training text can be referred to.
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 1 << 27}]
    return len(lzma.compress(content, filters=filters)) if content else 0


class WittenBell:
    r"""Byte n-gram model with Witten-Bell smoothing and ``order`` bytes of context, 0 to 6.

    .. math::

        p_k(x \mid c) = \frac{N(c x) + T(c)\, p_{k-1}(x \mid c')}{N(c) + T(c)}

    :math:`N` counts occurrences, :math:`T(c)` different bytes after context :math:`c`; :math:`c'` lacks the
    oldest byte of :math:`c`; :math:`p_{-1}` is uniform.

    Examples
    --------
    >>> model = WittenBell(b"abababab", order=1)
    >>> model.bits_per_byte(b"abab") < model.bits_per_byte(b"bbbb")
    True

    Reference: Witten and Bell 1991, IEEE Trans. Information Theory 37(4), method C.
    """

    def __init__(self, data: bytes, order: int = 5) -> None:
        # A context of 6 bytes and the byte after it fit in an int64.
        self.order = check_int("order", order, low=0, high=6)
        self.levels = []
        for length in range(order + 1):
            grams, counts = np.unique(_windows(data, length + 1), return_counts=True)
            # The last byte of a gram is its lowest: shifting it out leaves the context.
            contexts, starts = np.unique(grams >> 8, return_index=True)
            totals = np.add.reduceat(counts, starts)
            types = np.diff(np.append(starts, len(grams)))
            self.levels.append((grams, counts, contexts, totals, types))

    def probabilities(self, data: bytes) -> np.ndarray:
        """Probability of each byte after up to ``order`` bytes."""
        p = np.full(len(data), 1 / 256)
        for length, (grams, counts, contexts, totals, types) in enumerate(self.levels):
            keys = _windows(data, length + 1)
            n = _lookup(grams, counts, keys)
            total = _lookup(contexts, totals, keys >> 8)
            kinds = _lookup(contexts, types, keys >> 8)
            seen = total > 0
            tail = p[length:]  # Bytes with fewer than `length` before them keep the shorter context.
            tail[seen] = (n[seen] + kinds[seen] * tail[seen]) / (total[seen] + kinds[seen])
        return p

    def bits_per_byte(self, data: bytes) -> float:
        """Mean of -log2 p."""
        _check_not_empty(data)
        return float(-np.log2(self.probabilities(data)).mean())


def _check_not_empty(data: bytes) -> None:
    if not data:
        raise ArgumentError("data is empty, expected at least one byte")


def _windows(data: bytes, length: int) -> np.ndarray:
    """Every run of ``length`` bytes as one integer, oldest byte highest."""
    values = np.frombuffer(data, dtype=np.uint8).astype(np.int64)
    count = max(len(values) - length + 1, 0)
    keys = np.zeros(count, dtype=np.int64)
    for i in range(length):
        keys = (keys << 8) | values[i : i + count]
    return keys


def _lookup(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """values[keys == wanted], or 0 where there is none; ``keys`` are sorted."""
    if not len(keys):
        return np.zeros(len(wanted), dtype=np.int64)
    index = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[index] == wanted, values[index], 0)
