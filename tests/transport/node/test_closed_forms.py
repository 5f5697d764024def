"""Acceptance rates: reference values, closed forms against enumeration, what is ordered and what not."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
import torch

from tests.support.planting import plant
from tests.transport.instances import EDGES, PAIRS, can_be_drawn, double, pair, random_pairs, random_rows, row
from tokenlab.chapters.transport import exact
from tokenlab.errors import ArgumentError
from tokenlab.transport import acceptance_rate, optimal_acceptance_rate
from tokenlab.transport.node import closed_forms, thresholds

WITHOUT = "without_replacement"


def rate(target, draft, num_drafts, rule, sampling=None) -> float:
    return acceptance_rate(double(target), double(draft), num_drafts, rule, sampling).item()


#: Two tokens: target (1 - a, a), draft (1 - b, b); a, b, drafts, and the rates of target_only,
#: recursive, kseq and the optimum. K-SEQ's are roots, known to six digits.
TWO_TOKENS = [
    ("3/4", "1/4", 2, "9/16", "5/8", 0.648268, "11/16"),
    ("3/4", "1/4", 3, "87/128", "23/32", 0.754539, "53/64"),
    ("1/2", "1/4", 2, "11/16", "13/16", 0.847597, "15/16"),
    ("1/4", "1/2", 2, "3/4", "7/8", (5 + math.sqrt(5)) / 8, "1"),
    ("9/10", "1/2", 2, "3/4", "4/5", 0.815037, "17/20"),
    ("2/3", "1/3", 2, "2/3", "7/9", 0.811420, "8/9"),
    ("1/2", "1", 2, "1/2", "1/2", 0.5, "1/2"),
]


def assert_rates(target, draft, num_drafts, expected):
    for (rule, sampling), value in expected.items():
        tolerance = 5e-7 if isinstance(value, float) else 1e-14
        assert rate(target, draft, num_drafts, rule, sampling) == pytest.approx(
            float(Fraction(value)), abs=tolerance
        ), (rule, sampling)
        if not isinstance(value, float):
            assert exact.acceptance_rate(rule, target, draft, num_drafts, sampling) == Fraction(value)


@pytest.mark.parametrize(("a", "b", "k", "target_only", "recursive", "kseq", "optimal"), TWO_TOKENS)
def test_two_tokens(a, b, k, target_only, recursive, kseq, optimal):
    a, b = Fraction(a), Fraction(b)
    assert_rates(
        row(1 - a, a),
        row(1 - b, b),
        k,
        {
            ("target_only", "iid"): target_only,
            ("naive", "iid"): recursive,  # one other token: the same rule
            ("recursive", "iid"): recursive,
            ("kseq", "iid"): kseq,
            ("optimal", "iid"): optimal,
        },
    )


def test_three_tokens():
    target, draft = EDGES["reversed"]
    assert_rates(target, draft, 2, {
        ("target_only", "iid"): "483/1000", ("naive", "iid"): "19/25", ("recursive", "iid"): "19/25",
        ("kseq", "iid"): 0.79135529, ("optimal", "iid"): "43/50", ("recursive", WITHOUT): "41/50",
        ("optimal", WITHOUT): "69/70", ("greedy", "greedy"): "9/10", ("spechub", "spechub"): "9/10",
        ("optimal", "greedy"): "9/10", ("optimal", "spechub"): "9/10",
    })  # fmt: skip
    assert_rates(
        target,
        draft,
        3,
        {
            ("target_only", "iid"): "6161/10000",
            ("recursive", "iid"): "101/125",
            ("kseq", "iid"): 0.85851861,
            ("optimal", "iid"): "247/250",
            ("recursive", WITHOUT): "1",
            ("optimal", WITHOUT): "1",
            ("greedy", "greedy"): "1",
        },
    )


@pytest.mark.parametrize("num_drafts", [2, 3, 5])
@pytest.mark.parametrize("ratio", [2, 3])
def test_uniform_target_on_a_part_of_a_uniform_draft(ratio, num_drafts):
    target = row(*[Fraction(1, 2)] * 2, *[0] * (2 * ratio - 2))
    draft = row(*[Fraction(1, 2 * ratio)] * 2 * ratio)
    expected = 1 - (1 - 1 / ratio) ** num_drafts
    for rule in ("recursive", "kseq", "optimal"):
        assert rate(target, draft, num_drafts, rule) == pytest.approx(expected, abs=1e-12)


def assert_closed_forms(pairs, num_drafts, cases) -> None:
    for rule, sampling in cases:
        for target, draft in pairs:
            if can_be_drawn(draft, num_drafts, sampling):
                expected = float(exact.acceptance_rate(rule, target, draft, num_drafts, sampling))
                assert rate(target, draft, num_drafts, rule, sampling) == pytest.approx(
                    expected, abs=1e-12
                ), (rule, sampling, target, draft)


RANDOM = [case for vocab in (2, 3, 4, 5) for case in random_pairs(vocab, 6, seed=5)]


@pytest.mark.parametrize("num_drafts", [1, 2, 3])
@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_closed_forms_are_sums_over_all_drafts(rule, sampling, num_drafts):
    assert_closed_forms([*EDGES.values(), *RANDOM], num_drafts, [(rule, sampling)])


def test_two_drafts_without_replacement_in_a_larger_vocabulary():
    """Closed forms against the enumeration that three drafts take."""
    generator = torch.Generator().manual_seed(0)
    target, draft = (
        (2 * torch.randn(4, 30, generator=generator, dtype=torch.float64)).softmax(-1) for _ in range(2)
    )
    for rule in ("target_only", "naive", "recursive"):
        found = acceptance_rate(target, draft, 2, rule, WITHOUT)
        expected = closed_forms.enumerated_rate(target, draft, 2, rule, WITHOUT)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


#: What is changed in the source, and the rule that it belongs to.
MUTANTS = {
    "thresholds one step back": ("        threshold = threshold + above\n", "        threshold = 0 * threshold + above\n", ("recursive", "iid")),
    "first draft looked up twice": ("drawn(draft, k - 1)", "drawn(draft, k)", ("naive", "iid")),
    "one test of k": ("return once * expected_tests(once, k)", "return once", ("kseq", "iid")),
    "second draft not renormalised": ("curve(residual, draft), second.scale)", "curve(residual, draft), second.scale.ceil().clamp(max=1))", ("recursive", WITHOUT)),
    "residual not renormalised": ("curve(residual, draft), second.scale)", "curve(rest, draft), second.scale)", ("recursive", WITHOUT)),
    "rejected drafts by q": ("(rejected * second.scale)", "(draft * second.scale)", ("naive", WITHOUT)),
    "own odds counted": ("sum_of_others(draft * second.scale)", "(draft * second.scale).sum(-1, keepdim=True)", ("target_only", WITHOUT)),
    "sure drafts forgotten": ("last_draft_probs(draft, first).scatter(-1, first, 1.0)", "last_draft_probs(draft, first)", ("target_only", "greedy")),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MUTANTS)
def test_a_mistake_in_the_source_is_caught(mistake, monkeypatch):
    old, new, case = MUTANTS[mistake]
    plant(monkeypatch, closed_forms, old, new)
    with pytest.raises(AssertionError):
        assert_closed_forms([*EDGES.values(), *RANDOM[:12]], 2, [case])


def test_kseq_is_the_curve_at_its_root():
    """No bonus: what the residual adds is zero there, so that the rate is g(rho) = rho beta."""
    target, draft = random_rows(200, 20)
    points = thresholds.curve(target, draft)
    for k in (2, 3, 8):
        factor = thresholds.curve_factor(points, k).unsqueeze(-1)
        found = acceptance_rate(target, draft, k, "kseq")
        torch.testing.assert_close(found, thresholds.overlap(points, factor).squeeze(-1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("num_drafts", [1, 2, 3, 8])
@pytest.mark.parametrize("vocab", [2, 5, 50])
def test_order_of_the_rules_for_independent_drafts(vocab, num_drafts):
    """target_only <= naive <= recursive <= kseq <= optimum <= what is drawn, and <= the optimum without."""
    for spread in (0.3, 2.0, 6.0):
        target, draft = random_rows(300, vocab, seed=num_drafts, spread=spread)
        rates = [
            acceptance_rate(target, draft, num_drafts, rule)
            for rule in ("target_only", "naive", "recursive", "kseq", "optimal")
        ]
        rates.append(torch.minimum(target, 1 - (1 - draft) ** num_drafts).sum(-1))
        for lower, upper in itertools.pairwise(rates):
            assert bool((lower <= upper + 1e-12).all())
        if num_drafts == 2:
            without = optimal_acceptance_rate(target, draft, 2, WITHOUT)
            assert bool((rates[4] <= without + 1e-12).all())
            recursive = acceptance_rate(target, draft, 2, "recursive", WITHOUT)
            assert bool((rates[2] <= recursive + 1e-12).all())


def test_order_is_exact_in_fractions():
    rules = ("target_only", "naive", "recursive", "kseq", "optimal")
    for target, draft in [*EDGES.values(), *RANDOM]:
        # Above the root by 2^-60: K-SEQ is below its best by less than that.
        rates = [exact.acceptance_rate(rule, target, draft, 2) for rule in rules]
        rates[3] += Fraction(1, 2**50)
        rates[4] += Fraction(1, 2**50)
        assert rates == sorted(rates)


def test_both_inequalities_can_be_strict_or_not():
    target, draft = pair("1/2 3/10 1/10 1/10", "1/10 1/10 3/10 1/2")
    rates = [
        rate(target, draft, 3, rule) for rule in ("target_only", "naive", "recursive", "kseq", "optimal")
    ]
    assert all(upper - lower > 1e-3 for lower, upper in itertools.pairwise(rates))


@pytest.mark.parametrize("num_drafts", [1, 2, 3, 8, 32])
def test_guarantee_of_kseq(num_drafts):
    """At least 1 - (1 - 1/k)^k of the optimum, even of g(k), which is no less."""
    share = 1 - (1 - 1 / num_drafts) ** num_drafts
    worst = 1.0
    for vocab in (2, 3, 20):
        for spread in (1.0, 4.0):
            target, draft = random_rows(500, vocab, seed=num_drafts, spread=spread)
            kseq = acceptance_rate(target, draft, num_drafts, "kseq")
            optimum = optimal_acceptance_rate(target, draft, num_drafts)
            covered = torch.minimum(target, num_drafts * draft).sum(-1)
            assert bool((optimum <= covered + 1e-12).all())
            assert bool((kseq >= share * covered - 1e-12).all())
            worst = min(worst, (kseq / optimum).min().item())
    # The guarantee is far from what happens.
    assert worst > (0.83 if num_drafts > 1 else 0.999999)


def test_worst_case_of_kseq_for_two_drafts():
    grid = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    a, b = (values.flatten() for values in torch.meshgrid(grid, grid, indexing="ij"))
    target, draft = torch.stack([1 - a, a], -1), torch.stack([1 - b, b], -1)
    ratio = acceptance_rate(target, draft, 2, "kseq") / optimal_acceptance_rate(target, draft, 2)
    assert ratio.min().item() == pytest.approx(0.889, abs=1e-3)


def test_recursive_without_replacement_may_be_below_kseq_and_the_iid_optimum():
    target, draft = pair("1/6 1/3 1/2", "1/3 1/6 1/2")
    found = exact.acceptance_rate("recursive", target, draft, 2, WITHOUT)
    assert found == Fraction(7, 8)
    assert found < exact.acceptance_rate("kseq", target, draft, 2)
    assert exact.optimal_acceptance_rate(target, draft, 2) == Fraction(35, 36)
    # And above both.
    target, draft = EDGES["reversed"]
    assert exact.acceptance_rate("recursive", target, draft, 3, WITHOUT) == 1
    assert exact.optimal_acceptance_rate(target, draft, 3) == Fraction(247, 250)


def test_greedy_drafts_may_be_worse_than_independent_ones_or_better_than_any_without_replacement():
    target, draft = row(1, 0, 0), row("1/3", "1/3", "1/3")
    assert exact.acceptance_rate("greedy", target, draft, 2) == 1
    assert exact.optimal_acceptance_rate(target, draft, 2, WITHOUT) == Fraction(2, 3)
    # The same draft, but the target wants the token that greedy drafts leave to chance.
    target = row(0, 0, 1)
    assert exact.acceptance_rate("greedy", target, draft, 2) == Fraction(1, 2)
    assert exact.acceptance_rate("target_only", target, draft, 2) == Fraction(5, 9)
    # Between the two optima.
    target, draft = EDGES["reversed"]
    best = [exact.optimal_acceptance_rate(target, draft, 2, way) for way in ("iid", "greedy", WITHOUT)]
    assert best == [Fraction(43, 50), Fraction(9, 10), Fraction(69, 70)]


def test_six_tokens_where_greedy_drafts_beat_the_optimum_without_replacement():
    target = row("0.004", "0.8322", "0.0002", "0.1478", "0.0152", "0.0006")
    draft = row("0.1447", "0.6111", "0.0018", "0.0588", "0.1824", "0.0012")
    assert rate(target, draft, 2, "greedy") == pytest.approx(1.0, abs=1e-3)
    assert rate(target, draft, 2, "optimal", WITHOUT) == pytest.approx(0.9547, abs=1e-3)


def test_looking_up_k_drafts_may_be_better_or_worse_than_testing_one():
    target, draft = EDGES["two tokens"]
    assert exact.acceptance_rate("target_only", target, draft, 2) == Fraction(9, 16)
    assert exact.acceptance_rate("naive", target, draft, 1) == Fraction(1, 2)
    third = row("1/3", "1/3", "1/3")
    assert exact.acceptance_rate("target_only", third, third, 2) == Fraction(5, 9)
    assert exact.acceptance_rate("naive", third, third, 1) == 1


def test_three_drafts_without_replacement_are_refused_where_they_are_too_many():
    target, draft = random_rows(1, 22)
    with pytest.raises(ArgumentError, match="22 tokens make 10648 .*estimate_acceptance_rate"):
        acceptance_rate(target, draft, 3, "recursive", WITHOUT)
    target, draft = random_rows(1, 21)
    assert 0 < acceptance_rate(target, draft, 3, "naive", WITHOUT).item() < 1
