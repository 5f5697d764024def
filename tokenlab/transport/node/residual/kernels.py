r"""The token that comes out: the accepted draft, or a draw from the residual :math:`(p - c\,q)_+`.

One launch sums the residual in blocks of 1024 tokens; in a second, a program for each row chooses a
block by its mass, and a token of it.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from jaxtyping import Float32
from torch import Tensor

from tokenlab.ops.tiles import OPTIONS, load_tile, pick, warps_for
from tokenlab.transport.node.rows.kernels import Rows, as_probs, without
from tokenlab.transport.node.threshold_search.kernels import (
    FACTORS,
    NO_DRAFT,
    DraftRows,
    State,
    accepted_in_bracket,
    after_factors,
    after_test,
    store_state,
)

#: Tokens in a block.
BLOCK = 1024


def residual_masses(
    rows: Rows, state: State, drafts: DraftRows, sums: Tensor | None, rule: str, k: int
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
    """Per block: the sums of (p - c q)+ and of p."""
    row = tl.program_id(0).to(tl.int64)
    block = tl.program_id(1)
    if (RULE == "recursive") | (RULE == "without_replacement"):
        share = 1.0
        threshold, accepted = after_test(
            prob_ptr, noise_ptr, value_ptr, accepted_ptr, sum_ptr, row, tiles, K - 1, RULE, K, TILES
        )
    else:
        accepted = tl.load(accepted_ptr + row)
        if RULE == "kseq":
            threshold, share, low, high = after_factors(
                value_ptr, accepted_ptr, sum_ptr, row, tiles, K, FACTORS, TILES
            )
            if accepted < 0:
                accepted = accepted_in_bracket(prob_ptr, noise_ptr, row, threshold, threshold, K, LANES)
        else:
            threshold = tl.load(value_ptr + 4 * row)
            share = tl.load(value_ptr + 4 * row + 1)
    if block == 0:
        store_state(next_value_ptr, next_accepted_ptr, row, threshold, share, 0.0, 0.0, accepted)
    if accepted < 0:
        ids, p, above = _load_residual(
            target_ptr, draft_ptr, norm_ptr, token_ptr, row, stride_target, stride_draft,
            block, vocab, threshold, RULE, K, TILE, BLOCK,
        )  # fmt: skip
        tl.store(mass_ptr + 2 * row * blocks + block, tl.sum(above, 0))
        tl.store(mass_ptr + (2 * row + 1) * blocks + block, tl.sum(p, 0))


def draw(
    rows: Rows,
    state: State,
    drafts: DraftRows,
    masses: Tensor,
    rule: str,
    k: int,
    token: Tensor,
    index: Tensor,
) -> None:
    """Write the accepted draft, or a token of the residual and the draft that it equals."""
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
    """Per row: the accepted draft; or a block by its mass, then a token of it likewise."""
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
    """Ids of a block, p, and (p - c q)+, where q of greedy drafts is 0 on the first ones."""
    ids, p = load_tile(target_ptr + row * stride_target, block, vocab, TILE, BLOCK)
    p = as_probs(p, norm_ptr, 4 * row)
    above = p
    if RULE != "target_only":
        _, q = load_tile(draft_ptr + row * stride_draft, block, vocab, TILE, BLOCK)
        q = as_probs(q, norm_ptr, 4 * row + 2)
        if RULE == "greedy":
            q = without(q, ids, token_ptr + row * K, K - 1)
        above = tl.maximum(p - threshold.to(tl.float32) * q, 0.0)
    return ids, p, above
