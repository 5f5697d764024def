"""From logits to a token: temperature, exact sampling, truncation, text.

``validate=False`` skips the checks of values, for which a GPU has to wait.

>>> import torch
>>> from tokenlab.sampling import truncated_probs
>>> truncated_probs(torch.tensor([0.5, 0.25, 0.15, 0.1]).log(), rule="min_p", value=0.4)
tensor([0.6667, 0.3333, 0.0000, 0.0000])
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
