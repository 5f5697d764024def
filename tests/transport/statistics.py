"""Counting draws against a distribution, so that the same count can be asked of a mutant."""

from __future__ import annotations

import math

import torch


def assert_counts(counts: torch.Tensor, distribution: torch.Tensor) -> None:
    """Pearson's chi-square, ten standard deviations wide; what cannot come must not have come."""
    draws = counts.sum()
    assert bool((counts[distribution == 0] == 0).all()), "something that has probability 0"
    expected = distribution[distribution > 0] * draws
    assert expected.min() >= 5, "too few draws to count"
    chi_square = ((counts[distribution > 0] - expected) ** 2 / expected).sum().item()
    freedom = max(len(expected) - 1, 1)
    limit = freedom + 10 * math.sqrt(2 * freedom)
    assert chi_square < limit, f"chi-square {chi_square:.1f}, expected below {limit:.1f}"
