"""The masses of the next byte as Triton kernels: from logits, without waiting for the host.

The tokens that bring one byte, a bin, are cut into slots. A program writes the maximum and the sum
of exponentials of each slot; another adds up a bin. So there are no differences of prefix sums, and
no atomic additions in an order that changes from run to run.

- First byte: by windows (:mod:`tokenlab.bytelevel.masses.layout`), which read each logit once.
- In a range: a first kernel finds by bisection where the bins begin, and counts their slots. Each
  logit is fetched by itself, since ids lie far apart; a normaliser not given takes one more read.

Sums are float32, and float64 where a normaliser is subtracted. In a row with NaN all is undefined.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from jaxtyping import Bool, Float, Float32, Float64, Int32, Int64
from torch import Tensor

from tokenlab.bytelevel.masses.layout import (
    ALIGNED,
    WIDTH,
    WINDOW_SLOTS,
    on_device,
    plan_windows,
    sorted_strings,
)
from tokenlab.bytelevel.masses.reference import NUM_BINS
from tokenlab.bytelevel.tokenizer.vocabulary import ByteVocabulary
from tokenlab.ops.tiles import OPTIONS, TILE, as_rows, tile_stats

#: Slots that a program fills from a range.
RANGE_SLOTS = 64

#: Bins that a program adds up, slots of each that it reads at once, warps: for at most so many
#: slots in a row, and for more.
FEW_SLOTS, FEW, MANY = 512, (128, 16, 8), (8, 256, 4)

#: Inside this file bins stand as in a range: what has ended first, then byte 0, byte 1, ...
BINS = tl.constexpr(NUM_BINS)

#: Lanes for all bins and one more.
BIN_LANES = tl.constexpr(512)


class _Slots(NamedTuple):
    """Maximum and sum of exponentials of each slot, and each bin's first slot."""

    tops: Float32[Tensor, "rows slots"]
    sums: Float32[Tensor, "rows slots"]
    firsts: Int32[Tensor, "rows bins_plus_1"]


class _Normalizer(NamedTuple):
    """log-sum-exp of each row if given, else maxima and sums of its parts."""

    given: Float64[Tensor, "rows"] | None
    tops: Float32[Tensor, "rows parts"] | None
    sums: Float32[Tensor, "rows parts"] | None


def byte_log_masses(
    logits: Float[Tensor, "batch vocab"],
    vocabulary: ByteVocabulary,
    starts: Int64[Tensor, "batch"] | None,
    stops: Int64[Tensor, "batch"] | None,
    depths: Int64[Tensor, "batch"] | None,
    allowed: Bool[Tensor, "batch tokens"] | None,
    normalizer: Float64[Tensor, "batch"] | None,
) -> Float64[Tensor, "batch 257"]:
    """As the reference, on a GPU."""
    rows = as_rows(logits)
    masses = rows.new_empty((len(rows), NUM_BINS), dtype=torch.float64)
    if not len(rows):
        return masses
    with torch.cuda.device_of(rows):
        if starts is None and allowed is None:
            slots, norm = _first_slots(rows, vocabulary)
        else:
            if starts is None:
                starts = depths = torch.zeros(len(rows), dtype=torch.int64, device=rows.device)
                stops = torch.full_like(starts, len(vocabulary))
            slots, norm = _range_slots(rows, vocabulary, starts, stops, depths, allowed), None
        if normalizer is not None:
            norm = _Normalizer(normalizer.contiguous(), None, None)
        elif norm is None:
            norm = _Normalizer(None, *tile_stats(rows, TILE, total=True)[:2])
        _add_up(slots, norm, masses)
    return masses


def _first_slots(rows: Float[Tensor, "rows vocab"], vocabulary: ByteVocabulary) -> tuple[_Slots, _Normalizer]:
    """Slots of the first byte, and the windows' parts of the normalisers."""
    windows = on_device(plan_windows, vocabulary, rows.device)
    count, number = len(rows), len(windows.bounds)
    slots = _new_slots(rows, windows.num_slots, windows.firsts.expand(count, -1))
    norm = _Normalizer(None, *(rows.new_empty((count, number), dtype=torch.float32) for _ in range(2)))
    _window_kernel[(count, number)](
        rows, *windows[:3], *slots[:2], *norm[1:], rows.shape[1], number, windows.num_slots, rows.stride(0),
        SLOTS=WINDOW_SLOTS, WIDTH=WIDTH, ALIGNED=ALIGNED, num_warps=8, **OPTIONS,
    )  # fmt: skip
    return slots, norm


