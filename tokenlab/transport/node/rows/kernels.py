"""How kernels read rows: logits become probabilities in registers, never written."""

from __future__ import annotations

from typing import NamedTuple

import triton
import triton.language as tl
from jaxtyping import Float, Float32
from torch import Tensor

from tokenlab.ops.tiles import TILE, load_tile


class Rows(NamedTuple):
    """Target and draft; for logits also (maximum, 1 / sum of exponentials) of both."""

    target: Float[Tensor, "rows vocab"]
    draft: Float[Tensor, "rows vocab"]
    norms: Float32[Tensor, "rows 2 2"] | None

    @property
    def size(self) -> tuple[int, int, int, int]:
        """Vocabulary, tiles, and how far rows lie apart."""
        vocab = self.target.shape[1]
        return vocab, triton.cdiv(vocab, TILE), self.target.stride(0), self.draft.stride(0)


@triton.jit
def load_pair(
    target_ptr, draft_ptr, norm_ptr, row, stride_target, stride_draft, tile, vocab, TILE: tl.constexpr
):
    """Ids of a tile, and their probabilities under target and draft."""
    ids, p = load_tile(target_ptr + row * stride_target, tile, vocab, TILE, TILE)
    _, q = load_tile(draft_ptr + row * stride_draft, tile, vocab, TILE, TILE)
    return ids, as_probs(p, norm_ptr, 4 * row), as_probs(q, norm_ptr, 4 * row + 2)


@triton.jit
def as_probs(x, norm_ptr, at):
    """Probabilities of what was read; 0 where there is no token."""
    if norm_ptr is None:
        return tl.maximum(x, 0.0)
    else:
        return tl.exp(x - tl.load(norm_ptr + at)) * tl.load(norm_ptr + at + 1)


@triton.jit
def exponentials(x):
    """The largest of x, and e^(x - largest); 0 if all are -inf."""
    largest = tl.max(x, 0)
    return largest, tl.exp(x - tl.where(largest == -float("inf"), 0.0, largest))


@triton.jit
def normaliser(stat_ptr, norm_ptr, tiles, TILES: tl.constexpr):
    """Largest logit and 1 / sum of exponentials of a row, from its tiles."""
    tile = tl.arange(0, TILES)
    tops = tl.load(stat_ptr + tile, mask=tile < tiles, other=-float("inf"))
    sums = tl.load(stat_ptr + tiles + tile, mask=tile < tiles, other=0.0)
    top = tl.max(tops, 0)
    scale = 1.0 / tl.sum((sums * tl.exp(tops - top)).to(tl.float64), 0)
    tl.store(norm_ptr, top)
    tl.store(norm_ptr + 1, scale.to(tl.float32))
    return top.to(tl.float64), scale


@triton.jit
def without(weights, ids, token_ptr, count):
    """Weights, 0 for the first ``count`` drafts."""
    for i in range(count):
        weights = tl.where(ids == tl.load(token_ptr + i).to(tl.int32), 0.0, weights)
    return weights
