"""The lab models, small and trained for this book: corpus, tokenizers, training, loading."""

from tokenlab.lm.loading import load, metrics
from tokenlab.lm.recipes import LAB_MODELS, RECIPES, Recipe

__all__ = ["LAB_MODELS", "RECIPES", "Recipe", "load", "metrics"]
