"""The oracle in fractions: distributions of drafts by hand, every rule lossless by enumeration, mutants not."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import permutations

import pytest

from tests.transport import mutants
from tests.transport.instances import EDGES, PAIRS, can_be_drawn, pair, random_pairs, row
from tokenlab.chapters.transport import exact
from tokenlab.errors import ArgumentError, DtypeError, ProbabilityError
from tokenlab.transport.rules import SAMPLINGS

DRAFT = row("1/5", "3/10", "1/2")


TWO = EDGES["two tokens"]


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        ("iid", {(i, j): DRAFT[i] * DRAFT[j] for i in range(3) for j in range(3)}),
        (
            "without_replacement",
            {(0, 1): "3/40", (0, 2): "1/8", (1, 0): "3/35", (1, 2): "3/14", (2, 0): "1/5", (2, 1): "3/10"},
        ),
        ("greedy", {(2, 0): "2/5", (2, 1): "3/5"}),
        ("spechub", {(0, 2): "1/5", (1, 2): "3/10", (2, 0): "1/5", (2, 1): "3/10"}),
    ],
)
def test_distributions_of_two_drafts_by_hand(sampling, expected):
    expected = {tokens: Fraction(probability) for tokens, probability in expected.items()}
    assert exact.draft_distribution(DRAFT, 2, sampling) == expected


def test_three_drafts_without_replacement_by_hand():
    distribution = exact.draft_distribution(DRAFT, 3, "without_replacement")
    assert distribution[0, 1, 2] == Fraction(1, 5) * Fraction(3, 8)
    assert distribution[2, 1, 0] == Fraction(1, 2) * Fraction(3, 5)
    assert set(distribution) == set(permutations(range(3)))


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("num_drafts", [1, 2, 3])
def test_distributions_of_drafts_sum_to_one_or_are_refused(sampling, num_drafts):
    for _, draft in (*EDGES.values(), *random_pairs(4, 30)):
        if can_be_drawn(draft, num_drafts, sampling):
            distribution = exact.draft_distribution(draft, num_drafts, sampling)
            assert sum(distribution.values()) == 1 and min(distribution.values()) > 0
        else:
            with pytest.raises(ArgumentError, match="num_drafts is"):
                exact.draft_distribution(draft, num_drafts, sampling)


def test_first_drafts_have_the_drafts_distribution():
    """Whatever comes after: all distributions but the greedy one begin with a draw from q."""
    for sampling in ("iid", "without_replacement", "spechub"):
        distribution = exact.draft_distribution(DRAFT, 2, sampling)
        first = [sum(p for tokens, p in distribution.items() if tokens[0] == token) for token in range(3)]
        assert tuple(first) == DRAFT


def test_spechub_draws_the_same_sets_as_two_greedy_drafts():
    for _, draft in random_pairs(5, 30, zeros=0):
        sets = {"greedy": {}, "spechub": {}}
        for sampling, found in sets.items():
            for tokens, probability in exact.draft_distribution(draft, 2, sampling).items():
                found[frozenset(tokens)] = found.get(frozenset(tokens), 0) + probability
        assert sets["greedy"] == sets["spechub"]


def test_ties_take_the_lower_id():
    draft = row("1/8", "3/8", "1/8", "3/8")
    assert exact.most_probable(draft, 3) == (1, 3, 0)
    assert {tokens[:2] for tokens in exact.draft_distribution(draft, 3, "greedy")} == {(1, 3)}
    assert all(1 in tokens for tokens in exact.draft_distribution(draft, 2, "spechub"))


def drawable(sampling, num_drafts, pairs):
    return [case for case in pairs if can_be_drawn(case[1], num_drafts, sampling)]


def assert_lossless(rule, sampling, num_drafts, pairs):
    for target, draft in pairs:
        assert exact.output(rule, target, draft, num_drafts, sampling) == target, (target, draft)


@pytest.mark.parametrize("num_drafts", [1, 2, 3])
@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_every_rule_is_lossless_at_the_edges(rule, sampling, num_drafts):
    pairs = drawable(sampling, num_drafts, EDGES.values())
    assert pairs or (sampling == "spechub" and num_drafts != 2)
    assert_lossless(rule, sampling, num_drafts, pairs)


@pytest.mark.parametrize("vocab", [2, 3, 4, 5])
@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_every_rule_is_lossless_on_random_pairs(rule, sampling, vocab):
    for num_drafts in (1, 2, 3):
        count = {2: 30, 3: 20, 4: 10, 5: 5}[vocab]
        pairs = drawable(sampling, num_drafts, random_pairs(vocab, count, seed=num_drafts))
        assert_lossless(rule, sampling, num_drafts, pairs)


def test_kseq_is_lossless_from_the_root_on():
    for target, draft in [TWO, EDGES["reversed"], EDGES["disjoint"], *random_pairs(3, 10)]:
        root = exact.lossless_factor(target, draft, 2)
        for factor in (root, root + Fraction(1, 5), Fraction(2), Fraction(7)):
            assert exact.output("kseq", target, draft, 2, factor=factor) == target


def test_a_factor_below_the_root_is_refused():
    target, draft = TWO
    root = exact.lossless_factor(target, draft, 2)
    with pytest.raises(ArgumentError, match="below the root: the residual of token 1"):
        exact.output("kseq", target, draft, 2, factor=root - Fraction(1, 10**9))


def test_one_draft_is_one_rule():
    for rule, sampling in PAIRS:
        if rule == "target_only" or sampling == "spechub":
            continue
        for target, draft in (*EDGES.values(), *random_pairs(4, 10)):
            for token in (token for token, q in enumerate(draft) if q):
                distribution = exact.distribution(rule, target, draft, (token,), sampling)
                accept = min(target[token] / draft[token], Fraction(1))
                assert distribution[token] >= accept
                if rule != "optimal":  # its plan is one of several
                    assert distribution == exact.distribution("naive", target, draft, (token,))
            overlap = sum(map(min, target, draft))
            assert exact.acceptance_rate(rule, target, draft, 1, sampling) == overlap


def test_distributions_given_drafts_by_hand():
    target, draft = EDGES["reversed"]
    # Token 2 is accepted with 2/5; what it leaves is all on token 0.
    assert exact.distribution("naive", target, draft, (2, 1)) == row("3/5", 0, "2/5")
    assert exact.distribution("recursive", target, draft, (2, 1)) == row("3/5", 0, "2/5")
    # The last draft was drawn from (2/5, 3/5, 0): accepted with 1/2, else (1/10, 0, 1/5) is left.
    assert exact.distribution("greedy", target, draft, (2, 1)) == row("1/6", "1/2", "1/3")
    # Pairs (1, 2): token 1 is accepted always. Pairs (2, 0): token 0 has 1/5, and there is room.
    assert exact.distribution("spechub", target, draft, (1, 2)) == row(0, 1, 0)
    assert exact.distribution("spechub", target, draft, (2, 0)) == row(1, 0, 0)
    # The hub takes its 1/5 from pairs (2, 1), which token 1 left all of their 3/10.
    assert exact.distribution("spechub", target, draft, (2, 1)) == row("1/3", 0, "2/3")


def test_bonus_of_kseq_is_zero_only_at_the_root():
    """A residual token equals a draft with a probability that vanishes with the bracket's width."""
    target, draft = TWO

    def bonus(factor):
        distribution = exact.draft_distribution(draft, 2)
        accepted = 1 - sum(
            probability * math.prod(1 - min(target[x] / (factor * draft[x]), 1) for x in tokens)
            for tokens, probability in distribution.items()
        )
        return exact.acceptance_rate("kseq", target, draft, 2, factor=factor) - accepted

    assert 0 <= bonus(exact.lossless_factor(target, draft, 2, halvings=40)) < Fraction(1, 10**11)
    assert bonus(Fraction(2)) > Fraction(1, 100)


