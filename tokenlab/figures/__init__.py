"""One style and one ``show()`` for every picture of the book.

Ink becomes ``currentColor``: dark on a light page, light on a dark one. Data colours (Okabe and Ito's,
tuned) keep their contrast on both.
"""

from tokenlab.figures.methods import METHODS, Method, temperature_colours
from tokenlab.figures.narrow import narrow_only, narrowed, wide_only
from tokenlab.figures.playing import Player, player
from tokenlab.figures.showing import Shown, show
from tokenlab.figures.style import (
    BLUE,
    BROWN,
    CYCLE,
    GREEN,
    GREY,
    INK,
    LEGEND,
    OLIVE,
    ORANGE,
    PINK,
    PURPLE,
    RED,
    STYLE,
    TEAL,
    new_figure,
)
from tokenlab.figures.vector import svg

__all__ = [
    "BLUE",
    "BROWN",
    "CYCLE",
    "GREEN",
    "GREY",
    "INK",
    "LEGEND",
    "METHODS",
    "OLIVE",
    "ORANGE",
    "PINK",
    "PURPLE",
    "RED",
    "STYLE",
    "TEAL",
    "Method",
    "Player",
    "Shown",
    "narrow_only",
    "narrowed",
    "new_figure",
    "player",
    "show",
    "svg",
    "temperature_colours",
    "wide_only",
]
