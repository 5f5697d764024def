"""``show`` and ``player``: figures as a page, a notebook or a terminal shows them."""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tokenlab.errors import ArgumentError, DtypeError, ShapeError, check_int
from tokenlab.figures.style import BLUE, INK, STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Attributes that hold positions, in points.
COORDINATES = re.compile(r' (?:d|x|y|points)="[^"]*"')
#: The font of all texts, which matplotlib repeats for each of them.
FONT = "font-family: 'DejaVu Sans', sans-serif"


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
    # Names of groups, which nothing refers to, and which would stand in a page many times.
    text = re.sub(r' id="(?:[a-z]+\.)?[a-zA-Z0-9]+_\d+"', "", text)
    return re.sub(r"\n +", "\n", text)


def svg(figure: Figure, alt: str) -> str:
    """The figure as an ``<svg>`` element with role, label and ``currentColor`` ink."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = _lighter(text[text.index("<svg") :].strip())
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.S).replace(INK, "currentColor")
    head, body = text.split(">", 1)
    width = re.search(r'viewBox="0 0 ([\d.]+) [\d.]+"', head)[1]
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    label = html.escape(alt, quote=True)
    style = f"width:100%;max-width:{float(width) * 1.35:.0f}px;height:auto;{FONT}"
    return f'{head} role="img" aria-label="{label}" style="{style}">{body}'


class Shown:
    """What :func:`show` returns; notebooks display it as HTML, or else as SVG."""

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


# What a player does. It takes every player that no script has taken yet, so that it needs
# no name of its own and may stand in a page as often as it likes.
_PLAYER = """
for (const player of document.querySelectorAll("figure[data-player]:not([data-ready])")) {
  player.dataset.ready = "";
  const { frames, labels, control, start } = JSON.parse(player.querySelector("script").textContent);
  const label = document.createElement("label"), slider = document.createElement("input");
  const value = document.createElement("output");
  Object.assign(slider, { type: "range", min: 0, max: frames.length - 1, step: 1, value: start });
  slider.style.cssText = "width:min(18em,38vw);margin:0 .8em;vertical-align:middle;accent-color:BLUE";
  value.style.cssText = "display:inline-block;min-width:4em;text-align:left";
  const turn = () => {
    player.firstElementChild.innerHTML = frames[slider.value];
    value.textContent = labels[slider.value];
    slider.setAttribute("aria-valuetext", `${control} ${labels[slider.value]}`);
  };
  slider.addEventListener("input", turn);
  label.append(control, slider);
  player.firstElementChild.after(label, value);
  turn();
}
""".replace("BLUE", BLUE)


class Player:
    """What :func:`player` returns; without scripts, the frame that it starts with."""

    def __init__(
        self, frames: list[Shown], labels: list[str], control: str, caption: str, start: int
    ) -> None:
        self.frames, self.labels, self.control = frames, labels, control
        self.caption, self.start = caption, start

    def _repr_html_(self) -> str:
        # Only one frame is in the page at a time: their ids would clash. The others wait in a
        # script, which renderers without scripts drop with all that is in it.
        data = {
            "frames": [frame.svg for frame in self.frames],
            "labels": self.labels,
            "control": self.control,
            "start": self.start,
        }
        waiting = json.dumps(data, ensure_ascii=False).replace("</", "<\\/")
        style = "margin:1em 0;text-align:center;background:transparent"
        return (
            f'<figure data-player style="{style}"><div>{self.frames[self.start].svg}</div>'
            f"<figcaption>{html.escape(self.caption)}</figcaption>"
            f'<script type="application/json">{waiting}</script><script>{_PLAYER}</script></figure>'
        )

    def _repr_svg_(self) -> str:
        return self.frames[self.start]._repr_svg_()

    def __repr__(self) -> str:
        lines = [f"{self.control} {label}: {frame.alt}" for label, frame in zip(self.labels, self.frames)]
        return "\n".join([f"Player: {self.caption}", *lines])


def show(figure: Figure, *, caption: str, alt: str) -> Shown:
    """Show a figure of :func:`new_figure` with its two texts.

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
        _check_sentence(name, value)
    return Shown(svg(figure, alt.strip()), caption.strip(), alt.strip())


def player(
    figures: Sequence[Figure],
    labels: Sequence[str],
    *,
    caption: str,
    alt: Sequence[str],
    control: str = "frame",
    start: int = 0,
) -> Player:
    """Figures with a slider: what a widget shows, on a page that has no kernel.

    It needs no other host and no library. Without scripts it is the frame ``start``.

    Parameters
    ----------
    figures
        Two or more, of :func:`new_figure` and of one size.
    labels, control
        What stands beside the slider at each frame, and what it changes.
    caption, alt
        As for :func:`show`; one ``alt`` for each frame.

    Raises
    ------
    ArgumentError, ShapeError, DtypeError
        If frames are fewer than two or differ in size, or texts are empty or not one for each.
    """
    frames, size = list(figures), len(figures)
    if size < 2:
        raise ArgumentError(f"figures has {size} frames, expected two or more; show() takes one figure")
    for name, values in (("labels", labels), ("alt", alt)):
        if isinstance(values, str):
            raise DtypeError(f"{name} is one string, expected a sequence with one for each of {size} frames")
        if len(values) != size:
            raise ShapeError(f"{name} has {len(values)} entries, expected one for each of {size} frames")
    for name, values in (("labels", labels), ("control", [control])):
        if not all(isinstance(value, str) and value.strip() for value in values):
            raise ArgumentError(f"{name} is {values!r}, expected words beside the slider")
    # A frame of another size would make the page jump under the reader's hand.
    if len({tuple(frame.get_size_inches()) for frame in frames}) > 1:
        raise ArgumentError("figures has frames of different sizes, expected one size")
    _check_sentence("caption", caption)
    start = check_int("start", start, low=0, high=size - 1)
    shown = [show(frame, caption=caption, alt=text) for frame, text in zip(frames, alt, strict=True)]
    return Player(shown, list(labels), control, caption.strip(), start)


def _check_sentence(name: str, value: str) -> None:
    if not isinstance(value, str) or len(value.strip()) < 10:
        raise ArgumentError(f"{name} is {value!r}, expected a sentence of at least ten characters")
