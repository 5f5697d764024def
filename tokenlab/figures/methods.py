"""One name, one colour and one marker for each method, throughout the book.

Blue is accepted or exact, orange is moved or wrong, grey is a baseline. Other colours only tell methods apart,
and so do the markers, without colour vision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tokenlab.errors import check_real
from tokenlab.figures.style import BLUE, BROWN, GREEN, GREY, OLIVE, PINK, PURPLE, RED, TEAL


class Method(NamedTuple):
    """How a method is called and drawn; ``marker`` is one of Matplotlib's."""

    name: str
    colour: str
    marker: str


_EXACT = Method("exact", BLUE, "o")
_ENCODED = Method("encoded prompt", GREY, "s")
_HEALED = Method("longest-match healing", GREEN, "D")

#: The methods of each chapter, by the names that the package and the recorded results give them. Two names of
#: one method share an entry.
METHODS: dict[str, dict[str, Method]] = {
    "sampling": {
        "ancestral": Method("ancestral", BLUE, "o"),
        "greedy": Method("greedy", GREY, "s"),
        "temperature": Method("temperature", GREY, "v"),
        "top_k": Method("top-k", BROWN, "^"),
        "top_p": Method("top-p", GREEN, "D"),
        "min_p": Method("min-p", PURPLE, "P"),
        "typical": Method("typical", RED, "X"),
        "epsilon": Method("epsilon", OLIVE, ">"),
        "eta": Method("eta", TEAL, "<"),
        "top_h": Method("top-H", PINK, "*"),
        "top_h_released": Method("top-H, released", PINK, "p"),
    },
    # A rule that walks a tree from below has the colour of its rule at one node.
    "transport": {
        "plain": Method("plain decoding", GREY, "o"),
        "target_only": Method("target-only", GREY, "s"),
        "naive": Method("naive", BROWN, "v"),
        "recursive": Method("recursive", GREEN, "D"),
        "kseq": Method("K-SEQ", PURPLE, "P"),
        "greedy": Method("greedy drafts", RED, "^"),
        "spechub": Method("SpecHub", PINK, ">"),
        "optimal": Method("optimum", BLUE, "*"),
        "block": Method("block", TEAL, "X"),
        "traversal": Method("traversal", GREEN, "d"),
        "traversal_kseq": Method("traversal, K-SEQ", PURPLE, "p"),
        "traversal_greedy": Method("traversal, greedy drafts", RED, "<"),
        "traversal_optimal": Method("traversal, optimum", BLUE, "h"),
    },
    "bytelevel": {
        "exact": _EXACT,
        "plain": _ENCODED,
        "longest_match": _HEALED,
        "transformers": Method("transformers' healing", PURPLE, "^"),
        "one_token": Method("one-token healing", BROWN, "v"),
        # Fillers of gaps: bytes are exact, tokens follow the encoded prompt.
        "bytes": _EXACT,
        "tokens": _ENCODED,
        "healed tokens": _HEALED,
        # Which tokenizations count, and how wide a beam is.
        "valid": _EXACT,
        "all, 1": Method("all tokenizations, beam of 1", OLIVE, "<"),
        "all, 2": Method("all tokenizations, beam of 2", OLIVE, ">"),
        "all, 5": Method("all tokenizations, beam of 5", OLIVE, "X"),
        "all, 16": Method("all tokenizations, beam of 16", OLIVE, "*"),
        # Models, and what is made of two of them.
        "target": Method("lab-target", TEAL, "P"),
        "other": Method("lab-other", RED, "d"),
        "draft": Method("lab-draft", GREY, "p"),
        "mix": Method("mixture", PURPLE, "h"),
        "product": Method("product", PINK, "8"),
    },
}

#: From cold to hot; as far apart as 3:1 on white and on black allows.
_HEAT = ("#6f4cc4", "#b4489f", "#e8688a")


def temperature_colours(temperatures: Sequence[float]) -> list[str]:
    """A colour for each temperature, from violet for the lowest to light pink for the highest.

    Colours are spaced evenly by rank, and have a contrast of 3:1 or more on white and on black.

    Raises
    ------
    ArgumentError, DtypeError
        If a temperature is not a positive number.

    Examples
    --------
    >>> temperature_colours([2.0, 0.5, 2.0])
    ['#e8688a', '#6f4cc4', '#e8688a']
    """
    for temperature in temperatures:
        check_real("temperature", temperature, low=0, include_low=False)
    ranks = {temperature: rank for rank, temperature in enumerate(sorted(set(temperatures)))}
    stops = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in _HEAT])

    def colour(rank: int) -> str:
        spot = rank / (len(ranks) - 1) if len(ranks) > 1 else 0.5
        mixed = [np.interp(spot, np.linspace(0, 1, len(stops)), channel) for channel in stops.T]
        return "#" + "".join(f"{round(value):02x}" for value in mixed)

    return [colour(ranks[temperature]) for temperature in temperatures]
