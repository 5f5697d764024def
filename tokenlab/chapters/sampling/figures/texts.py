"""Texts that a model wrote, with what went wrong marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from torch import Tensor

from tokenlab.errors import ArgumentError, check_int
from tokenlab.figures import INK, ORANGE, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Points that one letter of the fixed-width font takes at size 10, and from line to line.
LETTER, LINE = 6.02, 15.0
#: The width of half a page, and of a phone, holds as many letters.
WIDTH = 40


def repeats(tokens: Sequence[int], size: int = 4) -> list[bool]:
    """Whether each token ends a run of ``size`` tokens that stands in the text before.

    Examples
    --------
    >>> repeats([1, 2, 3, 1, 2, 3], size=2)
    [False, False, False, False, True, True]
    """
    check_int("size", size, low=1)
    seen: set[tuple[int, ...]] = set()
    found = []
    for end in range(1, len(tokens) + 1):
        run = tuple(tokens[max(end - size, 0) : end])
        found.append(run in seen)
        if len(run) == size:
            seen.add(run)
    return found


def outside(kept: Tensor, tokens: Sequence[int]) -> list[bool]:
    """Whether each token lies outside of what a rule keeps at its position."""
    return [not bool(row[token]) for row, token in zip(kept, tokens, strict=True)]


def marked_texts(texts: Mapping[str, Sequence[tuple[str, bool]]], width: int = WIDTH) -> tuple[Figure, dict]:
    """Texts side by side, each in pieces that are marked or not; what is marked is orange and bold.

    Line ends and runs of spaces are shown as one space.
    """
    if not 1 <= len(texts) <= 3 or not all(texts.values()):
        raise ArgumentError(f"texts has {len(texts)} entries, expected one to three, none of them empty")
    lines = {label: _lines(pieces, check_int("width", width, low=10)) for label, pieces in texts.items()}
    height = max(map(len, lines.values()))
    figure, panels = new_figure(3.6 * len(texts), (LINE * height + 30) / 72, ncols=len(texts), squeeze=False)
    for axes, (label, rows) in zip(panels[0], lines.items(), strict=True):
        axes.set_title(label, loc="left")
        axes.set_axis_off()
        for number, row in enumerate(rows):
            for column, text, mark in row:
                axes.annotate(
                    text, (0, 1), (column * LETTER, -LINE * number - 4), xycoords="axes fraction",
                    textcoords="offset points", va="top", family="monospace", parse_math=False,
                    color=ORANGE if mark else INK, weight="bold" if mark else "normal",
                ).set_in_layout(False)  # fmt: skip
    marked = {label: sum(mark for _, mark in pieces) for label, pieces in texts.items()}
    alt = " ".join(
        f"{label}: “{' '.join(''.join(text for text, _ in pieces).split())}”; {marked[label]} of its "
        f"{len(pieces)} pieces are marked."
        for label, pieces in texts.items()
    )
    return figure, {"marked": marked, "lines": lines, "alt": alt}


def _lines(pieces: Sequence[tuple[str, bool]], width: int) -> list[list[tuple[int, str, bool]]]:
    """Wrapped lines; each is a list of column, text and mark."""
    letters: list[tuple[str, bool]] = []
    for text, mark in pieces:
        for letter in text:
            letter = " " if letter.isspace() else letter
            if letter != " " or (letters and letters[-1][0] != " "):
                letters.append((letter, mark))
    lines: list[list[tuple[str, bool]]] = [[]]
    for is_space, run in groupby(letters, key=lambda pair: pair[0] == " "):
        word = list(run)
        if len(lines[-1]) + len(word) > width and not is_space:
            lines.append([])
        if not is_space or lines[-1]:
            lines[-1] += word
    found = []
    for line in lines:
        column, row = 0, []
        for mark, run in groupby(line, key=lambda pair: pair[1]):
            text = "".join(letter for letter, _ in run)
            # A piece of an SVG's text loses the spaces at its ends.
            row.append((column + len(text) - len(text.lstrip()), text.strip(), mark))
            column += len(text)
        found.append([piece for piece in row if piece[1]])
    return found
