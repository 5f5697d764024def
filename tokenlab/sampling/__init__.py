"""From logits to a token: temperature, exact sampling, truncation, text.

``validate=False`` skips the checks of values, for which a GPU has to wait.
"""

from tokenlab.sampling.api import (
    capped_gumbel_distribution,
    softmax,
    truncate,
    truncated_probs,
    truncation_mask,
)
from tokenlab.sampling.generation import GenerateOutput, generate
from tokenlab.sampling.metrics import repetition
from tokenlab.sampling.rules import RULES, Rule

__all__ = [
    "RULES",
    "GenerateOutput",
    "Rule",
    "StatedTopH",
    "capped_gumbel_distribution",
    "generate",
    "hf_processors",
    "repetition",
    "softmax",
    "truncate",
    "truncated_probs",
    "truncation_mask",
]


def __getattr__(name: str):
    """Import the processors when they are asked for: transformers is slow to load."""
    if name in ("StatedTopH", "hf_processors"):
        from tokenlab.sampling import processors

        return getattr(processors, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
