"""Real models that fit in the box: corpus, tokenizers, training, loading.

>>> from tokenlab.lm import load
>>> model, tokenizer = load("lab-target")
"""

from tokenlab.lm.loading import load, metrics
from tokenlab.lm.recipes import LAB_MODELS, RECIPES, Recipe

__all__ = ["LAB_MODELS", "RECIPES", "Recipe", "load", "metrics"]
