"""Distributions small enough to be drawn, their words, and how rules are written."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tokenlab.errors import ArgumentError, ShapeError, check_probs, check_tensor
from tokenlab.figures import METHODS

#: The distribution whose kept sets can be worked out by hand.
FOUR_TOKENS = (0.5, 0.25, 0.15, 0.1)
#: What lab-target expects after "The value of", the most probable first. The round numbers above are ours.
FOUR_WORDS = ("the", "a", "its", "this")
#: Probabilities that rise, for what the ceiling of the noise does, and a word for each.
FIVE_TOKENS = (0.02, 0.08, 0.2, 0.3, 0.4)
FIVE_WORDS = ("an", "this", "its", "a", "the")


def small_row(probs: Sequence[float] | Tensor, words: Sequence[str]) -> tuple[Tensor, list[str]]:
    """A row of positive probabilities in float64, and a word for each token."""
    row = probs.double() if isinstance(probs, Tensor) else torch.tensor(probs, dtype=torch.float64)
    check_tensor("probs", row, max_dims=1)
    check_probs("probs", row)
    if len(row) > 12 or not bool((row > 0).all()):
        raise ArgumentError("probs must hold at most 12 tokens, none of probability zero, to be drawn")
    if len(words) != len(row):
        raise ShapeError(f"words has {len(words)} entries, expected one for each of {len(row)} tokens")
    return row, list(words)


def rule_label(rule: str, value: float) -> str:
    """A rule with its parameter, such as ``top-p 0.9``."""
    known = METHODS["sampling"].get(rule)
    return f"{known.name if known else rule} {value:g}"
