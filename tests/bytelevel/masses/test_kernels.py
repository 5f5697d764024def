"""What only kernels can get wrong: plans, memory, ends of windows and slots, and how much they do.

Each check also runs on mutants of the kernels, made by changing their source, and must fail there.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.bytelevel.masses import test_masses as masses
from tests.bytelevel.masses.test_masses import INF, by_hand, check, check_prefixes, random_logits, ranges
from tests.bytelevel.vocabularies import like_a_models, mixed
from tests.support.backends import DEVICE
from tests.support.catalogue import catalogue, checks_in
from tokenlab.bytelevel import ByteVocabulary, byte_log_masses

pytest.importorskip("triton", reason="triton is not installed (pip install triton)")

pytestmark = pytest.mark.usefixtures("fast_interpreter", "poisoned_memory")


def alike(tokens: int) -> ByteVocabulary:
    """All tokens begin with the same two bytes: bins of many slots."""
    return ByteVocabulary([b"ab" + number.to_bytes(2, "big") for number in range(tokens)] + [None])


# The catalogue: each check runs on the kernels, and must fail on its mutants.
def check_first_byte():
    """Windows that are cut where their slots are full; tokens without bytes count for the normaliser."""
    check_prefixes("triton", mixed(2500), [b""])
    vocabulary = mixed(40, alphabet=b"ab")
    logits = random_logits(2, vocabulary)
    without_bytes = [token for token in range(vocabulary.vocab_size) if token not in vocabulary.order]
    logits[:, without_bytes] += 5
    check_prefixes("triton", vocabulary, [b"", b""], logits)


def check_ranges():
    vocabulary = mixed(300, alphabet=b"\x00a\xff", longest=7)
    check_prefixes("triton", vocabulary, [b"a", b"\xff\x00", b""])


def check_rare_bytes():
    masses.test_rare_bytes("triton")


def check_far_from_zero():
    masses.test_logits_far_from_zero(1e4, "triton")


def check_cannot_come():
    """Slots of nothing but -inf."""
    vocabulary = mixed(40, alphabet=b"abc")
    logits = random_logits(1, vocabulary)
    logits[
        0,
        [token for token, string in zip(vocabulary.order.tolist(), vocabulary.strings) if string[:1] == b"b"],
    ] = -INF
    check_prefixes("triton", vocabulary, [b""], logits)


def check_allowed():
    """A mask is of positions, not of ids; each row has its own; it may lie in memory in another order."""
    vocabulary = mixed(60, alphabet=b"ab")
    allowed = torch.rand(len(vocabulary), 2, generator=torch.Generator().manual_seed(1)).to(DEVICE) < 0.4
    check_prefixes("triton", vocabulary, [b"a", b"b"], allowed=allowed.T)


def check_given():
    vocabulary = mixed(20)
    logits = random_logits(2, vocabulary)
    given = torch.tensor([1.5, -2.5], dtype=torch.float64, device=DEVICE)
    found = byte_log_masses(logits, vocabulary, normalizer=given, backend="triton")
    check(
        found,
        [by_hand(row, vocabulary, normalizer=norm) for row, norm in zip(logits.cpu(), given, strict=True)],
        "triton",
    )


def check_many_slots():
    """A bin of more slots than are added up at once, the largest logits in the last of them."""
    vocabulary = alike(700)
    logits = random_logits(1, vocabulary) + torch.arange(vocabulary.vocab_size, device=DEVICE) / 20
    check_prefixes("triton", vocabulary, [b""], logits)
    check_prefixes("triton", vocabulary, [b"a"], logits)


def check_ends():
    """What ends is apart from byte 0, and the last byte from what is not there."""
    vocabulary = ByteVocabulary([b"a", b"a", b"a\x00", b"a\xff", b"a\xff\x00", b"\xff", b"\xff\xff", b"\x00"])
    check_prefixes("triton", vocabulary, [b"a", b"\xff", b"\x00", b""])
    check_prefixes("triton", vocabulary, [b""])


def check_row_offsets():
    """Rows that begin beyond 2^31 elements of the first; this memory is never touched, so never there."""
    stride = 2**30 + 16
    vocabulary = mixed(30, alphabet=b"ab")
    width = vocabulary.vocab_size
    try:
        memory = torch.empty(4 * stride + 64, dtype=torch.float16, device=DEVICE)
    except RuntimeError:
        pytest.skip("needs 8.6 GB of address space")
    logits = memory.as_strided((3, width), (stride, 1), 2 * stride)
    logits.copy_(random_logits(3, vocabulary, dtype=torch.float16))
    packed = logits.clone(memory_format=torch.contiguous_format)
    for spans in ((), ranges(vocabulary, [b"a", b"", b"b"])):
        found, expected = (byte_log_masses(x, vocabulary, *spans, backend="triton") for x in (logits, packed))
        assert torch.equal(found, expected)


def check_half_precision():
    """bfloat16 logits are exact in float32; sums must be made there."""
    vocabulary = mixed(200, alphabet=b"ab")
    logits = random_logits(1, vocabulary, dtype=torch.bfloat16)
    check_prefixes("triton", vocabulary, [b""], logits)


def check_windows():
    """Every id in one slot, a slot for one bin only, bins in order, windows where wide loads can begin."""
    from tokenlab.bytelevel.masses import layout

    for vocabulary in (mixed(700), mixed(5), alike(40), like_a_models(9_001), like_a_models(20_000)):
        bounds, sources, slots, firsts, number = layout.plan_windows(vocabulary)
        first_bytes = dict(
            zip(vocabulary.order.tolist(), (string[0] for string in vocabulary.strings), strict=True)
        )
        begin, length = (bounds * layout.ALIGNED).T
        assert begin[0] == 0 and torch.equal(begin[1:], (begin + length)[:-1])
        assert 0 <= begin[-1] + length[-1] - vocabulary.vocab_size < layout.ALIGNED
        assert int(length.max()) <= sources.shape[1]
        ids = (sources.long() + begin[:, None]).where(sources >= 0, -1).view(len(bounds), -1, layout.WIDTH)
        assert sorted(ids[ids >= 0].tolist()) == list(range(vocabulary.vocab_size))
        assert sorted(slots[slots >= 0].tolist()) == list(range(number)) and firsts[-1] == number
        assert firsts[0] == firsts[1] == 0 and bool((firsts.diff() >= 0).all())
        for window, slot in np.argwhere((ids >= 0).any(-1).numpy()):
            tokens = ids[window, slot][ids[window, slot] >= 0].tolist()
            found = {first_bytes.get(token, -1) for token in tokens}
            assert len(found) == 1
            (byte,) = found
            position = int(slots[window, slot])
            assert (position == -1) if byte == -1 else firsts[byte + 1] <= position < firsts[byte + 2]


#: Name of the mistake: what is changed in the source, and who must notice.
MUTANTS = {
    "int32 rows in a window": ("row = tl.program_id(0).to(tl.int64)\n    window =", "row = tl.program_id(0)\n    window =", "row_offsets"),
    "int32 rows in a range": ("row = tl.program_id(0).to(tl.int64)\n    begin =", "row = tl.program_id(0)\n    begin =", "row_offsets"),
    "tokens without bytes do not count": ("tl.sum(sums * tl.exp(tops - _finite(top)), 0)", "tl.sum(tl.where(slot >= 0, sums, 0.0) * tl.exp(tops - _finite(top)), 0)", "first_byte"),
    "windows end anywhere": ("length -= length % ALIGNED", "pass", "windows"),
    "windows with too many slots": ('WINDOW_SLOTS, side="right"', 'WINDOW_SLOTS + 16, side="right"', "first_byte"),
    "the last ids forgotten": ("-(-length // ALIGNED)", "length // ALIGNED", "first_byte"),
    "slots of mixed bins": ("np.searchsorted(window[by_bin], window[by_bin])\n", "np.searchsorted(window[by_bin], window[by_bin]) * 0\n", "windows"),
    "slots of mixed bins, by their masses": ("np.searchsorted(window[by_bin], window[by_bin])\n", "np.searchsorted(window[by_bin], window[by_bin]) * 0\n", "first_byte"),
    "empty lanes hold the first token": ("tl.where(source < 0, -float(\"inf\"), x)", "x", "first_byte"),
    "slots of other windows": ("source_ptr + window * SLOTS * WIDTH + lane", "source_ptr + lane", "first_byte"),
    "-inf minus -inf": ("return tl.where(top == -float(\"inf\"), 0.0, top)", "return top", "cannot_come"),
    "exp without the maximum": ("tl.exp(x - _finite(tops)[:, None])", "tl.exp(x)", "far_from_zero"),
    "one maximum for all slots": ("    tops = tl.max(x, 1)\n", "    tops = tl.max(x, 1) * 0 + tl.max(tl.max(x, 1), 0)\n", "rare_bytes"),
    "weights in bfloat16": ("tl.sum(tl.exp(x - _finite(tops)[:, None]), 1)", "tl.sum(tl.exp(x - _finite(tops)[:, None]).to(tl.bfloat16).to(tl.float32), 1)", "half_precision"),
    "the bin before": ("tl.where(longer, byte + 1, 0) < bins", "tl.where(longer, byte + 1, 0) <= bins", "ranges"),
    "what ends is byte 0": ("tl.where(longer, byte + 1, 0)", "tl.where(longer, byte, 0)", "ends"),
    "the first byte at every depth": ("flat_ptr + offset + depth", "flat_ptr + offset", "ranges"),
    "bisection too short": ("tokens.bit_length()", "tokens.bit_length() - 1", "ranges"),
    "slots rounded down": ("(sizes + WIDTH - 1) // WIDTH", "sizes // WIDTH", "ranges"),
    "slots run on into the next bin": ("tl.load(edge_ptr + bins + 1)[:, None]", "tl.load(edge_ptr + BINS)", "ranges"),
    "every slot begins its bin": ("+ (slot - tl.load(first_ptr + bins)) * WIDTH", "", "many_slots"),
    "a mask of ids": ("row * stride_allowed + position", "row * stride_allowed + token", "allowed"),
    "the mask of the first row": ("row * stride_allowed + position", "position", "allowed"),
    "a mask read as if packed": ("allowed if allowed.stride(1) == 1 else allowed.contiguous()", "allowed", "allowed"),
    "no mask": ("other=0) != 0", "other=0) != 2", "allowed"),
    "the first slots only": ("range(0, tl.max(after - first, 0), SUMMED_SLOTS)", "range(0, 1, SUMMED_SLOTS)", "many_slots"),
    "sums not moved to the new maximum": ("total = total * tl.exp(top - shift)", "total = total", "many_slots"),
    "a float32 normaliser": ("mass = top.to(tl.float64) - norm", "mass = (top - norm.to(tl.float32)).to(tl.float64)", "far_from_zero"),
    "the normaliser of the first row": ("tl.load(given_ptr + row)", "tl.load(given_ptr)", "given"),
    "ends first": ("position = tl.where(bins == 0, BINS, bins) - 1", "position = bins", "ends"),
    "a memory cell not written": ("tl.store(sum_ptr + row * slots + slot, sums, mask=slot >= 0)", "pass", "first_byte"),
    "a slot not written": ("tl.store(sum_ptr + row * slots + slot, sums, mask=slot < used)", "pass", "ranges"),
    "what is empty is not written": ("tl.where(some, mass, -float(\"inf\")), mask=bins < BINS", "mass, mask=some & (bins < BINS)", "ranges"),
}  # fmt: skip


test_catalogue, test_mutant_is_caught = catalogue(
    "tokenlab.bytelevel.masses", checks_in(globals()), MUTANTS, refusals=(IndexError,)
)


# Larger, and how much work it is.
def test_a_vocabulary_like_a_models():
    """Several windows, a bin of a hundred slots, bins added up in the way of many slots."""
    vocabulary = like_a_models(9_001)
    from tokenlab.bytelevel.masses import kernels

    assert kernels.plan_windows(vocabulary).num_slots > kernels.FEW_SLOTS
    found = check_prefixes("triton", vocabulary, [b""])
    again = check_prefixes("triton", vocabulary, [b""])
    assert torch.equal(found, again)
    check_prefixes("triton", vocabulary, [b" "])


def test_nothing_of_the_size_of_the_logits_is_written(allocated):
    vocabulary = alike(3000)
    logits = random_logits(1, vocabulary)
    for spans in ((), ranges(vocabulary, [b"a"])):
        allocated.clear()
        byte_log_masses(logits, vocabulary, *spans, backend="triton")
        assert 0 < max(allocated) <= 3000 // 8


def test_a_given_normalizer_saves_the_read_of_the_row(monkeypatch):
    from tokenlab.bytelevel.masses import kernels

    read = []
    monkeypatch.setattr(kernels, "tile_stats", lambda *args, **kwargs: read.append(args) or (None,) * 3)
    vocabulary = mixed(20)
    logits = random_logits(1, vocabulary)
    norm = logits.double().logsumexp(-1)
    spans = ranges(vocabulary, [vocabulary.strings[3][:1]])
    found = byte_log_masses(logits, vocabulary, *spans, normalizer=norm, backend="triton")
    assert not read
    check(found, [by_hand(logits[0].cpu(), vocabulary, vocabulary.strings[3][:1])], "triton")


def test_a_vocabulary_is_planned_once(monkeypatch):
    from tokenlab.bytelevel.masses import kernels, layout

    plans = []
    plan = kernels.plan_windows
    monkeypatch.setattr(
        kernels, "plan_windows", lambda vocabulary: plans.append(vocabulary) or plan(vocabulary)
    )
    first, second = mixed(9), mixed(9, seed=1)
    for vocabulary in (first, second, first):
        byte_log_masses(random_logits(1, vocabulary), vocabulary, backend="triton")
    assert plans == [first, second]
    number = len(layout.PLANS)
    del first, vocabulary
    plans.clear()
    assert len(layout.PLANS) == number - 1, "a plan outlives its vocabulary"


def test_auto_takes_the_kernel_on_a_gpu_and_the_reference_elsewhere(monkeypatch):
    from tokenlab.bytelevel.masses import kernels

    called = []
    monkeypatch.setattr(kernels, "byte_log_masses", lambda *args: called.append("kernel"))
    vocabulary = mixed(9)
    byte_log_masses(random_logits(1, vocabulary), vocabulary)
    assert called == (["kernel"] if DEVICE == "cuda" else [])
