"""Distributions of drafts: by hand, their sums, ties."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations

import pytest

from tests.transport.instances import EDGES, can_be_drawn, random_pairs, row
from tokenlab.chapters.transport import exact
from tokenlab.errors import ArgumentError
from tokenlab.transport.rules import SAMPLINGS

DRAFT = row("1/5", "3/10", "1/2")


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
