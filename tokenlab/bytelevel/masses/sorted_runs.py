"""The masses of the next byte on a CPU, for speed: in order, the tokens that bring one byte are a run.

What the reference says with a scatter, maximum and sum of each run say in a pass over the tokens. For
values without a gradient; equal to the reference but for the last digits of float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from tokenlab.bytelevel.masses.reference import NUM_BINS
from tokenlab.bytelevel.tokenizer.vocabulary import ByteVocabulary

#: Where the runs of the first byte begin: most ranges are the whole vocabulary.
_FIRST_RUNS: WeakKeyDictionary[ByteVocabulary, Int[np.ndarray, "runs"]] = WeakKeyDictionary()


def byte_log_masses(
    logits: Float[Tensor, "batch vocab"],
    vocabulary: ByteVocabulary,
    starts: Sequence[int],
    stops: Sequence[int],
    depths: Sequence[int],
    allowed: Bool[Tensor, "batch tokens"] | None,
    normalizer: Float64[Tensor, "batch"] | None,
) -> Float64[Tensor, "batch 257"]:
    """As the reference, on a CPU."""
    rows = _as_array(logits)
    if normalizer is None:
        normalizer = log_sum_exp(logits)
    order = vocabulary.order.numpy()
    masses = np.full((len(rows), NUM_BINS), -np.inf)
    for row, (start, stop, depth) in enumerate(zip(starts, stops, depths, strict=True)):
        if start == stop:
            continue
        tokens, begins = order[start:stop], _runs(vocabulary, start, stop, depth)
        bins = vocabulary.byte_at(depth, start, stop)[begins]
        if allowed is not None:
            # Picked out, not set to -inf: an exponential of -inf takes longer than one of a number.
            kept = np.flatnonzero(allowed[row, start:stop].numpy())
            begins = np.searchsorted(kept, begins)
            some = np.diff(begins, append=len(kept)) > 0
            tokens, begins, bins = tokens.take(kept), begins[some], bins[some]
        masses[row, bins] = _log_sums(rows[row].take(tokens), begins) - float(normalizer[row])
    return torch.from_numpy(masses)


def log_sum_exp(logits: Float[Tensor, "batch vocab"]) -> Float64[Tensor, "batch"]:
    """log of the sum of exponentials of each row, added up in float64."""
    start = np.zeros(1, np.int64)
    return torch.tensor([_log_sums(row, start)[0] for row in _as_array(logits)], dtype=torch.float64)


def _as_array(logits: Float[Tensor, "batch vocab"]) -> Float[np.ndarray, "batch vocab"]:
    # NumPy has no bfloat16.
    return (logits if logits.dtype == torch.float64 else logits.float()).detach().numpy()


def _runs(vocabulary: ByteVocabulary, start: int, stop: int, depth: int) -> Int[np.ndarray, "runs"]:
    """Where, in a range, the tokens of each bin begin: those that have ended stand first."""
    whole = depth == 0 and (start, stop) == (0, len(vocabulary))
    if whole and vocabulary in _FIRST_RUNS:
        return _FIRST_RUNS[vocabulary]
    bins = vocabulary.byte_at(depth, start, stop)
    begins = np.append(0, np.flatnonzero(bins[1:] != bins[:-1]) + 1)
    if whole:
        _FIRST_RUNS[vocabulary] = begins
    return begins


def _log_sums(x: Float[np.ndarray, "tokens"], begins: Int[np.ndarray, "runs"]) -> Float64[np.ndarray, "runs"]:
    """log of the sum of exponentials in each run, each divided by its own largest."""
    tops = np.maximum.reduceat(x, begins).astype(np.float64)
    some = tops > -np.inf
    shifts = np.where(some, tops, 0.0)
    terms = x - np.repeat(shifts, np.diff(begins, append=len(x)))
    np.exp(terms, out=terms)
    return tops + np.log(np.where(some, np.add.reduceat(terms, begins), 1.0))
