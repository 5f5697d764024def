"""The optimum found in five ways, the plan that reaches it, and K-SEQ's factor."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from tests.support.planting import plant
from tests.transport.instances import EDGES, can_be_drawn, double, pair, random_pairs, row
from tokenlab.chapters.transport import exact
from tokenlab.transport import SAMPLINGS, division_factor, optimal_acceptance_rate, transport_plan
from tokenlab.transport.node import optimum, thresholds

MANY = [
    *EDGES.values(),
    *(
        case
        for vocab, count in ((2, 20), (3, 20), (4, 10), (5, 6))
        for case in random_pairs(vocab, count, seed=3)
    ),
]


def drawable(sampling: str, num_drafts: int) -> list:
    return [case for case in MANY if can_be_drawn(case[1], num_drafts, sampling)]


def assert_prefix_is_subset_formula(sampling: str, num_drafts: int) -> None:
    for target, draft in drawable(sampling, num_drafts):
        found, error = optimal_acceptance_rate(
            double(target), double(draft), num_drafts, sampling, return_error=True
        )
        expected = float(exact.optimal_acceptance_rate(target, draft, num_drafts, sampling))
        assert found.item() == pytest.approx(expected, abs=1e-12), (target, draft)
        assert error.item() < 1e-6
        if num_drafts < 3 or sampling != "without_replacement":
            assert error.item() == 0


@pytest.mark.parametrize("num_drafts", [1, 2, 3])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_prefix_formula_is_the_minimum_over_all_sets(sampling, num_drafts):
    assert_prefix_is_subset_formula(sampling, num_drafts)


@pytest.mark.parametrize("num_drafts", [1, 2, 3])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_linear_program_is_the_maximum_flow(sampling, num_drafts):
    for target, draft in drawable(sampling, num_drafts)[::2]:
        plan = transport_plan(double(target), double(draft), num_drafts, sampling)
        expected = float(exact.acceptance_rate("optimal", target, draft, num_drafts, sampling))
        assert plan.acceptance_rate == pytest.approx(expected, abs=1e-8)


def whole_linear_program(target, draft, num_drafts: int, sampling: str) -> float:
    """SpecTr's problem as it is first stated: all couplings, cost 1 where the output is no draft."""
    distribution = exact.draft_distribution(draft, num_drafts, sampling)
    vocab = len(target)
    cost = [float(y not in tokens) for tokens in distribution for y in range(vocab)]
    rows = np.kron(np.eye(len(distribution)), np.ones(vocab))
    columns = np.kron(np.ones(len(distribution)), np.eye(vocab))
    marginals = [float(value) for value in (*distribution.values(), *target)]
    found = linprog(cost, A_eq=np.vstack([rows, columns]), b_eq=marginals, method="highs")
    assert found.status == 0
    return 1 - found.fun


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_problem_as_first_stated(sampling):
    cases = [case for case in drawable(sampling, 2) if len(case[0]) <= 4 and case != EDGES["tiny"]]
    for target, draft in cases[::3]:
        expected = float(exact.optimal_acceptance_rate(target, draft, 2, sampling))
        assert whole_linear_program(target, draft, 2, sampling) == pytest.approx(expected, abs=1e-8)


def test_two_tokens_in_closed_form():
    for a, b, k in product([0.0, 0.2, 0.55, 1.0], [0.0, 0.3325, 0.7, 1.0], [1, 2, 3, 8]):
        target = torch.tensor([1 - a, a], dtype=torch.float64)
        draft = torch.tensor([1 - b, b], dtype=torch.float64)
        expected = 1 - max(0, b**k - a, (1 - b) ** k - (1 - a))
        assert optimal_acceptance_rate(target, draft, k).item() == pytest.approx(expected, abs=1e-15)


def test_two_drafts_as_khisti_et_al_state_it():
    """Everything can be accepted if and only if p(S) >= q(S)^2 for every set S."""
    for target, draft in drawable("iid", 2):
        tokens = range(len(target))
        sets = [s for size in tokens for s in combinations(tokens, size)]
        enough = all(sum(target[x] for x in s) >= sum(draft[x] for x in s) ** 2 for s in sets)
        assert (exact.optimal_acceptance_rate(target, draft, 2) == 1) == enough
        assert (optimal_acceptance_rate(double(target), double(draft), 2).item() > 1 - 1e-12) == enough


def test_drafts_conditioned_on_being_different_are_another_distribution():
    """Elementary symmetric polynomials describe draws that are repeated until all differ."""
    target, draft = EDGES["reversed"]
    pairs = {(i, j): draft[i] * draft[j] for i in range(3) for j in range(3) if i != j}
    total = sum(pairs.values())
    optimum_there = 1 + min(
        sum(target[x] for x in subset)
        - sum(mass for tokens, mass in pairs.items() if set(tokens) <= set(subset)) / total
        for size in range(4)
        for subset in combinations(range(3), size)
    )
    assert optimum_there == 1
    assert exact.optimal_acceptance_rate(target, draft, 2, "without_replacement") == Fraction(69, 70)