@pytest.mark.parametrize("name", mutants.MUTANTS)
def test_a_mutant_does_not_keep_the_targets_distribution(name):
    mutant = mutants.MUTANTS[name]
    output = mutants.output(mutant)
    assert sum(output) == 1, "the mistake should be of distribution, not of bookkeeping"
    assert output != mutant.target


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("siblings de-duplicated", [0.7733, 0.2267]),
        ("factor below the root", [0.7427, 0.2573]),
        ("unchanged target", [0.625, 0.375]),
    ],
)
def test_published_mistakes_by_number(name, expected):
    found = [float(value) for value in mutants.output(mutants.MUTANTS[name])]
    assert found == pytest.approx(expected, abs=5e-5)


def test_repeating_the_test_for_one_draft_accepts_too_much():
    """A draft model that is sure, a target that is not: after k tests 1 - 2^-k for 1/2."""
    target, draft = row("1/2", "1/2"), row(0, 1)
    distribution = mutants.unchanged_target(target, draft, (1, 1, 1))
    assert distribution[1] == Fraction(7, 8)
    assert exact.output("recursive", target, draft, 3) == target


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        (["1/2", "1/3"], ProbabilityError, "sums to 5/6, expected exactly 1"),
        ([0.1, 0.2, 0.7], ProbabilityError, "expected exactly 1"),
        (["3/2", "-1/2"], ProbabilityError, "-1/2 < 0"),
        ([], ProbabilityError, "sums to 0"),
        (["a half", "1/2"], DtypeError, "row of numbers"),
        ([None], DtypeError, "row of numbers"),
        ([float("nan")], DtypeError, "row of numbers"),
        (1, DtypeError, "row of numbers"),
    ],
)
def test_rows_that_are_no_distribution(values, error, words):
    with pytest.raises(error, match=words):
        exact.as_row("target", values)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: exact.distribution("kseq", *TWO, (0, 1), "greedy"), "not defined for sampling 'greedy'"),
        (lambda: exact.distribution("best", *TWO, (0, 1)), "rule is 'best'"),
        (lambda: exact.distribution("naive", *TWO, (0, 2)), "expected ids from 0 to 1"),
        (lambda: exact.distribution("naive", *TWO, (0, -1)), "expected ids from 0 to 1"),
        (lambda: exact.distribution("naive", *TWO, (0, 0), "without_replacement"), "cannot be drawn"),
        (lambda: exact.distribution("naive", *EDGES["point draft"], (0,)), "cannot be drawn"),
        (lambda: exact.distribution("greedy", *EDGES["reversed"], (0, 1)), "cannot be drawn"),
        (lambda: exact.distribution("naive", *TWO, ()), "num_drafts is 0"),
        (lambda: exact.distribution("naive", *TWO, (0,), factor=Fraction(1)), "only 'kseq'"),
        (lambda: exact.distribution("naive", TWO[0], DRAFT, (0,)), "target has 2 tokens, draft has 3"),
        (lambda: exact.output("spechub", *EDGES["reversed"], 3), "draws two drafts"),
        (lambda: exact.lossless_factor(*TWO, 0), "num_drafts is 0"),
        (lambda: exact.optimal_acceptance_rate(*TWO, 3, "without_replacement"), "only 2 tokens"),
        (lambda: exact.transport_plan(*TWO, 2, "sorted"), "sampling is 'sorted'"),
    ],
)
def test_what_is_not_defined_is_refused(call, words):
    with pytest.raises(ArgumentError, match=words):
        call()


