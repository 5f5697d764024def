r"""The threshold c above which a rule draws from the residual :math:`(p - c\,q)_+`.

Passes over both rows add up S(c): one for each further draft of the recursive rule, five for K-SEQ's
factor. A pass begins with the step that the sums before allow, in each program alike: nothing waits for
the host. Decided rows are not read any more.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from jaxtyping import Float32, Float64, Int32, Int64
from torch import Tensor

from tokenlab.ops.tiles import OPTIONS, TILE
from tokenlab.transport.node.rows.kernels import Rows, load_pair, without

#: The search for K-SEQ's factor: so many passes, each with so many factors.
PASSES, FACTORS = 5, 9
FACTOR_LANES = tl.constexpr(16)
#: A factor counts as lossless by more than float32 sums can be wrong.
ROUNDING = tl.constexpr(2.0**-19)
#: Stands for a draft that a row does not have.
NO_DRAFT = tl.constexpr(2**31 - 1)


class DraftRows(NamedTuple):
    """Draft tokens, their p and q, and the noise."""

    tokens: Int64[Tensor, "rows drafts"]
    probs: Float64[Tensor, "rows 2 drafts"]
    noise: Float64[Tensor, "rows drafts_plus_2"]


class State(NamedTuple):
    """What is known of each row before and after each pass.

    ``values``: threshold c; share of (p - c q)+ in the residual, whose rest is p; bracket of K-SEQ's factor.
    ``accepted``: the draft that passed, or -1.
    """

    values: Float64[Tensor, "steps rows 4"]
    accepted: Int32[Tensor, "steps rows"]

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        return self.values[step], self.accepted[step]


def num_passes(rule: str, k: int) -> int:
    """How many passes a rule's threshold takes."""
    return {"recursive": k - 1, "without_replacement": k - 1, "kseq": PASSES}.get(rule, 0)


def threshold_sums(
    rows: Rows, state: State, drafts: DraftRows | None, rule: str, k: int
) -> Float32[Tensor, "rows sums tiles"] | None:
    """The sums of the last pass; with the state before it they give the threshold."""
    count, tiles = len(rows.target), rows.size[1]
    each = {"recursive": 1, "without_replacement": 2, "kseq": FACTORS}.get(rule)
    constants = {"K": k, "TILE": TILE, "TILES": triton.next_power_of_2(tiles), **OPTIONS}
    sums = None
    with torch.cuda.device_of(rows.target):
        for step in range(num_passes(rule, k)):
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
def first_accepted(u, p, q, low, high, draft):
    """The first draft with u < p / (c q), the same for all c in [low, high]; -1 if it is not, or none."""
    may = tl.min(tl.where(u * low * q < p, draft, NO_DRAFT), 0)
    must = tl.min(tl.where(u * high * q < p, draft, NO_DRAFT), 0)
    return tl.where((may == must) & (must < NO_DRAFT), must, -1)


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
    threshold, accepted = after_test(
        prob_ptr, noise_ptr, value_ptr, accepted_ptr, sum_ptr, row, tiles, step, RULE, K, TILES
    )
    if tile == 0:
        store_state(next_value_ptr, next_accepted_ptr, row, threshold, 1.0, 0.0, 0.0, accepted)
    if accepted < 0:
        ids, p, q = load_pair(
            target_ptr, draft_ptr, norm_ptr, row, stride_target, stride_draft, tile, vocab, TILE
        )
        above = tl.maximum(p - threshold.to(tl.float32) * q, 0.0)
        if RULE == "recursive":
            tl.store(next_sum_ptr + row * tiles + tile, tl.sum(above, 0))
        else:
            left = without(q, ids, token_ptr + row * K, step + 1)
            tl.store(next_sum_ptr + 2 * row * tiles + tile, tl.sum(above, 0))
            tl.store(next_sum_ptr + (2 * row + 1) * tiles + tile, tl.sum(left, 0))


