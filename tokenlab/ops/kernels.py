"""The primitives as Triton kernels: two launches for each, one read of the logits.

The first reads every tile of a row (:mod:`tokenlab.ops.tiles`) and writes a few float32 numbers;
the second, a program to a row, finishes from these. No probabilities or noise are written. Where a
row holds NaN, statistics are undefined, but token ids are inside the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from tokenlab.ops.reference import RowStats, TopK
from tokenlab.ops.tiles import (
    FAR_BELOW,
    INTERPRETED,
    NO_TOKEN,
    OPTIONS,
    TILE,
    as_rows,
    finite,
    load_tile,
    pick,
    tile_stats,
    warps_for,
)

if not INTERPRETED:
    from triton.language.extra import libdevice

#: Tokens in a tile of a search for the k largest.
TOP_K_TILE = 256


def row_stats(logits: Float[Tensor, "*batch vocab"], stats: Sequence[str]) -> RowStats:
    """The statistics of each row that ``stats`` names."""
    flat = as_rows(logits)
    rows, vocab = flat.shape
    entropy = "entropy" in stats
    partial = tile_stats(flat, TILE, total=entropy or "logsumexp" in stats, dot=entropy)
    found = {
        name: flat.new_empty(rows, dtype=torch.int64 if name == "argmax" else torch.float32) for name in stats
    }
    outputs = [found.get(name) for name in RowStats._fields]
    tiles = triton.cdiv(vocab, TILE)
    if rows:
        with torch.cuda.device_of(flat):
            _row_stats_kernel[(rows,)](
                flat,
                *partial,
                *outputs,
                vocab,
                tiles,
                flat.stride(0),
                TILE=TILE,
                TILES=triton.next_power_of_2(tiles),
                **OPTIONS,
            )
    return RowStats(**{name: value.view(logits.shape[:-1]) for name, value in found.items()})


@triton.jit
def _row_stats_kernel(
    logits_ptr,
    max_ptr,
    sum_ptr,
    dot_ptr,
    out_max_ptr,
    out_logsumexp_ptr,
    out_entropy_ptr,
    out_margin_ptr,
    out_argmax_ptr,
    vocab,
    tiles,
    stride_row,
    TILE: tl.constexpr,
    TILES: tl.constexpr,
):
    """Per row: the tiles' sums, moved to the common maximum; the best tile is read again."""
    row = tl.program_id(0).to(tl.int64)
    tile = tl.arange(0, TILES)
    inside = tile < tiles
    at = row * tiles + tile
    tile_max = tl.load(max_ptr + at, mask=inside, other=-float("inf"))
    largest = tl.max(tile_max, 0)
    if out_max_ptr is not None:
        tl.store(out_max_ptr + row, largest)

    if (out_argmax_ptr is not None) or (out_margin_ptr is not None):
        best = tl.minimum(tl.min(tl.where(tile_max == largest, tile, NO_TOKEN), 0), tiles - 1)
        ids, x = load_tile(logits_ptr + row * stride_row, best, vocab, TILE, TILE)
        first = tl.min(tl.where(x == largest, ids, NO_TOKEN), 0)
        if out_argmax_ptr is not None:
            tl.store(out_argmax_ptr + row, tl.minimum(first, vocab - 1).to(tl.int64))
        if out_margin_ptr is not None:
            here = tl.max(tl.where(ids == first, -float("inf"), x), 0)
            elsewhere = tl.max(tl.where(tile == best, -float("inf"), tile_max), 0)
            tl.store(out_margin_ptr + row, largest - tl.maximum(here, elsewhere))

    if sum_ptr is not None:
        below = tl.maximum(tile_max - largest, FAR_BELOW)
        tile_sum = tl.load(sum_ptr + at, mask=inside, other=0.0)
        scale = tl.exp(below)
        total = tl.sum(scale * tile_sum, 0)
        if out_logsumexp_ptr is not None:
            tl.store(out_logsumexp_ptr + row, largest + tl.log(total))
        if out_entropy_ptr is not None:
            tile_dot = tl.load(dot_ptr + at, mask=inside, other=0.0)
            dot = tl.sum(scale * (tile_dot + tile_sum * below), 0)
            tl.store(out_entropy_ptr + row, tl.log(total) - dot / total)


