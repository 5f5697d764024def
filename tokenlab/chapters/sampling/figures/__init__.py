"""Pictures of the sampling chapter. Each returns ``(Figure, data)``; ``data["alt"]`` describes it."""

from tokenlab.chapters.sampling.figures.draws import capped_gumbel, exponential_race, gumbel_max, inverse_cdf
from tokenlab.chapters.sampling.figures.small_rows import FOUR_TOKENS
from tokenlab.chapters.sampling.figures.temperature import softmax_temperature, temperature_sweep
from tokenlab.chapters.sampling.figures.truncation import kept_tokens_along_text, truncation_family

__all__ = [
    "FOUR_TOKENS",
    "capped_gumbel",
    "exponential_race",
    "gumbel_max",
    "inverse_cdf",
    "kept_tokens_along_text",
    "softmax_temperature",
    "temperature_sweep",
    "truncation_family",
]
