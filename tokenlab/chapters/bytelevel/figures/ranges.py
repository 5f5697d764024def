"""Contexts and their ranges of the sorted vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tokenlab.bytelevel.covers import Contexts, CoverFrontier
from tokenlab.bytelevel.tokenizer.vocabulary import ByteVocabulary
from tokenlab.chapters.bytelevel import exact
from tokenlab.chapters.bytelevel.figures.labels import byte_label, string_label, token_labels
from tokenlab.errors import ArgumentError
from tokenlab.figures import BLUE, INK, PURPLE, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def narrowing(tokenizer: exact.Tokenizer, text: bytes) -> tuple[list[Figure], dict]:
    """Contexts and their ranges of the sorted vocabulary while a text is read: a frame for each byte.

    For :func:`tokenlab.figures.player`; at most 24 tokens. A context that the model is asked about now is violet.
    Tokens that may not stand after the context are hollow.
    """
    vocabulary = ByteVocabulary(tokenizer.vocabulary)
    if len(vocabulary) > 24:
        raise ArgumentError(f"tokenizer has {len(vocabulary)} tokens, expected at most 24, to be drawn")
    rules = _ToyRules(tokenizer, vocabulary)
    frontier = CoverFrontier(vocabulary, rules, Contexts(rules.start))
    stages = []
    for length in range(len(text) + 1):
        stages.append(
            [(frontier.contexts.states[h.node], h.lo, h.hi, h.depth) for h in frontier.all_open_covers()]
        )
        if length < len(text):
            frontier.read(text[length])
            if not frontier.is_alive:
                raise ArgumentError(
                    f"text holds {byte_label(text[length])!r}, which no token of the tokenizer spells"
                )
    most = max(map(len, stages))
    frames, alt = [], []
    data: dict = {"labels": [], "captions": [], "open_covers": [], "new": []}
    for length, open_covers in enumerate(stages):
        label = string_label(text[:length]) or "nothing"
        frames.append(_narrowing_frame(vocabulary, rules, open_covers, most, label))
        counts = [int(rules.allowed(state)[lo:hi].sum()) for state, lo, hi, _ in open_covers]
        parts = [
            f"after {token_labels(state) or 'the start'} {count} token{'s' * (count != 1)}"
            + (
                f" that begin{'s' * (count == 1)} with {string_label(text[length - depth : length])}"
                if depth
                else ", asked now"
            )
            for (state, _, _, depth), count in zip(open_covers, counts, strict=True)
        ]
        alt.append(
            f"Read {label}, {len(open_covers)} context{'s' * (len(open_covers) > 1)}: {'; '.join(parts)}."
        )
        data["labels"].append(label)
        data["captions"].append(_caption(label, length, open_covers, counts))
        data["open_covers"].append(
            [(state, count) for (state, *_), count in zip(open_covers, counts, strict=True)]
        )
        data["new"].append(sum(depth == 0 for *_, depth in open_covers))
    return frames, data | {"alt": alt}


def _caption(label: str, length: int, open_covers: list, counts: list[int]) -> str:
    """What the frame shows, in a sentence."""
    asked = [token_labels(state) or "the start" for state, *_, depth in open_covers if not depth]
    older = [
        (token_labels(state) or "the start", count)
        for (state, _, _, depth), count in zip(open_covers, counts, strict=True)
        if depth
    ]
    begun = f"Nothing is read: the model is asked about {asked[0]}." if not length else (
        f"“{label}” is read: the model is asked about the new context{'s' * (len(asked) > 1)} {' and '.join(asked)}."
    )  # fmt: skip
    left = [f"after {name}, {count} token{'s' * (count != 1)} may still come" for name, count in older]
    return begun + (f" {left[0][0].upper()}{'; '.join(left)[1:]}." if left else "")


def _narrowing_frame(
    vocabulary: ByteVocabulary, rules: _ToyRules, open_covers: list, most: int, label: str
) -> Figure:
    """A row for each token, sorted; a column for each context, with its range."""
    height = len(vocabulary)
    figure, axes = new_figure(1.25 * most + 1.2, 0.235 * height + 0.7)
    for row, string in enumerate(vocabulary.strings):
        axes.text(
            -0.15, row + 0.5, string_label(string), ha="right", va="center", color=INK, parse_math=False
        )
    for column, (state, lo, hi, depth) in enumerate(open_covers):
        colour, allowed = (BLUE if depth else PURPLE), rules.allowed(state)
        name = token_labels(state) or "start"
        axes.text(column + 0.45, -0.5, name, ha="center", va="center", color=INK, parse_math=False)
        for row in range(lo, hi):
            _cell(axes, column, row, colour if allowed[row] else None, colour)
    axes.text(
        -0.15, -0.5, f"read {label}", ha="right", va="center", color=INK, fontweight="bold", parse_math=False
    )
    axes.set_xlim(-1.1, most)
    axes.set_ylim(height, -1)
    axes.axis("off")
    return figure


class _ToyRules:
    """Which sequences count, by re-encoding; a state is the tokens themselves."""

    start: exact.Tokens = ()

    def __init__(self, tokenizer: exact.Tokenizer, vocabulary: ByteVocabulary) -> None:
        self.tokenizer, self.vocabulary = tokenizer, vocabulary

    def allowed(self, state: exact.Tokens) -> np.ndarray:
        return np.array(
            [exact.is_viable(self.tokenizer, (*state, string)) for string in self.vocabulary.strings]
        )

    def after(self, state: exact.Tokens, token: int) -> exact.Tokens:
        return (*state, self.tokenizer.vocabulary[token])

    def may_end(self, state: exact.Tokens) -> bool:
        return exact.is_valid(self.tokenizer, state)

    def inside_character(self, state: exact.Tokens) -> bool:
        return False


def _cell(axes: Axes, column: int, row: int, fill: str | None, edge: str) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(
        Rectangle(
            (column + 0.08, row + 0.1),
            0.74,
            0.8,
            facecolor=fill or "none",
            edgecolor=edge,
            linewidth=0.8,
            alpha=0.75 if fill else 0.6,
        )
    )
