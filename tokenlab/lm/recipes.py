"""What each lab model is and how it is trained: the only place with their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenlab.lm.tokenizers import Style


@dataclass(frozen=True)
class Recipe:
    """Architecture (Llama) and training of one lab model.

    Matrices inside the layers take Muon at ``learning_rate``, the rest AdamW at
    ``embedding_learning_rate``. Both rates warm up, stay, and fall to 0 over ``decay_share`` of the steps.
    """

    name: str
    tokenizer: Style
    layers: int
    hidden: int
    heads: int
    feed_forward: int
    steps: int
    batch_size: int = 16
    context: int = 512
    learning_rate: float = 0.02
    embedding_learning_rate: float = 4e-3
    warmup_steps: int = 20
    decay_share: float = 0.4
    fim_rate: float = 0.25
    english_repeats: int = 2
    seed: int = 0
    #: Train on this model's next-token distributions, starting from its first layers.
    teacher: str | None = None


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("lab-target", "byte_level", layers=18, hidden=128, heads=4, feed_forward=352, steps=500),
        Recipe(
            "lab-draft", "byte_level", layers=1, hidden=128, heads=4, feed_forward=352, steps=120,
            teacher="lab-target",
        ),
        Recipe(
            "lab-other", "sentencepiece", layers=6, hidden=128, heads=4, feed_forward=352, steps=200,
            fim_rate=0.0,
        ),
    )
}  # fmt: skip

#: Names that :func:`tokenlab.lm.load` finds inside the package.
LAB_MODELS: tuple[str, ...] = tuple(RECIPES)
