"""What every picture of the book must do, whichever wing draws it."""

from __future__ import annotations

import re
from collections.abc import Callable

from tokenlab.figures import show


def assert_shows_and_describes_itself(draw: Callable, *, smallest: float) -> None:
    """A figure from ``draw() -> (figure, data)``: readable on any page, told in words and numbers.

    ``smallest`` is the least size of its text, in points.
    """
    figure, data = draw()
    shown = show(figure, caption="What the reader should see.", alt=data["alt"])
    assert "<svg" in shown.svg and 'role="img"' in shown.svg
    # Black and white are somebody's page: text takes the page's ink, or a data colour.
    texts = re.findall(r"<text [^>]*>", shown.svg)
    assert texts and all("fill: " in text for text in texts)
    assert "#ffffff" not in shown.svg and "#000000" not in shown.svg
    assert len(data["alt"]) > 40 and any(character.isdigit() for character in data["alt"])
    sizes = [text.get_fontsize() for text in figure.findobj(match=lambda item: hasattr(item, "get_fontsize"))]
    assert min(sizes) >= smallest
    assert draw()[1]["alt"] == data["alt"]
