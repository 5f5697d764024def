"""Pictures of the sampling chapter. Each returns ``(Figure, data)``; ``data["alt"]`` describes it.

Some return a list of figures, the frames of a player, with a caption and an alternative text for each.
"""

from tokenlab.chapters.sampling.figures.ceiling import lost_and_gained, race_under_a_ceiling
from tokenlab.chapters.sampling.figures.draws import exponential_race, gumbel_max, inverse_cdf
from tokenlab.chapters.sampling.figures.small_rows import FIVE_TOKENS, FIVE_WORDS, FOUR_TOKENS, FOUR_WORDS
from tokenlab.chapters.sampling.figures.temperature import (
    softmax_temperature,
    tail_by_rank,
    temperature_sweep,
)
from tokenlab.chapters.sampling.figures.texts import marked_texts, outside, repeats
from tokenlab.chapters.sampling.figures.traffic import bytes_of_a_draw, two_kernels
from tokenlab.chapters.sampling.figures.truncation import kept_tokens_along_text, truncation_family

__all__ = [
    "FIVE_TOKENS",
    "FIVE_WORDS",
    "FOUR_TOKENS",
    "FOUR_WORDS",
    "bytes_of_a_draw",
    "exponential_race",
    "gumbel_max",
    "inverse_cdf",
    "kept_tokens_along_text",
    "lost_and_gained",
    "marked_texts",
    "outside",
    "race_under_a_ceiling",
    "repeats",
    "softmax_temperature",
    "tail_by_rank",
    "temperature_sweep",
    "truncation_family",
    "two_kernels",
]
