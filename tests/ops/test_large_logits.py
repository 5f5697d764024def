"""Draws from logits at the ends of their range: only differences count."""

import math
from functools import partial

import pytest
import torch

from tests.support.backends import BACKENDS_AND_METHODS, DEVICE, DTYPES
from tokenlab.errors import ArgumentError
from tokenlab.ops import open_uniform, sample_categorical, shape_logits


@pytest.mark.parametrize(("backend", "method"), BACKENDS_AND_METHODS)
def test_large_logits_leave_the_noise_its_say(backend, method):
    """Rows of equal logits, whatever these are, and rows where a few are far above the others."""
    for dtype in DTYPES if backend == "reference" else DTYPES[:-1]:
        lowest, highest = torch.finfo(dtype).min, torch.finfo(dtype).max
        near = torch.zeros(20, 37, dtype=dtype, device=DEVICE)
        shape = {"inverse_cdf": (20,), "two_level": (20, 2)}.get(method, (20, 37))
        noise = open_uniform(shape, generator=torch.Generator().manual_seed(0)).to(DEVICE)
        draw = partial(sample_categorical, method=method, noise=noise, backend=backend, block_size=5)
        for value in (lowest, lowest / 2, highest):
            assert torch.equal(draw(torch.full_like(near, value)), draw(near)), (dtype, value)
        assert len(draw(near).unique()) > 5
        few = torch.isin(torch.arange(37, device=DEVICE), torch.tensor([3, 20, 36], device=DEVICE))
        for low, high in ((lowest, 0.0), (0.0, highest), (lowest, highest)):
            far = torch.full_like(near, low).masked_fill(few, high)
            limit = near.masked_fill(~few, -torch.inf)
            assert torch.equal(draw(far), draw(limit)), (dtype, low, high)


@pytest.mark.parametrize(
    ("dtype", "temperature"), [(torch.float32, 1e-38), (torch.float32, 1e-60), (torch.float16, 1e-4)]
)
def test_temperature_under_which_logits_overflow_is_refused(dtype, temperature):
    logits = torch.tensor([[1.0, 30.0, 2.0]], dtype=dtype)
    with pytest.raises(ArgumentError, match="temperature is .*: divided by it, a logit leaves"):
        shape_logits(logits, temperature=temperature)
    zeros = torch.zeros(1, 3, dtype=dtype)
    if dtype == torch.float16:
        assert torch.equal(shape_logits(zeros, temperature=temperature), zeros)


def test_blocks_are_added_in_double_precision():
    """A thousand blocks of 1e-8 beside one of 1: in float32 their sum would stay 1."""
    logits = torch.full((1001,), math.log(1e-8), dtype=torch.float32)
    logits[0] = 0.0
    weights = logits.double().exp()
    for uniform in (1 - 2e-6, 1 - 5e-6, 1 - 9e-6):
        noise = torch.tensor([uniform, 0.5], dtype=torch.float64)
        token = sample_categorical(logits, noise=noise, block_size=1).item()
        expected = int((weights.cumsum(0) <= uniform * weights.sum()).sum())
        assert 0 < expected < 1000 and abs(token - expected) <= 1
