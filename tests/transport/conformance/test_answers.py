"""What a verifier may return, and what it may do with what it gets."""

from __future__ import annotations

import math

import pytest

from tests.transport.conformance.verifiers import ONE_CASE
from tokenlab.errors import ArgumentError, DtypeError, ProbabilityError, ShapeError
from tokenlab.transport import check_verifier


def test_verifiers_may_write_into_what_they_get():
    def distribution(target, draft, tokens):
        result = target.clone()
        target.zero_(), draft.zero_(), tokens.zero_()
        return result

    assert check_verifier(distribution=distribution, **ONE_CASE).lossless
    assert check_verifier(
        distribution=lambda p, q, x: distribution(p, q, x).expand(len(x), -1), batched=True, **ONE_CASE
    ).lossless


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
