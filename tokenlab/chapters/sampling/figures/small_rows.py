"""Distributions small enough to be drawn, and how rules are written."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tokenlab.chapters.drawing import letters
from tokenlab.errors import ArgumentError, check_probs, check_tensor

#: The distribution whose kept sets can be worked out by hand.
FOUR_TOKENS = (0.5, 0.25, 0.15, 0.1)

#: How rules are written in pictures.
LABELS = {
    "top_k": "top-k",
    "top_p": "top-p",
    "min_p": "min-p",
    "typical": "typical",
    "epsilon": "epsilon",
    "eta": "eta",
    "top_h": "top-H",
    "top_h_released": "top-H, released",
}


def small_row(probs: Sequence[float] | Tensor) -> tuple[Tensor, list[str]]:
    """A row of positive probabilities in float64, and one letter for each token."""
    row = probs.double() if isinstance(probs, Tensor) else torch.tensor(probs, dtype=torch.float64)
    check_tensor("probs", row, max_dims=1)
    check_probs("probs", row)
    if len(row) > 12 or not bool((row > 0).all()):
        raise ArgumentError("probs must hold at most 12 tokens, none of probability zero, to be drawn")
    return row, letters(len(row))


def rule_label(rule: str, value: float) -> str:
    """A rule with its parameter, such as ``top-p 0.9``."""
    return f"{LABELS.get(rule, rule)} {value:g}"
