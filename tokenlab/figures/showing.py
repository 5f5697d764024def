"""``show``: a figure as a page, a phone, a notebook or a terminal shows it."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from tokenlab.errors import check_sentence
from tokenlab.figures.narrow import narrowed, needs_narrow
from tokenlab.figures.vector import svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Of the element around a picture; its padding would make the text smaller on a phone.
FRAME = "margin:1em 0;padding:0;text-align:center;background:transparent"


class Shown:
    """What :func:`show` returns; notebooks display it as HTML, or else as SVG.

    ``svg`` is the figure at its own width, ``narrow`` its form for phones, which is empty where the first
    one does.
    """

    def __init__(self, svg: str, caption: str, alt: str, narrow: str = "") -> None:
        self.svg, self.caption, self.alt, self.narrow = svg, caption, alt, narrow

    def _repr_html_(self) -> str:
        caption = html.escape(self.caption)
        return f'<figure style="{FRAME}">{self.svg}{self.narrow}<figcaption>{caption}</figcaption></figure>'

    def _repr_svg_(self) -> str:
        # A picture of its own has no text around it to take its ink from.
        return self.svg.replace("currentColor", "#7b8087")

    def __repr__(self) -> str:
        return f"Figure: {self.caption}\n{self.alt}"


def show(figure: Figure, *, caption: str, alt: str) -> Shown:
    """Show a figure of :func:`new_figure` with its two texts.

    It is drawn twice, at its own width and for phones (:func:`narrowed`); a page shows one of them.

    Parameters
    ----------
    caption
        What the reader should see in it.
    alt
        What it shows, with the data's numbers, for readers who cannot see it.

    Raises
    ------
    ArgumentError
        If a text is not a sentence.
    """
    for name, value in (("caption", caption), ("alt", alt)):
        check_sentence(name, value)
    return draw(figure, caption.strip(), alt.strip())


def draw(figure: Figure, caption: str, alt: str, ids: str | None = None) -> Shown:
    """Both forms of a figure; ``ids`` as in :func:`svg`."""
    if not needs_narrow(figure):
        return Shown(svg(figure, alt, ids=ids), caption, alt)
    wide = svg(figure, alt, layout="wide", ids=ids and f"{ids}w")
    with narrowed(figure):
        narrow = svg(figure, alt, layout="narrow", ids=ids and f"{ids}n")
    return Shown(wide, caption, alt, narrow)
