"""What truncation rules keep, of one distribution and along a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from tokenlab.chapters.drawing import no_mathematics, numbers, visible
from tokenlab.chapters.sampling.figures.small_rows import FOUR_TOKENS, FOUR_WORDS, rule_label, small_row
from tokenlab.errors import ArgumentError, ShapeError
from tokenlab.figures import BLUE, GREY, INK, ORANGE, narrow_only, new_figure, wide_only
from tokenlab.sampling.api import truncation_mask

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Rules and parameters that part on FOUR_TOKENS.
FAMILY = (
    ("top_k", 2),
    ("top_p", 0.8),
    ("min_p", 0.3),
    ("typical", 0.2),
    ("epsilon", 0.2),
    ("eta", 0.3),
    ("top_h", 0.55),
    ("top_h_released", 0.55),
)


def truncation_family(
    probs: Sequence[float] | Tensor = FOUR_TOKENS,
    rules: Sequence[tuple[str, float]] = FAMILY,
    words: Sequence[str] = FOUR_WORDS,
) -> tuple[Figure, dict]:
    """Which tokens of one distribution each rule keeps: a grid of rules and tokens."""
    row, names = small_row(probs, words)
    masks = {rule_label(rule, value): truncation_mask(row, rule, value).tolist() for rule, value in rules}
    figure, axes = new_figure(5.6, 0.34 * len(masks) + 0.8)
    for y, mask in enumerate(masks.values()):
        for x, keep in enumerate(mask):
            style = {"color": BLUE} if keep else {"color": "none", "markeredgecolor": GREY}
            axes.plot(x, y, "s", markersize=14, **style)
    axes.set_yticks(range(len(masks)), list(masks))
    labels = [f"{name}\n{p:.3g}" for name, p in zip(names, row.tolist(), strict=True)]
    axes.set_xticks(range(len(names)), labels)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_ylim(len(masks) - 0.4, -0.6)
    axes.tick_params(length=0)
    axes.xaxis.tick_top()
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    kept = {
        label: [name for name, keep in zip(names, mask, strict=True) if keep] for label, mask in masks.items()
    }
    alt = f"Grid of rules and the words {', '.join(names)} with probabilities {numbers(row)}. " + " ".join(
        f"{label} keeps {', '.join(tokens)}." for label, tokens in kept.items()
    )
    return figure, {"tokens": names, "probs": row.tolist(), "masks": masks, "alt": alt}


def kept_tokens_along_text(
    kept: Mapping[tuple[str, float], Sequence[int] | Tensor],
    tokens: Sequence[str],
    marked: Sequence[int] = (),
) -> tuple[Figure, dict]:
    """How many tokens each rule keeps at every position of a text: a row of bars for each rule.

    ``kept`` is by rule and value, at most six. ``tokens`` stand below the positions; the bars of ``marked``
    positions are orange.
    """
    counts = {rule: np.asarray(row, dtype=np.int64) for rule, row in kept.items()}
    if not 1 <= len(counts) <= 6:
        raise ArgumentError(f"kept has {len(counts)} rules, expected 1 to 6")
    lengths = {len(tokens), *map(len, counts.values())}
    if len(lengths) != 1 or 0 in lengths:
        raise ShapeError(f"kept has rows of lengths {sorted(lengths)}, expected one length above zero")
    if min(row.min() for row in counts.values()) < 1:
        raise ArgumentError("kept holds a count below one; leave out what stands after an end of text")
    length, highest = lengths.pop(), max(row.max() for row in counts.values())
    if not set(marked) <= set(range(length)):
        raise ArgumentError(f"marked is {list(marked)}, expected positions below {length}")
    figure, panels = new_figure(
        6.4, 1.15 * len(counts) + 1.1, nrows=len(counts), sharex=True, sharey=True, squeeze=False
    )
    colours = [ORANGE if position in marked else BLUE for position in range(length)]
    for axes, (rule, row) in zip(panels[:, 0], counts.items(), strict=True):
        # From below one, so that a single token still has a bar.
        axes.bar(range(length), row - 0.7, 0.8, bottom=0.7, color=colours)
        for position, count in enumerate(row.tolist()):
            _count(axes, position, count)
        axes.set_yscale("log")
        axes.set_ylim(0.7, highest * 8)
        axes.set_yticks([1, 10, 100], ["1", "10", "100"])
        axes.minorticks_off()
        axes.tick_params(axis="x", length=0)
        axes.set_title(f"{rule_label(*rule)} keeps", loc="left")
    panels[-1, 0].set_xticks(range(length), [visible(token) for token in tokens], rotation=90)
    no_mathematics(panels[-1, 0].get_xticklabels())
    panels[-1, 0].set_xlim(-0.6, length - 0.4)
    data = {rule_label(*rule): row.tolist() for rule, row in counts.items()}
    alt = f"Number of tokens kept by each rule along {length} positions. " + " ".join(
        f"{label}: from {min(row)} to {max(row)}, median {np.median(row):g}." for label, row in data.items()
    )
    if marked:
        alt += " Marked: " + ", ".join(
            f"position {position + 1}, {visible(tokens[position])}" for position in marked
        )
    return figure, {"kept": data, "marked": list(marked), "alt": alt}


def _count(axes: Axes, position: int, count: int) -> None:
    """A number above its bar; upright where bars are narrower than numbers."""
    for keep, rotation in ((wide_only, 0), (narrow_only, 90)):
        keep(
            axes.annotate(
                str(count), (position, count), (0, 2), textcoords="offset points", ha="center", va="bottom",
                rotation=rotation, fontsize=10, color=INK,
            )
        )  # fmt: skip
