"""Each seeded mistake is caught and named, in both forms; an unknown one is not named."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from tests.transport import mutants
from tests.transport.conformance.verifiers import (
    chain_drawn_from,
    distribution_of,
    drawn_from,
    in_fractions,
    repeated_once_residual,
    with_thresholds,
)
from tests.transport.instances import EDGES, double, pair
from tokenlab.transport import check_verifier
from tokenlab.transport.conformance.cases import distinct_rows
from tokenlab.transport.conformance.inputs import MIN_SAMPLES
from tokenlab.transport.conformance.mistakes import KNOWN_MISTAKES
from tokenlab.transport.node import verdict

NAMES = {
    "siblings de-duplicated": "de-duplicated siblings",
    "siblings re-sorted": "re-sorted siblings",
    "unchanged target": "unchanged target loop",
    "factor below the root": "root bracket below",
    "target and draft swapped": "swapped roles",
    "residual not renormalised": "residual not renormalised",
    "shared uniform": "shared uniform",
    "one uniform for all tests": "shared uniform",
    "draft not reduced": "rule of another sampling",
    "greedy against q": "rule of another sampling",
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


def test_chosen_drafts_must_not_be_tested_as_drawn_ones():
    """The rule min(1, p/q) for drafts that were not drawn from q."""
    distribution = distribution_of("recursive", "without_replacement")
    for counts in (1, (1, 2, 3)):
        report = check_verifier(distribution=distribution, sampling="top_k", batched=True, num_drafts=counts)
        assert not report.lossless and report.mistake == "rule of another sampling"


def test_large_vocabularies_are_named_from_a_part_of_the_draws():
    def sample(target, draft, tokens, generator):
        return torch.multinomial(draft, len(tokens), True, generator=generator)

    report = check_verifier(sample=sample, vocab_size=60, num_drafts=4)
    assert not report.lossless and report.mistake == "swapped roles" and report.explained == (2, 2)


def typical(epsilon, delta, residual):
    """A draft is taken for sure above a threshold that falls as the target's entropy rises."""

    def distribution(target, draft, tokens):
        least = min(epsilon, delta * torch.special.entr(target).sum().neg().exp().item())
        sure = torch.eye(len(target), dtype=torch.float64)
        for token in tokens.tolist():
            if target[token] > least:
                return sure[token]
        return target if residual == "target" else sure[target.argmax()]

    return distribution


@pytest.mark.parametrize(
    ("epsilon", "delta", "residual"), [(0.09, 0.3, "largest"), (0.3, 0.5, "target"), (0.15, 0.3, "target")]
)
def test_typical_acceptance(epsilon, delta, residual):
    report = check_verifier(distribution=typical(epsilon, delta, residual))
    assert not report.lossless and report.mistake == "typical acceptance"


def test_relaxed_top_k_acceptance():
    def distribution(target, draft, tokens):
        most = target.argsort(descending=True, stable=True)[:2].tolist()
        taken = [token for token in tokens.tolist() if token in most]
        return torch.eye(len(target), dtype=torch.float64)[taken[0]] if taken else target

    report = check_verifier(distribution=distribution)
    assert not report.lossless and report.mistake == "relaxed top-k acceptance"


@pytest.mark.parametrize("counts", [1, 2, None])
def test_one_number_for_each_case_is_no_explanation(counts):
    """Accepting with the square root of the ratio: a threshold fitted to each case anew would be found."""

    def distribution(target, draft, tokens):
        out, reached, left = torch.zeros_like(target), 1.0, target
        for token in tokens.tolist():
            accept = min(1.0, (left[token] / draft[token]).sqrt().item())
            out[token] += reached * accept
            reached *= 1 - accept
            rest = (left - draft).clamp(min=0)
            left = rest / rest.sum() if rest.sum() > 0 else left
        return out + reached * left

    report = check_verifier(distribution=distribution, num_drafts=counts)
    assert not report.lossless and report.mistake == "unknown"