def two_level(
    logits: Float[Tensor, "*batch vocab"], uniform: Float64[Tensor, "*batch 2"], block_size: int
) -> Int64[Tensor, "*batch"]:
    """A block of tokens by its mass, from the tiles' sums; then a token inside it, from a second read."""
    flat = as_rows(logits)
    rows, vocab = flat.shape
    block_size = min(block_size, vocab)
    tiles = triton.cdiv(vocab, block_size)
    tile_max, tile_sum, _ = tile_stats(flat, block_size, total=True)
    tokens = flat.new_empty(rows, dtype=torch.int64)
    if rows:
        lanes = {"BLOCK": triton.next_power_of_2(block_size), "TILES": triton.next_power_of_2(tiles)}
        with torch.cuda.device_of(flat):
            _two_level_kernel[(rows,)](
                flat, tile_max, tile_sum, uniform.contiguous(), tokens, vocab, tiles, flat.stride(0),
                TILE=block_size, **lanes, num_warps=warps_for(max(lanes.values()), per_thread=8), **OPTIONS,
            )  # fmt: skip
    return tokens.view(logits.shape[:-1])


@triton.jit
def _two_level_kernel(
    logits_ptr,
    max_ptr,
    sum_ptr,
    uniform_ptr,
    token_ptr,
    vocab,
    tiles,
    stride_row,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
    TILES: tl.constexpr,
):
    """Per row: a tile with probability mass / total, then a token of it likewise."""
    row = tl.program_id(0).to(tl.int64)
    tile = tl.arange(0, TILES)
    inside = tile < tiles
    tile_max = tl.load(max_ptr + row * tiles + tile, mask=inside, other=-float("inf"))
    tile_sum = tl.load(sum_ptr + row * tiles + tile, mask=inside, other=0.0)
    masses = tile_sum * tl.exp(tile_max - tl.max(tile_max, 0))
    chosen = pick(masses.to(tl.float64), tile, tl.load(uniform_ptr + 2 * row))

    ids, x = load_tile(logits_ptr + row * stride_row, chosen, vocab, TILE, BLOCK)
    x = x.to(tl.float64)
    weights = tl.exp(x - tl.max(x, 0))
    token = pick(weights, ids, tl.load(uniform_ptr + 2 * row + 1))
    tl.store(token_ptr + row, tl.minimum(token, vocab - 1).to(tl.int64))


def gumbel_max(
    logits: Float[Tensor, "*batch vocab"],
    uniform: Float64[Tensor, "*batch vocab"] | None = None,
    seed: Int64[Tensor, "1"] | None = None,
) -> Int64[Tensor, "*batch"]:
    """The argmax of logits plus Gumbel noise: from given uniforms, or drawn in the kernel.

    With a seed, token i of row r takes word ``i % 4`` of the Philox-4x32-10 block with counter
    ``(i // 4, r, 0, 0)`` and ``u = (word + 1/2) / 2^32``: the noise reaches 33 log 2 = 22.9.
    """
    flat = as_rows(logits)
    rows, vocab = flat.shape
    tokens = flat.new_empty(rows, dtype=torch.int64)
    if rows:
        largest, scores, ids = gumbel_tiles(flat, uniform, seed)
        tiles = scores.shape[1]
        with torch.cuda.device_of(flat):
            _best_tile_kernel[(rows,)](
                largest, scores, ids, tokens, vocab, tiles, TILES=triton.next_power_of_2(tiles), **OPTIONS
            )
    return tokens.view(logits.shape[:-1])