@pytest.mark.parametrize(
    ("mistake", "old", "new", "sampling", "num_drafts"),
    [
        ("p/q falling", "inverse, 0.0).sort(-1, descending=True)", "inverse, 0.0).sort(-1)", "iid", 2),
        ("one draft too few", "points.draft**num_drafts", "points.draft**(num_drafts - 1)", "iid", 2),
        (
            "symmetric polynomials",
            "pairs = others * _running(odds)[..., :-1] + odds",
            "pairs = others",
            "without_replacement",
            2,
        ),
        (
            "not all sure drafts",
            "first = top_k(draft, k, validate=False).indices[..., : k - 1]",
            "first = top_k(draft, k, validate=False).indices[..., : k - 2]",
            "greedy",
            3,
        ),
        (
            "rate without the rest",
            "units * rest.unsqueeze(-1) * times",
            "units * (rest + rate).unsqueeze(-1) * times",
            "without_replacement",
            3,
        ),
        (
            "k arrivals or more",
            "zeros(*listed.shape[:-1], len(times), num_drafts,",
            "zeros(*listed.shape[:-1], len(times), num_drafts + 1,",
            "without_replacement",
            3,
        ),
    ],
)
def test_a_mistake_in_the_source_is_caught(mistake, old, new, sampling, num_drafts, monkeypatch):
    plant(monkeypatch, thresholds if mistake == "p/q falling" else optimum, old, new)
    with pytest.raises(AssertionError):
        assert_prefix_is_subset_formula(sampling, num_drafts)


@pytest.mark.parametrize("num_drafts", [2, 3, 4, 5])
def test_probability_that_all_drafts_lie_in_a_set(num_drafts):
    """All beginnings of the list, in the order given, against enumeration in fractions."""
    for name in ("five", "reversed", "uniform draft", "tied draft", "sure draft"):
        _, draft = EDGES[name]
        if not can_be_drawn(draft, num_drafts, "without_replacement"):
            continue
        distribution = exact.draft_distribution(draft, num_drafts, "without_replacement")
        expected = [
            float(sum(mass for tokens, mass in distribution.items() if max(tokens) < m))
            for m in range(len(draft) + 1)
        ]
        found = optimum.all_inside(double(draft), num_drafts, optimum.STEP)
        assert found.tolist() == pytest.approx(expected, abs=1e-12), name
        if num_drafts == 2:
            assert optimum.both_inside(double(draft)).tolist() == pytest.approx(expected, abs=1e-14)


def test_stated_error_covers_the_true_one():
    """A coarse quadrature, so that there is an error to state."""
    covered = []
    for target, draft in drawable("without_replacement", 3):
        expected = float(exact.optimal_acceptance_rate(target, draft, 3, "without_replacement"))
        points = thresholds.curve(double(target), double(draft))
        listed = double(draft)[points.order]
        fine, coarse = (
            1 + (points.target - optimum.all_inside(listed, 3, step)).min() for step in (1.5, 3.0)
        )
        error = abs(fine.item() - expected)
        covered.append(error <= abs((fine - coarse).item()) + 1e-15)
    assert all(covered) and len(covered) > 20


def test_quadrature_in_batches_and_on_long_tails():
    generator = torch.Generator().manual_seed(0)
    target, draft = (
        (6 * torch.randn(3, 400, generator=generator, dtype=torch.float64)).softmax(-1) for _ in range(2)
    )
    together, error = optimal_acceptance_rate(target, draft, 4, "without_replacement", return_error=True)
    assert bool((error < 1e-6).all())
    for number in range(3):
        alone = optimal_acceptance_rate(target[number], draft[number], 4, "without_replacement")
        assert alone.item() == pytest.approx(together[number].item(), abs=1e-9)
    two = optimal_acceptance_rate(target, draft, 2, "without_replacement")
    listed = draft.gather(-1, thresholds.curve(target, draft).order)
    by_quadrature = optimum.all_inside(listed, 2, optimum.STEP)
    torch.testing.assert_close(optimum.both_inside(listed), by_quadrature, rtol=0, atol=1e-10)
    assert bool((together >= two - 1e-9).all())


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_plan_has_both_marginals(sampling):
    for target, draft in drawable(sampling, 2)[::3]:
        plan = transport_plan(double(target), double(draft), 2, sampling)
        dense = plan.dense()
        assert bool((dense >= 0).all())
        distribution = exact.draft_distribution(draft, 2, sampling)
        assert [tuple(tokens) for tokens in plan.tuples.tolist()] == list(distribution)
        assert dense.sum(-1).tolist() == pytest.approx(
            [float(mass) for mass in distribution.values()], abs=1e-12
        )
        assert dense.sum(0).tolist() == pytest.approx([float(p) for p in target], abs=1e-12)
        on_drafts = sum(dense[n, list(set(tokens))].sum() for n, tokens in enumerate(distribution))
        assert on_drafts.item() == pytest.approx(plan.acceptance_rate, abs=1e-8)


