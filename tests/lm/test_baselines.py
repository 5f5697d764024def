"""Witten-Bell against exact fractions; compressors against the command line tools."""

from __future__ import annotations

import math
import shutil
import subprocess
from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support import tiny_corpus as tiny
from tokenlab.errors import ArgumentError, DtypeError
from tokenlab.lm.baselines import WittenBell, gzip_bits_per_byte, xz_bits_per_byte

TEXT = "".join(d.text for d in tiny.documents()).encode()


class SlowWittenBell:
    """The formula, word for word."""

    def __init__(self, data: bytes, order: int) -> None:
        self.order = order
        self.counts = defaultdict(lambda: defaultdict(int))
        for k in range(order + 1):
            for i in range(k, len(data)):
                self.counts[data[i - k : i]][data[i]] += 1

    def probability(self, byte: int, context: bytes) -> Fraction:
        shorter = self.probability(byte, context[1:]) if context else Fraction(1, 256)
        if context not in self.counts:
            return shorter
        followers = self.counts[context]
        kinds = len(followers)
        return (followers.get(byte, 0) + kinds * shorter) / (sum(followers.values()) + kinds)

    def probabilities(self, data: bytes) -> list[Fraction]:
        return [self.probability(b, data[max(i - self.order, 0) : i]) for i, b in enumerate(data)]


few_bytes = st.lists(st.sampled_from([0, 97, 98, 255]), max_size=40).map(bytes)


@given(training=few_bytes, data=few_bytes, order=st.integers(0, 6))
@example(b"", b"ab", 5)
@example(b"a", b"a", 5)
@example(b"abcabc", b"", 3)
@example(bytes(range(256)) * 2, bytes(range(255, 200, -1)), 2)
@example(b"\0\0\0\0\0\0\0\0", b"\0\0\0\0\0\0\0\1", 6)
def test_witten_bell_equals_the_formula(training, data, order):
    exact = SlowWittenBell(training, order).probabilities(data)
    found = WittenBell(training, order).probabilities(data)
    np.testing.assert_allclose(found, [float(p) for p in exact], rtol=1e-12)


def test_witten_bell_by_hand():
    # After "ab": a and b once each, so p_0 = (1 + 2/256) / (2 + 2) for both.
    model = WittenBell(b"ab", order=1)
    p0 = (1 + 2 / 256) / 4
    assert model.probabilities(b"a")[0] == pytest.approx(p0)
    assert model.probabilities(b"ab")[1] == pytest.approx((1 + p0) / 2)
    assert model.probabilities(b"ba")[1] == pytest.approx(p0)  # Nothing followed b.


@pytest.mark.parametrize("order", [0, 3, 5, 6])
@pytest.mark.parametrize("context", [b"", b"def t", b"def total_", b"\xff\xfe\0", b"zzzzzz"])
def test_probabilities_sum_to_one(order, context):
    model = WittenBell(TEXT, order)
    total = sum(model.probabilities(context + bytes([byte]))[-1] for byte in range(256))
    assert total == pytest.approx(1, abs=1e-12)


def test_longer_memory_predicts_better():
    training, data = TEXT[:-2000], TEXT[-2000:]
    found = [WittenBell(training, order).bits_per_byte(data) for order in (0, 1, 3, 5)]
    assert found == sorted(found, reverse=True)
    assert found[0] < 8


def test_bits_per_byte_of_nothing_learnt():
    assert WittenBell(b"").bits_per_byte(b"any bytes") == pytest.approx(8)


def test_bits_per_byte_is_the_mean():
    model = WittenBell(TEXT, 2)
    p = SlowWittenBell(TEXT, 2).probabilities(b"the total")
    assert model.bits_per_byte(b"the total") == pytest.approx(-sum(map(math.log2, p)) / 9)


@pytest.mark.parametrize("order", [-1, 7])
def test_order_bounds(order):
    with pytest.raises(ArgumentError, match=f"order is {order}, expected 0 to 6"):
        WittenBell(TEXT, order)


def test_order_is_an_int():
    with pytest.raises(DtypeError, match="order must be an int"):
        WittenBell(TEXT, 2.0)


@pytest.mark.parametrize("measure", [gzip_bits_per_byte, xz_bits_per_byte, WittenBell(TEXT).bits_per_byte])
def test_empty_data(measure):
    with pytest.raises(ArgumentError, match="data is empty"):
        measure(b"")


def tool_size(*command: str) -> int:
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    return len(subprocess.run(command, input=TEXT, capture_output=True, check=True).stdout)


def test_gzip_equals_the_tool():
    # The tool and zlib choose matches a little differently.
    assert gzip_bits_per_byte(TEXT) == pytest.approx(8 * tool_size("gzip", "-9nc") / len(TEXT), rel=0.02)


def test_xz_equals_the_tool():
    # Container: at most one block of padding and a longer check.
    assert xz_bits_per_byte(TEXT) * len(TEXT) / 8 == pytest.approx(tool_size("xz", "-9c"), abs=64)


def test_xz_after_the_same_text_is_nearly_free():
    assert xz_bits_per_byte(TEXT, given=TEXT) < 0.2 * xz_bits_per_byte(TEXT)


def test_xz_after_unrelated_text_is_not():
    noise = np.random.default_rng(0).bytes(5000)
    assert xz_bits_per_byte(noise, given=TEXT) > 7.5