def gumbel_tiles(
    flat: Float[Tensor, "rows vocab"], uniform: Tensor | None, seed: Tensor | None
) -> tuple[Float[Tensor, "rows tiles"], Float[Tensor, "rows tiles"], Int64[Tensor, "rows tiles"]]:
    """Largest logit of each tile, best logit plus noise above it, and its token."""
    rows, vocab = flat.shape
    tiles = triton.cdiv(vocab, TILE)
    dtype = torch.float32 if uniform is None else torch.float64
    largest = flat.new_empty((rows, tiles), dtype=torch.float32)
    scores = flat.new_empty((rows, tiles), dtype=dtype)
    ids = flat.new_empty((rows, tiles), dtype=torch.int32)
    with torch.cuda.device_of(flat):
        if uniform is None:
            _gumbel_kernel[(rows, tiles)](
                flat, seed, largest, scores, ids, vocab, tiles, flat.stride(0), TILE=TILE, **OPTIONS
            )
        else:
            _given_gumbel_kernel[(rows, tiles)](
                flat, uniform.contiguous(), largest, scores, ids, vocab, tiles, flat.stride(0),
                TILE=TILE, **OPTIONS,
            )  # fmt: skip
    return largest, scores, ids


@triton.jit
def _gumbel_kernel(
    logits_ptr, seed_ptr, max_ptr, score_ptr, id_ptr, vocab, tiles, stride_row, TILE: tl.constexpr
):
    """Per tile: the token of the largest logit plus noise, drawn here."""
    row = tl.program_id(0)
    tile = tl.program_id(1)
    # Philox gives four words at a time: a column of four tokens, [TILE // 4, 4].
    column = tile * (TILE // 4) + tl.arange(0, TILE // 4)
    zero = column * 0
    one, two, three, four = tl.philox(tl.load(seed_ptr), column, zero + row, zero, zero)
    bits = tl.join(tl.join(one, three), tl.join(two, four)).reshape(TILE)
    ids, x = load_tile(logits_ptr + row.to(tl.int64) * stride_row, tile, vocab, TILE, TILE)
    at = row.to(tl.int64) * tiles + tile
    below = _below_largest(x, max_ptr + at)
    _store_best(score_ptr, id_ptr, at, below + _gumbel(bits), ids)


@triton.jit
def _given_gumbel_kernel(
    logits_ptr, uniform_ptr, max_ptr, score_ptr, id_ptr, vocab, tiles, stride_row, TILE: tl.constexpr
):
    """The same in float64, from given uniforms."""
    row = tl.program_id(0).to(tl.int64)
    tile = tl.program_id(1)
    ids, x = load_tile(logits_ptr + row * stride_row, tile, vocab, TILE, TILE)
    u = tl.load(uniform_ptr + row * vocab + ids, mask=ids < vocab, other=0.5)
    series = u * (1.0 + u * (0.5 + u * (1.0 / 3.0 + u * (0.25 + u * 0.2))))
    # -log1p(-u); below 2^-10 the series is exact to 2^-52, above it 1 - u loses less than 2^-43.
    exponential = tl.where(u < 2.0**-10, series, -tl.log(1.0 - u))
    below = _below_largest(x.to(tl.float64), max_ptr + row * tiles + tile)
    _store_best(score_ptr, id_ptr, row * tiles + tile, below - tl.log(exponential), ids)


@triton.jit
def _below_largest(x, max_ptr):
    """How far each logit is below the largest, which is stored; beside 1e30 no noise would count."""
    largest = tl.max(x, 0)
    tl.store(max_ptr, largest.to(tl.float32))
    return x - finite(largest)


@triton.jit
def _gumbel(bits):
    """G = -log(-log1p(-u)) with u = (bits + 1/2) / 2^32; large G come from the fine end, u near 0."""
    # float32 rounds the topmost 128 words up to u = 1, which would make G = -inf.
    u = tl.minimum((bits.to(tl.float32) + 0.5) * 2.0**-32, 1.0 - 2.0**-24)
    series = u * (1.0 + u * (1.0 / 2 + u * (1.0 / 3 + u * (1.0 / 4 + u * (1.0 / 5 + u * (1.0 / 6 + u / 7))))))
    return -_log(tl.where(u < 0.125, series, -_log(1.0 - u)))


@triton.jit
def _log(x):
    """Logarithm by the hardware's log2, wrong by 2^-19 at most; the interpreter's is exact."""
    if INTERPRETED:
        return tl.log(x)
    else:
        return libdevice.fast_logf(x)


@triton.jit
def _store_best(score_ptr, id_ptr, at, scores, ids):
    best = tl.max(scores, 0)
    tl.store(score_ptr + at, best)
    tl.store(id_ptr + at, tl.min(tl.where(scores == best, ids, NO_TOKEN), 0))


@triton.jit
def _best_tile_kernel(max_ptr, score_ptr, id_ptr, token_ptr, vocab, tiles, TILES: tl.constexpr):
    """Per row: the token of the best tile."""
    row = tl.program_id(0).to(tl.int64)
    tile = tl.arange(0, TILES)
    inside = tile < tiles
    tile_max = tl.load(max_ptr + row * tiles + tile, mask=inside, other=-float("inf"))
    largest = tl.max(tile_max, 0)
    scores = tl.load(score_ptr + row * tiles + tile, mask=inside, other=-float("inf"))
    scores += tile_max.to(scores.dtype) - finite(largest)
    ids = tl.load(id_ptr + row * tiles + tile, mask=inside, other=NO_TOKEN)
    token = tl.min(tl.where(scores == tl.max(scores, 0), ids, NO_TOKEN), 0)
    tl.store(token_ptr + row, tl.minimum(token, vocab - 1).to(tl.int64))


def top_k(logits: Float[Tensor, "*batch vocab"], k: int) -> TopK:
    """The k largest logits, descending; of equal ones the lower id. Only k tiles of a row are searched."""
    flat = as_rows(logits)
    rows, vocab = flat.shape
    tiles = triton.cdiv(vocab, TOP_K_TILE)
    tile_max, *_ = tile_stats(flat, TOP_K_TILE)
    values = flat.new_empty((rows, k))
    ids = flat.new_empty((rows, k), dtype=torch.int64)
    if rows:
        with torch.cuda.device_of(flat):
            _top_k_kernel[(rows,)](
                flat,
                tile_max,
                values,
                ids,
                vocab,
                tiles,
                flat.stride(0),
                K=k,
                TILE=TOP_K_TILE,
                TILES=triton.next_power_of_2(tiles),
                CHOSEN=triton.next_power_of_2(min(k, tiles)),
                **OPTIONS,
            )
    return TopK(values.view(*logits.shape[:-1], k), ids.view(*logits.shape[:-1], k))


@triton.jit
def _top_k_kernel(
    logits_ptr,
    max_ptr,
    value_ptr,
    id_ptr,
    vocab,
    tiles,
    stride_row,
    K: tl.constexpr,
    TILE: tl.constexpr,
    TILES: tl.constexpr,
    CHOSEN: tl.constexpr,
):
    """Per row: the k tiles with the largest maxima, then the k largest logits inside these."""
    row = tl.program_id(0).to(tl.int64)
    tile = tl.arange(0, TILES)
    tile_max = tl.load(max_ptr + row * tiles + tile, mask=tile < tiles, other=-float("inf"))
    tile = tl.where(tile < tiles, tile, NO_TOKEN)
    lane = tl.arange(0, CHOSEN)
    chosen = tl.full((CHOSEN,), NO_TOKEN, tl.int32)
    value, last = float("inf"), -1
    for i in tl.static_range(CHOSEN):
        value, last = _next_largest(tile_max, tile, value, last)
        chosen = tl.where(lane == i, last, chosen)

    # NO_TOKEN stands for a tile, or a token, that the row does not have.
    start = tl.minimum(chosen, tiles)[:, None] * TILE
    ids = tl.ravel(start + tl.arange(0, TILE)[None, :])
    x = tl.load(logits_ptr + row * stride_row + ids, mask=ids < vocab, other=-float("inf"))
    x = x.to(tl.float32)
    ids = tl.where(ids < vocab, ids, NO_TOKEN)
    value, token = float("inf"), -1
    for i in tl.static_range(K):
        value, token = _next_largest(x, ids, value, token)
        tl.store(value_ptr + row * K + i, value.to(value_ptr.dtype.element_ty))
        tl.store(id_ptr + row * K + i, tl.minimum(token, vocab - 1).to(tl.int64))


@triton.jit
def _next_largest(x, ids, value, token):
    """What comes after (value, token): larger value first, then lower id."""
    after = ((x < value) | ((x == value) & (ids > token))) & (ids < NO_TOKEN)
    value = tl.max(tl.where(after, x, -float("inf")), 0)
    token = tl.min(tl.where(after & (x == value), ids, NO_TOKEN), 0)
    return value, token