def test_largest_plan():
    """100 tokens, two drafts: 10,000 tuples, as many as are taken."""
    generator = torch.Generator().manual_seed(1)
    target, draft = (torch.randn(100, generator=generator, dtype=torch.float64).softmax(-1) for _ in range(2))
    plan = transport_plan(target, draft, 2)
    assert plan.acceptance_rate == pytest.approx(optimal_acceptance_rate(target, draft, 2).item(), abs=1e-7)
    torch.testing.assert_close(plan.dense().sum(0), target, rtol=0, atol=1e-12)


def excess_tests(target, draft, num_drafts: int, factor: Fraction) -> float:
    """Mean number of tests minus the factor, exact before it is rounded: not above 0 if lossless."""
    beta = sum(min(p / factor, q) for p, q in zip(target, draft, strict=True))
    return float(sum((1 - beta) ** j for j in range(num_drafts)) - factor)


@pytest.mark.parametrize("num_drafts", [1, 2, 3, 8, 64])
def test_factor_is_the_root_from_above(num_drafts):
    for target, draft in MANY if num_drafts < 64 else EDGES.values():
        found = division_factor(double(target), double(draft), num_drafts).item()
        assert 1 <= found <= num_drafts
        # Fractions of 64 powers are long: there the equation alone is checked.
        if num_drafts < 64:
            expected = float(exact.lossless_factor(target, draft, num_drafts, halvings=40))
            assert found == pytest.approx(expected, rel=1e-10)
        assert abs(excess_tests(target, draft, num_drafts, Fraction(found))) <= 1e-13 * num_drafts


@pytest.mark.parametrize(
    ("target", "draft", "num_drafts", "root"),
    [
        ("3/4 1/4", "1/4 3/4", 2, 1.593070),
        ("3/4 1/4", "1/4 3/4", 3, 2.018157),
        ("1/2 1/2", "3/4 1/4", 2, 1.390388),
        ("3/4 1/4", "1/2 1/2", 2, 1 + (math.sqrt(5) - 1) / 4),
        ("1/10 9/10", "1/2 1/2", 2, 1.430074),
        ("1/3 2/3", "2/3 1/3", 2, 1.434259),
        ("1/2 1/2", "0 1", 2, (2 + math.sqrt(2)) / 2),
        ("1/2 3/10 1/5", "1/5 3/10 1/2", 2, 1.45677644),
        ("1/2 3/10 1/5", "1/5 3/10 1/2", 3, 1.79259303),
        ("1 0", "0 1", 5, 5.0),
        ("1/3 2/3", "1/3 2/3", 5, 1.0),
        ("1/2 1/2", "1/5 4/5", 1, 1.0),
    ],
)
def test_known_roots(target, draft, num_drafts, root):
    target, draft = pair(target, draft)
    assert division_factor(double(target), double(draft), num_drafts).item() == pytest.approx(root, abs=1e-6)


@pytest.mark.parametrize("num_drafts", [2, 8, 16])
def test_factor_of_equal_distributions_is_one(num_drafts):
    """The equation is as flat as (rho - 1)^k there: rounding alone could move the root by 0.1."""
    generator = torch.Generator().manual_seed(0)
    for vocab in (3, 1000):
        rows = torch.randn(50, vocab, generator=generator, dtype=torch.float64).softmax(-1)
        assert division_factor(rows, rows, num_drafts).tolist() == [1.0] * 50


def test_root_of_the_first_example_is_algebraic():
    root = division_factor(double(row("3/4", "1/4")), double(row("1/4", "3/4")), 2).item()
    assert 4 * root**3 - 3 * root**2 - 6 * root + 1 == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("ratio", [2, 3, 7])
@pytest.mark.parametrize("num_drafts", [2, 3, 5])
def test_uniform_target_on_a_part_of_a_uniform_draft(ratio, num_drafts):
    draft = torch.full((ratio * 4,), 1 / (ratio * 4), dtype=torch.float64)
    target = torch.cat([torch.full((4,), 1 / 4), torch.zeros(ratio * 4 - 4)]).double()
    reached = 1 - (1 - 1 / ratio) ** num_drafts
    assert division_factor(target, draft, num_drafts).item() == pytest.approx(ratio * reached, abs=1e-12)
    assert optimal_acceptance_rate(target, draft, num_drafts).item() == pytest.approx(reached, abs=1e-14)


def test_tiny_overlap_keeps_the_root_in_place():
    """1 - (1 - b)^k - rho b, as it is usually written, rounds to zero here."""
    for exponent in (6, 9, 12, 15):
        small = Fraction(1, 10**exponent)
        target, draft = (1 - small, small), (small, 1 - small)
        for num_drafts in (2, 8):
            found = division_factor(double(target), double(draft), num_drafts).item()
            expected = float(exact.lossless_factor(target, draft, num_drafts))
            assert found == pytest.approx(expected, abs=1e-13 * num_drafts)
