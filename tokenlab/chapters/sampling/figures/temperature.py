"""One distribution at several temperatures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tokenlab.chapters.drawing import letters, numbers, visible
from tokenlab.chapters.sampling.figures.small_rows import FOUR_TOKENS, rule_label, small_row
from tokenlab.errors import ArgumentError, ShapeError, check_int, check_logits, check_tensor
from tokenlab.figures import BLUE, CYCLE, GREY, INK, LEGEND, ORANGE, new_figure
from tokenlab.sampling import reference
from tokenlab.sampling.api import truncation_mask
from tokenlab.sampling.rules import check_temperature

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Temperatures of a sweep; each is about the square root of two times the one before.
SWEEP = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)


def softmax_temperature(
    probs: Sequence[float] | Tensor = FOUR_TOKENS, temperatures: Sequence[float] = (0.5, 1.0, 2.0)
) -> tuple[Figure, dict]:
    """One small distribution, given at temperature one, at up to six temperatures, as bars."""
    row, names = small_row(probs)
    rows = [reference.softmax(row.log(), check_temperature(t)).tolist() for t in temperatures]
    if not 1 <= len(rows) <= len(CYCLE):
        raise ArgumentError(f"temperatures has {len(rows)} entries, expected 1 to {len(CYCLE)}")
    figure, axes = new_figure(4.6, 2.7)
    width = 0.8 / len(rows)
    for index, (temperature, bars) in enumerate(zip(temperatures, rows, strict=True)):
        offset = (index - (len(rows) - 1) / 2) * width
        middles = np.arange(len(names)) + offset
        axes.bar(middles, bars, width * 0.92, label=f"T = {temperature:g}", color=CYCLE[index])
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("probability")
    axes.legend(**LEGEND)
    alt = f"Bars of a distribution over tokens {', '.join(names)}. " + " ".join(
        f"At temperature {temperature:g}: {numbers(bars)}."
        for temperature, bars in zip(temperatures, rows, strict=True)
    )
    return figure, {"tokens": names, "temperatures": list(temperatures), "probs": rows, "alt": alt}


def temperature_sweep(
    logits: Sequence[float] | Tensor,
    temperatures: Sequence[float] = SWEEP,
    rules: Sequence[tuple[str, float]] = (("top_p", 0.9), ("min_p", 0.1)),
    tokens: Sequence[str] | None = None,
    shown: int = 8,
) -> tuple[list[Figure], dict]:
    """One row of logits at rising temperatures: the head, the tail in one bar, what rules keep.

    For :func:`tokenlab.figures.player`, all frames on one scale. At most four rules; the ``shown`` most
    probable tokens, named by ``tokens`` from the top, have a bar of their own.
    """
    row = torch.as_tensor(logits, dtype=torch.float64)
    check_tensor("logits", row, max_dims=1)
    check_logits("logits", row)
    check_int("shown", shown, low=1, high=12)
    if not bool(row.isfinite().all()) or len(row) <= shown:
        raise ArgumentError(f"logits must be finite and more than the {shown} tokens shown, found {len(row)}")
    if not 1 <= len(rules) <= 4:
        raise ArgumentError(f"rules has {len(rules)} entries, expected 1 to 4")
    names = letters(shown) if tokens is None else list(tokens)
    if len(names) != shown:
        raise ShapeError(f"tokens has {len(names)} entries, expected the {shown} that are shown")
    row, rest = row.sort(descending=True, stable=True).values, len(row) - shown
    frames, alt = [], []
    data: dict = {"tokens": names, "rest": rest, "temperatures": list(temperatures)}
    data |= {"probs": [], "entropy": [], "kept": {rule_label(*rule): [] for rule in rules}}
    for temperature in temperatures:
        probs = reference.softmax(row, check_temperature(temperature))
        bars = [*probs[:shown].tolist(), probs[shown:].sum().item()]
        entropy = reference.entropy(probs).item()
        masks = {rule_label(*rule): truncation_mask(probs, *rule) for rule in rules}
        frames.append(
            _sweep_frame(bars, names, rest, masks, f"T = {temperature:g}:  entropy {entropy:.2f} nats")
        )
        counts = {label: int(mask.sum()) for label, mask in masks.items()}
        alt.append(
            f"At temperature {temperature:g} the entropy is {entropy:.3g} nats. Tokens "
            f"{', '.join(map(repr, names))} have probabilities {numbers(bars[:-1])}, the {rest:,} others "
            f"together {bars[-1]:.3g}. "
            + " ".join(
                f"{label} keeps {count:,} token{'s' * (count > 1)}." for label, count in counts.items()
            )
        )
        data["probs"].append(bars)
        data["entropy"].append(entropy)
        for label, count in counts.items():
            data["kept"][label].append(count)
    return frames, data | {"alt": alt}


def _sweep_frame(
    bars: list[float], names: list[str], rest: int, masks: dict[str, Tensor], title: str
) -> Figure:
    """Bars, and below them a row of squares for each rule."""
    shown = len(names)
    figure, (upper, lower) = new_figure(
        5.0, 2.6 + 0.3 * len(masks), nrows=2, sharex=True, height_ratios=[6, len(masks)]
    )
    columns = [*range(shown), shown + 0.8]
    upper.bar(columns, bars, color=[BLUE] * shown + [ORANGE])
    upper.set_ylim(0, 1)
    upper.set_ylabel("probability")
    upper.set_title(title)
    upper.tick_params(axis="x", labelbottom=False, length=0)
    for y, mask in enumerate(masks.values()):
        for x, keep in enumerate(mask[:shown].tolist()):
            style = {"color": BLUE} if keep else {"color": "none", "markeredgecolor": GREY}
            lower.plot(x, y, "s", markersize=10, **style)
        count = f"{int(mask[shown:].sum()):,}"
        lower.text(columns[-1], y, count, color=INK, ha="center", va="center")
    lower.set_yticks(range(len(masks)), [f"{label} keeps" for label in masks])
    lower.set_ylim(len(masks) - 0.4, -0.6)
    lower.set_xlim(-0.6, columns[-1] + 0.7)
    lower.set_xticks(columns, [*map(visible, names), f"{rest:,}\nothers"])
    if max(map(len, names)) > 4:
        for text in lower.get_xticklabels()[:shown]:
            text.set(rotation=40, horizontalalignment="right", rotation_mode="anchor")
    lower.tick_params(length=0)
    for side in ("left", "bottom"):
        lower.spines[side].set_visible(False)
    return figure
