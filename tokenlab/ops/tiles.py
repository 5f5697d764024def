"""Tiles: how a Triton kernel reads a row of logits, one program to a tile of neighbouring tokens.

Only tiles that reach past the row's end are loaded under a mask, which keeps the compiler from
loading 16 bytes at once. Logits become float32 when loaded. Row offsets are int64: rows times
vocabulary exceed 2^31.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from tokenlab.ops import reference

#: Tokens in a tile that a program reads at once.
TILE = 4096
#: How every kernel is launched: the same rounding on every version of Triton.
OPTIONS = {"enable_fp_fusion": True}

# What kernels see must be constants. Kernels are compiled, or interpreted, as a whole process:
# the interpreter replaces Triton's own functions when Triton is imported.
FAR_BELOW = tl.constexpr(reference.FAR_BELOW)
#: A token, or a tile, that a row does not have.
NO_TOKEN = tl.constexpr(2**31 - 1)
INTERPRETED = tl.constexpr(not isinstance(tl.sum, triton.JITFunction))


def as_rows(logits: Float[Tensor, "*batch vocab"]) -> Float[Tensor, "rows vocab"]:
    """Leading dimensions as one, neighbouring tokens side by side; a copy only if needed."""
    flat = logits.detach().reshape(-1, logits.shape[-1])
    return flat if flat.stride(1) == 1 or flat.shape[1] == 1 else flat.contiguous()


def warps_for(lanes: int, per_thread: int) -> int:
    """Warps, of 32 threads each, that hold so many lanes in their registers."""
    return min(max(lanes // (32 * per_thread), 1), 16)


@triton.jit
def load_tile(row_ptr, tile, vocab, TILE: tl.constexpr, BLOCK: tl.constexpr):
    """Ids and float32 logits of a tile, in BLOCK lanes; -inf where there is no token."""
    lane = tl.arange(0, BLOCK)
    ids = tile * TILE + lane
    if (TILE == BLOCK) & ((tile + 1) * TILE <= vocab):
        x = tl.load(row_ptr + ids)
    else:
        x = tl.load(row_ptr + ids, mask=(lane < TILE) & (ids < vocab), other=-float("inf"))
    return ids, x.to(tl.float32)


def tile_stats(
    flat: Float[Tensor, "rows vocab"], tile: int, *, total: bool = False, dot: bool = False
) -> tuple[Float[Tensor, "rows tiles"] | None, ...]:
    """Maximum of each tile of ``tile`` tokens and, if wanted, its sums."""
    rows, vocab = flat.shape
    tiles = triton.cdiv(vocab, tile)
    partial = tuple(
        flat.new_empty((rows, tiles), dtype=torch.float32) if wanted else None
        for wanted in (True, total, dot)
    )
    if rows:
        block = triton.next_power_of_2(tile)
        with torch.cuda.device_of(flat):
            _tile_stats_kernel[(rows, tiles)](
                flat,
                *partial,
                vocab,
                tiles,
                flat.stride(0),
                TILE=tile,
                BLOCK=block,
                num_warps=warps_for(block, per_thread=32),
                **OPTIONS,
            )
    return partial


@triton.jit
def _tile_stats_kernel(
    logits_ptr, max_ptr, sum_ptr, dot_ptr, vocab, tiles, stride_row, TILE: tl.constexpr, BLOCK: tl.constexpr
):
    """Per tile: m = max x, sum e^(x-m), sum e^(x-m) (x-m)."""
    row = tl.program_id(0).to(tl.int64)
    tile = tl.program_id(1)
    at = row * tiles + tile
    _, x = load_tile(logits_ptr + row * stride_row, tile, vocab, TILE, BLOCK)
    largest = tl.max(x, 0)
    tl.store(max_ptr + at, largest)
    if sum_ptr is not None:
        below = x - finite(largest)
        weights = tl.exp(below)
        tl.store(sum_ptr + at, tl.sum(weights, 0))
        if dot_ptr is not None:
            tl.store(dot_ptr + at, tl.sum(weights * tl.maximum(below, FAR_BELOW), 0))


@triton.jit
def finite(largest):
    """What is subtracted from a tile: of nothing but -inf it has sum 0, not exp(-inf + inf) = NaN."""
    return tl.where(largest == -float("inf"), 0.0, largest)


@triton.jit
def pick(weights, index, uniform):
    """The first index whose cumulative weight exceeds uniform * total.

    A parallel sum may fall by a rounding where a weight is 0: the weight must be positive too.
    """
    cdf = tl.cumsum(weights, 0)
    threshold = uniform * tl.max(cdf, 0)
    first = tl.min(tl.where((cdf > threshold) & (weights > 0), index, NO_TOKEN), 0)
    return tl.minimum(first, tl.max(tl.where(weights > 0, index, 0), 0))
