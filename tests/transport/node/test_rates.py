"""Estimated rates, and all rates in batches, wide vocabularies and narrow dtypes."""

from __future__ import annotations

import math

import pytest
import torch

from tests.support.backends import BACKENDS, DEVICE
from tests.transport.instances import EDGES, PAIRS, double, random_rows
from tokenlab.chapters.transport import exact
from tokenlab.errors import ArgumentError
from tokenlab.transport import acceptance_rate, estimate_acceptance_rate, hockey_stick_divergence
from tokenlab.transport.node import reference
from tokenlab.transport.node.verdict import acceptance_probability

WITHOUT = "without_replacement"


def assert_estimate_is_near(target, draft, num_drafts, rule, sampling, estimate=estimate_acceptance_rate):
    expected = float(exact.acceptance_rate(rule, target, draft, num_drafts, sampling))
    found = estimate(
        double(target).expand(8, -1),
        double(draft).expand(8, -1),
        num_drafts,
        rule,
        sampling,
        num_samples=500,
        generator=torch.Generator().manual_seed(11),
    )
    distance = (found.value - expected).abs()
    assert bool((distance <= 4 * found.standard_error + 1e-12).all()), distance / found.standard_error
    together = found.value.mean() - expected
    assert together.abs() <= 4 * found.standard_error.mean() / math.sqrt(8) + 1e-12


ESTIMATED = [
    ("recursive", WITHOUT, 3),
    ("naive", WITHOUT, 3),
    ("target_only", WITHOUT, 3),
    ("recursive", "iid", 3),
    ("kseq", "iid", 3),
    ("greedy", "greedy", 3),
    ("spechub", "spechub", 2),
]


@pytest.mark.parametrize(("rule", "sampling", "num_drafts"), ESTIMATED)
def test_estimates_lie_within_four_standard_errors(rule, sampling, num_drafts):
    assert_estimate_is_near(*EDGES["five"], num_drafts, rule, sampling)


@pytest.mark.parametrize(("rule", "sampling"), [("recursive", WITHOUT), ("kseq", "iid")])
def test_an_estimate_of_another_draft_is_rejected(rule, sampling):
    """The same test on a mistake: a fifth of the drafts come from elsewhere."""

    def estimate(target, draft, *arguments, **options):
        other = 0.8 * draft + 0.2 * draft.flip(-1)
        return estimate_acceptance_rate(target, other, *arguments, **options)

    with pytest.raises(AssertionError):
        assert_estimate_is_near(*EDGES["reversed"], 2, rule, sampling, estimate)
    assert_estimate_is_near(*EDGES["reversed"], 2, rule, sampling)


def test_standard_error_is_that_of_the_mean():
    target, draft = EDGES["five"]
    drafts = exact.draft_distribution(draft, 2, "iid")
    shares = {
        tokens: sum(
            exact.output_given_drafts("recursive", target, draft, tokens)[token] for token in set(tokens)
        )
        for tokens in drafts
    }
    mean = sum(drafts[tokens] * share for tokens, share in shares.items())
    variance = float(sum(drafts[tokens] * (share - mean) ** 2 for tokens, share in shares.items()))
    found = estimate_acceptance_rate(
        double(target),
        double(draft),
        2,
        "recursive",
        num_samples=4000,
        generator=torch.Generator().manual_seed(3),
    )
    assert found.standard_error.item() == pytest.approx(math.sqrt(variance / 4000), rel=0.05)


def test_estimate_in_a_vocabulary_of_a_real_model():
    # A draft like the target: else the rate hangs on drafts that come once in many samples, and
    # the standard error is as wrong as the mean.
    target, other = random_rows(2, 32_000, spread=2)
    draft = (0.7 * target.log() + 0.3 * other.log()).softmax(-1)
    found = estimate_acceptance_rate(
        target, draft, 4, "kseq", num_samples=40, generator=torch.Generator().manual_seed(0)
    )
    expected = acceptance_rate(target, draft, 4, "kseq")
    assert bool(((found.value - expected).abs() <= 4 * found.standard_error).all())


@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_a_batch_is_its_rows(rule, sampling):
    target, draft = random_rows(6, 7)
    found = acceptance_rate(target.view(2, 3, 7), draft.view(2, 3, 7), 2, rule, sampling)
    assert found.shape == (2, 3) and found.dtype == torch.float64
    for number in range(6):
        alone = acceptance_rate(target[number], draft[number], 2, rule, sampling)
        assert alone.shape == ()
        assert alone.item() == pytest.approx(found.flatten()[number].item(), abs=1e-14)
    empty = acceptance_rate(target[:0], draft[:0], 2, rule, sampling)
    assert empty.shape == (0,)


