"""Primitives over a vocabulary: row statistics, exact categorical sampling, small top-k, truncation.

A ``backend`` is ``"auto"``, ``"reference"`` or ``"triton"``. There is no kernel for float64 logits,
for rows of more than 16,776,960 tokens, nor where a gradient is asked for. ``validate=False``
skips the checks of values, for which a GPU has to wait.
"""

from tokenlab.ops.api import METHODS, STATS, RowStats, TopK, row_stats, sample_categorical, top_k
from tokenlab.ops.noise import exponential, gumbel, open_uniform
from tokenlab.ops.shaping import shape_logits

__all__ = [
    "METHODS",
    "STATS",
    "RowStats",
    "TopK",
    "exponential",
    "gumbel",
    "open_uniform",
    "row_stats",
    "sample_categorical",
    "shape_logits",
    "top_k",
]
