"""Noise: open ends, fine grid, and transforms that keep the rare values."""

import math

import pytest
import torch

from tokenlab.ops import exponential, gumbel, open_uniform

SMALL = [2.0**-1022, 2.0**-54, 2.0**-53, 2.0**-30, 1e-3, 0.5]
LARGE = [1 - 1e-3, 1 - 2.0**-30, 1 - 2.0**-53]


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def test_uniform_lies_on_the_finest_grid():
    noise = open_uniform((100_000,), generator=torch.Generator().manual_seed(0))
    assert noise.dtype == torch.float64
    assert noise.min() > 0 and noise.max() < 1
    steps = noise * 2.0**53
    assert torch.equal(steps, steps.round())
    assert bool((steps.long() % 2 == 1).any()), "the last bit is never set"


@pytest.mark.parametrize(("drawn", "expected"), [(0.0, 2.0**-54), (1 - 2.0**-53, 1 - 2.0**-53)])
def test_both_ends_are_open(monkeypatch, drawn, expected):
    monkeypatch.setattr(torch, "rand", lambda shape, **options: torch.full(shape, drawn, dtype=torch.float64))
    assert open_uniform((3,)).tolist() == [expected] * 3


def test_uniform_distribution():
    counts = (open_uniform((100_000,), generator=torch.Generator().manual_seed(1)) * 100).long().bincount()
    chi_square = float(((counts - 1000.0) ** 2 / 1000.0).sum())
    assert chi_square < 99 + 10 * math.sqrt(2 * 99)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (4, 2)])
def test_uniform_shape(shape):
    assert open_uniform(shape).shape == shape


def test_generator_decides():
    def draw(seed):
        return open_uniform((5,), generator=torch.Generator().manual_seed(seed))

    assert torch.equal(draw(3), draw(3))
    assert not torch.equal(draw(3), draw(4))


@pytest.mark.parametrize("uniform", SMALL + LARGE)
def test_transforms_agree_with_math(uniform):
    expected = -math.log1p(-uniform)
    assert exponential(double(uniform)).item() == pytest.approx(expected, rel=1e-14)
    assert gumbel(double(uniform)).item() == pytest.approx(-math.log(expected), rel=1e-13)


def test_vectorised_transforms_agree_with_scalar_ones():
    values = SMALL + LARGE
    many = double(values * 9)
    one_by_one = torch.stack([gumbel(double(value)) for value in values * 9])
    torch.testing.assert_close(gumbel(many), one_by_one, rtol=1e-14, atol=0)
    assert bool((exponential(many) > 0).all()) and bool(gumbel(many).isfinite().all())


def test_winning_end_is_resolved():
    # The usual float32 draw stops at 16.64; at 2^-30 we are beyond, and distinct from a neighbour.
    assert -math.log(-math.log(1 - 2.0**-24)) == pytest.approx(16.6355, abs=1e-4)
    assert gumbel(double(2.0**-30)).item() == pytest.approx(30 * math.log(2), rel=1e-9)
    assert gumbel(double(2.0**-30)) > gumbel(double(2.0**-30 + 2.0**-53))
    assert gumbel(double(2.0**-54)).item() == pytest.approx(54 * math.log(2), rel=1e-12)


def test_transforms_are_monotone_and_leave_the_noise_alone():
    uniform = double(SMALL + LARGE)
    before = uniform.clone()
    assert bool((gumbel(uniform).diff() < 0).all())
    assert bool((exponential(uniform).diff() > 0).all())
    torch.testing.assert_close(gumbel(uniform), -exponential(uniform).log())
    assert torch.equal(uniform, before)


def test_zero_is_a_limit_not_an_error_without_validation():
    assert gumbel(double(0.0), validate=False).item() == math.inf
    assert exponential(double(0.0), validate=False).item() == 0


def test_moments():
    uniform = open_uniform((200_000,), generator=torch.Generator().manual_seed(2))
    standard_error = 1 / math.sqrt(200_000)
    assert exponential(uniform).mean().item() == pytest.approx(1, abs=6 * standard_error)
    deviation = math.pi / math.sqrt(6)
    assert gumbel(uniform).mean().item() == pytest.approx(0.577216, abs=6 * deviation * standard_error)
    assert gumbel(uniform).std().item() == pytest.approx(deviation, rel=0.02)
