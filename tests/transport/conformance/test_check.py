"""Right rules pass in both forms, with the acceptance and the optimum of the pair."""

from __future__ import annotations

import pytest
import torch

from tests.transport.conformance.verifiers import (
    ONE_CASE,
    chain_drawn_from,
    distribution_of,
    drafts_taken_as_certain,
    tree_distribution,
    with_thresholds,
)
from tests.transport.instances import EDGES, PAIRS, double
from tokenlab.transport import acceptance_rate, check_verifier, optimal_acceptance_rate, verify
from tokenlab.transport.conformance import check
from tokenlab.transport.conformance.chain_rules import block_distribution, plain_distribution

#: What slow rules are tried on.
SMALL = {rule: {"vocab_size": 3, "num_drafts": 3} for rule in ("kseq", "optimal")}


@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_every_right_rule_passes_as_a_distribution(rule, sampling):
    small = {} if sampling == "spechub" else SMALL.get(rule, {})
    report = check_verifier(
        distribution=distribution_of(rule, sampling), sampling=sampling, batched=True, **small
    )
    assert report.lossless and report.mistake is None and report.largest_bias < 1e-12
    assert all(result.gap > -1e-9 for result in report.results)
    if rule in ("greedy", "spechub", "optimal"):
        assert report.worst_gap.gap < 1e-9 and "optimal in every case" in str(report)


@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_every_right_rule_passes_as_it_runs(rule, sampling):
    def sample(target, draft, tokens, generator):
        rows = target.expand(len(tokens), -1), draft.expand(len(tokens), -1)
        return verify(*rows, tokens, rule, sampling, generator=generator).token

    report = check_verifier(sample=sample, sampling=sampling, num_drafts=2, vocab_size=3)
    assert report.lossless and report.mistake is None and report.reproducible
    (result,) = report.results
    target, draft = (double(values) for values in EDGES["reversed"])
    assert result.acceptance_rate == pytest.approx(
        acceptance_rate(target, draft, 2, rule, sampling).item(), abs=5e-3
    )


def test_acceptance_and_optimum_are_those_of_the_pair():
    pair = tuple(double(values) for values in EDGES["five"])
    report = check_verifier(
        distribution=distribution_of("recursive", "iid"), batched=True, pairs=[pair], num_drafts=[2, 3]
    )
    for k, result in zip((2, 3), report.results, strict=True):
        assert result.acceptance_rate == pytest.approx(
            acceptance_rate(*pair, k, "recursive").item(), abs=1e-12
        )
        assert result.optimal_acceptance_rate == optimal_acceptance_rate(*pair, k).item()


@pytest.mark.parametrize("rule", ["recursive", "block"])
def test_chain_rules_of_the_package_pass(rule):
    report = check_verifier(distribution=tree_distribution(rule), structure="chain", draft_length=(1, 2))
    assert report.lossless and report.mistake is None
    if rule == "block":
        assert report.worst_gap.gap < 1e-9
    else:
        assert report.worst_gap.gap > 0.01


@pytest.mark.parametrize("distribution", [plain_distribution, block_distribution])
def test_plain_and_block_chains_pass_in_both_forms(distribution):
    exact = check_verifier(distribution=distribution, structure="chain", batched=True)
    assert exact.lossless and exact.largest_bias < 1e-12
    drawn = check_verifier(sample=chain_drawn_from(distribution), structure="chain")
    assert drawn.lossless and drawn.mistake is None and drawn.reproducible


def test_lossless_but_never_accepting_is_lossless_with_a_gap():
    def distribution(target, draft, tokens):
        table = torch.zeros_like(target)
        table[0] = target[0]
        return table

    report = check_verifier(distribution=distribution, structure="chain")
    assert report.lossless and report.mistake is None and report.worst_gap.gap == 1
    assert "no draft is ever accepted" in str(report) and "lossless: yes" in str(report)


def test_target_only_with_thresholds_of_one_is_lossless():
    assert check_verifier(distribution=with_thresholds(1.0, 1.0), sampling="top_k").lossless


@pytest.mark.parametrize("sampling", ["top_k", "without_replacement", "greedy", "iid"])
def test_children_taken_as_certain_are_target_only(sampling):
    report = check_verifier(distribution=drafts_taken_as_certain, sampling=sampling)
    assert report.lossless and report.mistake is None
    if sampling == "top_k":
        # Drafts that are not drawn give their mass, and no rule can have more.
        assert report.worst_gap.gap < 1e-9
    else:
        assert report.worst_gap.gap > 0.1


def test_equal_generators_must_give_equal_tokens_or_it_is_said():
    def sample(target, draft, tokens, generator):
        return torch.multinomial(target, len(tokens), True)

    torch.manual_seed(0)
    report = check_verifier(sample=sample, **ONE_CASE)
    assert report.lossless and report.reproducible is False and "generator: ignored" in str(report)


def test_one_at_a_time_and_batched_are_the_same(monkeypatch):
    distribution = distribution_of("recursive", "iid")
    many = check_verifier(distribution=distribution, batched=True, **ONE_CASE)
    single = check_verifier(
        distribution=lambda p, q, x: distribution(p, q, x.unsqueeze(0))[0].tolist(), **ONE_CASE
    )
    assert [result.bias for result in single.results] == pytest.approx(
        [r.bias for r in many.results], abs=1e-15
    )
    assert single.worst_gap.gap == pytest.approx(many.worst_gap.gap)
    monkeypatch.setattr(check, "MIN_SAMPLES", 2000)
    table = chain_drawn_from(plain_distribution)
    report = check_verifier(
        sample=lambda p, q, x, g: next(zip(*table(p[None], q[None], x[None], g), strict=True)),
        structure="chain",
        vocab_size=2,
        draft_length=1,
        batched=False,
        num_samples=2000,
    )
    assert report.lossless
