r"""Verification as Triton kernels: from logits or probabilities to tokens, without waiting.

Rules differ in the threshold c above which they draw from the residual :math:`(p - c\,q)_+`, and each
rests on :math:`S(c) = \sum_x \max(p(x) - c\,q(x), 0)`. A call is a few launches:

1. for logits, maximum and sum of exponentials of every tile;
2. per row, its normalisers, and the tests that need no sum;
3. passes that find c (``threshold_search``);
4. the residual's mass in blocks, and a draw from it (``residual``).

Partial sums are written, never probabilities. Sums are float32 inside a tile, float64 from tile to
tile, as tests are. A row with NaN gives any token of the vocabulary; a draft outside it is rejected.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor

from tokenlab.ops.tiles import OPTIONS, TILE, as_rows, load_tile
from tokenlab.transport.node.residual.kernels import draw, residual_masses
from tokenlab.transport.node.rows.kernels import Rows, exponentials, load_pair, normaliser, without
from tokenlab.transport.node.threshold_search.kernels import (
    FACTORS,
    DraftRows,
    State,
    after_factors,
    first_accepted,
    num_passes,
    store_state,
    threshold_sums,
)


def hockey_stick(
    target: Float[Tensor, "*batch vocab"],
    draft: Float[Tensor, "*batch vocab"],
    factors: Float[Tensor, "*batch n"],
    *,
    logits: bool,
) -> Float32[Tensor, "*batch n"]:
    """S(c) for several c of each row, from one read of the row."""
    rows, _ = _begin(target, draft, logits=logits)
    count, tiles, n = len(rows.target), rows.size[1], factors.shape[-1]
    sums = rows.target.new_empty((count, n, tiles), dtype=torch.float32)
    if count and n:
        with torch.cuda.device_of(sums):
            _hockey_stick_kernel[(count, tiles)](
                *rows, factors.detach().float().contiguous(), sums, *rows.size, N=n, TILE=TILE, **OPTIONS
            )
    return sums.sum(-1).view(factors.shape)


@triton.jit
def _hockey_stick_kernel(
    target_ptr,
    draft_ptr,
    norm_ptr,
    factor_ptr,
    sum_ptr,
    vocab,
    tiles,
    stride_target,
    stride_draft,
    N: tl.constexpr,
    TILE: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    tile = tl.program_id(1)
    _, p, q = load_pair(target_ptr, draft_ptr, norm_ptr, row, stride_target, stride_draft, tile, vocab, TILE)
    for i in range(N):
        factor = tl.load(factor_ptr + row * N + i)
        # An infinite factor times no mass is no mass.
        above = tl.where(q > 0.0, p - factor * q, p)
        tl.store(sum_ptr + (row * N + i) * tiles + tile, tl.sum(tl.maximum(above, 0.0), 0))


def division_factor(
    target: Float[Tensor, "*batch vocab"],
    draft: Float[Tensor, "*batch vocab"],
    num_drafts: int,
    *,
    logits: bool,
) -> Float64[Tensor, "*batch"]:
    """K-SEQ's factor: lossless, at most (k - 1) / 2^14 above the root."""
    rows, state = _begin(target, draft, "kseq", num_drafts, logits=logits)
    factor = rows.target.new_empty(len(rows.target), dtype=torch.float64)
    if len(factor):
        sums = threshold_sums(rows, state, None, "kseq", num_drafts)
        with torch.cuda.device_of(factor):
            _factor_kernel[(len(factor),)](
                *state.at(-2),
                sums,
                factor,
                rows.size[1],
                K=num_drafts,
                FACTORS=FACTORS,
                TILES=triton.next_power_of_2(rows.size[1]),
                **OPTIONS,
            )
    return factor.view(target.shape[:-1])


