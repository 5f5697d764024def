"""The public functions: the table of rules, what they add to the reference, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tokenlab.errors import ArgumentError, DtypeError, EmptySupportError, ProbabilityError, ShapeError
from tokenlab.sampling import (
    RULES,
    capped_gumbel_distribution,
    reference,
    softmax,
    truncate,
    truncated_probs,
    truncation_mask,
)

HAND = torch.tensor([0.5, 0.25, 0.15, 0.1], dtype=torch.float64)


LOGITS = HAND.log()


GOOD = {
    "top_k": 2,
    "top_p": 0.8,
    "min_p": 0.4,
    "typical": 0.2,
    "epsilon": 0.2,
    "eta": 0.3,
    "top_h": 0.55,
    "top_h_released": 0.55,
}


def test_the_table_names_every_rule():
    assert set(RULES) == set(GOOD)
    for rule in RULES.values():
        assert "arXiv" in rule.paper and rule.parameter


@pytest.mark.parametrize("rule", sorted(GOOD))
@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_truncated_probs_is_temperature_then_rule_then_renormalised(rule, temperature):
    weights = [p ** (1 / temperature) for p in HAND.tolist()]
    probs = torch.tensor([w / math.fsum(weights) for w in weights], dtype=torch.float64)
    mask = truncation_mask(probs, rule, GOOD[rule])
    expected = probs * mask / probs[mask].sum()
    found = truncated_probs(LOGITS, temperature=temperature, rule=rule, value=GOOD[rule])
    assert torch.allclose(found, expected, rtol=1e-12)
    assert torch.equal(found > 0, mask)


def test_temperature_changes_what_is_kept():
    """A mutant that truncates first would keep the same tokens at every temperature."""
    kept = [
        int((truncated_probs(LOGITS, temperature=t, rule="top_p", value=0.8) > 0).sum()) for t in (0.3, 1, 5)
    ]
    assert kept == [1, 3, 4]


def test_without_a_rule_it_is_softmax():
    assert torch.equal(truncated_probs(LOGITS, temperature=2.0), softmax(LOGITS, 2.0))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_dtypes_and_shapes(dtype):
    logits = torch.randn(2, 3, 11, generator=torch.Generator().manual_seed(0)).to(dtype)
    for rule, value in GOOD.items():
        probs = truncated_probs(logits, rule=rule, value=value)
        assert probs.shape == logits.shape
        assert probs.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        assert truncation_mask(softmax(logits), rule, value).dtype == torch.bool
    empty = truncated_probs(logits[:0], rule="top_p", value=0.5)
    assert empty.shape == (0, 3, 11)


def test_masked_logits_are_never_kept():
    logits = torch.tensor([0.0, -torch.inf, 1.0, -torch.inf])
    for rule, value in GOOD.items():
        assert truncated_probs(logits, rule=rule, value=value)[[1, 3]].sum() == 0


def test_public_functions_answer_like_the_reference():
    assert torch.equal(capped_gumbel_distribution(HAND, 2.0), reference.capped_gumbel_distribution(HAND, 2.0))
    mask = torch.tensor([True, False, True, False])
    assert torch.equal(truncate(HAND, mask), reference.truncate(HAND, mask))
    assert truncation_mask(HAND, "top_p", np.float32(0.5)).sum() == 1


@pytest.mark.parametrize("temperature", [0, 0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("function", [softmax, lambda z, t: truncated_probs(z, temperature=t)])
def test_bad_temperatures(function, temperature):
    with pytest.raises(ArgumentError, match="temperature is"):
        function(LOGITS, temperature)


def test_temperature_zero_points_to_argmax():
    with pytest.raises(ArgumentError, match="argmax"):
        softmax(LOGITS, 0)


@pytest.mark.parametrize("temperature", ["1", None, True, torch.tensor(1.0), torch.tensor(0.0)])
def test_temperatures_of_the_wrong_type(temperature):
    with pytest.raises(DtypeError, match="temperature"):
        softmax(LOGITS, temperature)


@pytest.mark.parametrize(
    ("logits", "error", "words"),
    [
        ([1.0, 2.0], DtypeError, "torch.Tensor"),
        (torch.tensor([1, 2]), DtypeError, "int64"),
        (torch.tensor(1.0), ShapeError, "dimensions"),
        (torch.empty(3, 0), ShapeError, "vocabulary is empty"),
        (torch.tensor([0.0, math.nan]), ArgumentError, "NaN"),
        (torch.tensor([0.0, math.inf]), ArgumentError, r"\+inf"),
        (torch.tensor([[0.0, 1.0], [-math.inf, -math.inf]]), EmptySupportError, "row \\(1,\\)"),
    ],
)
@pytest.mark.parametrize("function", [softmax, truncated_probs])
def test_bad_logits(function, logits, error, words):
    with pytest.raises(error, match=words):
        function(logits)


@pytest.mark.parametrize(
    ("probs", "error", "words"),
    [
        ([0.5, 0.5], DtypeError, "torch.Tensor"),
        (torch.tensor([1, 0]), DtypeError, "int64"),
        (torch.empty(0), ShapeError, "vocabulary is empty"),
        (torch.tensor([0.5, 0.4]), ProbabilityError, "sums to 0.9"),
        (torch.tensor([1.5, -0.5]), ProbabilityError, "-0.5 < 0"),
        (torch.tensor([math.nan, 1.0]), ProbabilityError, "NaN"),
        (torch.zeros(3), EmptySupportError, "no mass"),
    ],
)
@pytest.mark.parametrize(
    "function",
    [
        lambda p: truncation_mask(p, "top_p", 0.9),
        lambda p: capped_gumbel_distribution(p, 3.0),
        lambda p: truncate(p, torch.tensor([True])),
    ],
    ids=["truncation_mask", "capped_gumbel_distribution", "truncate"],
)
def test_bad_probabilities(function, probs, error, words):
    with pytest.raises(error, match=words):
        function(probs)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_parameters_out_of_range(rule):
    beyond = {"top_k": [0, -1, 5]}.get(rule, [-0.1, 1.1, math.nan, math.inf])
    if rule not in ("top_k", "min_p"):
        beyond.append(0)
    if rule in ("typical", "epsilon", "eta"):
        beyond.append(1)
    for value in beyond:
        for call in (
            lambda value=value: truncation_mask(HAND, rule, value),
            lambda value=value: truncated_probs(LOGITS, rule=rule, value=value),
        ):
            with pytest.raises(ArgumentError, match=f"{RULES[rule].parameter} is"):
                call()
    for value in ("2", True, torch.tensor(0.5), *([2.0] if rule == "top_k" else [])):
        with pytest.raises(DtypeError, match=RULES[rule].parameter):
            truncation_mask(HAND, rule, value)


def test_unknown_rules_and_half_a_rule():
    with pytest.raises(ArgumentError, match="'nucleus', expected one of 'top_k'"):
        truncation_mask(HAND, "nucleus", 0.9)
    with pytest.raises(ArgumentError, match="'nucleus'"):
        truncated_probs(LOGITS, rule="nucleus", value=0.9)
    with pytest.raises(ArgumentError, match="variant is 'publised'"):
        reference.top_h_mask(HAND, 0.4, "publised")
    with pytest.raises(DtypeError, match="rule must be a string"):
        truncation_mask(HAND, None, 0.9)
    with pytest.raises(ArgumentError, match="rule is given without value"):
        truncated_probs(LOGITS, rule="top_p")
    with pytest.raises(ArgumentError, match="value is given without rule"):
        truncated_probs(LOGITS, value=0.9)


def test_bad_masks_and_caps():
    with pytest.raises(DtypeError, match="mask has dtype int64"):
        truncate(HAND, torch.ones(4, dtype=torch.int64))
    with pytest.raises(ShapeError, match=r"mask has shape \(3,\)"):
        truncate(HAND, torch.ones(3, dtype=torch.bool))
    with pytest.raises(ArgumentError, match="keeps no probability mass"):
        truncate(HAND, torch.zeros(4, dtype=torch.bool))
    for cap in (math.inf, -math.inf, math.nan):
        with pytest.raises(ArgumentError, match="cap is"):
            capped_gumbel_distribution(HAND, cap)
    with pytest.raises(DtypeError, match="cap"):
        capped_gumbel_distribution(HAND, "16")


def test_validate_false_skips_the_values_only():
    assert truncation_mask(torch.tensor([0.5, 0.4]), "top_k", 1, validate=False).sum() == 1
    assert truncated_probs(torch.tensor([0.0, math.nan]), validate=False).isnan().all()
    with pytest.raises(ArgumentError):
        truncation_mask(HAND, "top_k", 5, validate=False)
    with pytest.raises(ShapeError):
        softmax(torch.empty(0), validate=False)


def test_the_package_knows_no_other_names():
    import tokenlab.sampling as package

    assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nucleus'"):
        package.nucleus
