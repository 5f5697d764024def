"""The conformance suite: right rules pass, each seeded mistake is caught and named, power holds."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from tests.transport import mutants
from tests.transport.instances import EDGES, PAIRS, double, pair
from tokenlab.errors import ArgumentError, DtypeError, ProbabilityError, ShapeError
from tokenlab.transport import acceptance_rate, check_verifier, optimal_acceptance_rate, verify
from tokenlab.transport.conformance import check, statistics
from tokenlab.transport.conformance.cases import chain_cases, distinct_rows, node_cases
from tokenlab.transport.conformance.chain_rules import block_distribution, plain_distribution
from tokenlab.transport.conformance.inputs import MIN_SAMPLES
from tokenlab.transport.conformance.mistakes import (
    KNOWN_MISTAKES,
    chain_variants,
    node_families,
    node_variants,
)
from tokenlab.transport.node import reference, verdict
from tokenlab.transport.trees.draft_tree import DraftTree
from tokenlab.transport.trees.verify import accepted_paths

#: What slow rules are tried on.
SMALL = {rule: {"vocab_size": 3, "num_drafts": 3} for rule in ("kseq", "optimal")}


def distribution_of(rule, sampling):
    """A rule of the package as a distribution, for many rows of drafts."""

    def distribution(target, draft, tokens):
        rows = target.expand(len(tokens), -1), draft.expand(len(tokens), -1)
        return verdict.output_distribution(reference.decide(*rows, tokens, rule, sampling), tokens)

    return distribution


def drawn_from(distribution):
    """A verifier that draws from a distribution given for single tuples of drafts."""

    def sample(target, draft, tokens, generator):
        tuples, which = distinct_rows(tokens)
        distributions = [np.asarray(distribution(target, draft, row), dtype=float) for row in tuples]
        table = torch.from_numpy(np.stack(distributions))
        return torch.multinomial(table[which], 1, generator=generator).squeeze(-1)

    return sample


def chain_drawn_from(distribution):
    """The same for chains, from a distribution for many rows of drafts."""

    def sample(target, draft, tokens, generator):
        table = distribution(target, draft, tokens)
        outcome = torch.multinomial(table.flatten(1), 1, generator=generator).squeeze(-1)
        return outcome // table.shape[-1], outcome % table.shape[-1]

    return sample


def fractions(row):
    exact = tuple(Fraction(value).limit_denominator(10**6) for value in row.tolist())
    assert sum(exact) == 1
    return exact


def in_fractions(distribution):
    return lambda target, draft, tokens: distribution(
        fractions(target), fractions(draft), tuple(tokens.tolist())
    )


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


def tree_distribution(rule):
    """The package's own verification of chains, path by path."""

    def distribution(target, draft, tokens):
        tree = DraftTree.from_chain(tokens, draft)
        table = torch.zeros_like(target)
        for nodes, probability, next_probs in accepted_paths(tree, target, rule):
            table[len(nodes)] += probability * next_probs
        return table

    return distribution


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


NAMES = {
    "siblings de-duplicated": "de-duplicated siblings",
    "siblings re-sorted": "re-sorted siblings",
    "unchanged target": "unchanged target loop",
    "factor below the root": "root bracket below",
    "target and draft swapped": "swapped roles",
    "residual not renormalised": "residual not renormalised",
    "shared uniform": "shared uniform",
    "one uniform for all tests": "shared uniform",
    "draft not reduced": "wrong distribution of drafts",
    "greedy against q": "wrong distribution of drafts",
    "target for residual": "target for residual",
}


#: Pairs on which the mistakes differ from each other; of the last, two tokens can be rejected.
WHERE = [
    tuple(double(values) for values in both)
    for both in (EDGES["reversed"], EDGES["five"], pair("2/5 3/10 1/5 1/10", "7/20 1/20 1/4 7/20"))
]


def test_every_mutant_has_a_name():
    assert set(NAMES) == set(mutants.MUTANTS) and set(NAMES.values()) <= set(KNOWN_MISTAKES)


@pytest.mark.parametrize("name", sorted(NAMES))
@pytest.mark.parametrize("form", ["distribution", "sample"])
def test_every_mutant_at_a_node_is_caught_and_named(name, form):
    mutant = mutants.MUTANTS[name]
    distribution = in_fractions(mutant.distribution)
    given = {"distribution": distribution} if form == "distribution" else {"sample": drawn_from(distribution)}
    own = double(mutant.target), double(mutant.draft)
    report = check_verifier(
        **given, sampling=mutant.sampling, num_drafts=mutant.num_drafts, pairs=[own, *WHERE]
    )
    assert not report.lossless and report.mistake == NAMES[name]
    assert KNOWN_MISTAKES[report.mistake] in str(report)


