"""Block verification: a debt that is carried along a chain, and paid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tokenlab.chapters.drawing import numbers
from tokenlab.errors import ArgumentError
from tokenlab.figures import BLUE, INK, ORANGE, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Ratios p/q of the drafted words of one chain, now below one and now above.
RATIOS = (0.5, 1.6, 0.9, 1.5, 0.7)
CHAIN_WORDS = ("bed", "and", "purred", "all", "day", "while", "it", "rained", "and", "the", "dog", "barked")


def block_debts(ratios: Sequence[float] = RATIOS) -> tuple[list[Figure], dict]:
    r"""How probable it is that the first i drafts of a chain survive, and what is missing: a frame for each.

    With :math:`r_j = p(x_j) / q(x_j)` a block keeps :math:`w_i = \min(1, w_{i-1} r_i)`, where a ratio above one
    pays back what one below has cost; token by token it is :math:`\prod_{j \le i} \min(1, r_j)`.
    """
    values = [float(ratio) for ratio in ratios]
    if not 1 <= len(values) <= 12 or not all(math.isfinite(ratio) and ratio >= 0 for ratio in values):
        raise ArgumentError(f"ratios is {values}, expected 1 to 12 finite numbers, none negative")
    token, block = [1.0], [1.0]
    for ratio in values:
        token.append(token[-1] * min(1, ratio))
        block.append(min(1, block[-1] * ratio))
    frames, alt, captions = [], [], []
    for stage in range(len(block)):
        frames.append(_debt_frame(stage, values, token, block))
        captions.append(_words(stage, values, token, block))
        alt.append(
            f"Bars along a chain with ratios {numbers(values)}, after {stage} drafts. As a block the drafts "
            f"survive with {numbers(block[: stage + 1])}, token by token with {numbers(token)}."
        )
    data = {"ratios": values, "token": token, "block": block, "debt": [1 - weight for weight in block]}
    return frames, data | {"captions": captions, "alt": alt}


def _words(stage: int, ratios: list[float], token: list[float], block: list[float]) -> str:
    if stage == 0:
        return f"Token by token (lines) the drafts survive with {numbers(token)}. The block starts without a debt."
    before, after, ratio = 1 - block[stage - 1], 1 - block[stage], ratios[stage - 1]
    start = f"“{CHAIN_WORDS[stage - 1]}”, ratio {ratio:g}: the debt "
    if after < before - 1e-12:
        paid = "is paid in full" if after < 1e-12 else f"shrinks from {before:.2f} to {after:.2f}"
        return start + paid + ("; nothing more can be paid." if after < 1e-12 else ", part of it is paid.")
    if after > before + 1e-12:
        return start + f"grows from {before:.2f} to {after:.2f}."
    return start + f"stays {after:.2f}."


def _debt_frame(stage: int, ratios: list[float], token: list[float], block: list[float]) -> Figure:
    figure, axes = new_figure(6.4, 3.2)
    at = np.arange(len(block))
    shown = np.where(at <= stage, 1.0, 0.0)
    weight = np.array(block) * shown
    axes.bar(at, weight, 0.7, color=BLUE, alpha=0.85)
    axes.bar(at, (1 - np.array(block)) * shown, 0.7, bottom=weight, color=ORANGE, alpha=0.85)
    for position, value in enumerate(token):
        axes.plot([position - 0.35, position + 0.35], [value, value], color=INK, linewidth=2.2)
    labels = ["start", *(f"{word}\n× {ratio:g}" for word, ratio in zip(CHAIN_WORDS, ratios))]
    axes.set_xticks(at, labels)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.6, len(block) - 0.4)
    axes.set_ylim(0, 1.3)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel("probability")
    for x, colour, words in (
        (0.03, BLUE, "survives as a block"),
        (0.47, ORANGE, "debt: back"),
        (0.72, INK, "token by token"),
    ):
        axes.text(x, 0.98, words, transform=axes.transAxes, ha="left", va="top", color=colour)
    return figure
