"""The token *back*: what a prefix owes to shorter ones, as one more bar beside its words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tokenlab.chapters.drawing import numbers
from tokenlab.chapters.transport.figures.bars import WIDTH
from tokenlab.chapters.transport.figures.small_pairs import FIVE_TOKENS, Row, small_pair
from tokenlab.errors import ArgumentError
from tokenlab.figures import BLUE, GREY, INK, ORANGE, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Room above a bar for its number.
LIFT = 0.015


def back_bars(
    target: Row = FIVE_TOKENS[0], draft: Row = FIVE_TOKENS[1], weight: float = 0.5
) -> tuple[list[Figure], dict]:
    """One test at a prefix of a given weight, in three frames: the longer target, what a draft takes, the rest.

    The longer target has ``weight`` times each word, and 1 - ``weight`` on *back*.
    """
    p, q, names = small_pair(target, draft)
    if not 0 < weight < 1:
        raise ArgumentError(f"weight is {weight}, expected a number between 0 and 1")
    longer, proposed = np.append(weight * p, 1 - weight), np.append(q, 0.0)
    taken = np.minimum(longer, proposed)
    rest = longer - taken
    words, back = rest[:-1].sum(), rest[-1]
    ends = words / (words + back)
    labels = [*names, "back"]
    frames = [_frame(stage, labels, longer, proposed, taken) for stage in range(3)]
    captions = [
        f"Each word of the target (outline) has {weight:g} of its probability; back has the other {back:g}. "
        "The draft model (grey) never proposes back.",
        f"What both have is accepted (blue): {taken.sum():.2f} in all. None of it is on back.",
        f"After a rejection {words:.2f} is left on words and {back:.2f} on back: "
        f"the block ends here with {ends:.3f}, else it goes back.",
    ]
    both = f"Longer target: {numbers(longer)}. Draft: {numbers(proposed)}."
    parts = f"Accepted: {numbers(taken)}, {taken.sum():.3g} in all."
    alt = [
        f"Bars over {', '.join(labels)}. {both}",
        f"{both} {parts}",
        f"{both} {parts} Left: {numbers(rest)}; {words:.3g} on words, {back:.3g} on back.",
    ]
    data = {"tokens": labels, "target": longer.tolist(), "taken": taken.tolist(), "rest": rest.tolist()}
    return frames, data | {"ends": float(ends), "captions": captions, "alt": alt}


def _frame(
    stage: int, labels: list[str], longer: np.ndarray, proposed: np.ndarray, taken: np.ndarray
) -> Figure:
    """One frame; all have the same marks in the same order, so that they can move."""
    figure, axes = new_figure(6.4, 3.0)
    at = np.arange(len(labels))
    top = 1.25 * max(longer.max(), proposed.max())
    axes.bar(at, proposed, WIDTH, color=GREY, alpha=0.45)
    axes.bar(at, taken, WIDTH, color=BLUE, alpha=0.9 if stage else 0)
    axes.bar(at, longer - taken, WIDTH, bottom=taken, color=ORANGE, alpha=0.8 if stage == 2 else 0)
    axes.bar(at, longer, WIDTH, facecolor="none", edgecolor=INK, linewidth=1.2)
    for x, height in enumerate(longer):
        axes.text(x, height + LIFT, f"{longer[x]:.3f}".rstrip("0"), ha="center", va="bottom", color=INK)
    axes.axvline(len(labels) - 1.5, color=GREY, linewidth=0.8, linestyle=":")
    rest = longer - taken
    for x, colour, words, shown in (
        (0.02, BLUE, f"accepted {taken.sum():.2f}", stage >= 1),
        (0.36, ORANGE, f"left {rest[:-1].sum():.2f} on words, {rest[-1]:.2f} on back", stage == 2),
    ):
        axes.text(x, 0.98, words, transform=axes.transAxes, va="top", color=colour, alpha=1 if shown else 0)
    axes.set_xticks(at, labels)
    axes.tick_params(axis="x", length=0)
    axes.set_ylim(0, top)
    axes.set_ylabel("probability")
    return figure
