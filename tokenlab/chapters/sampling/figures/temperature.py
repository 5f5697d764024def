"""One distribution at several temperatures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tokenlab.chapters.drawing import numbers, power_of_ten, visible
from tokenlab.chapters.sampling.figures.small_rows import FOUR_TOKENS, FOUR_WORDS, rule_label, small_row
from tokenlab.errors import ArgumentError, check_int, check_logits, check_tensor
from tokenlab.figures import BLUE, GREY, INK, ORANGE, new_figure, temperature_colours
from tokenlab.sampling import reference
from tokenlab.sampling.api import truncation_mask
from tokenlab.sampling.rules import check_temperature

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Temperatures of a sweep; each is about the square root of two times the one before.
SWEEP = (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)


def softmax_temperature(
    probs: Sequence[float] | Tensor = FOUR_TOKENS,
    temperatures: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0),
    words: Sequence[str] = FOUR_WORDS,
) -> tuple[list[Figure], dict]:
    """One small distribution, given at temperature one, as bars: a frame for each temperature."""
    row, names = small_row(probs, words)
    rows = [reference.softmax(row.log(), check_temperature(t)) for t in temperatures]
    if len(rows) < 2:
        raise ArgumentError(f"temperatures has {len(rows)} entries, expected two or more")
    entropies = [reference.entropy(bars).item() for bars in rows]
    frames, captions, alt = [], [], []
    colours = temperature_colours(temperatures)
    for temperature, bars, entropy, colour in zip(temperatures, rows, entropies, colours, strict=True):
        figure, axes = new_figure(5.6, 2.7)
        axes.bar(range(len(names)), bars.tolist(), 0.7, color=colour)
        for token, p in enumerate(bars.tolist()):
            axes.text(token, p + 0.02, f"{p:.3f}", ha="center", va="bottom", color=INK)
        axes.set_xticks(range(len(names)), names)
        axes.set_ylabel("probability")
        axes.set_ylim(0, 1.12)
        axes.set_yticks([0, 0.5, 1])
        frames.append(figure)
        captions.append(
            f"At temperature {temperature:g} “{names[int(bars.argmax())]}” has {bars.max().item():.3f}, and the "
            f"entropy is {entropy:.2f} nats."
        )
        alt.append(f"Bars over the words {', '.join(names)}: {numbers(bars)}.")
    data = {"tokens": names, "temperatures": list(temperatures), "probs": [bars.tolist() for bars in rows]}
    return frames, data | {"entropy": entropies, "captions": captions, "alt": alt}


def tail_by_rank(
    logits: Sequence[float] | Tensor,
    temperatures: Sequence[float] = (0.7, 1.0, 1.4, 2.0, 2.8),
    edges: Sequence[int] = (8, 64, 512),
) -> tuple[list[Figure], dict]:
    """How much mass groups of ranks hold, a frame for each temperature.

    The tokens are sorted; ``edges`` are the last ranks of all groups but the last, which is the tail.
    """
    row = _finite_row(logits, edges[-1])
    row = row.sort(descending=True, stable=True).values
    bounds = [0, *edges, len(row)]
    if bounds != sorted(set(bounds)):
        raise ArgumentError(f"edges is {list(edges)}, expected rising ranks")
    groups = [f"rank {low + 1:,} to {high:,}" for low, high in pairwise(bounds)]
    data: dict = {"groups": groups, "temperatures": list(temperatures), "mass": [], "largest": []}
    data |= {"captions": [], "alt": []}
    frames = []
    for temperature in temperatures:
        probs = reference.softmax(row, check_temperature(temperature))
        mass = [probs[low:high].sum().item() for low, high in pairwise(bounds)]
        largest = probs[bounds[-2]].item()
        frames.append(_rank_frame(mass, groups))
        data["mass"].append(mass)
        data["largest"].append(largest)
        data["captions"].append(
            f"At temperature {temperature:g} the {len(row) - bounds[-2]:,} least probable tokens have at most "
            f"{power_of_ten(largest)} each, and {mass[-1]:.2g} together."
        )
        data["alt"].append(f"Mass of {', '.join(groups)}: {numbers(mass)}.")
    return frames, data


def _rank_frame(mass: list[float], groups: list[str]) -> Figure:
    figure, axes = new_figure(5.6, 0.42 * len(mass) + 0.8)
    axes.barh(range(len(mass)), mass, 0.65, color=[BLUE] + [GREY] * (len(mass) - 2) + [ORANGE])
    for y, share in enumerate(mass):
        axes.annotate(f"{share:.2f}", (share, y), (5, 0), textcoords="offset points", va="center", color=INK)
    axes.set_yticks(range(len(mass)), groups)
    axes.set_ylim(len(mass) - 0.5, -0.5)
    axes.set_xlim(0, 1.12)
    axes.set_xticks([0, 0.5, 1])
    axes.set_xlabel("probability of all of them")
    axes.tick_params(axis="y", length=0)
    return figure


def temperature_sweep(
    logits: Sequence[float] | Tensor,
    tokens: Sequence[str],
    temperatures: Sequence[float] = SWEEP,
    rules: Sequence[tuple[str, float]] = (("top_p", 0.9), ("min_p", 0.1)),
) -> tuple[list[Figure], dict]:
    """One row of logits at rising temperatures: the head, the tail in one bar, what rules keep.

    For :func:`tokenlab.figures.player`, all frames on one scale. At most four rules. ``tokens`` names the most
    probable ones, up to twelve, which have a bar of their own.
    """
    check_int("tokens", len(tokens), low=1, high=12)
    names, shown = list(tokens), len(tokens)
    row = _finite_row(logits, shown)
    if not 1 <= len(rules) <= 4:
        raise ArgumentError(f"rules has {len(rules)} entries, expected 1 to 4")
    row, rest = row.sort(descending=True, stable=True).values, len(row) - shown
    frames, alt, captions = [], [], []
    data: dict = {"tokens": names, "rest": rest, "temperatures": list(temperatures)}
    data |= {"probs": [], "entropy": [], "kept": {rule_label(*rule): [] for rule in rules}}
    for temperature in temperatures:
        probs = reference.softmax(row, check_temperature(temperature))
        bars = [*probs[:shown].tolist(), probs[shown:].sum().item()]
        entropy = reference.entropy(probs).item()
        masks = {rule_label(*rule): truncation_mask(probs, *rule) for rule in rules}
        frames.append(_sweep_frame(bars, names, rest, masks, f"temperature {temperature:g}"))
        counts = {label: int(mask.sum()) for label, mask in masks.items()}
        kept = " and ".join(f"{label} keeps {count:,}" for label, count in counts.items())
        captions.append(
            f"At temperature {temperature:g} the {rest:,} others hold {bars[-1]:.2f} of the mass; {kept}."
        )
        alt.append(
            f"The entropy is {entropy:.3g} nats. Tokens {', '.join(map(repr, names))} have probabilities "
            f"{numbers(bars[:-1])}. {captions[-1]}"
        )
        data["probs"].append(bars)
        data["entropy"].append(entropy)
        for label, count in counts.items():
            data["kept"][label].append(count)
    return frames, data | {"captions": captions, "alt": alt}


def _sweep_frame(
    bars: list[float], names: list[str], rest: int, masks: dict[str, Tensor], title: str
) -> Figure:
    """Bars, and below them a row of squares for each rule."""
    shown = len(names)
    figure, (upper, lower) = new_figure(
        5.6, 2.6 + 0.3 * len(masks), nrows=2, sharex=True, height_ratios=[6, len(masks)]
    )
    columns = [*range(shown), shown + 0.8]
    upper.bar(columns, bars, color=[BLUE] * shown + [ORANGE])
    upper.set_ylim(0, 1)
    upper.set_yticks([0, 0.5, 1])
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


def _finite_row(logits: Sequence[float] | Tensor, shown: int) -> Tensor:
    row = torch.as_tensor(logits, dtype=torch.float64)
    check_tensor("logits", row, max_dims=1)
    check_logits("logits", row)
    if not bool(row.isfinite().all()) or len(row) <= shown:
        raise ArgumentError(f"logits must be finite and more than the {shown} tokens shown, found {len(row)}")
    return row
