"""What truncation rules keep, of one distribution and along a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from tokenlab.chapters.drawing import numbers, visible
from tokenlab.chapters.sampling.figures.small_rows import FOUR_TOKENS, rule_label, small_row
from tokenlab.errors import ArgumentError, ShapeError
from tokenlab.figures import BLUE, CYCLE, GREY, LEGEND, new_figure
from tokenlab.sampling.api import truncation_mask

if TYPE_CHECKING:
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
    probs: Sequence[float] | Tensor = FOUR_TOKENS, rules: Sequence[tuple[str, float]] = FAMILY
) -> tuple[Figure, dict]:
    """Which tokens of one distribution each rule keeps: a grid of rules and tokens."""
    row, names = small_row(probs)
    masks = {rule_label(rule, value): truncation_mask(row, rule, value).tolist() for rule, value in rules}
    figure, axes = new_figure(4.6, 0.32 * len(masks) + 0.75)
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
    alt = f"Grid of rules and tokens {', '.join(names)} with probabilities {numbers(row)}. " + " ".join(
        f"{label} keeps {', '.join(tokens)}." for label, tokens in kept.items()
    )
    return figure, {"tokens": names, "probs": row.tolist(), "masks": masks, "alt": alt}


def kept_tokens_along_text(
    kept: Mapping[str, Sequence[int] | Tensor], tokens: Sequence[str] | None = None
) -> tuple[Figure, dict]:
    """How many tokens each rule, of at most six, keeps at every position of a text.

    ``tokens`` are written below the positions; leave them out for long texts.
    """
    counts = {label: np.asarray(row, dtype=np.int64) for label, row in kept.items()}
    if not 1 <= len(counts) <= len(CYCLE):
        raise ArgumentError(f"kept has {len(counts)} rules, expected 1 to {len(CYCLE)}")
    lengths = {len(row) for row in counts.values()} | ({len(tokens)} if tokens is not None else set())
    if len(lengths) != 1 or 0 in lengths:
        raise ShapeError(f"kept has rows of lengths {sorted(lengths)}, expected one length above zero")
    if min(row.min() for row in counts.values()) < 1:
        raise ArgumentError("kept holds a count below one; leave out what stands after an end of text")
    figure, axes = new_figure(5.0, 3.0)
    length = lengths.pop()
    for index, (label, row) in enumerate(counts.items()):
        # Lines shifted by a hair, so that equal counts do not hide each other.
        style = {"color": CYCLE[index], "linewidth": 1.5}
        axes.step(range(length), row * 1.03**index, where="mid", label=label, **style)
    axes.set_yscale("log")
    axes.set_ylabel("tokens kept")
    if tokens is None:
        axes.set_xlabel("position")
    else:
        axes.set_xticks(range(length), [visible(token) for token in tokens], rotation=90, fontsize=9)
    figure.legend(loc="outside upper center", ncols=min(len(counts), 3), **LEGEND)
    alt = f"Number of tokens kept by each rule along {length} positions. " + " ".join(
        f"{label}: from {row.min()} to {row.max()}, median {np.median(row):g}."
        for label, row in counts.items()
    )
    data = {label: row.tolist() for label, row in counts.items()}
    return figure, {"kept": data, "alt": alt}
