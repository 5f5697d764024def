"""How two neighbouring tokens were merged, and what met at the wall between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tokenlab.chapters.bytelevel.figures.chips import CENTRED, ROW, chip
from tokenlab.chapters.bytelevel.figures.labels import string_label
from tokenlab.chapters.drawing import no_mathematics
from tokenlab.errors import ArgumentError
from tokenlab.figures import BLUE, GREY, INK, ORANGE, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Merges that spell banana, in the order of training.
MERGES = ((b"n", b"a"), (b"b", b"a"), (b"na", b"n"), (b"ba", b"na"), (b"a", b"n"))

#: Room for the wall between two tokens, in columns.
WALL = 0.5

Merges = Sequence[tuple[bytes, bytes]]


def neighbours(
    pairs: Sequence[tuple[bytes, bytes]] = ((b"ba", b"nan"), (b"nan", b"a")), merges: Merges = MERGES
) -> tuple[Figure, dict]:
    """How two neighbours were merged, a row for each merge from top to bottom; blue is what meets at the wall.

    Where the pieces that meet have a merge whose turn it is, BPE joins them, in orange: the pair is no encoding.
    At most three pairs; merges in the order of training.
    """
    if not 1 <= len(pairs) <= 3:
        raise ArgumentError(f"pairs has {len(pairs)} entries, expected 1 to 3")
    made = {left + right for left, right in merges}
    rules = [
        f"{rank}.  {string_label(left)} + {string_label(right)}"
        for rank, (left, right) in enumerate(merges, 1)
    ]
    figure, panels = new_figure(6.6, ROW * (len(merges) + 1) + 0.9, ncols=len(pairs), squeeze=False)
    data: dict = {"pairs": list(pairs), "meetings": [], "valid": [], "rows": []}
    for axes, (left, right) in zip(panels[0], pairs, strict=True):
        for token in (left, right):
            if len(token) != 1 and token not in made:
                raise ArgumentError(f"pairs holds {token!r}, which the merges do not make")
        meetings = border(left, right, merges)
        joined = next((rank for rank, _, _, joins in meetings if joins), None)
        rows = [(pieces(left, rank, merges), pieces(right, rank, merges)) for rank in range(len(merges) + 1)]
        _panel(axes, rows[:joined], ["bytes", *rules], left, right)
        if joined is not None:
            _joined(axes, joined, rules[joined - 1], left, right, merges)
        verdict = "an encoding" if joined is None else f"joined by merge {joined}"
        no_mathematics(
            [axes.set_title(f"{string_label(left)} | {string_label(right)}: {verdict}", loc="left")]
        )
        data["meetings"].append(meetings)
        data["valid"].append(joined is None)
        data["rows"].append(rows)
    alt = f"Merges in order: {'; '.join(rules)}. ".replace(".  ", ": ") + " ".join(
        f"{string_label(left)} before {string_label(right)}: at the border met "
        + ", ".join(
            f"{string_label(u)} and {string_label(v)}" + (f", joined by merge {rank}" if joins else "")
            for rank, u, v, joins in _changes(meetings)
        )
        + f"; {'an encoding' if ok else 'no encoding'}."
        for (left, right), meetings, ok in zip(pairs, data["meetings"], data["valid"], strict=True)
    )
    return figure, data | {"alt": alt}


def pieces(token: bytes, done: int, merges: Merges) -> tuple[bytes, ...]:
    """What a token consists of once the first ``done`` merges have run.

    Examples
    --------
    >>> pieces(b"nan", 1, MERGES), pieces(b"nan", 3, MERGES)
    ((b'na', b'n'), (b'nan',))
    """
    parts = {left + right: (rank, left, right) for rank, (left, right) in enumerate(merges, start=1)}
    if token not in parts or parts[token][0] <= done:
        return (token,)
    _, left, right = parts[token]
    return pieces(left, done, merges) + pieces(right, done, merges)


def border(left: bytes, right: bytes, merges: Merges) -> list[tuple[int, bytes, bytes, bool]]:
    """What meets at the border of two tokens at each merge's turn, and whether the merge joins it.

    A merge that reaches the border has run in the left token, but not in the right one. The list of (rank,
    bytes, bytes, joins) ends with the first merge that joins, or with the last.

    Examples
    --------
    >>> border(b"A", b"AA", [(b"A", b"A")]), border(b"AA", b"A", [(b"A", b"A")])
    ([(1, b'A', b'A', True)], [(1, b'AA', b'A', False)])
    """
    meetings = []
    for rank, merge in enumerate(merges, start=1):
        u, v = pieces(left, rank, merges)[-1], pieces(right, rank - 1, merges)[0]
        meetings.append((rank, u, v, (u, v) == tuple(merge)))
        if meetings[-1][3]:
            break
    return meetings


def _panel(axes: Axes, rows: list, labels: list[str], left: bytes, right: bytes) -> None:
    """The pieces of both tokens after each merge, as long as none crosses the wall."""
    for row, (before, after) in enumerate(rows):
        for start, some, at_wall in ((-len(left), before, len(before) - 1), (WALL, after, 0)):
            for number, piece in enumerate(some):
                fill = [(len(piece), BLUE)] if number == at_wall else []
                chip(axes, start, row, piece, fill, edge=INK if number == at_wall else GREY)
                start += len(piece)
        _label(axes, left, row, labels[row])
    axes.plot([WALL / 2, WALL / 2], [-0.1, len(rows) + 0.1], color=INK, linewidth=1.6, linestyle="--")
    axes.set_xlim(-len(left) - 4, max(3, len(right)) + WALL + 0.3)
    axes.set_ylim(len(labels) + 0.1, -0.2)
    axes.axis("off")


def _joined(axes: Axes, rank: int, label: str, left: bytes, right: bytes, merges: Merges) -> None:
    """The row of the merge that crosses the wall."""
    before, after = pieces(left, rank, merges), pieces(right, rank - 1, merges)
    start = -len(left)
    for piece in before[:-1]:
        chip(axes, start, rank, piece, edge=GREY)
        start += len(piece)
    chip(
        axes,
        start,
        rank,
        before[-1] + after[0],
        [(len(before[-1] + after[0]), ORANGE)],
        gap=(len(before[-1]), WALL),
    )
    start = WALL + len(after[0])
    for piece in after[1:]:
        chip(axes, start, rank, piece, edge=GREY)
        start += len(piece)
    _label(axes, left, rank, label)


def _label(axes: Axes, left: bytes, row: int, label: str) -> None:
    axes.text(-len(left) - 0.4, row + 0.5, label, **CENTRED | {"ha": "right"})


def _changes(meetings: list[tuple[int, bytes, bytes, bool]]) -> list[tuple[int, bytes, bytes, bool]]:
    """Meetings without those that only repeat the one before."""
    kept = []
    for meeting in meetings:
        if not kept or meeting[3] or meeting[1:3] != kept[-1][1:3]:
            kept.append(meeting)
    return kept
