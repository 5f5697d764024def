"""Pictures of the transport chapter. Each returns ``(Figure, data)``, or frames and data.

``data["alt"]`` describes the figure or each frame, ``data["captions"]`` is a sentence for each frame.
"""

from tokenlab.chapters.transport.figures.backs import back_bars
from tokenlab.chapters.transport.figures.bars import plan_bars, shrinking_target
from tokenlab.chapters.transport.figures.debts import block_debts
from tokenlab.chapters.transport.figures.plans import hub_plan, plan_flow, plan_table
from tokenlab.chapters.transport.figures.rates import acceptance_by_drafts, repetition
from tokenlab.chapters.transport.figures.sets import all_subsets, minimum_cut
from tokenlab.chapters.transport.figures.small_pairs import (
    CONTEXT,
    FIVE_TOKENS,
    SAMPLING_LABELS,
    THREE_TOKENS,
    TWO_TOKENS,
    WORDS,
)
from tokenlab.chapters.transport.figures.thresholds import threshold_curves
from tokenlab.chapters.transport.figures.traversals import TRAVERSED, traversal_walk, visits
from tokenlab.chapters.transport.figures.walks import CHAIN, TREE, verification_walk

__all__ = [
    "CHAIN",
    "CONTEXT",
    "FIVE_TOKENS",
    "SAMPLING_LABELS",
    "THREE_TOKENS",
    "TRAVERSED",
    "TREE",
    "TWO_TOKENS",
    "WORDS",
    "acceptance_by_drafts",
    "all_subsets",
    "back_bars",
    "block_debts",
    "hub_plan",
    "minimum_cut",
    "plan_bars",
    "plan_flow",
    "plan_table",
    "repetition",
    "shrinking_target",
    "threshold_curves",
    "traversal_walk",
    "verification_walk",
    "visits",
]
