"""Gumbel noise with a cap: the distribution of the draw, by integration, by counting, and in the limits."""

from __future__ import annotations

import itertools
import math

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from tests.sampling.rows import HAND, float64, logit_rows
from tests.support.planting import plant
from tokenlab.ops import exponential, gumbel, open_uniform
from tokenlab.sampling import reference

FLOAT32_CAP = -math.log(-math.log1p(-(2.0**-24)))
FIVE = float64([0.02, 0.08, 0.2, 0.3, 0.4])


def distribution_by_integration(probs: list[float], cap: float) -> list[float]:
    """Each token's chance to arrive first: arrival times (m + E) / p with E exponential."""
    m = math.exp(-cap)

    def density(time: float, winner: int) -> float:
        still = math.exp(-sum(max(p * time - m, 0) for p in probs))
        return probs[winner] * still

    starts = sorted({m / p for p in probs})
    return [
        sum(
            quad(density, *ends, args=(n,))[0]
            for ends in itertools.pairwise([*starts, starts[-1] + 60])
            if ends[0] >= m / p - 1e-15
        )
        for n, p in enumerate(probs)
    ]


@pytest.mark.parametrize("cap", [5.0, -math.log(0.1), -math.log(0.02), 0.0])
def test_capped_distribution_is_the_integral_of_the_race(cap):
    for probs in (FIVE, HAND, float64([0.25, 0.25, 0.5])):
        expected = distribution_by_integration(probs.tolist(), cap)
        assert torch.allclose(
            reference.capped_gumbel_distribution(probs, cap), float64(expected), atol=1e-7, rtol=0
        )


def test_capped_distribution_of_the_fact_sheet():
    distribution = reference.capped_gumbel_distribution(FIVE, cap=-math.log(0.1))
    assert distribution.tolist() == pytest.approx([0.0002, 0.0358, 0.1833, 0.3206, 0.4602], abs=5e-5)


