"""Improbable tokens keep their digits: drafts beside a token that is all but certain, down to the smallest numbers."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest
import torch

from tests.support.planting import plant
from tests.transport.instances import PAIRS, Row, double
from tokenlab.chapters.transport import exact
from tokenlab.transport import acceptance_rate, optimal_acceptance_rate, transport_plan
from tokenlab.transport.node import closed_forms, drafts, optimum, thresholds

WITHOUT = "without_replacement"
#: Share of all tokens but one; the last are subnormal numbers.
SHARES = [1e-12, 1e-17, 1e-18, 1e-19, 1e-21, 1e-40, 1e-100, 1e-300, 1e-307, 1e-309, 1e-315]


def uniform(vocab: int) -> torch.Tensor:
    return torch.full((vocab,), 1 / vocab, dtype=torch.float64)


def nearly_sure(share: float, vocab: int = 6) -> torch.Tensor:
    """The third token has all but a few ``share``, which the others have unequally."""
    others = [share * weight for weight in range(1, vocab)]
    return torch.tensor([*others[:2], 1.0, *others[2:]], dtype=torch.float64)


def fractions(probs: torch.Tensor) -> Row:
    weights = [Fraction(value) for value in probs.tolist()]
    return tuple(weight / sum(weights) for weight in weights)


#: Targets that want the improbable tokens, equally, unequally, or only some of them.
TARGETS = [uniform(6), double((Fraction(1, 3), 0, Fraction(1, 6), 0, Fraction(1, 4), Fraction(1, 4)))]


def assert_optimum(share: float, num_drafts: int) -> None:
    draft = nearly_sure(share)
    for target in TARGETS:
        found, error = optimal_acceptance_rate(target, draft, num_drafts, WITHOUT, return_error=True)
        expected = float(
            exact.optimal_acceptance_rate(fractions(target), fractions(draft), num_drafts, WITHOUT)
        )
        # The row itself sums to one only up to its shares.
        assert abs(found.item() - expected) <= error.item() + 30 * share + 1e-15, (share, target)
        assert error.item() < 1e-7


@pytest.mark.parametrize("num_drafts", [2, 3, 4])
def test_optimum_is_that_of_the_shares(num_drafts):
    for share in SHARES:
        assert_optimum(share, num_drafts)


def test_optimum_of_a_cold_draft_is_that_of_the_linear_program():
    """Temperature 0.5 on a gap of 25: nine tokens of 2e-22 each, and three drafts are never too few."""
    draft = (torch.tensor([25.0, *[0.0] * 9], dtype=torch.float64) / 0.5).softmax(-1)
    found, error = optimal_acceptance_rate(uniform(10), draft, 3, WITHOUT, return_error=True)
    assert transport_plan(uniform(10), draft, 3, WITHOUT).acceptance_rate == pytest.approx(1, abs=1e-8)
    assert found.item() == pytest.approx(1, abs=1e-12)
    assert 0 < error.item() < 1e-7


def test_optimum_orders_tokens_whose_ratio_is_infinite():
    """p/q is beyond all numbers for two of these tokens, and infinite for the last: they are not alike."""
    target = torch.tensor([0.5, 0.2, 0.2, 0.1], dtype=torch.float64)
    draft = torch.tensor([1.0, 1e-320, 4e-320, 0.0], dtype=torch.float64)
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [3, 1, 2, 0]):
        found = optimal_acceptance_rate(target[order], draft[order], 3, WITHOUT)
        assert found.item() == pytest.approx(0.9, abs=1e-12)


@pytest.mark.parametrize(("rule", "sampling"), [pair for pair in PAIRS if pair[0] != "optimal"])
def test_rates_of_two_drafts(rule, sampling):
    for target, share in product(TARGETS, SHARES[::3]):
        draft = nearly_sure(share)
        expected = float(exact.acceptance_rate(rule, fractions(target), fractions(draft), 2, sampling))
        found = acceptance_rate(target, draft, 2, rule, sampling).item()
        assert found == pytest.approx(expected, abs=30 * share + 1e-13)


def assert_small_rates_keep_their_digits() -> None:
    """Where the target wants only what is hardly ever drafted, the rate is k q: not a digit is lost."""
    for exponent in (3, 10, 17, 30, 200):
        small = Fraction(1, 10**exponent)
        for num_drafts in (1, 2, 8):
            for rule in ("target_only", "naive"):
                target, draft = (Fraction(0), Fraction(1)), (1 - small, small)
                found = acceptance_rate(double(target), double(draft), num_drafts, rule).item()
                expected = float(1 - (1 - small) ** num_drafts)
                assert found == pytest.approx(expected, rel=1e-12, abs=0), (rule, exponent, num_drafts)


def test_small_rates_keep_their_digits():
    assert_small_rates_keep_their_digits()


def counted(draft: torch.Tensor, draws: int = 4000) -> torch.Tensor:
    rows = draft.expand(draws, -1)
    return drafts.draw_drafts(rows, 2, WITHOUT, generator=torch.Generator().manual_seed(0))


def assert_drafts_are_possible() -> None:
    draft = torch.tensor([0.0, 1.0, 5e-324, 1.5e-323, 0.0], dtype=torch.float64)
    tokens = counted(draft)
    assert tokens[:, 0].unique().tolist() == [1]
    share = (tokens[:, 1] == 3).double().mean().item()
    assert set(tokens[:, 1].tolist()) == {2, 3}
    assert share == pytest.approx(0.75, abs=0.04)


def test_drafts_of_probability_zero_never_come():
    """Also where the possible ones are subnormal, whose arrival times exceed all numbers."""
    assert_drafts_are_possible()


def test_float32_drafts_of_subnormal_probability():
    tokens = counted(torch.tensor([0.0, 1.0, 1e-45, 0.0]))
    assert tokens.unique(dim=0).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("module", "old", "new", "check"),
    [
        (optimum, "(1 - fewer.sum(-1))", "(1 - fewer.sum(-1)) * (rest > 1e-18)[..., None]", assert_optimum),
        (optimum, "- math.log(smallest)", "- math.log(max(smallest, 1e-18))", assert_optimum),
        (
            optimum,
            "units = 2.0**512 if end > 700 else 1.0",
            "units = 1.0",
            lambda *_: assert_optimum(1e-309, 3),
        ),
        (
            closed_forms,
            "-torch.expm1(k * torch.log1p(-draft))",
            "1 - (1 - draft) ** k",
            lambda *_: assert_small_rates_keep_their_digits(),
        ),
        (drafts, "(probs * 2.0**64).log()", "(probs * 1e-10).log()", lambda *_: assert_drafts_are_possible()),
        (
            drafts,
            "exponential(noise, validate=False).log() - rates",
            "exponential(noise, validate=False) / probs",
            lambda *_: assert_drafts_are_possible(),
        ),
        (
            thresholds,
            "torch.where(target > 0, target, 1.0), torch.inf)",
            "torch.where(target > 0, target, 1.0), torch.inf).clamp(min=1e-308)",
            lambda *_: test_optimum_orders_tokens_whose_ratio_is_infinite(),
        ),
    ],
)
def test_a_mistake_in_the_source_is_caught(module, old, new, check, monkeypatch):
    plant(monkeypatch, module, old, new)
    with pytest.raises(AssertionError):
        check(1e-21, 3)


def test_sums_of_all_others_have_no_difference():
    values = [1.0, 1e20, 1e-20, 3.0, 1e-300]
    found = thresholds.sum_of_others(torch.tensor(values, dtype=torch.float64)).tolist()
    for index, others in enumerate(found):
        expected = float(sum(map(Fraction, values[:index] + values[index + 1 :])))
        assert others == pytest.approx(expected, rel=1e-15, abs=0)


@pytest.mark.parametrize("num_drafts", [2, 4, 8])
@pytest.mark.parametrize("apart", [2.0**-20, 2.0**-35, 2.0**-47])
def test_factor_of_nearly_equal_distributions(apart, num_drafts):
    """Mean tests and factor differ by (rho - 1)^k there: less than rounding, where the root is not yet."""
    small = Fraction(apart)
    target = (Fraction(1, 2), Fraction(1, 2) - small, small)
    draft = (Fraction(1, 2), Fraction(1, 2), Fraction(0))
    found = thresholds.division_factor(double(target), double(draft), num_drafts).item()
    expected = float(exact.lossless_factor(target, draft, num_drafts, halvings=70) - 1)
    assert found - 1 == pytest.approx(expected, rel=1e-6, abs=1e-15)
