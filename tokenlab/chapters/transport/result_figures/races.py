"""Two programs that shrink one bracket: in one memory, and with old and new apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxtyping import Float64
from torch import Tensor

from tokenlab.errors import ShapeError
from tokenlab.figures import BLUE, GREY, INK, ORANGE, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: When the first program reads and writes, and when the second reads.
FIRST_READS, FIRST_WRITES, SECOND_READS = 0.0, 1.0, 2.0


def race_timeline(brackets: Float64[Tensor, "steps 2"]) -> tuple[Figure, dict]:
    """What the second of two programs reads after the first has written; ``brackets`` are old and new."""
    if len(brackets) != 2:
        raise ShapeError(f"brackets has {len(brackets)} steps, expected the old one and the new one")
    old, new = (f"{low:.3f} to {high:.3f}" for low, high in brackets.tolist())
    read = {"one memory": (old, new), "old and new apart": (old, old)}
    figure, panels = new_figure(6.4, 4.2, nrows=2)
    for axes, (title, (first, second)) in zip(panels, read.items(), strict=True):
        boxes = (
            (FIRST_READS, 1, "reads", first, BLUE),
            (FIRST_WRITES, 1, "writes", new, GREY),
            (SECOND_READS, 0, "reads", second, BLUE if second == old else ORANGE),
        )
        for start, line, verb, bracket, colour in boxes:
            axes.barh(line, 0.94, 0.74, left=start, color=colour, alpha=0.35)
            axes.text(start + 0.47, line, f"{verb}\n{bracket}", ha="center", va="center", color=INK)
        axes.set_title(title, loc="left")
        axes.set_yticks([1, 0], ["program 0", "program 1"])
        axes.set_ylim(-0.55, 1.5)
        axes.set_xlim(-0.05, 3)
        axes.set_xticks([])
        axes.tick_params(axis="y", length=0)
    panels[-1].set_xlabel("time →")
    alt = " ".join(
        f"{title.capitalize()}: program 0 reads {first} and writes {new}; program 1 starts later and reads {second}."
        for title, (first, second) in read.items()
    )
    return figure, {"read": read, "alt": alt}