@triton.jit
def _window_kernel(
    logits_ptr,
    bound_ptr,
    source_ptr,
    slot_ptr,
    top_ptr,
    sum_ptr,
    part_top_ptr,
    part_sum_ptr,
    vocab,
    windows,
    slots,
    stride_row,
    SLOTS: tl.constexpr,
    WIDTH: tl.constexpr,
    ALIGNED: tl.constexpr,
):
    """Maximum and sum of exponentials of each slot in a window, and of all of them."""
    row = tl.program_id(0).to(tl.int64)
    window = tl.program_id(1)
    first = tl.load(bound_ptr + 2 * window) * ALIGNED
    length = tl.load(bound_ptr + 2 * window + 1) * ALIGNED
    lane = tl.arange(0, SLOTS * WIDTH)
    at = logits_ptr + row * stride_row + first + lane
    if first + length <= vocab:
        x = tl.load(at, mask=lane < length, other=-float("inf"))
    else:
        x = tl.load(at, mask=first + lane < vocab, other=-float("inf"))
    source = tl.load(source_ptr + window * SLOTS * WIDTH + lane).to(tl.int32)
    x = tl.gather(x.to(tl.float32), tl.maximum(source, 0), 0)
    tops, sums = _exponentials(tl.where(source < 0, -float("inf"), x).reshape(SLOTS, WIDTH))

    slot = tl.load(slot_ptr + window * SLOTS + tl.arange(0, SLOTS))
    tl.store(top_ptr + row * slots + slot, tops, mask=slot >= 0)
    tl.store(sum_ptr + row * slots + slot, sums, mask=slot >= 0)
    top = tl.max(tops, 0)
    tl.store(part_top_ptr + row * windows + window, top)
    tl.store(part_sum_ptr + row * windows + window, tl.sum(sums * tl.exp(tops - _finite(top)), 0))


