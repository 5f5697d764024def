"""Type a word, and see the distribution of the next byte: on a page without a kernel, and in a notebook."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tokenlab.bytelevel.model.byte_lm import ByteLM
from tokenlab.bytelevel.tasks.baselines import plain_next_byte_log_probs
from tokenlab.chapters.bytelevel.figures.distributions import next_byte, probable_bytes
from tokenlab.chapters.bytelevel.figures.labels import byte_label, string_label
from tokenlab.errors import ArgumentError, DtypeError, check_sentence
from tokenlab.figures import METHODS, Shown, show
from tokenlab.figures.showing import FRAME

if TYPE_CHECKING:
    from torch import Tensor

SHOWN = ("exact", "plain")


class Typing:
    """What :func:`typing` returns: a box to type in, words to choose, and bars.

    Without scripts it is the picture after the last word. ``texts`` has what is shown, by the text so far.
    """

    def __init__(self, words: list[str], texts: dict[str, list], still: Shown, start: str = "") -> None:
        self.words, self.texts, self.still, self.start = words, texts, still, start

    def _repr_html_(self) -> str:
        methods = [METHODS["bytelevel"][name]._asdict() for name in SHOWN]
        data = {"words": self.words, "texts": self.texts, "methods": methods, "start": self.start}
        waiting = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
        return (
            f'<figure data-typing style="{FRAME}"><div data-stage>{self.still.svg}{self.still.narrow}</div>'
            f"<figcaption>{html.escape(self.still.caption)}</figcaption>"
            f'<script type="application/json">{waiting}</script><script>{_script()}</script></figure>'
        )

    def _repr_svg_(self) -> str:
        return self.still._repr_svg_()

    def __repr__(self) -> str:
        lines = [f"Typing: {self.still.caption}"]
        for text in self.words:
            rows = self.texts[text]
            best = [max(rows[:-1], key=lambda row, index=index: row[index])[0] for index in (2, 3)]
            lines.append(f"after {string_label(text.encode())}: exact {best[0]}, encoded prompt {best[1]}")
        return "\n".join(lines)


def typing(
    byte_lm: ByteLM, words: Sequence[str], *, caption: str, top: int = 8, start: str = ""
) -> tuple[Typing, dict]:
    """Words that a reader types letter by letter, with the next byte's distribution after each letter.

    Every beginning of every word is computed, under the exact distribution and for the encoded prompt; the
    page needs no kernel. It opens with ``start``, the beginning of one of the words.

    Returns
    -------
    tuple
        What a cell shows; ``probs``, by text and method the probabilities of its bytes and of all others, and
        ``alt``, of the picture that stands there without scripts.

    Raises
    ------
    ArgumentError, DtypeError
        If there are no words, or one is no string, is empty, or does not fit one line, or none begins with
        ``start``.
    """
    if isinstance(words, str) or not all(isinstance(word, str) for word in words):
        raise DtypeError(f"words is {words!r}, expected a sequence of strings")
    if not words or not all(word.isprintable() and word for word in words):
        raise ArgumentError(f"words is {words!r}, expected one or more, of characters that can be typed")
    if not any(word.startswith(start) for word in words):
        raise ArgumentError(f"start is {start!r}, expected the beginning of one of the words")
    check_sentence("caption", caption)
    beginnings = list(dict.fromkeys(word[:length] for word in words for length in range(len(word) + 1)))
    encoded = [text.encode() for text in beginnings]
    plain = plain_next_byte_log_probs(byte_lm, encoded).log_probs
    distributions = {
        text: {"exact": exact, "plain": row}
        for text, exact, row in zip(beginnings, _exact(byte_lm, encoded), plain, strict=True)
    }
    texts, probs = {}, {}
    for text, both in distributions.items():
        # What the page can go on with is always among the bars.
        probs[text], shown = probable_bytes(both, top, _following(text, words))
        labels = [*map(byte_label, shown), "others"]
        # A byte of a longer character is no key to press.
        keys = [chr(byte) if byte < 0x80 else "" for byte in shown] + [""]
        columns = [[round(p, 4) for p in probs[text][name]] for name in SHOWN]
        texts[text] = [list(row) for row in zip(labels, keys, *columns, strict=True)]
    figure, drawn = next_byte(distributions[words[-1]], top)
    alt = f"After “{string_label(words[-1].encode())}”. {drawn['alt']}"
    return Typing(list(words), texts, show(figure, caption=caption, alt=alt), start), {
        "probs": probs,
        "alt": alt,
    }


def _following(text: str, words: Sequence[str]) -> set[int]:
    """The bytes with which the words go on after a beginning of theirs."""
    return {word[len(text) :].encode()[0] for word in words if word.startswith(text) and word != text}


def _exact(byte_lm: ByteLM, texts: Sequence[bytes]) -> list[Tensor]:
    """A distribution after each text; a stream is copied where texts part."""
    streams = {b"": byte_lm.stream(b"")}
    for text in sorted(texts, key=len):
        for length in range(1, len(text) + 1):
            if text[:length] not in streams:
                stream = streams[text[: length - 1]].copy()
                stream.push(text[length - 1])
                streams[text[:length]] = stream
    return [streams[text].log_probs for text in texts]


@cache
def _script() -> str:
    lines = Path(__file__).with_name("typed.js").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in map(str.strip, lines) if line and not line.startswith("//"))


def typing_widget(byte_lm: ByteLM, text: str = "", top: int = 8):
    """A text box (``ipywidgets.VBox``) whose every change shows the next byte's distribution; needs a kernel.

    A further letter costs one step, taking one back costs nothing.
    """
    import ipywidgets

    if not isinstance(text, str):
        raise DtypeError(f"text must be a str, as it stands in a text box, found {type(text).__name__}")
    streams = {b"": byte_lm.stream(b"")}
    box = ipywidgets.Textarea(value=text, description="text", rows=2, layout={"width": "100%"})
    picture = ipywidgets.HTML()

    def redraw(_=None) -> None:
        try:
            typed = box.value.encode()
            known = max((prefix for prefix in streams if typed.startswith(prefix)), key=len)
            for length in range(len(known) + 1, len(typed) + 1):
                stream = streams[typed[: length - 1]].copy()
                stream.push(typed[length - 1])
                streams[typed[:length]] = stream
            plain = plain_next_byte_log_probs(byte_lm, typed).log_probs
            figure, data = next_byte({"exact": streams[typed].log_probs, "plain": plain}, top)
        except ValueError as error:
            # What a reader types may be no text of this tokenizer; the box must stay usable.
            picture.value = f"<p>{html.escape(str(error))}</p>"
            return
        after = f"after {string_label(typed[-40:])}" if typed else "at the beginning of a text"
        picture.value = show(figure, caption=f"The next byte {after}.", alt=data["alt"])._repr_html_()

    box.observe(redraw, names="value")
    redraw()
    return ipywidgets.VBox([box, picture])