def test_a_mutant_is_named_on_the_built_in_cases_too():
    distribution = in_fractions(mutants.unchanged_target)
    report = check_verifier(distribution=distribution, num_drafts=(1, 2), vocab_size=3)
    assert report.mistake == "unchanged target loop" and report.explained == (7, 7)
    assert not report.worst.name.endswith("1 draft")


def chain_mutant(target, draft, tokens, *, mistake):
    """Verification of a chain in plain loops, with a mistake."""
    length, vocab = draft.shape
    target, draft = target.tolist(), draft.tolist()
    ratio = [target[i][x] / draft[i][x] for i, x in enumerate(tokens.tolist())]
    if mistake in ("swapped", "target for residual", "bonus too early", "shared"):
        if mistake == "swapped":
            ratio = [1 / value if value else math.inf for value in ratio]
        accept = [min(1.0, value) for value in ratio]
        if mistake == "shared":
            # The number lies below all tests so far, and is asked about the next.
            lowest = [min([1.0, *accept[:i]]) for i in range(length + 1)]
            accept = [after / before if before else 0.0 for before, after in itertools.pairwise(lowest)]
        table, reached = np.zeros((length + 1, vocab)), 1.0
        for i in range(length):
            left = [max(p - q, 0) for p, q in zip(target[i], draft[i], strict=True)]
            if mistake == "target for residual" or not sum(left):
                left = target[i]
            table[i] = reached * (1 - accept[i]) * np.array(left) / sum(left)
            reached *= accept[i]
        table[length] = reached * np.array(target[length - 1 if mistake == "bonus too early" else length])
        return table
    weights = [1.0]
    for i, value in enumerate(ratio):
        free = math.prod(ratio[: i + 1])
        weights.append(min(1.0, free if mistake == "not limited" else weights[-1] * value))
    table, reached = np.zeros((length + 1, vocab)), 1.0
    for i in reversed(range(length + 1)):
        if i == length:
            passed, left = weights[i], target[i]
        else:
            left = [max(weights[i] * p - q, 0) for p, q in zip(target[i], draft[i], strict=True)]
            mass = sum(left)
            passed = mass / (mass + 1 - weights[i]) if weights[i] < 1 else 1.0
            if mistake == "weight for test":
                passed = weights[i]
            if mistake == "not scaled":
                left = [max(p - q, 0) for p, q in zip(target[i], draft[i], strict=True)]
            left = left if sum(left) else target[i]
        table[i] = reached * passed * np.array(left) / sum(left)
        reached *= 1 - passed
    return table


CHAIN_NAMES = {
    "weight for test": "wrong block probability",
    "not scaled": "block residual not scaled",
    "not limited": "block weight not limited",
    "swapped": "swapped roles",
    "target for residual": "target for residual",
    "bonus too early": "bonus from the wrong row",
    "shared": "shared uniform",
}


@pytest.mark.parametrize("mistake", sorted(CHAIN_NAMES))
def test_every_mutant_on_a_chain_is_caught_and_named(mistake):
    def distribution(target, draft, tokens):
        return chain_mutant(target, draft, tokens, mistake=mistake)

    def many(target, draft, tokens):
        # The cases have few different paths.
        paths, which = distinct_rows(tokens)
        example = torch.empty(len(paths), dtype=torch.int64).scatter_(0, which, torch.arange(len(tokens)))
        rows = [distribution(target[i], draft[i], tokens[i]) for i in example.tolist()]
        return torch.from_numpy(np.stack(rows))[which]

    exact = check_verifier(distribution=distribution, structure="chain")
    assert not exact.lossless and exact.mistake == CHAIN_NAMES[mistake]
    # An unscaled residual shows little: with two tokens not at all, as one of them is all of it.
    length, vocab, samples = (3, 4, 600_000) if mistake == "not scaled" else (2, (2, 3), MIN_SAMPLES)
    drawn = check_verifier(
        sample=chain_drawn_from(many),
        structure="chain",
        draft_length=length,
        vocab_size=vocab,
        num_samples=samples,
    )
    assert not drawn.lossless and drawn.mistake == CHAIN_NAMES[mistake]


def test_the_loops_without_a_mistake_pass():
    """Otherwise the mutants would show something else than their mistake."""
    for mistake in ("none of the block's", "bonus too early"):
        report = check_verifier(
            distribution=lambda p, q, x, mistake=mistake: chain_mutant(p, q, x, mistake=mistake),
            structure="chain",
        )
        assert report.lossless == (mistake != "bonus too early")