@triton.jit
def _factor_kernel(
    value_ptr,
    accepted_ptr,
    sum_ptr,
    factor_ptr,
    tiles,
    K: tl.constexpr,
    FACTORS: tl.constexpr,
    TILES: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    factor, share, low, high = after_factors(value_ptr, accepted_ptr, sum_ptr, row, tiles, K, FACTORS, TILES)
    tl.store(factor_ptr + row, factor)


def verify(
    target: Float[Tensor, "*batch vocab"],
    draft: Float[Tensor, "*batch vocab"],
    tokens: Int64[Tensor, "*batch drafts"],
    noise: Float64[Tensor, "*batch drafts_plus_2"],
    rule: str,
    sampling: str,
    *,
    logits: bool,
) -> tuple[Int64[Tensor, "*batch"], Int64[Tensor, "*batch"]]:
    """The token that comes out, and which of the drafts it is (-1 if none)."""
    k = tokens.shape[-1]
    if k == 1 and rule in ("recursive", "kseq"):
        rule = "naive"  # one test, against the draft distribution as it is
    elif rule == "recursive" and sampling == "without_replacement":
        rule = sampling
    drafts = DraftRows(
        tokens.long().reshape(-1, k).contiguous(),
        noise.new_empty((tokens.numel() // k, 2, k)),
        noise.reshape(-1, k + 2).contiguous(),
    )
    rows, state = _begin(target, draft, rule, k, drafts, logits=logits)
    token, accepted = (drafts.tokens.new_empty(len(rows.target)) for _ in range(2))
    if len(token):
        sums = threshold_sums(rows, state, drafts, rule, k)
        masses = residual_masses(rows, state, drafts, sums, rule, k)
        draw(rows, state, drafts, masses, rule, k, token, accepted)
    return token.view(target.shape[:-1]), accepted.view(target.shape[:-1])


def _begin(
    target: Tensor,
    draft: Tensor,
    rule: str | None = None,
    k: int = 1,
    drafts: DraftRows | None = None,
    *,
    logits: bool,
) -> tuple[Rows, State | None]:
    """The rows, and for a rule the state before its passes."""
    rows = Rows(as_rows(target), as_rows(draft), None)
    count, tiles = len(rows.target), rows.size[1]
    new = rows.target.new_empty
    stats = others = state = None
    if logits:
        rows = rows._replace(norms=new((count, 2, 2), dtype=torch.float32))
        stats = new((count, 4, tiles), dtype=torch.float32)
    if rule == "greedy":
        others = new((count, tiles), dtype=torch.float32)
    if rule is not None:
        steps = num_passes(rule, k) + 2
        state = State(new((steps, count, 4), dtype=torch.float64), new((steps, count), dtype=torch.int32))
    tokens, probs, noise = drafts or (None, None, None)
    with torch.cuda.device_of(rows.target):
        if count and (logits or rule == "greedy"):
            _stats_kernel[(count, tiles)](
                *rows[:2],
                tokens if rule == "greedy" else None,
                stats,
                others,
                *rows.size,
                DRAFT=rule != "target_only",
                K=k if rule == "greedy" else None,
                TILE=TILE,
                **OPTIONS,
            )
        if count and (logits or rule is not None):
            values, accepted = state.at(0) if state else (None, None)
            _begin_kernel[(count,)](
                *rows, tokens, probs, noise, stats, others, values, accepted, *rows.size, RULE=rule,
                K=k, LANES=triton.next_power_of_2(k), TILES=triton.next_power_of_2(tiles), **OPTIONS,
            )  # fmt: skip
    return rows, state


@triton.jit
def _stats_kernel(
    target_ptr,
    draft_ptr,
    token_ptr,
    stat_ptr,
    other_ptr,
    vocab,
    tiles,
    stride_target,
    stride_draft,
    DRAFT: tl.constexpr,
    K: tl.constexpr,
    TILE: tl.constexpr,
):
    """Per tile: maximum and sum of exponentials; the draft's sum without the first drafts."""
    row = tl.program_id(0).to(tl.int64)
    tile = tl.program_id(1)
    at = 4 * row * tiles + tile
    if stat_ptr is not None:
        _, x = load_tile(target_ptr + row * stride_target, tile, vocab, TILE, TILE)
        largest, weights = exponentials(x)
        tl.store(stat_ptr + at, largest)
        tl.store(stat_ptr + at + tiles, tl.sum(weights, 0))
    if DRAFT:
        ids, weights = load_tile(draft_ptr + row * stride_draft, tile, vocab, TILE, TILE)
        if stat_ptr is not None:
            largest, weights = exponentials(weights)
            tl.store(stat_ptr + at + 2 * tiles, largest)
            tl.store(stat_ptr + at + 3 * tiles, tl.sum(weights, 0))
        if other_ptr is not None:
            weights = without(tl.maximum(weights, 0.0), ids, token_ptr + row * K, K - 1)
            tl.store(other_ptr + row * tiles + tile, tl.sum(weights, 0))


@triton.jit
def _begin_kernel(
    target_ptr,
    draft_ptr,
    norm_ptr,
    token_ptr,
    prob_ptr,
    noise_ptr,
    stat_ptr,
    other_ptr,
    value_ptr,
    accepted_ptr,
    vocab,
    tiles,
    stride_target,
    stride_draft,
    RULE: tl.constexpr,
    K: tl.constexpr,
    LANES: tl.constexpr,
    TILES: tl.constexpr,
):
    """Per row: normalisers, the drafts' probabilities, and tests that need no sum."""
    row = tl.program_id(0).to(tl.int64)
    stat = 4 * row * tiles
    if norm_ptr is not None:
        top, scale = normaliser(stat_ptr + stat, norm_ptr + 4 * row, tiles, TILES)
        if RULE != "target_only":
            draft_top, draft_scale = normaliser(
                stat_ptr + stat + 2 * tiles, norm_ptr + 4 * row + 2, tiles, TILES
            )

    # Threshold and share of the residual; the recursive rule's after the first test.
    accepted = -1
    threshold, share = 1.0, 1.0
    if RULE == "target_only":
        threshold, share = 0.0, 0.0
    elif RULE == "kseq":
        threshold = K * 1.0
    if (token_ptr is not None) & (RULE != "target_only"):
        draft = tl.arange(0, LANES)
        inside = draft < K
        token = tl.load(token_ptr + row * K + draft, mask=inside, other=-1)
        known = (token >= 0) & (token < vocab)
        p = tl.load(target_ptr + row * stride_target + token, mask=known, other=0.0)
        q = tl.load(draft_ptr + row * stride_draft + token, mask=known, other=0.0)
        p, q = p.to(tl.float32).to(tl.float64), q.to(tl.float32).to(tl.float64)
        if norm_ptr is not None:
            p = tl.where(known, tl.exp(p - top) * scale, 0.0)
            q = tl.where(known, tl.exp(q - draft_top) * draft_scale, 0.0)
        tl.store(prob_ptr + 2 * row * K + draft, p, mask=inside)
        tl.store(prob_ptr + 2 * row * K + K + draft, q, mask=inside)
        u = tl.load(noise_ptr + row * (K + 2) + draft, mask=inside, other=1.0)
        if RULE == "greedy":
            tile = tl.arange(0, TILES)
            others = tl.load(other_ptr + row * tiles + tile, mask=tile < tiles, other=0.0).to(tl.float64)
            if norm_ptr is not None:
                tops = tl.load(stat_ptr + stat + 2 * tiles + tile, mask=tile < tiles, other=-float("inf"))
                others *= tl.exp(tops.to(tl.float64) - draft_top) * draft_scale
            threshold = 1.0 / tl.sum(others, 0)
            p = tl.where(draft == K - 1, p, 0.0)
        elif RULE != "kseq":
            p = tl.where(draft == 0, p, 0.0)
        accepted = first_accepted(u, p, q, threshold if RULE == "greedy" else 1.0, threshold, draft)
    if value_ptr is not None:
        store_state(value_ptr, accepted_ptr, row, threshold, share, 1.0, threshold, accepted)
