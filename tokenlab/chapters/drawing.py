"""What pictures of several chapters share: numbers and tokens in writing, rows of intervals."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from tokenlab.chapters.intervals import Interval
from tokenlab.errors import ArgumentError, check_choice
from tokenlab.figures import BLUE, GREY, INK, narrow_only, new_figure, wide_only

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text


def numbers(values: Iterable[float] | Tensor | np.ndarray) -> str:
    """Numbers in a row, to three digits.

    Examples
    --------
    >>> numbers([0.5, 1 / 3])
    '0.5, 0.333'
    """
    return ", ".join(f"{float(value):.3g}" for value in values)


def power_of_ten(value: float) -> str:
    """A small number to one digit, as in print.

    Examples
    --------
    >>> power_of_ten(4.6e-06), power_of_ten(0.0101)
    ('5·10⁻⁶', '0.01')
    """
    if value >= 0.001:
        return f"{value:.1g}"
    digit, _, exponent = f"{value:.0e}".partition("e")
    return f"{digit}·10{str(int(exponent)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


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


def forest_plot(
    differences: Mapping[str, Interval],
    *,
    unit: str,
    colours: Mapping[str, str] | Sequence[str] | None = None,
    better: str | None = None,
) -> tuple[Figure, dict]:
    """Differences with their 95 % intervals, a row for each, on both sides of a line at zero.

    Parameters
    ----------
    differences
        By label, in the order of the rows.
    unit
        What is compared and in which unit, below the axis.
    colours
        By label, or one for each row; by default blue where the interval excludes zero, else grey.
    better
        ``"left"`` or ``"right"``: the side of zero that is marked as the better one.

    Returns
    -------
    tuple
        The figure, and ``labels``, ``intervals`` (mean, low, high), ``excludes_zero`` and ``alt``.

    Raises
    ------
    ArgumentError
        If there is no difference, or not one colour for each.

    Examples
    --------
    >>> _, data = forest_plot({"block": Interval(0.12, 0.05, 0.19)}, unit="accepted tokens")
    >>> data["alt"]
    'Differences with 95 % intervals, accepted tokens: block +0.12 [0.05, 0.19].'
    """
    if not differences:
        raise ArgumentError("differences is empty, expected one row or more")
    if better is not None:
        check_choice("better", better, ("left", "right"))
    labels, values = list(differences), list(differences.values())
    decided = [value.low > 0 or value.high < 0 for value in values]
    if colours is None:
        colours = [BLUE if excludes else GREY for excludes in decided]
    elif isinstance(colours, Mapping):
        colours = [colours[label] for label in labels]
    if len(colours) != len(labels):
        raise ArgumentError(
            f"colours has {len(colours)} entries, expected one for each of {len(labels)} rows"
        )

    rows = len(labels)
    told = [_signed(value) for value in values]
    wrapped = [textwrap.fill(label, 17) for label in labels]
    lines = max([2, *(text.count("\n") + 1 for text in wrapped)])
    figure, axes = new_figure(6.4, 0.34 * rows + 0.9, narrow=(4.1, (0.1 + 0.18 * lines) * rows + 0.9))
    interval_rows(axes, values, colours)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_ylim(rows - 0.4, -0.6)
    axes.set_xlabel(unit)
    if better:
        side, x = ("\u2190 better", 0.0) if better == "left" else ("better \u2192", 1.0)
        axes.annotate(side, (x, 1), xycoords="axes fraction", ha=better, va="bottom", fontsize=10, color=INK)
    for y, (label, folded, value) in enumerate(zip(labels, wrapped, told, strict=True)):
        for keep, left, right in (
            (wide_only, textwrap.fill(label, 34), value),
            (narrow_only, folded, value.replace(" [", "\n[")),
        ):
            shown = right.replace("-", "\u2212")
            keep(_beside(axes, y, -0.02, left, "right"), _beside(axes, y, 1.02, shown, "left"))
    pairs = "; ".join(f"{label} {value}" for label, value in zip(labels, told, strict=True))
    return figure, {
        "labels": labels,
        "intervals": {label: tuple(value) for label, value in differences.items()},
        "excludes_zero": dict(zip(labels, decided, strict=True)),
        "alt": f"Differences with 95 % intervals, {unit}: {pairs}.",
    }


def _beside(axes: Axes, y: float, x: float, text: str, side: str) -> Text:
    """A text beside a row; ``x`` in widths of the axes."""
    place = axes.get_yaxis_transform()
    return axes.annotate(text, (x, y), xycoords=place, ha=side, va="center", fontsize=10, color=INK)


def _signed(value: Interval) -> str:
    """``+0.12 [0.05, 0.19]``, with so many decimals that the interval's length has two digits."""
    length = value.high - value.low
    decimals = min(6, max(0, 1 - math.floor(math.log10(length)))) if length > 0 else 2
    mean, low, high = (f"{number:+.{decimals}f}" for number in value)
    return f"{mean} [{low.lstrip('+')}, {high.lstrip('+')}]"