def test_a_tiny_error_of_the_root_is_found_and_named():
    """Bisection that stops early and returns the lower end."""

    def distribution(target, draft, tokens):
        k, low, high = len(tokens), 1.0, float(len(tokens))
        for _ in range(20):
            factor = (low + high) / 2
            once = torch.minimum(target / factor, draft).sum()
            low, high = (low, factor) if sum((1 - once) ** j for j in range(k)) <= factor else (factor, high)
        once = torch.minimum(target / low, draft)
        left = (target - once * sum((1 - once.sum()) ** j for j in range(k))).clamp(min=0)
        accept = (target[tokens] / (low * draft[tokens])).clamp(max=1)
        return verdict.output_distribution(verdict.Verdict(accept, verdict.normalised(left, target)), tokens)

    where = {"num_drafts": 2, "pairs": WHERE}
    report = check_verifier(distribution=distribution, **where)
    assert not report.lossless and 1e-9 < report.largest_bias < 1e-6
    assert report.mistake == "root bracket below" and "tolerance=1e-05" in str(report)
    assert check_verifier(distribution=distribution, **where, tolerance=1e-5).lossless


def test_an_unknown_mistake_is_not_named():
    def distribution(target, draft, tokens):
        return 0.9 * target + 0.1 / len(target)

    report = check_verifier(distribution=distribution, vocab_size=3, num_drafts=2)
    assert not report.lossless and report.mistake == "unknown"
    assert "no known mistake" in str(report)
    report = check_verifier(sample=drawn_from(distribution), vocab_size=3, num_drafts=2)
    assert not report.lossless and report.mistake == "unknown"


@pytest.mark.parametrize("sampling", ["iid", "without_replacement", "greedy", "spechub", "top_k"])
def test_known_mistakes_are_distributions(sampling):
    counts = (2,) if sampling == "spechub" else (1, 2, 3)
    names = []
    for case in node_cases((4,), counts, sampling, None, few=True):
        drafts, mass = case.drafts()
        assert mass.sum().item() == pytest.approx(1, abs=1e-12)
        variants = list(node_variants(case.target, case.draft, drafts, sampling))
        names.append([name for name, _ in variants])
        for _, distribution in variants:
            rows = distribution()
            assert rows.min() > -1e-12 and torch.allclose(rows.sum(-1), torch.ones(()).double())
        for _, family in node_families(case.target, case.draft, drafts, sampling):
            rows = family(torch.tensor([0.3, 0.9, 1.0]).double())
            assert rows.min() > -1e-12 and torch.allclose(rows.sum(-1), torch.ones(()).double())
    # Variants are counted by their place.
    assert all(listed == names[0] for listed in names) and set(names[0]) <= set(KNOWN_MISTAKES)


def test_known_mistakes_on_chains_are_distributions_and_each_is_biased_somewhere():
    worst: dict[str, float] = {}
    for case in chain_cases((2, 3), (1, 2, 3), few=False):
        drafts, mass = case.drafts()
        for name, distribution in chain_variants(*case.inputs(drafts), drafts):
            table = distribution()
            assert table.min() > -1e-12 and torch.allclose(table.sum((1, 2)), torch.ones(()).double())
            bias = (
                case.output_distribution(drafts, mass, table) - case.target_distribution()
            ).abs().sum().item() / 2
            worst[name] = max(worst.get(name, 0.0), bias)
    assert set(worst) <= set(KNOWN_MISTAKES) and min(worst.values()) > 1e-3


def repeated_once_residual(target, draft, tokens):
    """Siblings tested one by one with min(1, p/q) of the same p; then one draw from (p - q)+."""
    distribution, reached = torch.zeros_like(target), 1.0
    for token in tokens.tolist():
        accept = min(1.0, (target[token] / draft[token]).item())
        distribution[token] += reached * accept
        reached *= 1 - accept
    rest = (target - draft).clamp(min=0)
    return distribution + reached * (rest / rest.sum() if rest.sum() > 0 else target)


def with_thresholds(single, total):
    """One coin for a node: a sibling is taken if the mass so far exceeds it, or its own is high."""

    def distribution(target, draft, tokens):
        out, passed, mass, left = torch.zeros_like(target), 0.0, 0.0, target.clone()
        for token in tokens.tolist():
            own = left[token].item()
            mass, left[token] = mass + own, 0.0
            now = 1.0 if own >= single else min(1.0, mass / total)
            out[token] += max(now - passed, 0.0)
            passed = max(passed, now)
        return out + (1 - passed) * (left / left.sum() if left.sum() > 0 else target)

    return distribution


