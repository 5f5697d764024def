"""A figure as the text of an ``<svg>`` element, light enough for a page of dozens."""

from __future__ import annotations

import hashlib
import html
import io
import re
from typing import TYPE_CHECKING

from tokenlab.figures.style import INK, STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Attributes that hold positions, in points.
COORDINATES = re.compile(r' (?:d|x|y|points)="[^"]*"')
#: The font of all texts, which matplotlib repeats for each of them.
FONT = "font-family: 'DejaVu Sans', sans-serif"
#: Stands for the beginning of names until it is known.
_START = "\0"
#: Pixels of a page for one point of a figure: six inches fill the column.
SCALE = 1.7


def svg(figure: Figure, alt: str, *, layout: str = "", ids: str | None = None) -> str:
    """The figure as an ``<svg>`` element with role, label and ``currentColor`` ink.

    Parameters
    ----------
    layout
        ``"wide"`` and ``"narrow"`` are the two forms of one figure: the page's style sheet shows one of them,
        and pages without it the wide one.
    ids
        What the names of its parts begin with. By default they follow from the picture.
    """
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = _lighter(text[text.index("<svg") :].strip())
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.S).replace(INK, "currentColor")
    text = _renamed(text)
    ids = ids or f"f{hashlib.sha256(text.encode()).hexdigest()[:6]}{layout[:1]}"
    text = text.replace(_START, ids)
    head, body = text.split(">", 1)
    width = float(re.search(r'viewBox="0 0 ([\d.]+) [\d.]+"', head)[1])
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    label = html.escape(alt, quote=True)
    style = f"width:100%;max-width:{width * SCALE:.0f}px;height:auto;{FONT}"
    if layout:
        head += f' class="picture-{layout}"'
    if layout == "narrow":
        style += ";display:none"
    return f'{head} role="img" aria-label="{label}" style="{style}">{body}'


def _lighter(text: str) -> str:
    """The same picture in fewer characters: a page holds dozens of frames."""

    def to_hundredths(attribute: re.Match) -> str:
        # Of a point, which no screen shows.
        short = re.sub(
            r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), attribute[0]
        )
        return short.replace(" \n", " ")

    text = COORDINATES.sub(to_hundredths, text)
    text = re.sub(r' transform="rotate\(-0 [^"]*\)"', "", text).replace(f"{FONT}; ", "")
    return re.sub(r"\n +", "\n", text)


def _renamed(text: str) -> str:
    """Names that are referred to are counted, so that frames can be compared; others are dropped.

    Two drawings in one page must not share names: what is named in a hidden one cannot be drawn.
    """
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    named = [name for name in re.findall(r' id="([^"]+)"', text) if name in used]
    names = {name: f"{_START}{index}" for index, name in enumerate(dict.fromkeys(named))}

    def rename(found: re.Match) -> str:
        name = names.get(found[2])
        return f"{found[1]}{name}{found[3]}" if name else ""

    return re.sub(r'( id="|url\(#|href="#)([^)"]+)([)"])', rename, text)
