"""The optimum from all sets is that of a flow, and no rule accepts more."""

from __future__ import annotations

import pytest

from tests.transport.instances import EDGES, PAIRS, can_be_drawn, pair, random_pairs
from tokenlab.chapters.transport import exact
from tokenlab.transport.rules import SAMPLINGS


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