@pytest.mark.parametrize("num_drafts", [1, 2, 3])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_maximum_flow_is_the_subset_formula(sampling, num_drafts):
    pairs = [*EDGES.values(), *(case for vocab in (2, 3, 4) for case in random_pairs(vocab, 10))]
    for target, draft in pairs:
        if can_be_drawn(draft, num_drafts, sampling):
            optimum = exact.optimal_acceptance_rate(target, draft, num_drafts, sampling)
            assert exact.acceptance_rate("optimal", target, draft, num_drafts, sampling) == optimum


def test_no_rule_accepts_more_than_the_optimum():
    for target, draft in [*EDGES.values(), *random_pairs(3, 20, seed=1)]:
        for rule, sampling in PAIRS:
            if can_be_drawn(draft, 2, sampling):
                optimum = exact.optimal_acceptance_rate(target, draft, 2, sampling)
                rate = exact.acceptance_rate(rule, target, draft, 2, sampling)
                assert rate <= optimum
                if rule in ("greedy", "spechub"):
                    assert rate == optimum


def test_plans_are_plans():
    target, draft = pair("1/2 1/4 1/4", "1/8 1/8 3/4")
    plan = exact.transport_plan(target, draft, 2)
    distribution = exact.draft_distribution(draft, 2)
    assert set(plan) == set(distribution)
    assert all(sum(given) == 1 and min(given) >= 0 for given in plan.values())
    arrived = [
        sum(distribution[tokens] * plan[tokens][token] for tokens in distribution) for token in range(3)
    ]
    assert tuple(arrived) == target
