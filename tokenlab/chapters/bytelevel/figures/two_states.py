"""The two-state chain of bytes, and the chain of tokens that it becomes."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from tokenlab.chapters.bytelevel import exact
from tokenlab.errors import ProbabilityError
from tokenlab.figures import BLUE, GREY, INK, ORANGE, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def chains(alpha: Fraction | str = "2/5", beta: Fraction | str = "3/10") -> tuple[Figure, dict]:
    """The chain of bytes A and B, and the chain of tokens AA, A and B that it becomes.

    The bytes go from A to B with probability ``alpha``, and back with ``beta``.
    """
    alpha, beta = Fraction(alpha), Fraction(beta)
    if not (0 < alpha < 1 and 0 < beta < 1):
        raise ProbabilityError(f"alpha and beta are {alpha} and {beta}, expected them between 0 and 1")
    source, tokens = exact.two_state_chain(alpha, beta), exact.two_state_tokens(alpha, beta)
    figure, panels = new_figure(6.4, 2.9, ncols=2, width_ratios=[3.0, 3.9])
    distributions = {"bytes": {state: source.next_byte(state) for state in (b"A", b"B")}}
    distributions["tokens"] = {state: tokens[state] for state in (b"AA", b"A", b"B")}
    centres = {
        "bytes": {b"A": (0, 0.35), b"B": (1.7, 0.35)},
        "tokens": {b"AA": (1.2, 1.2), b"A": (0, -0.35), b"B": (2.4, -0.35)},
    }
    for axes, (name, distribution) in zip(panels, distributions.items(), strict=True):
        for state, row in distribution.items():
            for target, p in row.items():
                if p:
                    sure = p == 1
                    _arrow(
                        axes, centres[name][state], centres[name][target], str(p), ORANGE if sure else GREY
                    )
            _node(axes, centres[name][state], state.decode())
        axes.set_title(f"the text as {name}")
        axes.set_xlim(-0.65, 3.25 if name == "tokens" else 2.35)
        axes.set_ylim(-0.95, 2.0)
        axes.set_aspect("equal")
        axes.axis("off")
    alt = " ".join(
        f"Chain of {name}: "
        + "; ".join(
            f"from {state.decode()} to "
            + ", ".join(f"{target.decode()} {p}" for target, p in row.items() if p)
            for state, row in distribution.items()
        )
        + "."
        for name, distribution in distributions.items()
    )
    return figure, {"distributions": distributions, "alt": alt}


def _node(axes: Axes, centre: tuple[float, float], name: str) -> None:
    from matplotlib.patches import Circle

    axes.add_patch(Circle(centre, 0.24, facecolor="none", edgecolor=BLUE, linewidth=2))
    axes.text(*centre, name, ha="center", va="center", color=INK, fontweight="bold")


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], label: str, colour: str) -> None:
    """From one state to another, bent to its left; or a loop."""
    from matplotlib.patches import FancyArrowPatch

    style = {
        "arrowstyle": "-|>",
        "mutation_scale": 10,
        "color": colour,
        "linewidth": 1.4,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    (x, y), (u, v) = start, end
    if start == end:
        away = 1 if y > 0 else -1
        tail, head = (x - 0.13, y + 0.21 * away), (x + 0.13, y + 0.21 * away)
        axes.add_patch(FancyArrowPatch(tail, head, connectionstyle=f"arc3,rad={-1.7 * away}", **style))
        axes.text(x, y + 0.56 * away, label, ha="center", va="center", color=INK)
        return
    length = math.hypot(u - x, v - y)
    along, across = ((u - x) / length, (v - y) / length), (-(v - y) / length, (u - x) / length)
    # A little to the left of the straight line, so that the way back does not lie on it.
    tail = (x + 0.27 * along[0] + 0.07 * across[0], y + 0.27 * along[1] + 0.07 * across[1])
    head = (u - 0.27 * along[0] + 0.07 * across[0], v - 0.27 * along[1] + 0.07 * across[1])
    axes.add_patch(FancyArrowPatch(tail, head, connectionstyle="arc3,rad=-0.15", **style))
    # Beyond the bend, which grows with the length; slanting ones keep out of the middle.
    away, part = 0.24 + 0.075 * length, 0.5 if y == v else 0.36
    beside = (x + part * (u - x) + away * across[0], y + part * (v - y) + away * across[1])
    axes.text(
        *beside, label, ha="center", va="center", color=INK, fontweight="bold" if label == "1" else None
    )
