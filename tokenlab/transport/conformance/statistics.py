"""Tests of drawn outputs, and how large a bias they find."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float64
from torch import Tensor

#: A cell of the chi-square test must expect so many draws: its distribution is a limit.
FEWEST_EXPECTED = 25


#: Cells of a comparison with a known mistake; there the test is lenient, and may be rough.
FEWEST_COMPARED = 5


#: Probabilities that stand for zero.
NEGLIGIBLE = 1e-12


def total_variation(
    probs: Float64[Tensor, "*rows n"], other: Float64[Tensor, "*rows n"]
) -> Float64[Tensor, "*rows"]:
    return (probs - other).abs().sum(-1) / 2


def p_value(counts: Float64[Tensor, " outputs"], probs: Float64[Tensor, " outputs"]) -> float:
    r"""Pearson's test, :math:`\sum_x (n_x - n\,p_x)^2 / (n\,p_x)`; 0 if something impossible came out."""
    from scipy.special import chdtrc

    possible = probs > 0
    if bool((counts[~possible] > 0).any()):
        return 0.0
    expected = counts.sum() * probs[possible]
    statistic = ((counts[possible] - expected) ** 2 / expected).sum().item()
    freedom = len(expected) - 1
    return float(chdtrc(freedom, statistic)) if freedom else 1.0


def smallest_found(draws: int, outputs: int, false_alarm_rate: float, power: float) -> float:
    r"""Smallest total variation :math:`\delta` that :func:`p_value` finds with probability ``power``.

    For a distribution off by d, positive on A, the statistic is noncentral chi-square, with

    .. math:: \lambda = n \sum_x \frac{d_x^2}{p_x}
              \ge \frac{n\,\delta^2}{P(A)(1 - P(A))} \ge 4 n \delta^2

    A shift from one half of the mass to the other is the hardest to find.
    """
    from scipy.optimize import brentq
    from scipy.special import chdtri, chndtr

    freedom = outputs - 1
    if freedom == 0:
        # Nothing but one output is possible, and any other gives the verifier away.
        return -math.expm1(math.log1p(-power) / draws)
    threshold = chdtri(freedom, false_alarm_rate)

    def missing(noncentrality: float) -> float:
        return 1 - chndtr(threshold, freedom, noncentrality) - power

    highest = 4 * (threshold + 10 * math.sqrt(threshold) + 100)
    return math.sqrt(brentq(missing, 1e-9, highest) / (4 * draws))


def fits(
    counts: Float64[Tensor, "tuples outcomes"], distributions: Float64[Tensor, "tuples outcomes"]
) -> float:
    """p-value, on the lenient side, of counts for each tuple of drafts."""
    from scipy.special import chdtrc

    if bool((counts[distributions < NEGLIGIBLE] > 0).any()):
        return 0.0
    expected = counts.sum(-1, keepdim=True) * distributions
    large = expected >= FEWEST_COMPARED
    statistic = ((counts - expected)[large] ** 2 / expected[large]).sum().item()
    rare = expected[~large].sum().item()
    if rare >= FEWEST_COMPARED:
        statistic += (counts[~large].sum().item() - rare) ** 2 / rare
    return float(chdtrc(int(large.sum()) + 1, statistic))


def log_likelihood(
    counts: Float64[Tensor, "tuples outcomes"], distributions: Float64[Tensor, "tuples outcomes"]
) -> float:
    """Up to a constant."""
    return torch.xlogy(counts, distributions.clamp(min=0)).sum().item()
