"""Every rule is lossless by enumeration, and mutants are not; outputs given drafts by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from tests.transport import mutants
from tests.transport.instances import EDGES, PAIRS, can_be_drawn, random_pairs, row
from tokenlab.chapters.transport import exact
from tokenlab.errors import ArgumentError

DRAFT = row("1/5", "3/10", "1/2")


TWO = EDGES["two tokens"]


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
                distribution = exact.output_given_drafts(rule, target, draft, (token,), sampling)
                accept = min(target[token] / draft[token], Fraction(1))
                assert distribution[token] >= accept
                if rule != "optimal":  # its plan is one of several
                    assert distribution == exact.output_given_drafts("naive", target, draft, (token,))
            overlap = sum(map(min, target, draft))
            assert exact.acceptance_rate(rule, target, draft, 1, sampling) == overlap


def test_distributions_given_drafts_by_hand():
    target, draft = EDGES["reversed"]
    # Token 2 is accepted with 2/5; what it leaves is all on token 0.
    assert exact.output_given_drafts("naive", target, draft, (2, 1)) == row("3/5", 0, "2/5")
    assert exact.output_given_drafts("recursive", target, draft, (2, 1)) == row("3/5", 0, "2/5")
    # The last draft was drawn from (2/5, 3/5, 0): accepted with 1/2, else (1/10, 0, 1/5) is left.
    assert exact.output_given_drafts("greedy", target, draft, (2, 1)) == row("1/6", "1/2", "1/3")
    # Pairs (1, 2): token 1 is accepted always. Pairs (2, 0): token 0 has 1/5, and there is room.
    assert exact.output_given_drafts("spechub", target, draft, (1, 2)) == row(0, 1, 0)
    assert exact.output_given_drafts("spechub", target, draft, (2, 0)) == row(1, 0, 0)
    # The hub takes its 1/5 from pairs (2, 1), which token 1 left all of their 3/10.
    assert exact.output_given_drafts("spechub", target, draft, (2, 1)) == row("1/3", 0, "2/3")


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
    ("call", "words"),
    [
        (
            lambda: exact.output_given_drafts("kseq", *TWO, (0, 1), "greedy"),
            "not defined for sampling 'greedy'",
        ),
        (lambda: exact.output_given_drafts("best", *TWO, (0, 1)), "rule is 'best'"),
        (lambda: exact.output_given_drafts("naive", *TWO, (0, 2)), "expected ids from 0 to 1"),
        (lambda: exact.output_given_drafts("naive", *TWO, (0, -1)), "expected ids from 0 to 1"),
        (lambda: exact.output_given_drafts("naive", *TWO, (0, 0), "without_replacement"), "cannot be drawn"),
        (lambda: exact.output_given_drafts("naive", *EDGES["point draft"], (0,)), "cannot be drawn"),
        (lambda: exact.output_given_drafts("greedy", *EDGES["reversed"], (0, 1)), "cannot be drawn"),
        (lambda: exact.output_given_drafts("naive", *TWO, ()), "num_drafts is 0"),
        (lambda: exact.output_given_drafts("naive", *TWO, (0,), factor=Fraction(1)), "only 'kseq'"),
        (lambda: exact.output_given_drafts("naive", TWO[0], DRAFT, (0,)), "target has 2 tokens, draft has 3"),
        (lambda: exact.output("spechub", *EDGES["reversed"], 3), "draws two drafts"),
        (lambda: exact.lossless_factor(*TWO, 0), "num_drafts is 0"),
        (lambda: exact.optimal_acceptance_rate(*TWO, 3, "without_replacement"), "only 2 tokens"),
        (lambda: exact.transport_plan(*TWO, 2, "sorted"), "sampling is 'sorted'"),
    ],
)
def test_what_is_not_defined_is_refused(call, words):
    with pytest.raises(ArgumentError, match=words):
        call()