def drafts_taken_as_certain(target, draft, tokens):
    """Each child tested with p itself, as if q were 1; a rejected one is zeroed, and p renormalised."""
    distribution, reached, left = torch.zeros_like(target), 1.0, target.clone()
    for token in tokens.tolist():
        distribution[token] += reached * left[token]
        reached = reached * (1 - left[token])
        left[token] = 0.0
        left = left / left.sum() if left.sum() > 0 else target
    return distribution + reached * left


def test_independent_repetition_with_one_residual():
    pair = tuple(double(values) for values in EDGES["two tokens"])
    report = check_verifier(distribution=repeated_once_residual, pairs=[pair], num_drafts=2)
    assert report.worst.output_distribution.tolist() == [0.625, 0.375] and report.largest_bias == 0.125
    report = check_verifier(distribution=repeated_once_residual, num_drafts=(1, 2), vocab_size=(2, 3))
    assert report.mistake == "unchanged target loop"
    # With one draft it is the right rule.
    assert check_verifier(distribution=repeated_once_residual, num_drafts=1, vocab_size=3).lossless


@pytest.mark.parametrize(("single", "total"), [(1.0, 0.8), (0.4, 1.0), (0.5, 0.7)])
@pytest.mark.parametrize("sampling", ["top_k", "without_replacement"])
def test_target_only_with_thresholds_below_one(single, total, sampling):
    report = check_verifier(
        distribution=with_thresholds(single, total), sampling=sampling, vocab_size=(3, 5), num_drafts=2
    )
    assert not report.lossless and report.mistake == "threshold below one"


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


def test_chosen_drafts_must_not_be_tested_as_drawn_ones():
    """The rule min(1, p/q) for drafts that were not drawn from q."""
    distribution = distribution_of("recursive", "without_replacement")
    for counts in (1, (1, 2, 3)):
        report = check_verifier(distribution=distribution, sampling="top_k", batched=True, num_drafts=counts)
        assert not report.lossless and report.mistake == "wrong distribution of drafts"


def shifted(by):
    """A verifier that ignores the drafts, with ``by`` of the mass moved from one half to the other."""

    def sample(target, draft, tokens, generator):
        probs = target + by * torch.tensor([-1.0, 0.6, 0.4])
        return torch.multinomial(probs, len(tokens), True, generator=generator)

    return sample


ONE_CASE = {"vocab_size": 3, "num_drafts": 2}


#: Drafts that need not be drawn make it quicker.
QUICK = {**ONE_CASE, "sampling": "top_k"}


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


def test_verifiers_may_write_into_what_they_get():
    def distribution(target, draft, tokens):
        result = target.clone()
        target.zero_(), draft.zero_(), tokens.zero_()
        return result

    assert check_verifier(distribution=distribution, **ONE_CASE).lossless
    assert check_verifier(
        distribution=lambda p, q, x: distribution(p, q, x).expand(len(x), -1), batched=True, **ONE_CASE
    ).lossless


def test_large_vocabularies_are_named_from_a_part_of_the_draws():
    def sample(target, draft, tokens, generator):
        return torch.multinomial(draft, len(tokens), True, generator=generator)

    report = check_verifier(sample=sample, vocab_size=60, num_drafts=4)
    assert not report.lossless and report.mistake == "swapped roles" and report.explained == (2, 2)


def test_the_report_says_what_was_found():
    report = check_verifier(distribution=repeated_once_residual, vocab_size=2, num_drafts=2)
    text = str(report)
    assert text.startswith("node verifier, iid drafts, as a distribution: ")
    for words in (
        "NO",
        "largest bias: 0.2222 in total variation",
        "target 0.",
        "like: unchanged target loop",
    ):
        assert words in text
    text = str(check_verifier(sample=drawn_from(repeated_once_residual), **ONE_CASE))
    assert "200,000 draws" in text and "with probability 0.99" in text and "false alarms: 0.0001" in text


def right(target, draft, tokens):
    return target