@pytest.mark.parametrize(
    ("rule", "sampling", "num_drafts"),
    [
        ("target_only", "iid", 8),
        ("naive", "iid", 8),
        ("recursive", "iid", 8),
        ("kseq", "iid", 8),
        ("optimal", "iid", 8),
        ("greedy", "greedy", 8),
        ("target_only", "greedy", 8),
        ("recursive", WITHOUT, 2),
        ("naive", WITHOUT, 2),
        ("optimal", WITHOUT, 2),
        ("spechub", "spechub", 2),
    ],
)
def test_large_vocabulary(rule, sampling, num_drafts):
    target, draft = random_rows(2, 128_256, spread=3)
    whole = acceptance_rate(target, draft, num_drafts, rule, sampling)
    assert bool(((whole > 0) & (whole <= 1)).all())
    # Tokens that never come change nothing; in float32 the rows are the same up to rounding.
    padded = [torch.nn.functional.pad(rows, (0, 33)) for rows in (target, draft)]
    torch.testing.assert_close(
        acceptance_rate(*padded, num_drafts, rule, sampling), whole, rtol=0, atol=1e-12
    )
    single = acceptance_rate(target.float(), draft.float(), num_drafts, rule, sampling)
    torch.testing.assert_close(single, whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_narrow_dtypes(dtype, tolerance):
    target, draft = random_rows(20, 50)
    narrow = [rows.to(dtype) for rows in (target, draft)]
    for rule, sampling in PAIRS:
        if rule != "optimal":
            found = acceptance_rate(*narrow, 2, rule, sampling)
            expected = acceptance_rate(target, draft, 2, rule, sampling)
            torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)


def test_rates_agree_with_what_the_rules_do():
    """A last closing of the circle: the public rate, and the specification summed over drafts."""
    target, draft = (double(values) for values in EDGES["five"])
    for rule, sampling in PAIRS:
        distribution = exact.draft_distribution(EDGES["five"][1], 2, sampling)
        tokens = torch.tensor(list(distribution))
        rows = target.expand(len(tokens), -1), draft.expand(len(tokens), -1)
        verdict = reference.decide(*rows, tokens, rule, sampling)
        total = double(tuple(distribution.values())) @ acceptance_probability(verdict, tokens)
        assert acceptance_rate(target, draft, 2, rule, sampling).item() == pytest.approx(
            total.item(), abs=1e-8
        )


def test_divergence_by_hand():
    target, draft = (double(values) for values in EDGES["reversed"])
    factors = torch.tensor([0.0, 1.0, 2.0, 3.0])
    found = hockey_stick_divergence(target, draft, factors)
    assert found.tolist() == pytest.approx([1.0, 0.3, 0.1, 0.0], abs=1e-15)
    many = hockey_stick_divergence(target.expand(2, 3, 3), draft.expand(2, 3, 3), factors.expand(2, 3, 4))
    assert many.shape == (2, 3, 4) and torch.equal(many[1, 2], found)


def assert_infinite_factor(backend: str) -> None:
    """All mass of the target where the draft has none, as in the limit."""
    target = torch.tensor([[0.25, 0.25, 0.5, 0.0], [0.25, 0.25, 0.25, 0.25]], device=DEVICE)
    draft = torch.tensor([[0.5, 0.0, 0.0, 0.5], [0.1, 0.2, 0.3, 0.4]], device=DEVICE)
    factors = torch.tensor([[1e30, math.inf]] * 2, device=DEVICE)
    found = hockey_stick_divergence(target, draft, factors, backend=backend)
    assert found.tolist() == [[0.75, 0.75], [0.0, 0.0]]


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_infinite_factor_leaves_what_the_draft_cannot_give(backend):
    assert_infinite_factor(backend)


@pytest.mark.parametrize("factor", [math.nan, -1.0])
def test_factors_that_are_no_factors_are_refused(factor):
    target, draft = torch.tensor([[0.75, 0.25], [0.25, 0.75]])
    with pytest.raises(ArgumentError, match="factors holds"):
        hockey_stick_divergence(target, draft, torch.tensor([1.0, factor]))


@pytest.mark.parametrize("vocab", [3, 7, 10, 11])
def test_standard_error_of_equal_samples_is_zero(vocab):
    """Each sample accepts the same share: the difference of mean squares would be rounding."""
    probs = torch.full((vocab,), 1 / vocab, dtype=torch.float64)
    found = estimate_acceptance_rate(
        probs, probs, 1, "target_only", num_samples=999, generator=torch.Generator().manual_seed(0)
    )
    assert found.standard_error.item() == 0
    assert found.value.item() == pytest.approx(1 / vocab, rel=1e-15)
