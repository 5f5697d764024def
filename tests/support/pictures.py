"""What every picture of the book must do, whichever wing draws it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import combinations

from tokenlab.figures import narrowed, show
from tokenlab.figures.narrow import needs_narrow


def assert_shows_and_describes_itself(draw: Callable, *, smallest: float, legible: bool = False) -> None:
    """A figure from ``draw() -> (figure, data)``: readable on any page, told in words and numbers.

    ``smallest`` is the least size of its text, in points. With ``legible`` no text lies on another one, or is
    cut, in either form.
    """
    figure, data = draw()
    assert not legible or overlapping_texts(figure) == []
    shown = show(figure, caption="What the reader should see.", alt=data["alt"])
    assert "<svg" in shown.svg and 'role="img"' in shown.svg
    # Black and white are somebody's page: text takes the page's ink, or a data colour.
    texts = re.findall(r"<text [^>]*>", shown.svg)
    assert texts and all(re.search(r"fill: ?\S", text) for text in texts)
    assert "#ffffff" not in shown.svg and "#000000" not in shown.svg
    assert len(data["alt"]) > 40 and any(character.isdigit() for character in data["alt"])
    sizes = [text.get_fontsize() for text in figure.findobj(match=lambda item: hasattr(item, "get_fontsize"))]
    assert min(sizes) >= smallest
    assert draw()[1]["alt"] == data["alt"]


def overlapping_texts(figure, slack: float = 1.0) -> list[str]:
    """Texts of a figure that lie on one another or are cut at its edge, in both of its forms.

    Each fault is told in words. Up to ``slack`` points do not count, nor do spaces around a text.
    """
    found = []
    forms = [("wide", nullcontext())]
    if needs_narrow(figure):
        forms.append(("narrow", narrowed(figure)))
    for form, laid_out in forms:
        with laid_out:
            found += [f"{form}: {fault}" for fault in _text_faults(figure, slack)]
    return found


def _text_faults(figure, slack: float) -> Iterator[str]:
    # The layout comes to rest in a few steps.
    for _ in range(3):
        figure.draw_without_rendering()
    scale = figure.dpi / 72
    drawn = [
        (text.get_text().strip(), text.get_window_extent().extents / scale)
        for text in _visible_texts(figure)
        if text.get_text().strip()
    ]
    width, height = figure.get_size_inches() * 72
    for words, (x0, y0, x1, y1) in drawn:
        if min(x0, y0) < -slack or x1 > width + slack or y1 > height + slack:
            yield f"{words!r} is cut at the edge"
    for (one, a), (other, b) in combinations(drawn, 2):
        wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
        if wide > slack and high > slack:
            yield f"{one!r} lies on {other!r}"


def _visible_texts(artist) -> Iterator:
    """The texts that are drawn: visible themselves and within what is; tick labels as far as the axis goes."""
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.text import Text

    if not artist.get_visible():
        return
    if isinstance(artist, Text):
        yield artist
    if isinstance(artist, Axis):
        for tick in artist._update_ticks():
            yield from (label for label in (tick.label1, tick.label2) if label.get_visible())
        yield artist.label
        yield artist.get_offset_text()
        return
    hidden = isinstance(artist, Axes) and not artist.axison
    for child in artist.get_children():
        if not (hidden and isinstance(child, Axis)):
            yield from _visible_texts(child)
