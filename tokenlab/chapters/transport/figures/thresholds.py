"""Each rule as a threshold on the curve g(s)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from tokenlab.chapters.transport.figures.small_pairs import FIVE_TOKENS, Row, small_pair
from tokenlab.errors import ArgumentError, check_int
from tokenlab.figures import INK, METHODS, new_figure
from tokenlab.transport.node.rates import acceptance_rate, division_factor
from tokenlab.transport.node.reference import hockey_stick
from tokenlab.transport.node.thresholds import curve, overlap

if TYPE_CHECKING:
    from matplotlib.figure import Figure


#: What can be drawn on the curve.
RULES = ("recursive", "kseq", "optimal")


def threshold_curves(
    target: Row = FIVE_TOKENS[0],
    draft: Row = FIVE_TOKENS[1],
    num_drafts: Sequence[int] = tuple(range(1, 9)),
    rules: Sequence[str] = RULES,
) -> tuple[list[Figure], dict]:
    """The curve :math:`g(s)` with each rule's threshold on it, a frame for each number of drafts.

    The recursive rule climbs: from :math:`c_i` a line of slope one reaches the height 1 at
    :math:`c_{i+1} = c_i + 1 - g(c_i)`. K-SEQ stands where :math:`g(s) = 1 - (1 - g(s)/s)^k`.
    ``rules`` are the rules that are drawn, none for the curve alone. At most 12 tokens and 8 drafts.
    """
    p, q, _ = small_pair(target, draft)
    if unknown := set(rules) - set(RULES):
        raise ArgumentError(f"rules has {min(unknown)!r}, expected some of {', '.join(RULES)}")
    if len(num_drafts) == 0:
        raise ArgumentError("num_drafts has 0 entries, expected one for each frame")
    counts = [check_int("num_drafts", k, low=1, high=8) for k in num_drafts]
    target, draft = torch.from_numpy(p), torch.from_numpy(q)
    points = curve(target, draft)
    end = max(division_factor(target, draft, max(counts)).item(), 2) + 0.8
    breaks = [r for r in points.ratio.tolist() if r < end]
    grid = np.array(sorted({*np.linspace(0.02, end, 121), *breaks}))
    height = overlap(points, torch.from_numpy(grid)).numpy()
    height_at_one = overlap(points, torch.ones(1, dtype=torch.float64)).item()
    frames, alt = [], []
    data: dict = {"drafts": counts}
    data |= {name: [] for name in ("recursive", "thresholds", "kseq", "factors", "optimal")}
    for k in counts:
        steps = [0.0]
        for _ in range(k):
            above = hockey_stick(target, draft, torch.tensor([steps[-1]], dtype=torch.float64)).sum()
            steps.append(steps[-1] + above.item())
        reached = overlap(points, torch.tensor(steps, dtype=torch.float64)).tolist()
        factor = division_factor(target, draft, k).item()
        found = {rule: acceptance_rate(target, draft, k, rule).item() for rule in RULES}
        shown = {rule: found[rule] for rule in RULES if rule in rules}
        frames.append(_threshold_frame(k, max(counts), end, (grid, height), (steps, reached), factor, shown))
        told = {
            "recursive": f"the recursive rule stops at threshold {steps[-1]:.4g} with acceptance "
            f"{found['recursive']:.4g}",
            "kseq": f"K-SEQ at its factor {factor:.4g} with {found['kseq']:.4g}",
            "optimal": f"the optimum is {found['optimal']:.4g}",
        }
        words = (
            "; ".join(told[rule] for rule in shown) or f"the curve has the height {height_at_one:.4g} at 1"
        )
        alt.append(f"{k} draft{'s' * (k > 1)}: {words}.")
        data["thresholds"].append(steps[-1])
        data["factors"].append(factor)
        for rule, rate in found.items():
            data[rule].append(rate)
    data["captions"] = [
        _words(k, step, rate, factor if "kseq" in rules else None)
        for k, step, rate, factor in zip(
            counts, data["thresholds"], data["recursive"], data["factors"], strict=True
        )
    ]
    return frames, data | {"alt": alt}


def _words(k: int, step: float, rate: float, factor: float | None) -> str:
    start = f"{k} draft{'s' * (k > 1)}: recursive rejection stops at threshold {step:.2f}"
    return f"{start} and accepts {rate:.3f}." if factor is None else f"{start}, K-SEQ at {factor:.2f}."


def _threshold_frame(
    k: int,
    most: int,
    end: float,
    line: tuple[np.ndarray, np.ndarray],
    climb: tuple[list[float], list[float]],
    factor: float,
    rates: dict[str, float],
) -> Figure:
    """The curve, the recursive rule's steps, and K-SEQ's factor."""
    (grid, height), (steps, reached) = line, climb
    rules = METHODS["transport"]
    recursive, kseq, optimal = rules["recursive"], rules["kseq"], rules["optimal"]
    figure, axes = new_figure(6.4, 3.4)
    axes.plot([0, *grid], [0, *height], color=INK)
    axes.text(0.1 * end, np.interp(0.1 * end, grid, height) - 0.05, "g(s)", va="top", color=INK)
    if not rates:
        one = np.interp(1, grid, height)
        axes.plot(1, one, "o", color=INK, markersize=8)
        axes.text(1.05, one - 0.03, f"one draft accepts {one:.2f}", va="top", color=INK)
    if "kseq" in rates:
        axes.plot(grid, 1 - (1 - height / grid) ** k, color=kseq.colour, linewidth=1.3, linestyle="--")
    if "optimal" in rates:
        axes.axhline(rates["optimal"], color=optimal.colour, linewidth=1.5, linestyle=":")
    if "recursive" in rates:
        for low, high, start, stop in zip(steps, steps[1:], reached, reached[1:]):
            axes.plot([low, high, high], [start, 1, stop], color=recursive.colour, linewidth=1.1)
        # Every frame has as many lines, those of tests to come in the last point: so they can move.
        for _ in range(most - k):
            axes.plot(3 * steps[-1:], 3 * reached[-1:], color=recursive.colour, linewidth=1.1)
        axes.plot(steps[-1], reached[-1], recursive.marker, color=recursive.colour, markersize=8)
    if "kseq" in rates:
        axes.plot(factor, rates["kseq"], kseq.marker, color=kseq.colour, markersize=9)
        axes.text(end, 0.04, "dashed: 1 − (1 − g(s)/s)ᵏ", ha="right", va="bottom", color=kseq.colour)
    for x, rule in ((0.0, "recursive"), (0.36, "kseq"), (0.66, "optimal")):
        if rule in rates:
            method = rules[rule]
            words = f"{method.name} {rates[rule]:.3f}"
            axes.text(x, 1.04, words, transform=axes.transAxes, ha="left", va="bottom", color=method.colour)
    axes.set_xlim(0, end)
    axes.set_ylim(0, 1.04)
    axes.set_xlabel("threshold s")
    axes.set_ylabel("mass accepted")
    return figure
