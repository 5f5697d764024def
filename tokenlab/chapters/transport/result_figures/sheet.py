"""Text set letter by letter, as on a typewriter: its size does not follow that of the figure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Transform

#: Of a monospaced font of ten points, in points: the width of a letter, and the distance of lines.
FONT, LETTER, LINE = 10, 6.02, 15.0


class Word(NamedTuple):
    """Letters on one line that belong to one piece of a text."""

    piece: int
    column: int
    line: int
    letters: str


def words(pieces: Sequence[str], width: int) -> list[Word]:
    r"""Where the pieces of a text stand, if lines are broken at ``width`` letters.

    Examples
    --------
    >>> [tuple(word) for word in words(["if x", ":\n  go"], 20)]
    [(0, 0, 0, 'if x'), (1, 4, 0, ':'), (1, 0, 1, '  go')]
    """
    found: list[Word] = []
    column = line = 0
    for piece, text in enumerate(pieces):
        for part in re.findall(r"\n|[^\n]+", text):
            if part == "\n":
                column, line = 0, line + 1
                continue
            while part:
                if column == width or (column + len(part) > width and column and len(part) <= width):
                    column, line = 0, line + 1
                here, part = part[: width - column], part[width - column :]
                found.append(Word(piece, column, line, here))
                column += len(here)
    return found


def letters_and_lines(axes: Axes) -> Transform:
    """Coordinates in letters to the right and lines down, from the upper left corner of the axes."""
    from matplotlib.transforms import Affine2D, ScaledTranslation

    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    corner = ScaledTranslation(0, 1, axes.transAxes)
    return Affine2D().scale(LETTER / 72, -LINE / 72) + axes.figure.dpi_scale_trans + corner


def write(axes: Axes, grid: Transform, column: float, line: float, letters: str, **style) -> None:
    """Monospaced letters, of which the first stands at ``column``; spaces before it move it to the right."""
    # Renderers of SVG drop or join spaces.
    for run in re.finditer(r"\S+(?: \S+)*", letters):
        text = axes.text(
            column + run.start(),
            line,
            run[0],
            transform=grid,
            family="monospace",
            fontsize=FONT,
            ha="left",
            va="center",
            **style,
        )
        text.set_parse_math(False)
        # It stands where it stands: the layout need not make room for it.
        text.set_in_layout(False)


def rule(axes: Axes, grid: Transform, start: tuple[float, float], end: tuple[float, float], **style) -> None:
    """A line between two spots, each a column and a line."""
    (line,) = axes.plot([start[0], end[0]], [start[1], end[1]], transform=grid, clip_on=False, **style)
    line.set_in_layout(False)
