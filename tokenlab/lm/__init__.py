"""The lab models, small and trained for this book, and how any model is asked for logits.

``recipes``, ``corpus``, ``tokenizers``, ``data``, ``train`` and ``checkpoints`` make them, ``evaluate``
judges them beside ``baselines``, ``provenance`` says where numbers come from, ``loading`` loads them.
Any model: ``forward``, ``cache``, ``prompting``.
"""

from tokenlab.lm.loading import load, metrics
from tokenlab.lm.recipes import LAB_MODELS, RECIPES, Recipe

__all__ = ["LAB_MODELS", "RECIPES", "Recipe", "load", "metrics"]
