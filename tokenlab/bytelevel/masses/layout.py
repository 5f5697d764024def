"""How a vocabulary is laid out for the kernels: planned once on the CPU, then kept on the device.

A slot holds 32 tokens that bring the same byte. For the first byte, the vocabulary in the model's
order is cut into windows: a program reads the logits of one side by side and moves each to its
slot. Tokens without bytes count for the normaliser only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Int16, Int32, UInt8
from torch import Tensor

from tokenlab.bytelevel.masses.reference import NUM_BINS
from tokenlab.bytelevel.tokenizer.vocabulary import ByteVocabulary

#: Tokens in a slot, and slots that a program fills from a window.
WIDTH, WINDOW_SLOTS = 32, 256

#: Windows begin at multiples of this, so that 16 bytes can be loaded at once.
ALIGNED = 16

_Plan = TypeVar("_Plan", bound=tuple)


class Windows(NamedTuple):
    """The vocabulary for the first byte, in windows of neighbouring ids."""

    bounds: Int32[Tensor, "windows 2"]  # first id, number of ids; in units of ALIGNED
    sources: Int16[Tensor, "windows lanes"]  # which id of the window goes to each lane; -1 for none
    slots: Int32[Tensor, "windows window_slots"]  # which slot of the row; -1 where no bin is
    firsts: Int32[Tensor, "bins_plus_1"]  # where each bin's slots begin
    num_slots: int


class SortedStrings(NamedTuple):
    """The vocabulary for ranges, in order."""

    order: Int32[Tensor, "tokens"]
    flat: UInt8[Tensor, "bytes"]
    offsets: Int32[Tensor, "tokens_plus_1"]


def plan_windows(vocabulary: ByteVocabulary) -> Windows:
    """Cut the vocabulary into windows, each of which fits into a program's slots."""
    # Tokens without bytes get a bin after the last.
    bins = np.full(vocabulary.vocab_size, NUM_BINS)
    bins[vocabulary.order.numpy()] = vocabulary.byte_at(0) + 1
    bounds, sources, slot_bins = [], [], []
    begin = 0
    while begin < len(bins):
        window = bins[begin : begin + WINDOW_SLOTS * WIDTH]
        by_bin = np.argsort(window, kind="stable")
        rank = np.arange(len(window)) - np.searchsorted(window[by_bin], window[by_bin])
        opens = np.zeros(len(window), np.int64)
        opens[by_bin] = rank % WIDTH == 0
        length = int(np.searchsorted(opens.cumsum(), WINDOW_SLOTS, side="right"))
        if begin + length < len(bins):
            length -= length % ALIGNED
        by_bin, rank = by_bin[by_bin < length], rank[by_bin < length]

        source = np.full(WINDOW_SLOTS * WIDTH, -1, np.int16)
        slot = (rank % WIDTH == 0).cumsum() - 1
        source[slot * WIDTH + rank % WIDTH] = by_bin
        sources.append(source)
        slot_bins.append(np.full(WINDOW_SLOTS, NUM_BINS))
        slot_bins[-1][slot] = window[by_bin]
        bounds.append((begin // ALIGNED, -(-length // ALIGNED)))
        begin += length

    slot_bins = np.stack(slot_bins)
    in_order = np.argsort(slot_bins, axis=None, kind="stable")
    firsts = np.searchsorted(slot_bins.flat[in_order], np.arange(NUM_BINS + 1))
    slots = np.empty(slot_bins.size, np.int64)
    slots[in_order] = np.arange(slot_bins.size)
    slots = np.where(slot_bins < NUM_BINS, slots.reshape(slot_bins.shape), -1)
    found = (np.array(bounds), np.stack(sources), slots, firsts)
    return Windows(
        *(torch.from_numpy(x if x.dtype == np.int16 else x.astype(np.int32)) for x in found), int(firsts[-1])
    )


def sorted_strings(vocabulary: ByteVocabulary) -> SortedStrings:
    offsets = np.concatenate([[0], np.cumsum(vocabulary.lengths)]).astype(np.int32)
    flat = np.frombuffer(b"".join(vocabulary.strings), np.uint8).copy()
    return SortedStrings(vocabulary.order.int(), torch.from_numpy(flat), torch.from_numpy(offsets))


#: A vocabulary is planned once, and lies on a device once.
PLANS: WeakKeyDictionary[ByteVocabulary, dict] = WeakKeyDictionary()


def on_device(
    plan: Callable[[ByteVocabulary], _Plan], vocabulary: ByteVocabulary, device: torch.device
) -> _Plan:
    """A vocabulary's plan, with its tensors on the device."""
    made = PLANS.setdefault(vocabulary, {})
    if (plan, device) not in made:
        found = plan(vocabulary)
        made[plan, device] = found._make(x.to(device) if isinstance(x, Tensor) else x for x in found)
    return made[plan, device]
