"""One style and one ``show()`` for every picture of the book.

Figures are drawn with ink that becomes ``currentColor``, so that the page decides what
ink is: dark on a light page, light on a dark one. Data colours (Okabe and Ito's, tuned)
keep their contrast on both. Every figure needs a caption and an alternative text made
from the data that it shows.
"""

from __future__ import annotations

import html
import io
import re
from typing import TYPE_CHECKING, Any

from tokenlab.errors import ArgumentError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Stands for "the colour of the text around" until the figure is shown.
INK = "#0a0b0c"
#: Colours for data, distinguishable without colour vision, readable on white and on black.
BLUE, ORANGE, GREEN, PURPLE, RED, GREY = (
    "#3d8bd4", "#e08214", "#1b9e77", "#a970c0", "#d6554a", "#8a8f98",
)  # fmt: skip
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, RED, GREY)

STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tokenlab",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


#: For ``legend(**LEGEND)``, which runs after the figure is made, outside of STYLE.
LEGEND = {"frameon": STYLE["legend.frameon"], "labelcolor": INK}


def new_figure(width: float = 6.4, height: float = 3.2, **subplots: Any) -> tuple[Figure, Any]:
    """A figure in the house style, and its axes.

    Parameters
    ----------
    width, height : float
        Size in inches; the page scales the width down to the column.
    **subplots
        Passed to ``Figure.subplots`` (``nrows``, ``ncols``, ``sharey``, ...).

    Returns
    -------
    (Figure, Axes or array of Axes)
    """
    import matplotlib
    from cycler import cycler
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**STYLE, "axes.prop_cycle": cycler(color=CYCLE)}):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        return figure, figure.subplots(**subplots)


def svg(figure: Figure, alt: str) -> str:
    """The figure as one ``<svg>`` element with role, label and ``currentColor`` ink."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.S).replace(INK, "currentColor")
    head, body = text.split(">", 1)
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', head).groups()
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    label = html.escape(alt, quote=True)
    style = f"width:100%;max-width:{float(width) * 1.35:.0f}px;height:auto"
    return f'{head} role="img" aria-label="{label}" style="{style}">{body}'


class Shown:
    """What :func:`show` returns; notebooks display it as HTML, or as SVG where HTML is not."""

    def __init__(self, svg: str, caption: str, alt: str) -> None:
        self.svg, self.caption, self.alt = svg, caption, alt

    def _repr_html_(self) -> str:
        caption = html.escape(self.caption)
        style = "margin:1em 0;text-align:center;background:transparent"
        return f'<figure style="{style}">{self.svg}<figcaption>{caption}</figcaption></figure>'

    def _repr_svg_(self) -> str:
        # A picture of its own has no text around it to take its ink from.
        return self.svg.replace("currentColor", "#7b8087")

    def __repr__(self) -> str:
        return f"Figure: {self.caption}\n{self.alt}"


def show(figure: Figure, *, caption: str, alt: str) -> Shown:
    """Show a figure with a caption and an alternative text.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Drawn with :func:`new_figure`.
    caption : str
        What the reader should see in it.
    alt : str
        What the figure shows, in words and with the data's numbers, for readers who
        cannot see it.

    Raises
    ------
    ArgumentError
        If caption or alternative text is empty.
    """
    for name, value in (("caption", caption), ("alt", alt)):
        if not isinstance(value, str) or len(value.strip()) < 10:
            raise ArgumentError(f"{name} is {value!r}, expected a sentence of at least ten characters")
    return Shown(svg(figure, alt.strip()), caption.strip(), alt.strip())
