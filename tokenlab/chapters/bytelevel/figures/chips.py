"""Tokens as boxes with a column for each byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenlab.chapters.bytelevel.figures.labels import sign
from tokenlab.figures import INK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

#: Width of one byte, in inches, and height of a row.
BYTE, ROW = 0.27, 0.32

CENTRED = {"ha": "center", "va": "center", "parse_math": False, "color": INK}


def chip(
    axes: Axes,
    column: float,
    row: float,
    piece: bytes,
    fills: Sequence[tuple[int, str | None]] = (),
    *,
    edge: str = INK,
    gap: tuple[int, float] = (0, 0.0),
) -> None:
    """One token; ``fills`` are its parts from the left, as numbers of bytes and colours or None.

    ``gap`` is how many bytes stand before a gap, and its width: the token reaches over it.
    """
    start = column
    for width, colour in fills:
        if width and colour:
            _rectangle(axes, start, row, width + gap[1], facecolor=colour, alpha=0.32, linewidth=0)
        start += width
    _rectangle(axes, column, row, len(piece) + gap[1], facecolor="none", edgecolor=edge, linewidth=0.9)
    for offset, byte in enumerate(piece):
        shift = gap[1] if offset >= gap[0] else 0
        axes.text(column + offset + shift + 0.5, row + 0.5, sign(byte), **CENTRED)


def chips(
    axes: Axes, row: float, pieces: Sequence[bytes], inside: int, colours: tuple[str, str | None]
) -> None:
    """A sequence of tokens from column 0, in one colour up to ``inside`` bytes and in another, or none, beyond."""
    column = 0
    for piece in pieces:
        within = max(0, min(len(piece), inside - column))
        chip(axes, column, row, piece, [(within, colours[0]), (len(piece) - within, colours[1])])
        column += len(piece)


def typed(axes: Axes, text: bytes, row: float = 0) -> None:
    """A text in bold, a byte to a column."""
    for column, byte in enumerate(text):
        axes.text(column + 0.5, row + 0.5, sign(byte), fontweight="bold", **CENTRED)


def _rectangle(axes: Axes, column: float, row: float, width: float, **style) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((column + 0.06, row + 0.08), width - 0.12, 0.84, **style))