def draw(probs: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    drawn = (probs.log() + noise).argmax(-1)
    return torch.bincount(drawn, minlength=len(probs)) / len(drawn)


@pytest.mark.parametrize("m", [0.02, 0.1])
def test_capped_distribution_matches_draws_and_the_plain_distribution_does_not(m):
    uniform = open_uniform((200_000, 5), generator=torch.Generator().manual_seed(1))
    capped = draw(FIVE, -(exponential(uniform) + m).log())
    distribution = reference.capped_gumbel_distribution(FIVE, cap=-math.log(m))
    spread = 4 * (distribution * (1 - distribution) / 200_000).sqrt()
    assert bool(((capped - distribution).abs() < spread).all())
    # Planted mutants: the distribution without a cap, and draws without one, both fail the same test.
    assert not bool(((capped - FIVE).abs() < spread).all())
    assert not bool(((draw(FIVE, gumbel(uniform)) - distribution).abs() < spread).all())


def test_noise_from_a_grid_loses_less_than_the_distribution_says():
    """All pairs of uniforms on a grid of 2^-12, rounded down as torch.rand rounds them."""
    size, rare = 4096, 1 / 2048
    early = -torch.log(torch.arange(1, size, dtype=torch.float64) / size)
    head = (early / (1 - rare)).sort().values
    # The head must arrive later. Its uniform 0 is left out: that is the other end of the grid.
    later = size - 1 - torch.searchsorted(head, early / rare, right=True)
    share = later.sum().item() / size**2 / rare
    cap = -math.log(-math.log1p(-1 / size))
    x = math.exp(-cap) / rare
    distribution = reference.capped_gumbel_distribution(float64([rare, 1 - rare]), cap)[0].item() / rare
    assert distribution == pytest.approx(math.exp(-x), rel=2e-3)
    assert share == pytest.approx(x / math.expm1(x), rel=2e-3)
    assert distribution < share - 0.1 < 1


@pytest.mark.parametrize(
    ("t", "share", "digits"), [(1e-6, 0.945, 5e-4), (1e-7, 0.55, 5e-3), (1e-9, 0.0, 1e-20)]
)
def test_a_tail_that_hardly_ever_wins(t, share, digits):
    """50,257 tokens of which all but one have probability t, under float32 noise."""
    row = torch.full((50_257,), t, dtype=torch.float64)
    row[123] = 1 - 50_256 * t
    distribution = reference.capped_gumbel_distribution(row, FLOAT32_CAP)
    tail = torch.arange(50_257) != 123
    assert (distribution[tail].sum() / row[tail].sum()).item() == pytest.approx(share, abs=digits)
    assert distribution.sum().item() == pytest.approx(1, abs=1e-9)


@given(logits=logit_rows, cap=st.floats(-2, 40))
@settings(max_examples=100, deadline=None)
def test_capped_distribution_is_a_distribution_that_favours_the_probable(logits, cap):
    probs = reference.softmax(float64(logits))
    distribution = reference.capped_gumbel_distribution(probs, cap)
    assert distribution.sum().item() == pytest.approx(1, abs=1e-9)
    ratio = (distribution / probs)[probs.argsort()]
    assert bool((ratio.diff() >= -1e-9 * ratio[1:].abs() - 1e-12).all())


def test_capped_distribution_without_a_cap_and_with_zeros():
    assert torch.allclose(reference.capped_gumbel_distribution(FIVE, 800.0), FIVE, rtol=1e-15)
    distribution = reference.capped_gumbel_distribution(float64([0.0, 0.5, 0.0, 0.5]), 1.0)
    assert distribution.tolist() == pytest.approx([0, 0.5, 0, 0.5])
    both = reference.capped_gumbel_distribution(torch.stack([FIVE, FIVE.flip(0)]), 2.0)
    assert torch.equal(both[0], both[1].flip(0))


def test_caps_of_the_formats():
    assert pytest.approx(16.6355, abs=5e-5) == FLOAT32_CAP
    assert -math.log(-math.log1p(-(2.0**-53))) == pytest.approx(36.7368, abs=5e-5)
    largest = torch.nextafter(torch.tensor(1.0), torch.tensor(0.0))
    assert -math.log(-math.log(largest.item())) == pytest.approx(FLOAT32_CAP)


def as_published(probs: list[float], cap: float) -> list[float]:
    """The paper's formula as it stands there, with the digits that its large exponents need."""
    with mpmath.workdps(80 + int(max(-cap, 0))):
        waiting = mpmath.exp(-mpmath.mpf(cap))
        ascending = sorted(mpmath.mpf(prob) for prob in probs)
        tails = [mpmath.fsum(ascending[i:]) for i in range(len(probs))]
        sums, total = [], mpmath.mpf(0)
        for i, tail in enumerate(tails):
            slower = mpmath.exp(-tail * waiting / ascending[i - 1]) if i else 0
            growth = mpmath.exp((len(probs) - i) * waiting)
            total += growth / tail * (mpmath.exp(-tail * waiting / ascending[i]) - slower)
            sums.append(total)
        ranks = sorted(range(len(probs)), key=probs.__getitem__)
        return [float(mpmath.mpf(probs[n]) * sums[ranks.index(n)]) for n in range(len(probs))]


def assert_low_caps() -> None:
    for cap in (-1000.0, -40.0, -30.0, -20.0, -5.0, -1.0, 0.0, 3.0, 16.6, 40.0, 1000.0):
        for probs in (FIVE, torch.full((10,), 0.1, dtype=torch.float64), float64([0.1, 0.3, 0.3, 0.3])):
            found = reference.capped_gumbel_distribution(probs, cap)
            assert found.sum().item() == pytest.approx(1, abs=1e-12), (cap, probs)
            if -6 < cap < 1000:
                assert found.tolist() == pytest.approx(as_published(probs.tolist(), cap), abs=1e-12), cap
    assert reference.capped_gumbel_distribution(
        float64([0.1, 0.3, 0.3, 0.3]), -40.0
    ).tolist() == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3])


def test_low_caps_leave_a_distribution():
    """A low cap makes both exponents of the formula large, and their sum small."""
    assert_low_caps()


def test_exponents_that_are_not_joined_are_caught(monkeypatch):
    plant(
        monkeypatch,
        reference,
        "above > 0, late * above / ascending, 0.0)",
        "above >= 0, late * (tails / ascending - torch.arange(len(tails), 0, -1)), 0.0)",
    )
    with pytest.raises(AssertionError):
        assert_low_caps()