@triton.jit
def after_test(
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
    """Test draft ``step`` against (p - c q)+ / S(c), and move to c + S(c) / m; m is what is left of q."""
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
def _total(sum_ptr, tiles, TILES: tl.constexpr):
    tile = tl.arange(0, TILES)
    return tl.sum(tl.load(sum_ptr + tile, mask=tile < tiles, other=0.0).to(tl.float64), 0)


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
    factor, share, low, high = after_factors(value_ptr, accepted_ptr, sum_ptr, row, tiles, K, FACTORS, TILES)
    accepted = tl.load(accepted_ptr + row)
    if token_ptr is not None:
        if accepted < 0:
            accepted = accepted_in_bracket(prob_ptr, noise_ptr, row, low, factor, K, LANES)
    if tile == 0:
        store_state(next_value_ptr, next_accepted_ptr, row, factor, share, low, high, accepted)
    if (accepted < 0) & (low < high):
        ids, p, q = load_pair(
            target_ptr, draft_ptr, norm_ptr, row, stride_target, stride_draft, tile, vocab, TILE
        )
        for i in tl.static_range(FACTORS):
            c = _factor(low, high, i, FACTORS).to(tl.float32)
            tl.store(next_sum_ptr + (row * FACTORS + i) * tiles + tile, tl.sum(tl.maximum(p - c * q, 0.0), 0))


@triton.jit
def after_factors(
    value_ptr, accepted_ptr, sum_ptr, row, tiles, K: tl.constexpr, FACTORS: tl.constexpr, TILES: tl.constexpr
):
    r"""The least factor c known to be lossless, its \gamma / c, and a closer bracket.

    A test rejects r = (c - 1 + S(c)) / c. Lossless is \gamma = \sum_{j<k} r^j <= c, or S(c) <= r^k. \gamma
    rises more slowly than c: it is a lower end of the bracket where it exceeds c, else an upper end.
    """
    factor = tl.load(value_ptr + 4 * row)
    share = tl.load(value_ptr + 4 * row + 1)
    low = tl.load(value_ptr + 4 * row + 2)
    high = tl.load(value_ptr + 4 * row + 3)
    if sum_ptr is not None:
        if (low < high) & (tl.load(accepted_ptr + row) < 0):
            number = tl.arange(0, FACTOR_LANES)
            factors = _factor(low, high, number, FACTORS)
            tile = tl.arange(0, TILES)
            inside = (number[:, None] < FACTORS) & (tile[None, :] < tiles)
            at = (row * FACTORS + number[:, None]) * tiles + tile[None, :]
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
            first = tl.min(tl.where(lossless & (number < FACTORS), number, FACTORS), 0)
            if first < FACTORS:
                factor = tl.max(tl.where(number == first, factors, 0.0), 0)
                gamma = tl.max(tl.where(number == first, tests, 0.0), 0)
                share = tl.minimum(gamma / factor, 1.0)
                low = tl.max(tl.where(number < first, tests, low), 0)
                high = tl.minimum(gamma * (1.0 + 2.0 * ROUNDING), factor)
            # The lower end is the root, or rounding hides it: the bracket is closed.
            if (first == 0) | (first == FACTORS):
                low = factor
                high = factor
    return factor, share, low, high


@triton.jit
def accepted_in_bracket(prob_ptr, noise_ptr, row, low, high, K: tl.constexpr, LANES: tl.constexpr):
    """The accepted draft, as far as a bracket of the factor tells."""
    draft = tl.arange(0, LANES)
    p = tl.load(prob_ptr + 2 * row * K + draft, mask=draft < K, other=0.0)
    q = tl.load(prob_ptr + 2 * row * K + K + draft, mask=draft < K, other=0.0)
    u = tl.load(noise_ptr + row * (K + 2) + draft, mask=draft < K, other=1.0)
    return first_accepted(u, p, q, low, high, draft)


@triton.jit
def _factor(low, high, number, FACTORS: tl.constexpr):
    """One of the factors that divide the bracket evenly, ends included."""
    return (low + (high - low) * (number / (FACTORS - 1))).to(tl.float32).to(tl.float64)


@triton.jit
def store_state(value_ptr, accepted_ptr, row, threshold, share, low, high, accepted):
    tl.store(value_ptr + 4 * row, threshold)
    tl.store(value_ptr + 4 * row + 1, share)
    tl.store(value_ptr + 4 * row + 2, low)
    tl.store(value_ptr + 4 * row + 3, high)
    tl.store(accepted_ptr + row, accepted)
