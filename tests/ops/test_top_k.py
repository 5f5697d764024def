"""Top-k: equal to a stable sort, ties included, on both sides of the block search."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.backends import BACKENDS, BACKENDS_AND_DTYPES, DEVICE
from tokenlab.ops import top_k
from tokenlab.ops.api import KERNEL_LIMITS
from tokenlab.ops.reference import TOP_K_BLOCK

SIZES = (1, 2, 7, 31, 256, 1000, 1024, 1025, 50257)
CASES = [(vocab, k) for vocab in SIZES for k in (1, 2, 8, 13, 16) if k <= vocab]
LARGE_CASES = [(vocab, k) for vocab in SIZES for k in (50, 1000) if k <= vocab]
assert KERNEL_LIMITS["k"] == 16


def by_sorting(row, k):
    """Ids of the k largest: by value, then by id."""
    row = row.tolist()
    return sorted(range(len(row)), key=lambda token: (-row[token], token))[:k]


def assert_sorted(logits, k, backend="reference"):
    logits = logits.to(DEVICE)
    found = top_k(logits, k, backend=backend)
    assert found.values.dtype == logits.dtype and found.indices.dtype == torch.int64
    assert found.values.is_contiguous() and found.indices.is_contiguous()
    assert found.indices.shape == (*logits.shape[:-1], k)
    assert torch.equal(found.values, logits.gather(-1, found.indices))
    for row, ids in zip(logits.reshape(-1, logits.shape[-1]), found.indices.reshape(-1, k), strict=True):
        assert ids.tolist() == by_sorting(row, k)


def random_logits(vocab, k, dtype):
    generator = torch.Generator().manual_seed(vocab + k)
    return (torch.randn(2, vocab, generator=generator) * 3).to(dtype)


@pytest.mark.parametrize(("backend", "dtype"), BACKENDS_AND_DTYPES)
@pytest.mark.parametrize(("vocab", "k"), CASES)
def test_equals_a_stable_sort(vocab, k, backend, dtype):
    assert_sorted(random_logits(vocab, k, dtype), k, backend)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize(("vocab", "k"), LARGE_CASES)
def test_equals_a_stable_sort_for_many(vocab, k, dtype):
    assert_sorted(random_logits(vocab, k, dtype), k)


@pytest.mark.parametrize("backend", BACKENDS)
def test_largest_vocabulary(backend):
    generator = torch.Generator().manual_seed(0)
    assert_sorted(torch.randn(262_208, generator=generator).bfloat16(), 8, backend)


@pytest.mark.parametrize("k", [1, 3, 16])
@pytest.mark.parametrize("backend", BACKENDS)
def test_many_ties(backend, k):
    generator = torch.Generator().manual_seed(k)
    assert_sorted(torch.randint(0, 3, (4, 6000), generator=generator).float(), k, backend)


def test_many_ties_for_many():
    generator = torch.Generator().manual_seed(40)
    assert_sorted(torch.randint(0, 3, (4, 6000), generator=generator).float(), 40)


@pytest.mark.parametrize("vocab", [5, 20 * TOP_K_BLOCK + 3])
@pytest.mark.parametrize("backend", BACKENDS)
def test_all_equal(backend, vocab):
    found = top_k(torch.zeros(2, vocab, device=DEVICE), 4, backend=backend)
    assert found.indices.tolist() == [[0, 1, 2, 3]] * 2


@pytest.mark.parametrize("vocab", [6, 20 * TOP_K_BLOCK, 20 * TOP_K_BLOCK + 1])
@pytest.mark.parametrize("backend", BACKENDS)
def test_masked_tokens_come_last_by_id(backend, vocab):
    logits = torch.full((vocab,), -torch.inf, device=DEVICE)
    logits[vocab - 1] = 0.5
    logits[3] = -7.0
    found = top_k(logits, 5, backend=backend)
    assert found.indices.tolist() == [vocab - 1, 3, 0, 1, 2]
    assert found.values.tolist() == [0.5, -7.0, -math.inf, -math.inf, -math.inf]


@pytest.mark.parametrize("backend", BACKENDS)
def test_whole_vocabulary(backend):
    logits = torch.tensor([1.0, -torch.inf, 1.0, 2.0], device=DEVICE)
    assert top_k(logits, 4, backend=backend).indices.tolist() == [3, 0, 2, 1]


@pytest.mark.parametrize("backend", BACKENDS)
def test_signed_zeros_are_equal(backend):
    logits = torch.tensor([-0.0, 0.0, -0.0, 0.0], device=DEVICE)
    assert top_k(logits, 2, backend=backend).indices.tolist() == [0, 1]


@pytest.mark.parametrize("vocab", [9, 4000])
@pytest.mark.parametrize("batch", [(), (0,), (2, 0), (2, 3)])
@pytest.mark.parametrize("backend", BACKENDS)
def test_batch_shapes(backend, batch, vocab):
    found = top_k(torch.zeros(*batch, vocab, device=DEVICE), 3, backend=backend)
    assert found.values.shape == found.indices.shape == (*batch, 3)


@pytest.mark.parametrize("vocab", [30, 4000])
@pytest.mark.parametrize("backend", BACKENDS)
def test_strides_do_not_matter(backend, vocab):
    logits = torch.randn(vocab, 3, generator=torch.Generator().manual_seed(0))
    assert_sorted(logits.T, 2, backend)
    assert_sorted(logits[:, 0].expand(4, vocab), 2, backend)


values = st.lists(st.sampled_from([-math.inf, -2.0, 0.0, 0.5, 3.0]), min_size=1, max_size=700)


@settings(deadline=None, max_examples=60)
@given(values, st.data())
def test_properties(row, data):
    row[data.draw(st.integers(0, len(row) - 1))] = 1.0  # at least one token can be drawn
    k = data.draw(st.integers(1, min(len(row), 60)))
    logits = torch.tensor(row, device=DEVICE)
    found = top_k(logits, k)
    assert found.indices.tolist() == by_sorting(logits, k)
    assert found.indices.tolist() == top_k(logits, len(row)).indices[:k].tolist()


def test_a_wide_row_is_searched_in_a_few_blocks(monkeypatch):
    """A look at the maxima of blocks of 64, then at the k blocks: no other search sees the row."""
    searched = []
    whole = torch.Tensor.topk

    def topk(rows, k):
        searched.append(rows.shape[-1])
        return whole(rows, k)

    monkeypatch.setattr(torch.Tensor, "topk", topk)
    top_k(torch.randn(2, 10_000, generator=torch.Generator().manual_seed(0)), 5, backend="reference")
    assert searched == [157, 5 * TOP_K_BLOCK]
