"""Row statistics: closed forms, a float64 oracle in plain Python, properties."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenlab.ops import STATS, RowStats, row_stats

SIZES = [1, 2, 7, 31, 1000, 1024, 1025, 50257]
DTYPES = [torch.bfloat16, torch.float16, torch.float32, torch.float64]


def random_logits(*shape, dtype=torch.float32, seed=0, masked=0.0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(shape, generator=generator, dtype=torch.float64) * 3
    hidden = torch.rand(shape, generator=generator) < masked
    hidden[..., shape[-1] // 2] = False
    return logits.masked_fill(hidden, -torch.inf).to(dtype)


def brute_force(row):
    """The five statistics of one row, by sums that lose nothing (math.fsum)."""
    row = row.double().tolist()
    largest = max(row)
    total = math.fsum(math.exp(x - largest) for x in row)
    logsumexp = largest + math.log(total)
    probs = [math.exp(x - logsumexp) for x in row]
    entropy = -math.fsum(p * math.log(p) for p in probs if p > 0)
    second = sorted(row)[-2] if len(row) > 1 else -math.inf
    return largest, logsumexp, entropy, largest - second, row.index(largest)


def assert_close(found, expected, dtype):
    tolerance = 1e-11 if dtype == torch.float64 else 2e-5
    for name, value in zip(STATS, expected, strict=True):
        got = getattr(found, name)
        assert got.dtype == (torch.int64 if name == "argmax" else torch.promote_types(dtype, torch.float32))
        assert got.item() == pytest.approx(value, rel=tolerance, abs=tolerance), name


@pytest.mark.parametrize("vocab", SIZES)
def test_uniform_row(vocab):
    found = row_stats(torch.full((vocab,), 1.5, dtype=torch.float64))
    margin = math.inf if vocab == 1 else 0
    assert_close(found, (1.5, 1.5 + math.log(vocab), math.log(vocab), margin, 0), torch.float64)


@pytest.mark.parametrize("vocab", SIZES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_single_finite_logit(vocab, dtype):
    logits = torch.full((vocab,), -torch.inf, dtype=dtype)
    logits[vocab // 3] = -2.5
    assert_close(row_stats(logits), (-2.5, -2.5, 0, math.inf, vocab // 3), dtype)


def test_two_tokens():
    logits = torch.tensor([0.25, 0.75], dtype=torch.float64).log()
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert_close(row_stats(logits), (math.log(0.75), 0, entropy, math.log(3), 1), torch.float64)


@pytest.mark.parametrize("masked", [0.0, 0.6])
@pytest.mark.parametrize("vocab", SIZES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_brute_force(dtype, vocab, masked):
    logits = random_logits(2, vocab, dtype=dtype, seed=vocab, masked=masked)
    found = row_stats(logits)
    for row in range(2):
        assert_close(RowStats(*(value[row] for value in found)), brute_force(logits[row]), dtype)


def test_largest_vocabulary():
    logits = random_logits(262_208, dtype=torch.bfloat16)
    assert_close(row_stats(logits), brute_force(logits), torch.bfloat16)


@pytest.mark.parametrize(
    "wanted", [[], *([name] for name in STATS), ["margin", "logsumexp"], ["max", "argmax"]]
)
def test_only_what_was_asked_for(wanted):
    logits = random_logits(3, 500, dtype=torch.float64)
    found, everything = row_stats(logits, wanted), row_stats(logits)
    for name in STATS:
        if name in wanted:
            torch.testing.assert_close(getattr(found, name), getattr(everything, name))
        else:
            assert getattr(found, name) is None


@pytest.mark.parametrize("wanted", [["argmax"], STATS])
@pytest.mark.parametrize("vocab", [5, 129, 3000])
def test_ties_go_to_the_lowest_id(vocab, wanted):
    logits = torch.zeros(2, vocab)
    logits[0, [2, 4, vocab - 1]] = 1.0
    logits[1, [3, vocab - 1]] = 1.0
    found = row_stats(logits, wanted)
    assert found.argmax.tolist() == [2, 3]
    assert found.margin is None or found.margin.tolist() == [0, 0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_extreme_logits(dtype):
    big = min(torch.finfo(dtype).max, 1e30)
    logits = torch.tensor([[big, -big, -torch.inf], [-big, -big, -big]], dtype=dtype)
    found = row_stats(logits)
    assert found.entropy.tolist() == pytest.approx([0, math.log(3)], rel=1e-6)
    assert found.argmax.tolist() == [0, 0]
    assert bool(found.logsumexp.isfinite().all())


@pytest.mark.parametrize("shape", [(9,), (0, 9), (2, 0, 9), (2, 3, 9), (1, 1)])
def test_batch_shapes(shape):
    for value in row_stats(random_logits(*shape)):
        assert value.shape == shape[:-1]


def test_strides_do_not_matter():
    logits = random_logits(300, 4)
    for found, expected in zip(row_stats(logits.T), row_stats(logits.T.contiguous()), strict=True):
        torch.testing.assert_close(found, expected)
    assert row_stats(logits[:1].expand(50, 4)).entropy.unique().numel() == 1


def test_input_is_left_alone():
    logits = random_logits(4, 100, dtype=torch.float64)
    before = logits.clone()
    row_stats(logits)
    assert torch.equal(logits, before)


rows = st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=300)


@settings(deadline=None, max_examples=60)
@given(rows, st.floats(-100, 100))
def test_properties(row, shift):
    logits = torch.tensor(row, dtype=torch.float64)
    found = row_stats(logits)
    assert -1e-12 <= found.entropy.item() <= math.log(len(row)) + 1e-12
    assert found.margin.item() >= 0
    assert found.max.item() <= found.logsumexp.item() + 1e-12
    assert found.max.item() == row[found.argmax] and found.argmax == row.index(max(row))

    moved = row_stats(logits + shift)
    assert moved.entropy.item() == pytest.approx(found.entropy.item(), abs=1e-9)
    assert moved.logsumexp.item() == pytest.approx(found.logsumexp.item() + shift, abs=1e-9)

    shuffled = row_stats(logits.flip(0))
    for name in ("max", "logsumexp", "entropy", "margin"):
        assert getattr(shuffled, name).item() == pytest.approx(getattr(found, name).item(), abs=1e-9)
