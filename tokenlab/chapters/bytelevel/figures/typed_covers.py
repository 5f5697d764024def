"""The covers of a text while it is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenlab.bytelevel.model.byte_lm import ByteLM
from tokenlab.bytelevel.tasks.explain import Cover, explain
from tokenlab.chapters.bytelevel.figures.chips import BYTE, CENTRED, ROW, chips, typed
from tokenlab.chapters.bytelevel.figures.labels import string_label
from tokenlab.errors import ArgumentError, check_int
from tokenlab.figures import BLUE, INK, METHODS, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def cover_walk(byte_lm: ByteLM, text: bytes, start: int, top: int = 4) -> tuple[list[Figure], dict]:
    """The ``top`` most probable covers after each byte of a text from ``start`` on, and the encoded prompt.

    For :func:`tokenlab.figures.player`: a frame for each byte, with ``data["labels"]``, ``data["captions"]`` and
    ``data["alt"]``. Tokens before ``start`` are left out; none may reach across it.
    """
    check_int("start", start, low=1, high=len(text) - 1)
    check_int("top", top, low=1, high=8)
    stages = []
    for length in range(start + 1, len(text) + 1):
        explanation = explain(byte_lm, text[:length], top=100_000)
        rows = [
            (_after(cover, start), share)
            for cover, share in zip(explanation.covers, explanation.shares, strict=True)
        ]
        # The one cover that is the encoding of what was typed.
        encoding = tuple(byte_lm.description.encode(text[:length]))
        (encoded,) = [
            row for row, cover in zip(rows, explanation.covers, strict=True) if cover.ids == encoding
        ]
        stages.append(
            (length, [row for row in rows if row is not encoded][:top], encoded, explanation.num_covers)
        )
    longest = max(len(b"".join(pieces)) for _, rows, encoded, _ in stages for pieces, _ in [*rows, encoded])
    frames = []
    data: dict = {"labels": [], "captions": [], "alt": [], "counts": [], "rows": [], "encoded": []}
    for length, rows, encoded, count in stages:
        label = string_label(text[start:length])
        frames.append(_frame(text[start:length], rows, encoded, top, longest))
        best, share = rows[0]
        data["labels"].append(label)
        data["captions"].append(
            f"“{label}” has {count:,} cover{'s' * (count != 1)}. {_words(best)} has {_percent(share)} of the "
            f"probability; the encoded prompt, {_words(encoded[0])}, has {_percent(encoded[1])}."
        )
        data["alt"].append(
            f"Typed {label}, {count:,} cover{'s' * (count != 1)}: "
            + "; ".join(f"{_words(pieces)} {_percent(share)}" for pieces, share in rows)
            + f". Encoded prompt: {_words(encoded[0])} {_percent(encoded[1])}."
        )
        data["counts"].append(count)
        data["rows"].append(rows)
        data["encoded"].append(encoded)
    return frames, data


def _after(cover: Cover, start: int) -> tuple[bytes, ...]:
    """The tokens of a cover after the first ``start`` bytes."""
    reached = 0
    for number, piece in enumerate(cover.strings):
        if reached == start:
            return cover.strings[number:]
        reached += len(piece)
    raise ArgumentError(f"start is {start}, which lies inside the token {cover.strings[-1]!r} of a cover")


def _words(pieces: tuple[bytes, ...]) -> str:
    return " | ".join(map(string_label, pieces))


def _percent(share: float) -> str:
    """A share, with as many decimals as say something about a small one."""
    if share >= 0.9995:
        return f"{share:.2%}"
    return f"{share:.1%}" if share >= 0.0005 else "less than 0.05%"


def _frame(
    text: bytes, rows: list[tuple[tuple[bytes, ...], float]], encoded: tuple, top: int, longest: int
) -> Figure:
    """Covers below the text with bars for their shares, and the encoded prompt at the foot."""
    bars = 2.4 / BYTE
    figure, axes = new_figure(BYTE * (longest + bars + 4), ROW * (top + 3) + 0.5)
    method = METHODS["bytelevel"]["plain"]
    typed(axes, text)
    places = [*range(1, len(rows) + 1), top + 2]
    for place, (pieces, share), colour in zip(
        places, [*rows, encoded], [*[BLUE] * len(rows), method.colour], strict=True
    ):
        chips(axes, place, pieces, len(text), (colour, None))
        axes.barh(place + 0.5, share * bars, 0.6, left=longest + 0.5, color=colour)
        beside = longest + 0.8 + share * bars
        axes.text(
            beside, place + 0.5, _percent(share).replace("less than ", "< "), **CENTRED | {"ha": "left"}
        )
    axes.text(0, top + 1.6, method.name, **CENTRED | {"ha": "left", "color": INK})
    axes.plot([len(text), len(text)], [0.1, top + 1], color=INK, linewidth=1.2, linestyle="--")
    axes.set_xlim(-0.2, longest + bars + 3.5)
    axes.set_ylim(top + 3.1, 0)
    axes.axis("off")
    return figure
