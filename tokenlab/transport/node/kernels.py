r"""Verification as Triton kernels: from logits or probabilities to tokens, without waiting.

All rules rest on one sum over the vocabulary, with target p and draft q,

.. math::

    S(c) = \sum_x \max(p(x) - c\,q(x),\, 0), \qquad \sum_x \min(p(x),\, c\,q(x)) = 1 - S(c)

and differ in the threshold c above which they draw from the residual :math:`(p - c\,q)_+`. A call
is a few launches:

1. for logits, maximum and sum of exponentials of every tile;
2. a program for each row: its normalisers, and the tests that need no sum;
3. passes that find c: one for each further draft of the recursive rule, five for K-SEQ's factor;
4. the mass of the residual in blocks of 1024 tokens, as ``ops`` draws them;
5. a program for each row: a block by its mass, and a token of it, which is read again.

A pass first takes the step that the sums of the pass before allow, in each of its programs alike:
so nothing waits for the host, nor for a launch in between. A row that is decided is not read any
more.

Probabilities are made where they are used and never written: what is written are partial sums,
``rows x tiles``. Sums are float32 inside a tile and float64 from tile to tile; tests are float64.
Where a row holds NaN the result is undefined, but the token is inside the vocabulary. A draft
outside of it is never accepted.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Float32, Float64, Int32, Int64
from torch import Tensor

from tokenlab.ops.tiles import OPTIONS, as_rows, load_tile, pick, warps_for

#: Tokens in a tile of a sum, and in a block of the residual draw.
TILE, BLOCK = 4096, 1024


#: The search for K-SEQ's factor: so many passes, each with so many factors.
PASSES, FACTORS = 5, 9


#: Stands for a draft that a row does not have.
NO_DRAFT = tl.constexpr(2**31 - 1)


FACTOR_LANES = tl.constexpr(16)


#: A factor counts as lossless by more than float32 sums can be wrong.
ROUNDING = tl.constexpr(2.0**-19)


class _Rows(NamedTuple):
    """Target and draft as rows; for logits also (maximum, 1 / sum of exponentials) of both."""

    target: Float[Tensor, "rows vocab"]
    draft: Float[Tensor, "rows vocab"]
    norms: Float32[Tensor, "rows 2 2"] | None

    @property
    def size(self) -> tuple[int, int, int, int]:
        """What most kernels ask for: vocabulary, tiles, and how far rows lie apart."""
        vocab = self.target.shape[1]
        return vocab, triton.cdiv(vocab, TILE), self.target.stride(0), self.draft.stride(0)


class _Drafts(NamedTuple):
    """Draft tokens, their probabilities under target and draft, and the noise."""

    tokens: Int64[Tensor, "rows drafts"]
    probs: Float64[Tensor, "rows 2 drafts"]
    noise: Float64[Tensor, "rows drafts_plus_2"]


class _State(NamedTuple):
    """What is known of each row before and after each pass.

    ``values``: the threshold c; the share of the residual that is (p - c q)+, while the rest of
    it is p; the bracket of K-SEQ's factor. ``accepted``: the draft that passed, -1 while none has.
    """

    values: Float64[Tensor, "steps rows 4"]
    accepted: Int32[Tensor, "steps rows"]

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        return self.values[step], self.accepted[step]


# The counterparts of the public functions.
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


def division_factor(
    target: Float[Tensor, "*batch vocab"],
    draft: Float[Tensor, "*batch vocab"],
    num_drafts: int,
    *,
    logits: bool,
) -> Float64[Tensor, "*batch"]:
    """K-SEQ's factor: on the lossless side, at most (k - 1) / 2^14 above the root."""
    rows, state = _begin(target, draft, "kseq", num_drafts, logits=logits)
    factor = rows.target.new_empty(len(rows.target), dtype=torch.float64)
    if len(factor):
        sums = _passes(rows, state, None, "kseq", num_drafts)
        with torch.cuda.device_of(factor):
            _factor_kernel[(len(factor),)](
                *state.at(PASSES),
                sums,
                factor,
                rows.size[1],
                K=num_drafts,
                FACTORS=FACTORS,
                TILES=triton.next_power_of_2(rows.size[1]),
                **OPTIONS,
            )
    return factor.view(target.shape[:-1])


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
    drafts = _Drafts(
        tokens.long().reshape(-1, k).contiguous(),
        noise.new_empty((tokens.numel() // k, 2, k)),
        noise.reshape(-1, k + 2).contiguous(),
    )
    rows, state = _begin(target, draft, rule, k, drafts, logits=logits)
    token, accepted = (drafts.tokens.new_empty(len(rows.target)) for _ in range(2))
    if len(token):
        sums = _passes(rows, state, drafts, rule, k)
        masses = _residual(rows, state, drafts, sums, rule, k)
        _draw(rows, state, drafts, masses, rule, k, token, accepted)
    return token.view(target.shape[:-1]), accepted.view(target.shape[:-1])


# The beginning: normalisers, and the tests that need no sum over p and q.
def _begin(
    target: Tensor,
    draft: Tensor,
    rule: str | None = None,
    k: int = 1,
    drafts: _Drafts | None = None,
    *,
    logits: bool,
) -> tuple[_Rows, _State | None]:
    """The rows, ready to be read as probabilities, and for a rule the state before its passes."""
    rows = _Rows(as_rows(target), as_rows(draft), None)
    count, tiles = len(rows.target), rows.size[1]
    new = rows.target.new_empty
    stats = others = state = None
    if logits:
        rows = rows._replace(norms=new((count, 2, 2), dtype=torch.float32))
        stats = new((count, 4, tiles), dtype=torch.float32)
    if rule == "greedy":
        others = new((count, tiles), dtype=torch.float32)
    if rule is not None:
        steps = _num_passes(rule, k) + 2
        state = _State(new((steps, count, 4), dtype=torch.float64), new((steps, count), dtype=torch.int32))
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
    """Per tile: maximum and sum of exponentials of both rows; the draft's sum without the first drafts."""
    row = tl.program_id(0).to(tl.int64)
    tile = tl.program_id(1)
    at = 4 * row * tiles + tile
    if stat_ptr is not None:
        _, x = load_tile(target_ptr + row * stride_target, tile, vocab, TILE, TILE)
        largest, weights = _exponentials(x)
        tl.store(stat_ptr + at, largest)
        tl.store(stat_ptr + at + tiles, tl.sum(weights, 0))
    if DRAFT:
        ids, weights = load_tile(draft_ptr + row * stride_draft, tile, vocab, TILE, TILE)
        if stat_ptr is not None:
            largest, weights = _exponentials(weights)
            tl.store(stat_ptr + at + 2 * tiles, largest)
            tl.store(stat_ptr + at + 3 * tiles, tl.sum(weights, 0))
        if other_ptr is not None:
            weights = _without(tl.maximum(weights, 0.0), ids, token_ptr + row * K, K - 1)
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
    """Per row: normalisers, the drafts' probabilities, and what can be said before any sum."""
    row = tl.program_id(0).to(tl.int64)
    stat = 4 * row * tiles
    if norm_ptr is not None:
        top, scale = _normaliser(stat_ptr + stat, norm_ptr + 4 * row, tiles, TILES)
        if RULE != "target_only":
            draft_top, draft_scale = _normaliser(
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
        p = (
            tl.load(target_ptr + row * stride_target + token, mask=known, other=0.0)
            .to(tl.float32)
            .to(tl.float64)
        )
        q = (
            tl.load(draft_ptr + row * stride_draft + token, mask=known, other=0.0)
            .to(tl.float32)
            .to(tl.float64)
        )
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
        accepted = _first_accepted(u, p, q, threshold if RULE == "greedy" else 1.0, threshold, draft)
    if value_ptr is not None:
        _store_state(value_ptr, accepted_ptr, row, threshold, share, 1.0, threshold, accepted)


@triton.jit
def _first_accepted(u, p, q, low, high, draft):
    """The draft that comes out whatever factor in [low, high] divides; -1 where that is open, or none.

    Draft i passes where u < p / (c q). The first that may pass must be the first that must.
    """
    may = tl.min(tl.where(u * low * q < p, draft, NO_DRAFT), 0)
    must = tl.min(tl.where(u * high * q < p, draft, NO_DRAFT), 0)
    return tl.where((may == must) & (must < NO_DRAFT), must, -1)


# Passes over all of p and q.
def _num_passes(rule: str, k: int) -> int:
    return {"recursive": k - 1, "without_replacement": k - 1, "kseq": PASSES}.get(rule, 0)


def _passes(
    rows: _Rows, state: _State, drafts: _Drafts | None, rule: str, k: int
) -> Float32[Tensor, "rows sums tiles"] | None:
    """The sums of the last pass, which says with the state before it where the threshold lies."""
    count, tiles = len(rows.target), rows.size[1]
    each = {"recursive": 1, "without_replacement": 2, "kseq": FACTORS}.get(rule)
    constants = {"K": k, "TILE": TILE, "TILES": triton.next_power_of_2(tiles), **OPTIONS}
    sums = None
    with torch.cuda.device_of(rows.target):
        for step in range(_num_passes(rule, k)):
            found = rows.target.new_empty((count, each, tiles), dtype=torch.float32)
            memory = (*(drafts or (None,) * 3), *state.at(step), sums, *state.at(step + 1), found)
            if rule == "kseq":
                _factors_kernel[(count, tiles)](
                    *rows, *memory, *rows.size, LANES=triton.next_power_of_2(k), FACTORS=FACTORS, **constants
                )
            else:
                _recursive_kernel[(count, tiles)](*rows, *memory, *rows.size, step, RULE=rule, **constants)
            sums = found
    return sums


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
    """Per tile: the sum of (p - c q)+ for each c."""
    row = tl.program_id(0).to(tl.int64)
    tile = tl.program_id(1)
    _, p, q = _load_pair(
        target_ptr, draft_ptr, norm_ptr, row, stride_target, stride_draft, tile, vocab, TILE, TILE
    )
    for i in range(N):
        factor = tl.load(factor_ptr + row * N + i)
        tl.store(sum_ptr + (row * N + i) * tiles + tile, tl.sum(tl.maximum(p - factor * q, 0.0), 0))


@triton.jit
def _recursive_kernel(
    target_ptr,
    draft_ptr,
    norm_ptr,
    token_ptr,
    prob_ptr,
    noise_ptr,
    value_ptr,
    accepted_ptr,
    sum_ptr,
    next_value_ptr,
    next_accepted_ptr,
    next_sum_ptr,
    vocab,
    tiles,
    stride_target,
    stride_draft,
    step,
    RULE: tl.constexpr,
    K: tl.constexpr,
    TILE: tl.constexpr,
    TILES: tl.constexpr,
):
    """Per tile: the sum of (p - c q)+; without replacement also what is left of q."""
    row = tl.program_id(0).to(tl.int64)
    tile = tl.program_id(1)
    threshold, accepted = _after_test(
        prob_ptr, noise_ptr, value_ptr, accepted_ptr, sum_ptr, row, tiles, step, RULE, K, TILES
    )
    if tile == 0:
        _store_state(next_value_ptr, next_accepted_ptr, row, threshold, 1.0, 0.0, 0.0, accepted)
    if accepted < 0:
        ids, p, q = _load_pair(
            target_ptr, draft_ptr, norm_ptr, row, stride_target, stride_draft, tile, vocab, TILE, TILE
        )
        above = tl.maximum(p - threshold.to(tl.float32) * q, 0.0)
        if RULE == "recursive":
            tl.store(next_sum_ptr + row * tiles + tile, tl.sum(above, 0))
        else:
            left = _without(q, ids, token_ptr + row * K, step + 1)
            tl.store(next_sum_ptr + 2 * row * tiles + tile, tl.sum(above, 0))
            tl.store(next_sum_ptr + (2 * row + 1) * tiles + tile, tl.sum(left, 0))


@triton.jit
def _after_test(
    prob_ptr,
    noise_ptr,
    value_ptr,
    accepted_ptr,
    sum_ptr,
    row,
    tiles,
    step,
    RULE: tl.constexpr,
    K: tl.constexpr,
    TILES: tl.constexpr,
):
    """Test draft number ``step`` against (p - c q)+ / S(c), and move to c + S(c) / m.

    m is what the draft distribution has left without the drafts rejected before: 1 with replacement.
    """
    threshold = tl.load(value_ptr + 4 * row)
    accepted = tl.load(accepted_ptr + row)
    if sum_ptr is not None:
        if accepted < 0:
            if RULE == "recursive":
                above = _total(sum_ptr + row * tiles, tiles, TILES)
                left = 1.0
            else:
                above = _total(sum_ptr + 2 * row * tiles, tiles, TILES)
                left = _total(sum_ptr + (2 * row + 1) * tiles, tiles, TILES)
            p = tl.load(prob_ptr + 2 * row * K + step)
            q = tl.load(prob_ptr + 2 * row * K + K + step)
            u = tl.load(noise_ptr + row * (K + 2) + step)
            passed = u * above * q < tl.maximum(p - threshold * q, 0.0) * left
            accepted = tl.where(passed, step, accepted)
            threshold += above / left
    return threshold, accepted


@triton.jit
def _factors_kernel(
    target_ptr,
    draft_ptr,
    norm_ptr,
    token_ptr,
    prob_ptr,
    noise_ptr,
    value_ptr,
    accepted_ptr,
    sum_ptr,
    next_value_ptr,
    next_accepted_ptr,
    next_sum_ptr,
    vocab,
    tiles,
    stride_target,
    stride_draft,
    K: tl.constexpr,
    LANES: tl.constexpr,
    FACTORS: tl.constexpr,
    TILE: tl.constexpr,
    TILES: tl.constexpr,
):
    """Per tile: the sum of (p - c q)+ for each factor c in the bracket."""
    row = tl.program_id(0).to(tl.int64)
    tile = tl.program_id(1)
    factor, share, low, high = _after_factors(value_ptr, accepted_ptr, sum_ptr, row, tiles, K, FACTORS, TILES)
    accepted = tl.load(accepted_ptr + row)
    if token_ptr is not None:
        if accepted < 0:
            accepted = _after_bracket(prob_ptr, noise_ptr, row, low, factor, K, LANES)
    if tile == 0:
        _store_state(next_value_ptr, next_accepted_ptr, row, factor, share, low, high, accepted)
    if (accepted < 0) & (low < high):
        ids, p, q = _load_pair(
            target_ptr, draft_ptr, norm_ptr, row, stride_target, stride_draft, tile, vocab, TILE, TILE
        )
        for i in tl.static_range(FACTORS):
            c = _factor(low, high, i, FACTORS).to(tl.float32)
            tl.store(next_sum_ptr + (row * FACTORS + i) * tiles + tile, tl.sum(tl.maximum(p - c * q, 0.0), 0))


@triton.jit
def _after_factors(
    value_ptr, accepted_ptr, sum_ptr, row, tiles, K: tl.constexpr, FACTORS: tl.constexpr, TILES: tl.constexpr
):
    r"""The least factor c known to be lossless, its \gamma / c, and a closer bracket.

    A test rejects r = (c - 1 + S(c)) / c, and \gamma = \sum_{j<k} r^j must not exceed c, which
    is S(c) <= r^k. \gamma rises with c, but more slowly. So where it exceeds c, it is a lower end
    of the bracket, and where not, an upper end; the factor returned has been tried itself.
    """
    factor = tl.load(value_ptr + 4 * row)
    share = tl.load(value_ptr + 4 * row + 1)
    low = tl.load(value_ptr + 4 * row + 2)
    high = tl.load(value_ptr + 4 * row + 3)
    if sum_ptr is not None:
        if (low < high) & (tl.load(accepted_ptr + row) < 0):
            place = tl.arange(0, FACTOR_LANES)
            factors = _factor(low, high, place, FACTORS)
            tile = tl.arange(0, TILES)
            inside = (place[:, None] < FACTORS) & (tile[None, :] < tiles)
            at = (row * FACTORS + place[:, None]) * tiles + tile[None, :]
            beyond = tl.sum(tl.load(sum_ptr + at, mask=inside, other=0.0).to(tl.float64), 1)
            rejected = (factors - 1.0 + beyond) / factors
            tests = tl.full((FACTOR_LANES,), 1.0, tl.float64)
            for _ in range(K - 1):
                tests = 1.0 + rejected * tests
            all_rejected = rejected
            for _ in range(K - 1):
                all_rejected *= rejected
            # Two forms of the same question; each keeps its digits where the other has none.
            far, near = tests * (1.0 + ROUNDING) <= factors, beyond * (1.0 + ROUNDING) <= all_rejected
            lossless = tl.where(rejected > 0.5, far, near)
            first = tl.min(tl.where(lossless & (place < FACTORS), place, FACTORS), 0)
            if first < FACTORS:
                factor = tl.max(tl.where(place == first, factors, 0.0), 0)
                gamma = tl.max(tl.where(place == first, tests, 0.0), 0)
                share = tl.minimum(gamma / factor, 1.0)
                low = tl.max(tl.where(place < first, tests, low), 0)
                high = tl.minimum(gamma * (1.0 + 2.0 * ROUNDING), factor)
            # The lower end is the root, or rounding hides it: the bracket is closed.
            if (first == 0) | (first == FACTORS):
                low = factor
                high = factor
    return factor, share, low, high


@triton.jit
def _after_bracket(prob_ptr, noise_ptr, row, low, high, K: tl.constexpr, LANES: tl.constexpr):
    """The draft that is accepted, as far as a bracket of the factor can tell."""
    draft = tl.arange(0, LANES)
    p = tl.load(prob_ptr + 2 * row * K + draft, mask=draft < K, other=0.0)
    q = tl.load(prob_ptr + 2 * row * K + K + draft, mask=draft < K, other=0.0)
    u = tl.load(noise_ptr + row * (K + 2) + draft, mask=draft < K, other=1.0)
    return _first_accepted(u, p, q, low, high, draft)


@triton.jit
def _factor(low, high, place, FACTORS: tl.constexpr):
    """Factor number ``place`` of those that divide the bracket evenly, both ends included."""
    return (low + (high - low) * (place / (FACTORS - 1))).to(tl.float32).to(tl.float64)


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
    """Per row: the factor, after the last pass."""
    row = tl.program_id(0).to(tl.int64)
    factor, share, low, high = _after_factors(value_ptr, accepted_ptr, sum_ptr, row, tiles, K, FACTORS, TILES)
    tl.store(factor_ptr + row, factor)


# The residual.
def _residual(
    rows: _Rows, state: _State, drafts: _Drafts, sums: Tensor | None, rule: str, k: int
) -> Float32[Tensor, "rows 2 blocks"]:
    """Mass of (p - c q)+ and of p in each block, where no draft is accepted."""
    count, (vocab, tiles, *_) = len(rows.target), rows.size
    block = min(BLOCK, vocab)
    blocks, lanes = triton.cdiv(vocab, block), triton.next_power_of_2(block)
    masses = rows.target.new_empty((count, 2, blocks), dtype=torch.float32)
    with torch.cuda.device_of(masses):
        _residual_kernel[(count, blocks)](
            *rows, *drafts, *state.at(-2), sums, *state.at(-1), masses, *rows.size, blocks,
            RULE=rule, K=k, LANES=triton.next_power_of_2(k), FACTORS=FACTORS,
            TILES=triton.next_power_of_2(tiles), TILE=block, BLOCK=lanes,
            num_warps=warps_for(lanes, per_thread=16), **OPTIONS,
        )  # fmt: skip
    return masses


@triton.jit
def _residual_kernel(
    target_ptr,
    draft_ptr,
    norm_ptr,
    token_ptr,
    prob_ptr,
    noise_ptr,
    value_ptr,
    accepted_ptr,
    sum_ptr,
    next_value_ptr,
    next_accepted_ptr,
    mass_ptr,
    vocab,
    tiles,
    stride_target,
    stride_draft,
    blocks,
    RULE: tl.constexpr,
    K: tl.constexpr,
    LANES: tl.constexpr,
    FACTORS: tl.constexpr,
    TILES: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Per block: the sums of (p - c q)+ and of p, at the rule's last threshold."""
    row = tl.program_id(0).to(tl.int64)
    block = tl.program_id(1)
    if (RULE == "recursive") | (RULE == "without_replacement"):
        share = 1.0
        threshold, accepted = _after_test(
            prob_ptr, noise_ptr, value_ptr, accepted_ptr, sum_ptr, row, tiles, K - 1, RULE, K, TILES
        )
    else:
        accepted = tl.load(accepted_ptr + row)
        if RULE == "kseq":
            threshold, share, low, high = _after_factors(
                value_ptr, accepted_ptr, sum_ptr, row, tiles, K, FACTORS, TILES
            )
            if accepted < 0:
                accepted = _after_bracket(prob_ptr, noise_ptr, row, threshold, threshold, K, LANES)
        else:
            threshold = tl.load(value_ptr + 4 * row)
            share = tl.load(value_ptr + 4 * row + 1)
    if block == 0:
        _store_state(next_value_ptr, next_accepted_ptr, row, threshold, share, 0.0, 0.0, accepted)
    if accepted < 0:
        ids, p, above = _load_residual(
            target_ptr, draft_ptr, norm_ptr, token_ptr, row, stride_target, stride_draft,
            block, vocab, threshold, RULE, K, TILE, BLOCK,
        )  # fmt: skip
        tl.store(mass_ptr + 2 * row * blocks + block, tl.sum(above, 0))
        tl.store(mass_ptr + (2 * row + 1) * blocks + block, tl.sum(p, 0))


def _draw(
    rows: _Rows,
    state: _State,
    drafts: _Drafts,
    masses: Tensor,
    rule: str,
    k: int,
    token: Tensor,
    index: Tensor,
) -> None:
    """Write the accepted draft, or a token of the residual and the draft that it happens to be."""
    vocab, blocks = rows.size[0], masses.shape[-1]
    block = min(BLOCK, vocab)
    lanes = {"BLOCK": triton.next_power_of_2(block), "BLOCKS": triton.next_power_of_2(blocks)}
    with torch.cuda.device_of(masses):
        _draw_kernel[(len(masses),)](
            *rows, drafts.tokens, drafts.noise, *state.at(-1), masses, token, index, *rows.size, blocks,
            RULE=rule, K=k, LANES=triton.next_power_of_2(k), TILE=block, **lanes,
            num_warps=warps_for(max(lanes.values()), per_thread=8), **OPTIONS,
        )  # fmt: skip


@triton.jit
def _draw_kernel(
    target_ptr,
    draft_ptr,
    norm_ptr,
    token_ptr,
    noise_ptr,
    value_ptr,
    accepted_ptr,
    mass_ptr,
    out_token_ptr,
    out_accepted_ptr,
    vocab,
    tiles,
    stride_target,
    stride_draft,
    blocks,
    RULE: tl.constexpr,
    K: tl.constexpr,
    LANES: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
    BLOCKS: tl.constexpr,
):
    """Per row: the accepted draft; or a block with probability mass / total, then a token of it likewise."""
    row = tl.program_id(0).to(tl.int64)
    accepted = tl.load(accepted_ptr + row)
    if accepted >= 0:
        token = tl.load(token_ptr + row * K + accepted)
    else:
        block = tl.arange(0, BLOCKS)
        at = mass_ptr + 2 * row * blocks + block
        above_mass = tl.load(at, mask=block < blocks, other=0.0).to(tl.float64)
        p_mass = tl.load(at + blocks, mask=block < blocks, other=0.0).to(tl.float64)
        # Nothing above the threshold: then no test can fail, but for rounding. The target it is.
        share = tl.where(tl.sum(above_mass, 0) > 0.0, tl.load(value_ptr + 4 * row + 1), 0.0)
        masses = share * above_mass + (1.0 - share) * p_mass
        chosen = pick(masses, block, tl.load(noise_ptr + row * (K + 2) + K))
        ids, p, above = _load_residual(
            target_ptr, draft_ptr, norm_ptr, token_ptr, row, stride_target, stride_draft,
            chosen, vocab, tl.load(value_ptr + 4 * row), RULE, K, TILE, BLOCK,
        )  # fmt: skip
        weights = share * above.to(tl.float64) + (1.0 - share) * p.to(tl.float64)
        weights = tl.where(tl.sum(weights, 0) > 0.0, weights, p.to(tl.float64))
        found = pick(weights, ids, tl.load(noise_ptr + row * (K + 2) + K + 1))
        token = tl.minimum(found, vocab - 1).to(tl.int64)
        draft = tl.arange(0, LANES)
        tokens = tl.load(token_ptr + row * K + draft, mask=draft < K, other=-1)
        accepted = tl.min(tl.where(tokens == token, draft, NO_DRAFT), 0)
        accepted = tl.where(accepted < NO_DRAFT, accepted, -1)
    tl.store(out_token_ptr + row, token)
    tl.store(out_accepted_ptr + row, accepted.to(tl.int64))


# Reading and writing.
@triton.jit
def _load_pair(
    target_ptr,
    draft_ptr,
    norm_ptr,
    row,
    stride_target,
    stride_draft,
    tile,
    vocab,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Ids of a tile, and their probabilities under target and draft."""
    ids, p = load_tile(target_ptr + row * stride_target, tile, vocab, TILE, BLOCK)
    _, q = load_tile(draft_ptr + row * stride_draft, tile, vocab, TILE, BLOCK)
    return ids, _prob(p, norm_ptr, 4 * row), _prob(q, norm_ptr, 4 * row + 2)


@triton.jit
def _prob(x, norm_ptr, at):
    """Probabilities of what was read; -inf, where there is no token, becomes 0."""
    if norm_ptr is None:
        return tl.maximum(x, 0.0)
    else:
        return tl.exp(x - tl.load(norm_ptr + at)) * tl.load(norm_ptr + at + 1)


@triton.jit
def _load_residual(
    target_ptr,
    draft_ptr,
    norm_ptr,
    token_ptr,
    row,
    stride_target,
    stride_draft,
    block,
    vocab,
    threshold,
    RULE: tl.constexpr,
    K: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Ids of a block, p, and (p - c q)+, of which greedy drafts keep all of p on the first drafts."""
    ids, p = load_tile(target_ptr + row * stride_target, block, vocab, TILE, BLOCK)
    p = _prob(p, norm_ptr, 4 * row)
    above = p
    if RULE != "target_only":
        _, q = load_tile(draft_ptr + row * stride_draft, block, vocab, TILE, BLOCK)
        q = _prob(q, norm_ptr, 4 * row + 2)
        if RULE == "greedy":
            q = _without(q, ids, token_ptr + row * K, K - 1)
        above = tl.maximum(p - threshold.to(tl.float32) * q, 0.0)
    return ids, p, above


@triton.jit
def _exponentials(x):
    """The largest of x, and e^(x - largest); a tile of nothing but -inf weighs 0, not NaN."""
    largest = tl.max(x, 0)
    return largest, tl.exp(x - tl.where(largest == -float("inf"), 0.0, largest))


@triton.jit
def _normaliser(stat_ptr, norm_ptr, tiles, TILES: tl.constexpr):
    """Largest logit and 1 / sum of exponentials of a row, from those of its tiles."""
    tile = tl.arange(0, TILES)
    tops = tl.load(stat_ptr + tile, mask=tile < tiles, other=-float("inf"))
    sums = tl.load(stat_ptr + tiles + tile, mask=tile < tiles, other=0.0)
    top = tl.max(tops, 0)
    scale = 1.0 / tl.sum((sums * tl.exp(tops - top)).to(tl.float64), 0)
    tl.store(norm_ptr, top)
    tl.store(norm_ptr + 1, scale.to(tl.float32))
    return top.to(tl.float64), scale


@triton.jit
def _without(weights, ids, token_ptr, count):
    """Weights with 0 for the first ``count`` drafts of the row."""
    for i in range(count):
        weights = tl.where(ids == tl.load(token_ptr + i).to(tl.int32), 0.0, weights)
    return weights


@triton.jit
def _total(sum_ptr, tiles, TILES: tl.constexpr):
    """A row's sum, in float64, of its tiles' sums."""
    tile = tl.arange(0, TILES)
    return tl.sum(tl.load(sum_ptr + tile, mask=tile < tiles, other=0.0).to(tl.float64), 0)


@triton.jit
def _store_state(value_ptr, accepted_ptr, row, threshold, share, low, high, accepted):
    tl.store(value_ptr + 4 * row, threshold)
    tl.store(value_ptr + 4 * row + 1, share)
    tl.store(value_ptr + 4 * row + 2, low)
    tl.store(value_ptr + 4 * row + 3, high)
    tl.store(accepted_ptr + row, accepted)
