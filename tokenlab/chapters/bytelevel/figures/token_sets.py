"""All ways to spell a text in tokens, as sets: valid, viable, any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenlab.bytelevel.tasks.explain import cover_encodings
from tokenlab.bytelevel.tokenizer.reading import read_tokenizer
from tokenlab.chapters.bytelevel.figures.chips import BYTE, ROW, chips
from tokenlab.chapters.bytelevel.figures.labels import string_label
from tokenlab.errors import ArgumentError
from tokenlab.figures import BLUE, GREY, INK, TEAL, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: What stands beside each set, the inner ones first.
NOTES = {
    "valid": "valid: the encoding of the text",
    "viable": "viable: if certain text follows",
    "any": "any: spells it, is never written",
}
COLOURS = {"valid": BLUE, "viable": TEAL, "any": GREY}


def spellings(tokenizer, text: bytes) -> tuple[Figure, dict]:
    """Every sequence of tokens that spells a text, at most twelve, in nested sets.

    ``data`` holds for ``"valid"``, ``"viable"`` and ``"any"`` the sequences that are in no smaller set.
    """
    vocabulary = {string for string in read_tokenizer(tokenizer).vocabulary.strings if string}
    everything = _spelled(text, vocabulary)
    if not 1 <= len(everything) <= 12:
        raise ArgumentError(f"text has {len(everything)} spellings, expected 1 to 12, to be drawn")
    written = [cover for cover in cover_encodings(tokenizer, text) if not cover.beyond]
    encoding = tuple(tokenizer.encode(text.decode(), add_special_tokens=False))
    sets = {
        "valid": [cover.strings for cover in written if cover.ids == encoding],
        "viable": [cover.strings for cover in written if cover.ids != encoding],
        "any": [tokens for tokens in everything if tokens not in [cover.strings for cover in written]],
    }
    figure = _nested(sets, len(text))
    alt = f"All {len(everything)} spellings of “{string_label(text)}” in tokens. " + " ".join(
        f"{NOTES[name]}: " + "; ".join(" | ".join(map(string_label, tokens)) for tokens in found) + "."
        for name, found in sets.items()
        if found
    )
    return figure, sets | {"alt": alt}


def _spelled(text: bytes, vocabulary: set[bytes]) -> list[tuple[bytes, ...]]:
    if not text:
        return [()]
    return [
        (text[:length], *rest)
        for length in range(len(text), 0, -1)
        if text[:length] in vocabulary
        for rest in _spelled(text[length:], vocabulary)
    ]


def _nested(sets: dict[str, list[tuple[bytes, ...]]], columns: int) -> Figure:
    """Rows of tokens; each set's frame goes around the sets before it."""
    from matplotlib.patches import FancyBboxPatch

    rows = sum(map(len, sets.values()))
    figure, axes = new_figure(6.4, (ROW + 0.06) * rows + 0.9)
    bottom, wide = 0.0, columns + 4.6 / BYTE
    for number, (name, found) in enumerate(sets.items()):
        if not found:
            continue
        bottom += 0.35
        for tokens in found:
            chips(axes, bottom, tokens, columns, (COLOURS[name], COLOURS[name]))
            axes.text(
                columns + 0.5, bottom + 0.5, NOTES[name] if tokens == found[0] else "", va="center", color=INK
            )
            bottom += 1.06
        bottom += 0.12
        margin = 0.3 + 0.35 * number
        size = wide + 2 * margin - 1.5, bottom + margin - 0.3
        shape = {"boxstyle": "round,pad=0,rounding_size=0.3", "facecolor": "none", "linewidth": 1.6}
        frame = FancyBboxPatch((-margin, 0.3 - margin), *size, edgecolor=COLOURS[name], **shape)
        axes.add_patch(frame)
    axes.set_xlim(-1.2, wide + 0.2)
    axes.set_ylim(bottom + 0.2, -0.9)
    axes.axis("off")
    return figure