def _range_slots(
    rows: Float[Tensor, "rows vocab"],
    vocabulary: ByteVocabulary,
    starts: Int64[Tensor, "rows"],
    stops: Int64[Tensor, "rows"],
    depths: Int64[Tensor, "rows"],
    allowed: Bool[Tensor, "rows tokens"] | None,
) -> _Slots:
    order, flat, offsets = on_device(sorted_strings, vocabulary, rows.device)
    count, tokens = len(rows), len(order)
    edges, firsts = (rows.new_empty((count, NUM_BINS + 1), dtype=torch.int32) for _ in range(2))
    _children_kernel[(count,)](
        flat,
        offsets,
        starts.contiguous(),
        stops.contiguous(),
        depths.contiguous(),
        edges,
        firsts,
        tokens.bit_length(),
        WIDTH=WIDTH,
        **OPTIONS,
    )
    # How many slots a row needs is known on the device only. Programs after the last one return.
    slots = _new_slots(rows, tokens // WIDTH + min(tokens, NUM_BINS), firsts)
    if allowed is not None:
        allowed = (allowed if allowed.stride(1) == 1 else allowed.contiguous()).view(torch.uint8)
    _range_kernel[(count, triton.cdiv(slots.tops.shape[1], RANGE_SLOTS))](
        rows, order, allowed, edges, firsts, *slots[:2], slots.tops.shape[1], rows.stride(0),
        0 if allowed is None else allowed.stride(0), SLOTS=RANGE_SLOTS, WIDTH=WIDTH, **OPTIONS,
    )  # fmt: skip
    return slots


@triton.jit
def _children_kernel(
    flat_ptr, offset_ptr, start_ptr, stop_ptr, depth_ptr, edge_ptr, first_ptr, steps, WIDTH: tl.constexpr
):
    """Per row: where each bin's tokens begin, and its slots."""
    row = tl.program_id(0).to(tl.int64)
    start = tl.load(start_ptr + row).to(tl.int32)
    stop = tl.load(stop_ptr + row).to(tl.int32)
    depth = tl.load(depth_ptr + row).to(tl.int32)
    # By bisection: the first position whose token belongs to the bin or to one after it.
    bins = tl.arange(0, BIN_LANES)
    low = bins * 0 + start
    high = bins * 0 + stop
    for _ in range(steps):
        left = low < high
        middle = (low + high) // 2
        offset = tl.load(offset_ptr + middle, mask=left, other=0)
        longer = offset + depth < tl.load(offset_ptr + middle + 1, mask=left, other=0)
        byte = tl.load(flat_ptr + offset + depth, mask=longer, other=0).to(tl.int32)
        before = tl.where(longer, byte + 1, 0) < bins
        high = tl.where(before, high, middle)
        low = tl.where(left & before, middle + 1, low)
    sizes = tl.gather(low, tl.minimum(bins + 1, BIN_LANES - 1), 0) - low
    needed = (sizes + WIDTH - 1) // WIDTH
    at = row * (BINS + 1) + bins
    tl.store(edge_ptr + at, low, mask=bins <= BINS)
    tl.store(first_ptr + at, tl.cumsum(needed, 0) - needed, mask=bins <= BINS)


@triton.jit
def _range_kernel(
    logits_ptr,
    order_ptr,
    allowed_ptr,
    edge_ptr,
    first_ptr,
    top_ptr,
    sum_ptr,
    slots,
    stride_row,
    stride_allowed,
    SLOTS: tl.constexpr,
    WIDTH: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    begin = tl.program_id(1) * SLOTS
    first_ptr += row * (BINS + 1)
    used = tl.load(first_ptr + BINS)
    if begin < used:
        slot = begin + tl.arange(0, SLOTS)
        inside = slot < used
        # The last bin that begins at this slot or before it.
        bins = slot * 0
        for i in tl.static_range(9):
            further = bins + (256 >> i)
            reached = tl.load(first_ptr + further, mask=further < BINS, other=2**30) <= slot
            bins = tl.where(reached, further, bins)
        edge_ptr += row * (BINS + 1)
        position = tl.load(edge_ptr + bins) + (slot - tl.load(first_ptr + bins)) * WIDTH
        position = position[:, None] + tl.arange(0, WIDTH)[None, :]
        inside = (position < tl.load(edge_ptr + bins + 1)[:, None]) & inside[:, None]
        token = tl.load(order_ptr + position, mask=inside, other=0)
        if allowed_ptr is not None:
            inside &= tl.load(allowed_ptr + row * stride_allowed + position, mask=inside, other=0) != 0
        x = tl.load(logits_ptr + row * stride_row + token, mask=inside, other=-float("inf"))
        tops, sums = _exponentials(x.to(tl.float32))
        tl.store(top_ptr + row * slots + slot, tops, mask=slot < used)
        tl.store(sum_ptr + row * slots + slot, sums, mask=slot < used)


def _add_up(slots: _Slots, norm: _Normalizer, masses: Float64[Tensor, "rows 257"]) -> None:
    """Write log P(b) of each row and bin."""
    number, parts = slots.tops.shape[1], 1 if norm.tops is None else norm.tops.shape[1]
    bins, at_once, warps = FEW if number <= FEW_SLOTS else MANY
    _bins_kernel[(len(masses), triton.cdiv(NUM_BINS, bins))](
        *slots,
        *norm,
        masses,
        parts,
        number,
        slots.firsts.stride(0),
        PARTS=triton.next_power_of_2(parts),
        SUMMED_BINS=bins,
        SUMMED_SLOTS=at_once,
        num_warps=warps,
        **OPTIONS,
    )


@triton.jit
def _bins_kernel(
    top_ptr,
    sum_ptr,
    first_ptr,
    given_ptr,
    part_top_ptr,
    part_sum_ptr,
    mass_ptr,
    parts,
    slots,
    stride_first,
    PARTS: tl.constexpr,
    SUMMED_BINS: tl.constexpr,
    SUMMED_SLOTS: tl.constexpr,
):
    """Some bins of a row: their slots, moved to a common maximum, over the normaliser."""
    row = tl.program_id(0).to(tl.int64)
    bins = tl.program_id(1) * SUMMED_BINS + tl.arange(0, SUMMED_BINS)
    first = tl.load(first_ptr + row * stride_first + bins, mask=bins < BINS, other=0)
    after = tl.load(first_ptr + row * stride_first + bins + 1, mask=bins < BINS, other=0)
    top = tl.full((SUMMED_BINS,), -float("inf"), tl.float32)
    total = tl.zeros((SUMMED_BINS,), tl.float32)
    for i in range(0, tl.max(after - first, 0), SUMMED_SLOTS):
        slot = first[:, None] + i + tl.arange(0, SUMMED_SLOTS)[None, :]
        inside = slot < after[:, None]
        tops = tl.load(top_ptr + row * slots + slot, mask=inside, other=-float("inf"))
        sums = tl.load(sum_ptr + row * slots + slot, mask=inside, other=0.0)
        larger = tl.maximum(top, tl.max(tops, 1))
        shift = _finite(larger)
        total = total * tl.exp(top - shift) + tl.sum(sums * tl.exp(tops - shift[:, None]), 1)
        top = larger

    if given_ptr is not None:
        norm = tl.load(given_ptr + row)
    else:
        part = tl.arange(0, PARTS)
        tops = tl.load(part_top_ptr + row * parts + part, mask=part < parts, other=-float("inf"))
        sums = tl.load(part_sum_ptr + row * parts + part, mask=part < parts, other=0.0)
        largest = tl.max(tops, 0)
        norm = largest.to(tl.float64) + tl.log(tl.sum((sums * tl.exp(tops - largest)).to(tl.float64), 0))
    some = total != 0  # NaN is some: a slot that nobody wrote must be seen
    mass = top.to(tl.float64) - norm + tl.log(tl.where(some, total, 1.0).to(tl.float64))
    position = tl.where(bins == 0, BINS, bins) - 1
    tl.store(mass_ptr + row * BINS + position, tl.where(some, mass, -float("inf")), mask=bins < BINS)


@triton.jit
def _exponentials(x):
    """Of each slot the maximum m, and the sum of e^(x - m); 0 if no x is finite."""
    tops = tl.max(x, 1)
    return tops, tl.sum(tl.exp(x - _finite(tops)[:, None]), 1)


@triton.jit
def _finite(top):
    """-inf less -inf would be NaN: a maximum of -inf is taken out as 0."""
    return tl.where(top == -float("inf"), 0.0, top)


def _new_slots(rows: Tensor, number: int, firsts: Int32[Tensor, "rows bins_plus_1"]) -> _Slots:
    return _Slots(*(rows.new_empty((len(rows), number), dtype=torch.float32) for _ in range(2)), firsts)
