"""The house style: ink, colours, and new figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokenlab.figures.narrow import Plan, set_plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Stands for "the colour of the text around" until the figure is shown.
INK = "#0a0b0c"
#: Colours for data, distinguishable without colour vision, readable on white and on black.
BLUE, ORANGE, GREEN, PURPLE, RED, GREY = ("#3d8bd4", "#e08214", "#1b9e77", "#a970c0", "#d6554a", "#8a8f98")
#: More of them, for methods that need telling apart.
TEAL, PINK, OLIVE, BROWN = ("#1f97a8", "#d85f9b", "#8b8f1c", "#b26f3c")
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, RED, GREY)

STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tokenlab",
    "font.family": "sans-serif",
    # Matplotlib repeats the whole list at every text; a player has hundreds.
    "font.sans-serif": ["DejaVu Sans"],
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


def new_figure(
    width: float = 6.4,
    height: float = 3.2,
    *,
    narrow: tuple[float, float] | None = None,
    narrow_stack: bool = True,
    **subplots: Any,
) -> tuple[Figure, Any]:
    """A figure in the house style, and its axes.

    Parameters
    ----------
    width, height
        In inches. Six or more fill the column of a page.
    narrow
        The size on a phone. By default it is 4.1 inches wide, and so high as its panels need.
    narrow_stack
        Whether panels in one row stand below one another there.
    **subplots
        For ``Figure.subplots``.

    Examples
    --------
    >>> figure, panels = new_figure(6.4, 3.0, ncols=2, sharey=True)
    >>> panels.shape
    (2,)
    """
    import matplotlib
    from cycler import cycler
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**STYLE, "axes.prop_cycle": cycler(color=CYCLE)}):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        set_plan(figure, Plan(narrow, narrow_stack))
        return figure, figure.subplots(**subplots)
