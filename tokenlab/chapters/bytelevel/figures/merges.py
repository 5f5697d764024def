"""How two neighbouring tokens were merged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tokenlab.chapters.bytelevel.figures.labels import string_label
from tokenlab.chapters.drawing import no_mathematics
from tokenlab.errors import ArgumentError
from tokenlab.figures import BLUE, GREY, INK, RED, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Merges of the picture of two spines, in the order of training.
MERGES = ((b"a", b"b"), (b"b", b"a"), (b"ab", b"a"), (b"ba", b"b"))


def spines(
    pairs: Sequence[tuple[bytes, bytes]] = ((b"ab", b"ab"), (b"aba", b"b")),
    merges: Sequence[tuple[bytes, bytes]] = MERGES,
) -> tuple[Figure, dict]:
    """How two neighbours were merged, time upwards, and what met at their border meanwhile.

    Where the edges that meet have a merge whose turn comes then, BPE joins them: the pair is no encoding. At
    most three pairs; merges in the order of training.
    """
    if not 1 <= len(pairs) <= 3:
        raise ArgumentError(f"pairs has {len(pairs)} entries, expected 1 to 3")
    ranks = {merge: rank for rank, merge in enumerate(merges, start=1)}
    parts = {left + right: (left, right) for left, right in merges}
    figure, panels = new_figure(6.4, 0.42 * len(merges) + 1.5, ncols=len(pairs), sharey=True, squeeze=False)
    data: dict = {"pairs": list(pairs), "meetings": [], "valid": []}
    for axes, (left, right) in zip(panels[0], pairs, strict=True):
        for token in (left, right):
            if len(token) != 1 and token not in parts:
                raise ArgumentError(f"pairs holds {token!r}, which the merges do not make")
        meetings = border(left, right, merges)
        joined = next((rank for rank, _, _, joins in meetings if joins), None)
        _tree(axes, left, -len(left), ranks, parts, right_edge=True)
        _tree(axes, right, 0, ranks, parts, right_edge=False)
        axes.axvline(0, color=GREY, linewidth=1, linestyle="--", zorder=0)
        if joined is not None:
            axes.plot([-0.5, 0.5], [joined, joined], color=RED, linewidth=2.5)
            axes.plot(0, joined, "x", color=RED, markersize=9, markeredgewidth=2.5)
        verdict = "an encoding" if joined is None else f"joined by merge {joined}"
        no_mathematics([axes.set_title(f"{string_label(left)} | {string_label(right)}: {verdict}")])
        axes.set_xlim(
            -max(len(t) for p in pairs for t in p) - 0.2, max(len(t) for p in pairs for t in p) + 0.2
        )
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        data["meetings"].append(meetings)
        data["valid"].append(joined is None)
    rows = [f"{rank}: {string_label(left)} + {string_label(right)}" for (left, right), rank in ranks.items()]
    panels[0][0].set_yticks(range(len(merges) + 1), ["bytes", *rows])
    no_mathematics(panels[0][0].get_yticklabels())
    panels[0][0].set_ylim(-0.45, len(merges) + 0.5)
    panels[0][0].set_ylabel("merge, in order")
    alt = f"Merges in order: {'; '.join(rows)}. " + " ".join(
        f"{string_label(left)} before {string_label(right)}: at the border met "
        + ", ".join(
            f"{string_label(u)} and {string_label(v)}" + (f", joined by merge {rank}" if joins else "")
            for rank, u, v, joins in _changes(meetings)
        )
        + f"; {'an encoding' if ok else 'no encoding'}."
        for (left, right), meetings, ok in zip(pairs, data["meetings"], data["valid"], strict=True)
    )
    return figure, data | {"alt": alt}


def border(
    left: bytes, right: bytes, merges: Sequence[tuple[bytes, bytes]]
) -> list[tuple[int, bytes, bytes, bool]]:
    """What meets at the border of two tokens at each merge's turn, and whether the merge joins it.

    A merge that reaches the border has run in the left token, but not in the right one. The list of (rank,
    bytes, bytes, joins) ends with the first merge that joins, or with the last.

    Examples
    --------
    >>> border(b"A", b"AA", [(b"A", b"A")]), border(b"AA", b"A", [(b"A", b"A")])
    ([(1, b'A', b'A', True)], [(1, b'AA', b'A', False)])
    """
    ranks = {left + right: rank for rank, (left, right) in enumerate(merges, start=1)}
    parts = {left + right: (left, right) for left, right in merges}

    def edge(token: bytes, side: int, done: int) -> bytes:
        """The token's part at this edge once the first ``done`` merges have run."""
        while ranks.get(token, 0) > done:
            token = parts[token][side]
        return token

    meetings = []
    for rank, merge in enumerate(merges, start=1):
        u, v = edge(left, 1, rank), edge(right, 0, rank - 1)
        meetings.append((rank, u, v, (u, v) == tuple(merge)))
        if meetings[-1][3]:
            break
    return meetings


def _tree(axes: Axes, token: bytes, start: int, ranks: dict, parts: dict, right_edge: bool) -> None:
    """The merges that made a token, as high as their turn; the edge at the border is thick."""

    def draw(part: bytes, start: int, edge: bool) -> tuple[float, float]:
        if len(part) == 1:
            axes.text(
                start + 0.5, -0.25, string_label(part), ha="center", va="center", color=INK, parse_math=False
            )
            return start + 0.5, 0
        left, right = parts[part]
        height = ranks[left, right]
        ends = [
            draw(left, start, edge and not right_edge),
            draw(right, start + len(left), edge and right_edge),
        ]
        middle = (ends[0][0] + ends[1][0]) / 2
        for (x, y), on_edge in zip(ends, (edge and not right_edge, edge and right_edge), strict=True):
            axes.plot(
                [x, x, middle],
                [y, height, height],
                color=BLUE if on_edge else GREY,
                linewidth=2.6 if on_edge else 1.2,
            )
        return middle, height

    x, y = draw(token, start, True)
    axes.plot([x, x], [y, len(ranks) + 0.45], color=BLUE, linewidth=2.6)


def _changes(meetings: list[tuple[int, bytes, bytes, bool]]) -> list[tuple[int, bytes, bytes, bool]]:
    """Meetings without those that only repeat the one before."""
    kept = []
    for meeting in meetings:
        if not kept or meeting[3] or meeting[1:3] != kept[-1][1:3]:
            kept.append(meeting)
    return kept
