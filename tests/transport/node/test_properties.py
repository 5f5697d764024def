"""What must hold for all pairs of distributions, on rows that hypothesis makes."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.transport.instances import PAIRS, can_be_drawn, double
from tokenlab.chapters.transport import exact
from tokenlab.transport import (
    acceptance_rate,
    division_factor,
    hockey_stick_divergence,
    optimal_acceptance_rate,
    verify,
)
from tokenlab.transport.node import reference, thresholds
from tokenlab.transport.node.verdict import output_distribution

WITHOUT = "without_replacement"


RULES_FOR_ONE_TOKEN = [pair for pair in PAIRS if pair[0] != "target_only"]


def rows(vocab: int):
    """Whole numbers over their sum: zeros, ties and tiny masses come often."""
    weights = st.lists(st.sampled_from([0, 0, 1, 1, 2, 3, 7, 1000]), min_size=vocab, max_size=vocab)
    return weights.filter(any).map(lambda w: tuple(Fraction(weight, sum(w)) for weight in w))


@st.composite
def pairs(draw, low: int = 1, high: int = 5):
    vocab = draw(st.integers(low, high))
    return draw(rows(vocab)), draw(rows(vocab))


@st.composite
def floats(draw, high: int = 40):
    """Rows of floats over many orders of magnitude."""
    vocab = draw(st.integers(1, high))
    logits = st.lists(st.floats(-40, 5), min_size=vocab, max_size=vocab)
    return [torch.tensor(draw(logits), dtype=torch.float64).softmax(-1) for _ in range(2)]


numbers = st.integers(1, 3)


@settings(max_examples=60)
@given(pairs(high=4), numbers, st.sampled_from(PAIRS))
def test_output_is_the_target(pair, num_drafts, case):
    (target, draft), (rule, sampling) = pair, case
    assume(can_be_drawn(draft, num_drafts, sampling))
    assert exact.output(rule, target, draft, num_drafts, sampling) == target


@settings(max_examples=60)
@given(pairs(), numbers, st.sampled_from(PAIRS))
def test_float_rules_are_the_exact_ones_summed_over_drafts(pair, num_drafts, case):
    (target, draft), (rule, sampling) = pair, case
    assume(can_be_drawn(draft, num_drafts, sampling))
    distribution = exact.draft_distribution(draft, num_drafts, sampling)
    tokens = torch.tensor(list(distribution))
    verdict = reference.decide(
        double(target).expand(len(tokens), -1), double(draft).expand(len(tokens), -1), tokens, rule, sampling
    )
    weights = double(tuple(distribution.values()))
    output = weights @ output_distribution(verdict, tokens)
    torch.testing.assert_close(output, double(target), rtol=0, atol=1e-12)
    # Tokens that the target never gives never come out, those without a draft still do.
    assert bool((output[double(target) == 0] == 0).all())


@settings(max_examples=40)
@given(pairs())
def test_one_draft_is_one_rule_and_target_only_is_not(pair):
    target, draft = pair
    overlap = sum(map(min, target, draft))
    for rule, sampling in RULES_FOR_ONE_TOKEN:
        if sampling != "spechub":
            found = acceptance_rate(double(target), double(draft), 1, rule, sampling).item()
            assert found == pytest.approx(float(overlap), abs=1e-14)
    independent = float(sum(p * q for p, q in zip(target, draft, strict=True)))
    assert acceptance_rate(double(target), double(draft), 1, "target_only").item() == pytest.approx(
        independent
    )


@settings(max_examples=60)
@given(floats(), st.integers(1, 8))
def test_equal_distributions_accept_everything(both, num_drafts):
    _, draft = both
    for rule in ("naive", "recursive", "kseq", "optimal"):
        assert acceptance_rate(draft, draft, num_drafts, rule).item() == pytest.approx(1, abs=1e-14)
    assert division_factor(draft, draft, num_drafts).item() == 1
    if len(draft) > 1:
        assert acceptance_rate(draft, draft, 2, "recursive", WITHOUT).item() == pytest.approx(1, abs=1e-14)


@settings(max_examples=30)
@given(pairs(high=4), pairs(high=4), st.integers(1, 8))
def test_disjoint_supports_accept_nothing(one, other, num_drafts):
    target = torch.cat([double(one[0]), torch.zeros(len(other[0]), dtype=torch.float64)])
    draft = torch.cat([torch.zeros(len(one[0]), dtype=torch.float64), double(other[0])])
    for rule in ("target_only", "naive", "recursive", "kseq", "optimal"):
        assert acceptance_rate(target, draft, num_drafts, rule).item() == pytest.approx(0, abs=1e-14)
    assert division_factor(target, draft, num_drafts).item() == num_drafts


@settings(max_examples=60)
@given(floats(), st.integers(1, 6), st.randoms(use_true_random=False))
def test_names_of_tokens_do_not_matter(both, num_drafts, random):
    target, draft = both
    order = list(range(len(draft)))
    random.shuffle(order)
    tied = len(draft.unique()) < len(draft)
    for rule, sampling in PAIRS:
        if sampling != "iid" and (num_drafts > 2 or len(draft) < 2):
            continue
        if sampling in ("greedy", "spechub") and tied:
            continue  # of equally probable tokens these take the lower id
        count = 2 if sampling == "spechub" else num_drafts
        here = acceptance_rate(target, draft, count, rule, sampling)
        there = acceptance_rate(target[order], draft[order], count, rule, sampling)
        assert here.item() == pytest.approx(there.item(), abs=1e-12)


@settings(max_examples=20)
@given(floats(high=12))
def test_more_drafts_are_never_worse(both):
    target, draft = both
    for rule in ("target_only", "naive", "recursive", "kseq", "optimal"):
        rates = [acceptance_rate(target, draft, k, rule).item() for k in (1, 2, 3, 5, 8)]
        assert all(more >= fewer - 1e-13 for fewer, more in itertools.pairwise(rates)), rule


@settings(max_examples=60)
@given(floats(), st.integers(1, 8))
def test_order_and_guarantee(both, num_drafts):
    target, draft = both
    rates = [
        acceptance_rate(target, draft, num_drafts, rule).item()
        for rule in ("target_only", "naive", "recursive", "kseq", "optimal")
    ]
    assert all(lower <= upper + 1e-12 for lower, upper in itertools.pairwise(rates))
    covered = torch.minimum(target, num_drafts * draft).sum().item()
    drawn = torch.minimum(target, 1 - (1 - draft) ** num_drafts).sum().item()
    assert rates[4] <= drawn + 1e-12 and drawn <= covered + 1e-12
    assert rates[3] >= (1 - (1 - 1 / num_drafts) ** num_drafts) * covered - 1e-12
    if len(draft) > 1:
        without = optimal_acceptance_rate(target, draft, 2, WITHOUT).item()
        assert optimal_acceptance_rate(target, draft, 2).item() <= without + 1e-12


@settings(max_examples=40)
@given(pairs(), st.integers(1, 6))
def test_residual_of_kseq(pair, num_drafts):
    """At the root it is nowhere negative, holds what is not accepted, and misses every rejected draft."""
    target, draft = pair
    factor = Fraction(division_factor(double(target), double(draft), num_drafts).item())
    once = [min(p / factor, q) for p, q in zip(target, draft, strict=True)]
    tests = sum((1 - sum(once)) ** j for j in range(num_drafts))
    residual = [p - tests * mass for p, mass in zip(target, once, strict=True)]
    assert min(residual) >= -Fraction(1, 10**15)
    assert sum(residual) == (1 - sum(once)) ** num_drafts
    # A draft can be rejected only where q > p / rho: nothing is left for it.
    bonus = sum(left for left, p, q in zip(residual, target, draft, strict=True) if q > p / factor)
    assert bonus <= Fraction(1, 10**13)


@settings(max_examples=40)
@given(pairs(high=4), st.integers(1, 3), st.sampled_from(["iid", WITHOUT, "greedy", "spechub"]))
def test_flow_subsets_and_prefixes_agree(pair, num_drafts, sampling):
    target, draft = pair
    assume(can_be_drawn(draft, num_drafts, sampling))
    by_subsets = exact.optimal_acceptance_rate(target, draft, num_drafts, sampling)
    assert exact.acceptance_rate("optimal", target, draft, num_drafts, sampling) == by_subsets
    found = optimal_acceptance_rate(double(target), double(draft), num_drafts, sampling).item()
    assert found == pytest.approx(float(by_subsets), abs=1e-12)


@settings(max_examples=60)
@given(floats(), st.lists(st.floats(0, 50), min_size=1, max_size=6))
def test_divergence_and_overlap_are_two_views(both, factors):
    target, draft = both
    factors = torch.tensor(sorted(factors), dtype=torch.float64)
    found = hockey_stick_divergence(target, draft, factors)
    overlap = thresholds.overlap(thresholds.curve(target, draft), factors)
    torch.testing.assert_close(found + overlap, torch.ones_like(found), rtol=0, atol=1e-12)
    assert bool((found.diff() <= 1e-15).all()) and bool((found >= 0).all())


@settings(max_examples=60)
@given(floats(), st.integers(0, 2**32), st.sampled_from(["target_only", "naive", "recursive", "kseq"]))
def test_what_comes_out_is_a_draft_or_says_so(both, seed, rule):
    target, draft = both
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.multinomial(draft, 3, replacement=True, generator=generator)
    token, index = verify(target, draft, tokens, rule, generator=generator)
    assert target[token] > 0
    assert (token.item() in tokens.tolist()) == (index.item() >= 0)
    assert index < 0 or tokens[index] == token
