"""The picture of a question: curves without names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from tokenlab.figures import INK, new_figure
from tokenlab.sampling.api import truncation_mask

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Who is who, in the order of the letters.
CURVES = (("A", "top_p", 0.9), ("B", "epsilon", 0.005), ("C", "min_p", 0.1), ("D", "top_k", 50))
VOCAB = 1000
TEMPERATURES = tuple(step / 20 for step in range(10, 81))
#: Where the letters stand, since all curves are apart there.
LETTERS_AT = 2.2


def kept_by_temperature() -> tuple[Figure, dict]:
    """How many of 1,000 tokens four rules keep as the temperature rises; ``data`` has the curves by letter.

    At temperature one the token of rank r has a probability proportional to 1/r.
    """
    logits = -torch.arange(1, VOCAB + 1, dtype=torch.float64).log()
    probs = (logits / torch.tensor(TEMPERATURES, dtype=torch.float64)[:, None]).softmax(-1)
    figure, axes = new_figure(6.4, 3.4)
    at = TEMPERATURES.index(LETTERS_AT)
    data: dict = {"temperatures": list(TEMPERATURES)}
    words = []
    for letter, rule, value in CURVES:
        kept = truncation_mask(probs, rule, value).sum(-1).tolist()
        # One colour for all: a colour would be a name.
        axes.plot(TEMPERATURES, kept, color=INK, linewidth=1.6)
        axes.annotate(
            letter,
            (LETTERS_AT, kept[at]),
            (0, 4),
            textcoords="offset points",
            fontsize=13,
            ha="center",
            color=INK,
        )
        data[letter] = kept
        some = [f"{kept[TEMPERATURES.index(t)]:,}" for t in (0.5, 1.0, 2.0, 3.0, 4.0)]
        words.append(f"{letter}: {', '.join(some[:-1])} and {some[-1]}.")
    axes.set_yscale("log")
    axes.set_yticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
    axes.minorticks_off()
    axes.set_xlim(TEMPERATURES[0], TEMPERATURES[-1])
    axes.set_ylim(0.8, 2000)
    axes.set_xlabel("temperature")
    axes.set_ylabel("tokens kept")
    data["alt"] = (
        "Four curves without names: the number of tokens that a rule keeps, of 1,000, at the temperatures "
        f"0.5, 1, 2, 3 and 4. {' '.join(words)}"
    )
    return figure, data
