"""Pictures of the sampling chapter. Each returns ``(Figure, data)``; ``data["alt"]`` describes it.

The data are what the picture shows, as plain numbers, so that tests and notebooks can read them; the
alternative text is written from them. The picture of the recorded experiment stands in
:mod:`tokenlab.chapters.sampling.result_figures`.
"""

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
