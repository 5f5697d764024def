"""``player``: figures that follow one another, on a page that has no kernel."""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from tokenlab.errors import ArgumentError, DtypeError, ShapeError, check_sentence
from tokenlab.figures.showing import FRAME, Shown, draw
from tokenlab.figures.style import BLUE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Player:
    """What :func:`player` returns; without scripts, its last frame."""

    def __init__(
        self,
        frames: list[Shown],
        labels: list[str],
        control: str,
        caption: str,
        captions: list[str] | None = None,
    ) -> None:
        self.frames, self.labels, self.control = frames, labels, control
        self.caption, self.captions = caption, captions

    def _repr_html_(self) -> str:
        # Only one frame is in the page at a time: their ids would clash. The others wait in a
        # script, which renderers without scripts drop with all that is in it.
        drawings = [frame.svg + "\n" + frame.narrow for frame in self.frames]
        parts, numbered = _shared(drawings)
        data = {
            "parts": [_quoted(part) for part in parts],
            "frames": numbered,
            "labels": self.labels,
            "captions": self.captions,
            "control": self.control,
        }
        waiting = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
        # Without scripts one form serves both, so that it is not heavier than it must be.
        still = self.frames[-1].svg.replace(' class="picture-wide"', "")
        told = ""
        if self.captions:
            last = html.escape(self.captions[-1])
            told = f'<p data-told aria-live="polite" style="margin:0;min-height:3em">{last}</p>'
        # What all frames have in common stands above them, what is said of each one below the controls.
        return (
            f'<figure data-player style="{FRAME}">'
            f'<figcaption style="margin:0 0 .5em">{html.escape(self.caption)}</figcaption>'
            f'<div data-stage style="margin:0 0 .5em">{still}</div>{told}'
            f'<script type="application/json">{waiting}</script><script>{player_script()}</script></figure>'
        )

    def _repr_svg_(self) -> str:
        return self.frames[-1]._repr_svg_()

    def __repr__(self) -> str:
        told = self.captions or [""] * len(self.frames)
        lines = [
            f"{self.control} {label}: {' '.join((said, frame.alt)).strip()}"
            for label, said, frame in zip(self.labels, told, self.frames, strict=True)
        ]
        return "\n".join([f"Player: {self.caption}", *lines])


def player(
    figures: Sequence[Figure],
    labels: Sequence[str],
    *,
    caption: str,
    alt: Sequence[str],
    control: str = "frame",
    captions: Sequence[str] | None = None,
) -> Player:
    """Figures with buttons for playing and stepping, and a slider; two figures with a toggle.

    A page begins with the first frame; without scripts it shows the last one. From one frame to the next,
    marks move, where both have the same artists in the same order. It needs no other host and no library.

    Parameters
    ----------
    figures
        Two or more, of :func:`new_figure` and of one size.
    labels, control
        What stands beside the slider at each frame, and what it changes.
    caption, alt
        As for :func:`show`; the caption stands above the picture; one ``alt`` for each frame.
    captions
        A sentence for each frame, which stands below it.

    Raises
    ------
    ArgumentError, ShapeError, DtypeError
        If frames are fewer than two or differ in size, or texts are empty or not one for each.
    """
    frames, size = list(figures), len(figures)
    if size < 2:
        raise ArgumentError(f"figures has {size} frames, expected two or more; show() takes one figure")
    for name, values in (("labels", labels), ("alt", alt), ("captions", captions)):
        if isinstance(values, str):
            raise DtypeError(f"{name} is one string, expected a sequence with one for each of {size} frames")
        if values is not None and len(values) != size:
            raise ShapeError(f"{name} has {len(values)} entries, expected one for each of {size} frames")
    for name, values in (("labels", labels), ("control", [control])):
        if not all(isinstance(value, str) and value.strip() for value in values):
            raise ArgumentError(f"{name} is {values!r}, expected words beside the slider")
    # A frame of another size would make the page jump under the reader's hand.
    if len({tuple(frame.get_size_inches()) for frame in frames}) > 1:
        raise ArgumentError("figures has frames of different sizes, expected one size")
    check_sentence("caption", caption)
    for name, values in (("alt", alt), ("captions", captions or ())):
        for value in values:
            check_sentence(name, value)
    # Frames name their parts alike, so that what has not changed is the same text.
    ids = "p" + hashlib.sha256("\0".join([caption, *alt]).encode()).hexdigest()[:6]
    shown = [draw(frame, caption.strip(), text.strip(), ids) for frame, text in zip(frames, alt, strict=True)]
    return Player(shown, list(labels), control, caption.strip(), list(captions) if captions else None)


def _shared(drawings: Sequence[str]) -> tuple[list[str], list[list[int]]]:
    """Each element once, and which of them make up each drawing: frames differ in few."""
    split = [re.split(r"(?<=>)\n", drawing) for drawing in drawings]
    numbers: dict[str, int] = {}
    for part in chain.from_iterable(split):
        numbers.setdefault(part, len(numbers))
    return list(numbers), [[numbers[part] for part in parts] for parts in split]


def _quoted(part: str) -> str:
    """An element with single quotes, which a string of a script need not escape."""
    return re.sub(r"=\"([^\"']*)\"(?=[^<>]*>)", r"='\1'", part)


@cache
def player_script() -> str:
    """What makes players of all figures that wait to be one, as it stands in each of them."""
    text = Path(__file__).with_name("player.js").read_text(encoding="utf-8")
    lines = (line.strip() for line in text.replace("BLUE", BLUE).splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))
