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
COORDINATES = re.compile(r' (?:d|x|y|points|width|height|transform)="[^"]*"')
#: The font of all texts, which matplotlib repeats for each of them.
FONT = "font-family: 'DejaVu Sans', sans-serif"
#: The same without quotation marks, which stand in an attribute of a script's text.
SHORT_FONT = "font-family:DejaVu Sans,sans-serif"
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
    text = _without_groups(_renamed(text))
    ids = ids or f"f{hashlib.sha256(text.encode()).hexdigest()[:6]}{layout[:1]}"
    text = text.replace(_START, ids)
    head, body = text.split(">", 1)
    width = float(re.search(r'viewBox="0 0 ([\d.]+) [\d.]+"', head)[1])
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    label = html.escape(alt, quote=True)
    style = f"width:100%;max-width:{width * SCALE:.0f}px;height:auto;{SHORT_FONT}"
    if layout:
        head += f' class="picture-{layout}"'
    if layout == "narrow":
        style += ";display:none"
    return f'{head} role="img" aria-label="{label}" style="{style}">{body}'


def _lighter(text: str) -> str:
    """The same picture in fewer characters: a page holds dozens of frames."""

    def to_tenths(attribute: re.Match) -> str:
        # Of a point: a sixth of a pixel.
        short = re.sub(
            r"-?\d+\.\d+", lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), attribute[0]
        )
        return _short_path(short) if short.startswith(' d="') else short

    text = COORDINATES.sub(to_tenths, text)
    text = re.sub(r' transform="rotate\(-0 [^"]*\)"', "", text).replace(f"{FONT}; ", "")
    text = re.sub(r' style="[^"]*"', _short_style, text).replace("xlink:href", "href")
    text = re.sub(r' xmlns:xlink="[^"]*"', "", text)
    return _styled_once(re.sub(r"\n +", "\n", text))


def _short_style(attribute: re.Match) -> str:
    """A style without spaces, long fractions, and fonts beyond the first."""
    style = re.sub(r"([:;]) ", r"\1", attribute[0])
    style = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", style)
    return re.sub(r"font-family:'(DejaVu Sans Mono)'[^;\"]*", r"font-family:\1,monospace", style)


def _without_groups(text: str) -> str:
    """The same without groups that say nothing of what they hold."""
    plain: list[bool] = []

    def keep(tag: re.Match) -> str:
        if tag[0].startswith("<g"):
            plain.append(tag[0].startswith("<g>"))
            return "" if plain[-1] else tag[0]
        return "" if plain.pop() else tag[0]

    return re.sub(r"<g(?: [^>]*)?>\n?|</g>\n?", keep, text)


def _styled_once(text: str) -> str:
    """The style of marks stands at their shape where all marks of the shape share it."""
    mark = re.compile(r'<use href="#([^"]+)"([^>]*?)(?: style="([^"]*)")?/>')
    styles: dict[str, set] = {}
    for name, _, style in mark.findall(text):
        styles.setdefault(name, set()).add(style)
    shared = {name: style for name, (style, *others) in styles.items() if style and not others}

    def shape(found: re.Match) -> str:
        style = shared.get(found[2])
        if style is None:
            return found[0]
        # What the shape says itself comes last, and counts.
        own = f";{found[4]}" if found[4] and found[4] not in style else ""
        rest = found[3].rstrip("/")
        return f'{found[1]}"{found[2]}"{rest} style="{style}{own}"/>'

    def use(found: re.Match) -> str:
        return f'<use href="#{found[1]}"{found[2]}/>' if found[1] in shared else found[0]

    text = re.sub(r'(<path id=)"([^"]+)"([^>]*?)(?: style="([^"]*)")?/>', shape, text)
    return mark.sub(use, text)


def _short_path(attribute: str) -> str:
    """A path without the letters and spaces that a reader of paths supplies.

    Examples
    --------
    >>> _short_path(' d="M 1 -2 L 3 4 L 5 -6 z "')
    ' d="M1-2 3 4 5-6z"'
    """
    # A line after a line, or after a move, needs no letter.
    pieces = re.findall(r"([A-Za-z])([^A-Za-z]*)", attribute[4:-1])
    before, path = "", ""
    for letter, numbers in pieces:
        path += (" " if letter == "L" and before in ("M", "L") else letter) + " ".join(numbers.split())
        before = letter
    return f' d="{path.replace(" -", "-")}"'


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
