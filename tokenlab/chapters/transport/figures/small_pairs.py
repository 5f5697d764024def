"""Pairs of distributions small enough to be drawn, and the words that stand for their tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tokenlab.errors import ArgumentError, ShapeError, check_probs, check_tensor

Row = Sequence[float] | Tensor

#: The text before the position that all small pictures are about.
CONTEXT = "The cat sat on the"
#: Words that may come next; they stand for the tokens 0, 1, 2 and so on.
WORDS = ("mat", "floor", "sofa", "bed", "table", "chair", "roof", "rug", "box", "grass", "stairs", "wall")

#: The smallest pair on which the rules part.
TWO_TOKENS = ((0.75, 0.25), (0.25, 0.75))
#: Three tokens that the draft ranks the wrong way round.
THREE_TOKENS = ((0.5, 0.3, 0.2), (0.2, 0.3, 0.5))
#: Five tokens, with ratios on both sides of one.
FIVE_TOKENS = ((0.45, 0.25, 0.15, 0.1, 0.05), (0.05, 0.1, 0.15, 0.25, 0.45))

#: How ways to draw drafts are written in pictures.
SAMPLING_LABELS = {
    "iid": "independent",
    "without_replacement": "without replacement",
    "greedy": "greedy",
    "spechub": "SpecHub",
}
#: More blocks than these in one column could not be told apart.
MAX_BLOCKS = 16


def small_pair(target: Row, draft: Row, least: int = 2) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Two distributions in float64, and a word for each token."""
    rows = []
    for name, values in (("target", target), ("draft", draft)):
        row = torch.as_tensor(values, dtype=torch.float64)
        check_tensor(name, row, max_dims=1)
        check_probs(name, row)
        rows.append(row)
    if len(rows[0]) != len(rows[1]):
        raise ShapeError(f"target has {len(rows[0])} tokens, draft has {len(rows[1])}")
    if not least <= len(rows[0]) <= len(WORDS):
        raise ArgumentError(
            f"target has {len(rows[0])} tokens, expected {least} to {len(WORDS)}, to be drawn"
        )
    return rows[0].numpy(), rows[1].numpy(), list(WORDS[: len(rows[0])])


def check_blocks(num_drafts: int, tuples: int) -> None:
    """A column must not have too many blocks."""
    if tuples > MAX_BLOCKS:
        raise ArgumentError(
            f"num_drafts is {num_drafts}, which makes {tuples} tuples; at most {MAX_BLOCKS} can be drawn"
        )
