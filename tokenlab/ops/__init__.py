"""Primitives over a vocabulary: row statistics, exact categorical sampling, small top-k."""

from tokenlab.ops.api import METHODS, STATS, RowStats, TopK, row_stats, sample_categorical, top_k
from tokenlab.ops.noise import exponential, gumbel, open_uniform

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
    "top_k",
]
