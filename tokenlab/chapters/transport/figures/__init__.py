"""Pictures of the transport chapter. Each returns ``(Figure, data)``; ``data["alt"]`` describes it."""

from tokenlab.chapters.transport.figures.plans import STAGES, plan_flow, plan_table
from tokenlab.chapters.transport.figures.rates import (
    acceptance_by_drafts,
    chain_weights,
    overlap_bars,
    repetition,
)
from tokenlab.chapters.transport.figures.sets import all_subsets, minimum_cut
from tokenlab.chapters.transport.figures.small_pairs import (
    FIVE_TOKENS,
    LABELS,
    SAMPLING_LABELS,
    THREE_TOKENS,
    TWO_TOKENS,
)
from tokenlab.chapters.transport.figures.thresholds import threshold_curves

__all__ = [
    "FIVE_TOKENS",
    "LABELS",
    "SAMPLING_LABELS",
    "STAGES",
    "THREE_TOKENS",
    "TWO_TOKENS",
    "acceptance_by_drafts",
    "all_subsets",
    "chain_weights",
    "minimum_cut",
    "overlap_bars",
    "plan_flow",
    "plan_table",
    "repetition",
    "threshold_curves",
]
