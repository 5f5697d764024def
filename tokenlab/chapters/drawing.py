"""What pictures of several chapters share: numbers and tokens in writing, rows of intervals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from tokenlab.chapters.intervals import Interval
from tokenlab.figures import GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def numbers(values: Iterable[float] | Tensor | np.ndarray) -> str:
    """Numbers in a row, to three digits.

    Examples
    --------
    >>> numbers([0.5, 1 / 3])
    '0.5, 0.333'
    """
    return ", ".join(f"{float(value):.3g}" for value in values)


def letters(count: int) -> list[str]:
    """Names for tokens that have no text: a, b, c and so on."""
    return [chr(ord("a") + index) for index in range(count)]


def visible(token: str) -> str:
    r"""A token's text with signs for spaces and line ends; four spaces as ``4␣``.

    Examples
    --------
    >>> visible(" if"), visible("\n    ")
    ('␣if', '\\n4␣')
    """
    token = re.sub(" {2,}", lambda spaces: f"{len(spaces[0])} ", token)
    # A dollar sign would begin a formula.
    return token.replace("\n", "\\n").replace(" ", "␣").replace("$", r"\$")


def no_mathematics(texts: Iterable) -> None:
    """Matplotlib texts whose dollar signs are dollar signs."""
    for text in texts:
        text.set_parse_math(False)


def interval_rows(axes: Axes, intervals: Sequence[Interval], colours: Sequence[str]) -> None:
    """Means as points on their intervals, one row below the other."""
    for y, (value, colour) in enumerate(zip(intervals, colours, strict=True)):
        axes.plot([value.low, value.high], [y, y], color=colour, linewidth=2)
        axes.plot(value.mean, y, "o", color=colour, markersize=6)
    axes.grid(axis="y", color=GREY, alpha=0.3, linewidth=0.8)
    axes.set_axisbelow(True)
