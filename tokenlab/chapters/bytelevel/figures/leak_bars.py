"""The leak before each byte of a text, over its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tokenlab.chapters.bytelevel.figures.labels import byte_label, string_label
from tokenlab.errors import ArgumentError, ShapeError
from tokenlab.figures import GREY, INK, ORANGE, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor


def leaks(tokens: Sequence[bytes], shares: Sequence[float] | Tensor) -> tuple[Figure, dict]:
    """The leak before each byte of a text as bars, of at most 40 bytes; thin lines where tokens end."""
    text, shares = b"".join(tokens), [float(share) for share in shares]
    if not 1 <= len(text) <= 40:
        raise ArgumentError(f"tokens have {len(text)} bytes, expected 1 to 40, to be drawn")
    if len(shares) != len(text):
        raise ShapeError(f"shares has {len(shares)} entries, expected one for each of {len(text)} bytes")
    figure, axes = new_figure(6.6, 2.8)
    axes.bar(range(len(text)), [100 * share for share in shares], 0.8, color=ORANGE)
    start, middles = 0, []
    for token in tokens:
        middles.append(start + len(token) / 2 - 0.5)
        start += len(token)
        axes.axvline(start - 0.5, color=GREY, linewidth=0.7, alpha=0.6)
    axes.set_xticks(middles, [string_label(token) for token in tokens])
    for label in axes.get_xticklabels():
        label.set(parse_math=False, color=INK)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.6, len(text) - 0.4)
    axes.set_ylabel("leak in percent")
    most = max(range(len(text)), key=shares.__getitem__)
    alt = (
        f"The leak before the {len(text)} bytes of “{string_label(text)}”: on average "
        f"{100 * sum(shares) / len(text):.2g} %, at most {100 * shares[most]:.2g} % before byte {most + 1}, "
        f"{byte_label(text[most])}."
    )
    return figure, {"tokens": list(tokens), "shares": shares, "largest": most, "alt": alt}