def right_sample(target, draft, tokens, generator):
    return torch.multinomial(target, len(tokens), True, generator=generator)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({}, ArgumentError, "neither given"),
        ({"distribution": right, "sample": right_sample}, ArgumentError, "both given"),
        ({"distribution": 3}, DtypeError, "distribution must be callable"),
        ({"distribution": right, "num_drafts": 0}, ArgumentError, "num_drafts is 0"),
        ({"distribution": right, "num_drafts": 1.5}, DtypeError, "num_drafts must be an int"),
        ({"distribution": right, "num_drafts": []}, ArgumentError, "num_drafts is empty"),
        ({"distribution": right, "vocab_size": 1}, ArgumentError, "vocab_size is 1"),
        ({"distribution": right, "sampling": "beam"}, ArgumentError, "sampling is 'beam'"),
        ({"distribution": right, "structure": "tree"}, ArgumentError, "structure is 'tree'"),
        ({"distribution": right, "sampling": "spechub", "num_drafts": 3}, ArgumentError, "draws two drafts"),
        (
            {"distribution": right, "sampling": "greedy", "num_drafts": 4, "vocab_size": 3},
            ArgumentError,
            "repeats no token",
        ),
        ({"distribution": right, "num_drafts": 6, "vocab_size": 5}, ArgumentError, "15625 tuples"),
        ({"distribution": right, "draft_length": 2}, ArgumentError, "draft_length is for structure 'chain'"),
        (
            {"distribution": right, "structure": "chain", "num_drafts": 2},
            ArgumentError,
            "num_drafts is for structure 'node'",
        ),
        (
            {"distribution": right, "structure": "chain", "sampling": "greedy"},
            ArgumentError,
            "expected 'iid'",
        ),
        (
            {"distribution": right, "structure": "chain", "draft_length": 9, "vocab_size": 3},
            ArgumentError,
            "59049 sequences",
        ),
        ({"sample": right_sample, "num_samples": 1000}, ArgumentError, "at least 200000"),
        ({"sample": right_sample, "vocab_size": 3000}, ArgumentError, "expected at least 25"),
        ({"distribution": right, "tolerance": -1.0}, ArgumentError, "tolerance is -1"),
        ({"distribution": right, "pairs": []}, ArgumentError, "pairs is empty"),
        (
            {"distribution": right, "pairs": [(torch.ones(2) / 2, torch.ones(2) / 2)]},
            DtypeError,
            "expected one row of float64",
        ),
        (
            {"distribution": right, "pairs": [(torch.ones(2).double(), torch.ones(2).double())]},
            ProbabilityError,
            "sums to 2",
        ),
        (
            {"distribution": right, "pairs": [(torch.ones(1).double(), torch.ones(2).double() / 2)]},
            ShapeError,
            "has 2",
        ),
        ({"distribution": right, "pairs": [3]}, ShapeError, "expected a pair"),
        (
            {"distribution": right, "pairs": [(double(mutants.SPREAD[0]),) * 2], "vocab_size": 3},
            ArgumentError,
            "both given",
        ),
    ],
)
def test_wrong_arguments(arguments, error, words):
    with pytest.raises(error, match=words):
        check_verifier(**arguments)


@pytest.mark.parametrize(
    ("distribution", "error", "words"),
    [
        (lambda p, q, x: p[:1], ShapeError, r"shape \(1,\) for .* with drafts \[0, 0\], expected \(3,\)"),
        (lambda p, q, x: p - 0.5, ProbabilityError, r"negative number for .*drafts \[0, 0\]"),
        (lambda p, q, x: 0.9 * p, ProbabilityError, "does not sum to one .* of sum 0.9"),
        (lambda p, q, x: p * math.nan, ProbabilityError, "NaN"),
        (lambda p, q, x: "no", DtypeError, "expected an array of numbers"),
    ],
)
def test_wrong_answers_of_a_distribution(distribution, error, words):
    with pytest.raises(error, match=words):
        check_verifier(distribution=distribution, **ONE_CASE)


@pytest.mark.parametrize(
    ("sample", "error", "words"),
    [
        (
            lambda p, q, x, g: x[:, 0] + 3,
            ArgumentError,
            r"returned \d for .* with drafts .*, expected 0 to 2",
        ),
        (lambda p, q, x, g: x[:, 0] - 3, ArgumentError, "returned -"),
        (lambda p, q, x, g: x, ShapeError, "one for each row"),
        (lambda p, q, x, g: x[:, 0].double(), DtypeError, "whole numbers"),
    ],
)
def test_wrong_answers_of_a_sampler(sample, error, words):
    with pytest.raises(error, match=words):
        check_verifier(sample=sample, **ONE_CASE)


def test_wrong_answers_on_chains():
    with pytest.raises(ShapeError, match="expected a pair"):
        check_verifier(sample=lambda p, q, x, g: x[:, 0], structure="chain")
    with pytest.raises(ArgumentError, match="number of accepted drafts.*expected 0 to 2"):
        check_verifier(sample=lambda p, q, x, g: (x[:, 0] + 3, x[:, 0]), structure="chain")
    with pytest.raises(ShapeError, match=r"expected \(2, 2\)"):
        check_verifier(distribution=lambda p, q, x: p[0], structure="chain")
