"""Row statistics: closed forms, a float64 oracle in plain Python, properties."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.backends import BACKENDS, BACKENDS_AND_DTYPES, DEVICE, working_dtype
from tokenlab.ops import STATS, RowStats, row_stats

SIZES = [1, 2, 7, 31, 1000, 1024, 1025, 4096, 4099, 50257]


def random_logits(*shape, dtype=torch.float32, seed=0, masked=0.0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(shape, generator=generator, dtype=torch.float64) * 3
    hidden = torch.rand(shape, generator=generator) < masked
    hidden[..., shape[-1] // 2] = False
    return logits.masked_fill(hidden, -torch.inf).to(DEVICE, dtype)


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
@pytest.mark.parametrize(("backend", "dtype"), BACKENDS_AND_DTYPES)
def test_uniform_row(vocab, backend, dtype):
    found = row_stats(torch.full((vocab,), 1.5, dtype=dtype, device=DEVICE), backend=backend)
    margin = math.inf if vocab == 1 else 0
    assert_close(found, (1.5, 1.5 + math.log(vocab), math.log(vocab), margin, 0), dtype)


@pytest.mark.parametrize("vocab", SIZES)
@pytest.mark.parametrize(("backend", "dtype"), BACKENDS_AND_DTYPES)
def test_single_finite_logit(vocab, backend, dtype):
    logits = torch.full((vocab,), -torch.inf, dtype=dtype, device=DEVICE)
    logits[vocab // 3] = -2.5
    assert_close(row_stats(logits, backend=backend), (-2.5, -2.5, 0, math.inf, vocab // 3), dtype)


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_tokens(backend):
    dtype = working_dtype(backend)
    logits = torch.tensor([0.25, 0.75], dtype=dtype, device=DEVICE).log()
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    found = row_stats(logits, backend=backend)
    assert_close(found, (math.log(0.75), 0, entropy, math.log(3), 1), dtype)


@pytest.mark.parametrize("masked", [0.0, 0.6])
@pytest.mark.parametrize("vocab", SIZES)
@pytest.mark.parametrize(("backend", "dtype"), BACKENDS_AND_DTYPES)
def test_brute_force(backend, dtype, vocab, masked):
    logits = random_logits(2, vocab, dtype=dtype, seed=vocab, masked=masked)
    found = row_stats(logits, backend=backend)
    for row in range(2):
        assert_close(RowStats(*(value[row] for value in found)), brute_force(logits[row]), dtype)


@pytest.mark.parametrize("backend", BACKENDS)
def test_largest_vocabulary(backend):
    logits = random_logits(262_208, dtype=torch.bfloat16)
    assert_close(row_stats(logits, backend=backend), brute_force(logits), torch.bfloat16)


@pytest.mark.parametrize(
    "wanted", [[], *([name] for name in STATS), ["margin", "logsumexp"], ["max", "argmax"]]
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_only_what_was_asked_for(backend, wanted):
    logits = random_logits(3, 500, dtype=working_dtype(backend))
    found, everything = row_stats(logits, wanted, backend=backend), row_stats(logits, backend=backend)
    for name in STATS:
        if name in wanted:
            torch.testing.assert_close(getattr(found, name), getattr(everything, name))
        else:
            assert getattr(found, name) is None


@pytest.mark.parametrize("wanted", [["argmax"], STATS])
@pytest.mark.parametrize("vocab", [5, 129, 9000])
@pytest.mark.parametrize("backend", BACKENDS)
def test_ties_go_to_the_lowest_id(backend, vocab, wanted):
    logits = torch.zeros(2, vocab, device=DEVICE)
    logits[0, [2, 4, vocab - 1]] = 1.0
    logits[1, [3, vocab - 1]] = 1.0
    found = row_stats(logits, wanted, backend=backend)
    assert found.argmax.tolist() == [2, 3]
    assert found.margin is None or found.margin.tolist() == [0, 0]


@pytest.mark.parametrize(("backend", "dtype"), BACKENDS_AND_DTYPES)
def test_extreme_logits(backend, dtype):
    # Dividing by a temperature near 0 gives such rows.
    big = min(torch.finfo(dtype).max, 1e30)
    logits = torch.tensor([[big, -big, -torch.inf], [-big, -big, -big]], dtype=dtype, device=DEVICE)
    found = row_stats(logits, backend=backend)
    assert found.entropy.tolist() == pytest.approx([0, math.log(3)], rel=1e-6)
    assert found.argmax.tolist() == [0, 0]
    assert bool(found.logsumexp.isfinite().all())


@pytest.mark.parametrize("shape", [(9,), (0, 9), (2, 0, 9), (2, 3, 9), (1, 1)])
@pytest.mark.parametrize("backend", BACKENDS)
def test_batch_shapes(backend, shape):
    for value in row_stats(random_logits(*shape), backend=backend):
        assert value.shape == shape[:-1]


@pytest.mark.parametrize("backend", BACKENDS)
def test_strides_do_not_matter(backend):
    logits = random_logits(60, 5)
    for view in (logits.T, logits[:6:2], logits[:3, 1:4], logits[7:8].expand(4, 5)):
        found, expected = (row_stats(x, backend=backend) for x in (view, view.contiguous()))
        for value, wanted in zip(found, expected, strict=True):
            torch.testing.assert_close(value, wanted)


@pytest.mark.parametrize("backend", BACKENDS)
def test_input_is_left_alone(backend):
    logits = random_logits(4, 100, dtype=working_dtype(backend))
    before = logits.clone()
    row_stats(logits, backend=backend)
    assert torch.equal(logits, before)


rows = st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=300)


@settings(deadline=None, max_examples=60)
@given(rows, st.floats(-100, 100))
def test_properties(row, shift):
    logits = torch.tensor(row, dtype=torch.float64, device=DEVICE)
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
