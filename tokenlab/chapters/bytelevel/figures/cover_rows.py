"""Covers of a text as rows of tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tokenlab.bytelevel.tasks.explain import Cover, Explanation
from tokenlab.chapters.bytelevel import exact
from tokenlab.chapters.bytelevel.figures.chips import BYTE, CENTRED, ROW, chips, typed
from tokenlab.chapters.bytelevel.figures.labels import string_label
from tokenlab.errors import ArgumentError, ShapeError
from tokenlab.figures import BLUE, INK, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def covers(
    shown: Explanation | Sequence[Cover] | Sequence[exact.Tokens],
    text: bytes | None = None,
    labels: Sequence[str] | None = None,
) -> tuple[Figure, dict]:
    """Covers, at most 16, as rows of tokens under the bytes of the text; blue is what was typed.

    Tokens that all begin with are left out, but for the last. The text is needed if covers are tuples.
    ``labels`` follow the rows, by default an explanation's shares.
    """
    others = 0.0
    if isinstance(shown, Explanation):
        text, others = shown.text, 1 - math.fsum(shown.shares)
        labels = [f"{share:.1%}" for share in shown.shares] if labels is None else labels
        shown = shown.covers
    rows = [_pieces(cover, text) for cover in shown]
    if not 1 <= len(rows) <= 16:
        raise ArgumentError(f"shown has {len(rows)} covers, expected 1 to 16, to be drawn")
    if len({b"".join(pieces)[: len(whole)] for pieces, whole in rows}) > 1:
        raise ArgumentError("shown holds covers of different texts")
    if labels is not None and len(labels) != len(rows):
        raise ShapeError(f"labels has {len(labels)} entries, expected one for each of {len(rows)} covers")
    # A dummy space stands before the text and belongs to what is covered.
    whole, rows = rows[0][1], [pieces for pieces, _ in rows]
    common = _common(rows)
    first = sum(map(len, rows[0][:common]))
    columns = max(len(b"".join(pieces)) for pieces in rows) - first
    if columns > 48:
        raise ArgumentError(
            f"shown needs {columns} bytes beside one another, expected at most 48, to be drawn"
        )
    figure = _figure(whole[first:], [pieces[common:] for pieces in rows], labels, columns, cut=common > 0)
    words = [" | ".join(string_label(piece) for piece in pieces[common:]) for pieces in rows]
    before = string_label(b"".join(rows[0][:common]))
    alt = (
        f"Covers of “{string_label(whole)}” in rows of tokens"
        + (f", all after “{before}”" if common else "")
        + ": "
    )
    alt += "; ".join(
        words if labels is None else [f"{word} ({label})" for word, label in zip(words, labels, strict=True)]
    )
    alt += f". {len(rows)} cover{'s' * (len(rows) > 1)}" + (
        f", others {others:.2g} in all." if others > 1e-9 else "."
    )
    data = {"text": whole, "tokens": rows, "labels": list(labels or []), "common": common, "others": others}
    return figure, data | {"alt": alt}


def _pieces(cover: Cover | exact.Tokens, text: bytes | None) -> tuple[list[bytes], bytes]:
    """Tokens of a cover, and the text that it covers."""
    if isinstance(cover, Cover):
        whole = b"".join(cover.strings)
        return list(cover.strings), whole[: len(whole) - len(cover.beyond)]
    if text is None:
        raise ArgumentError("text is None, expected the text that is covered: tuples of tokens do not say it")
    pieces = [exact.spell(token) for token in cover]
    if not b"".join(pieces).startswith(text):
        raise ArgumentError(f"shown holds {cover!r}, which is no cover of {text!r}")
    return pieces, text


def _common(rows: list[list[bytes]]) -> int:
    """How many tokens are left out."""
    common = 0
    while all(len(pieces) > common + 1 and pieces[common] == rows[0][common] for pieces in rows):
        common += 1
    return max(0, common - 1) if len(rows) > 1 else 0


def _figure(
    text: bytes, rows: list[list[bytes]], labels: Sequence[str] | None, columns: int, cut: bool
) -> Figure:
    """The text in bold, a row of tokens for each cover, a dashed line where the text ends."""
    wide = max(map(len, labels), default=0) * 0.085 + 0.15 if labels else 0
    figure, axes = new_figure(max(3.2, BYTE * (columns + 1.5) + wide), ROW * len(rows) + 0.75)
    typed(axes, text)
    axes.text(-0.25, 0.5, "…" if cut else "", ha="right", va="center", color=INK)
    for row, pieces in enumerate(rows, start=1):
        chips(axes, row, pieces, len(text), (BLUE, None))
        if labels:
            axes.text(columns + 0.35, row + 0.5, labels[row - 1], **CENTRED | {"ha": "left"})
    axes.plot([len(text), len(text)], [0.1, len(rows) + 1], color=INK, linewidth=1.2, linestyle="--")
    axes.set_xlim(-0.8, columns + 0.3 + wide / BYTE)
    axes.set_ylim(len(rows) + 1.1, 0)
    axes.axis("off")
    return figure
