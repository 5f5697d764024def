"""Pictures of the rules on real models. Each returns ``(Figure, data)``; ``data["alt"]`` describes it."""

from tokenlab.chapters.transport.result_figures.brackets import search_brackets
from tokenlab.chapters.transport.result_figures.calls import texts_by_way
from tokenlab.chapters.transport.result_figures.races import race_timeline
from tokenlab.chapters.transport.result_figures.rates import (
    acceptance_on_steps,
    drafts_or_rule,
    gap_by_temperature,
    step_tokens,
)
from tokenlab.chapters.transport.result_figures.residuals import residual_layers
from tokenlab.chapters.transport.result_figures.rounds import round_trees, text_by_call
from tokenlab.chapters.transport.result_figures.thresholds import threshold_steps

__all__ = [
    "acceptance_on_steps",
    "drafts_or_rule",
    "gap_by_temperature",
    "race_timeline",
    "residual_layers",
    "round_trees",
    "search_brackets",
    "step_tokens",
    "text_by_call",
    "texts_by_way",
    "threshold_steps",
]
