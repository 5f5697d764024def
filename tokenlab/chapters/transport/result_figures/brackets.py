"""The search for K-SEQ's division factor, bracket by bracket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxtyping import Float64
from torch import Tensor

from tokenlab.errors import ShapeError, check_int
from tokenlab.figures import BLUE, GREY, INK, ORANGE, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def search_brackets(brackets: Float64[Tensor, "steps 2"], root: float, factors: int) -> tuple[Figure, dict]:
    """Each bracket drawn at full width, the factors that divide it, and the part that was kept."""
    factors = check_int("factors", factors, low=2)
    steps = [(low, high) for low, high in brackets.tolist()]
    if not steps:
        raise ShapeError("brackets has 0 steps, expected one or more")
    figure, axes = new_figure(6.4, 0.55 * len(steps) + 0.4)
    kept = []
    for line, (low, high) in enumerate(steps):
        y = -line
        axes.plot([0, 1], [y, y], color=GREY, linewidth=1)
        for i in range(factors):
            c = low + (high - low) * i / (factors - 1)
            lossless = c >= root
            axes.plot(
                i / (factors - 1),
                y,
                "o" if lossless else "X",
                color=BLUE if lossless else ORANGE,
                markersize=6,
            )
        at = (root - low) / (high - low)
        axes.plot([at, at], [y - 0.2, y + 0.2], color=INK, linewidth=1.5)
        if not line:
            axes.text(at, y + 0.26, "root", ha="center", va="bottom", color=INK)
        axes.text(-0.03, y, f"{low:.5f}", ha="right", va="center", color=INK)
        axes.text(1.03, y, f"{high:.5f}", ha="left", va="center", color=INK)
        if line + 1 < len(steps):
            ends = [(end - low) / (high - low) for end in steps[line + 1]]
            axes.plot(ends, [y, y], color=BLUE, linewidth=5, alpha=0.35, zorder=0)
            for end, x in zip(ends, (0, 1), strict=True):
                axes.plot([end, x], [y, y - 1], color=GREY, linewidth=0.8, linestyle=":")
            kept.append(ends)
    axes.set_xlim(-0.3, 1.3)
    axes.set_ylim(0.6 - len(steps), 0.75)
    axes.set_axis_off()
    alt = f"{len(steps)} brackets, each a part of the one above, around the root {root:.6f}: " + "; ".join(
        f"{low:.6f} to {high:.6f}" for low, high in steps
    )
    return figure, {"kept": kept, "brackets": steps, "alt": alt + "."}
