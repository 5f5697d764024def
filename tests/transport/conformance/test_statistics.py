"""What drawn tokens can show: p-values, power as stated, no false alarms."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import chisquare

from tests.transport.conformance.verifiers import QUICK, shifted
from tokenlab.transport import check_verifier
from tokenlab.transport.conformance import statistics
from tokenlab.transport.conformance.inputs import MIN_SAMPLES


def test_a_bias_of_the_stated_power_is_found():
    power = check_verifier(sample=shifted(0.0), **QUICK).power
    assert power == pytest.approx(statistics.smallest_found(MIN_SAMPLES, 3, 1e-4, 0.99))
    found = [
        not check_verifier(sample=shifted(1.05 * power), seed=seed, **QUICK).lossless for seed in range(20)
    ]
    assert sum(found) >= 19
    # The statement is sharp: half of it is missed now and then.
    found = [
        not check_verifier(sample=shifted(0.5 * power), seed=seed, **QUICK).lossless for seed in range(10)
    ]
    assert sum(found) < 10


def test_no_false_alarm_in_fifty_seeds():
    for seed in range(50):
        report = check_verifier(sample=shifted(0.0), seed=seed, **QUICK)
        assert report.lossless and report.mistake is None


def test_p_values_are_those_of_scipy_and_uniform():
    probs = torch.tensor([0.5, 0.3, 0.2]).double()
    counts = torch.tensor([520.0, 270.0, 210.0]).double()
    assert statistics.p_value(counts, probs) == pytest.approx(
        chisquare(counts, 1000 * probs).pvalue, rel=1e-10
    )
    generator = torch.Generator().manual_seed(0)
    values = sorted(
        statistics.p_value(
            torch.bincount(torch.multinomial(probs, 2000, True, generator=generator), minlength=3).double(),
            probs,
        )
        for _ in range(400)
    )
    assert max(abs(value - (i + 0.5) / 400) for i, value in enumerate(values)) < 1.63 / 20  # Kolmogorov, 1 %


def test_impossible_outputs_are_found_whatever_their_number():
    assert statistics.p_value(torch.tensor([1e6, 1.0]).double(), torch.tensor([1.0, 0.0]).double()) == 0
    assert statistics.p_value(torch.tensor([1e6, 0.0]).double(), torch.tensor([1.0, 0.0]).double()) == 1
    assert (1 - statistics.smallest_found(1000, 1, 1e-4, 0.99)) ** 1000 == pytest.approx(0.01)


@pytest.mark.parametrize(("draws", "outputs"), [(25_000, 5), (200_000, 2), (50_000, 27)])
def test_power_grows_with_the_draws(draws, outputs):
    small, large = (statistics.smallest_found(n, outputs, 1e-4, 0.99) for n in (draws, 4 * draws))
    assert small == pytest.approx(2 * large)
