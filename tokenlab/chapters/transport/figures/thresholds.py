"""Each rule as a threshold on the curve g(s)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from tokenlab.chapters.transport.figures.small_pairs import FIVE_TOKENS, Row, small_pair
from tokenlab.errors import ArgumentError, check_int
from tokenlab.figures import BLUE, GREEN, LEGEND, ORANGE, PURPLE, new_figure
from tokenlab.transport.node.rates import acceptance_rate, division_factor
from tokenlab.transport.node.reference import hockey_stick
from tokenlab.transport.node.thresholds import curve, overlap

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def threshold_curves(
    target: Row = FIVE_TOKENS[0], draft: Row = FIVE_TOKENS[1], num_drafts: Sequence[int] = tuple(range(1, 9))
) -> tuple[list[Figure], dict]:
    """The curve :math:`g(s)` with each rule's threshold on it, a frame for each number of drafts.

    The recursive rule climbs: from :math:`c_i` a line of slope one reaches the height 1 at
    :math:`c_{i+1} = c_i + 1 - g(c_i)`. K-SEQ stands where :math:`g(s) = 1 - (1 - g(s)/s)^k`.
    At most 12 tokens and 8 drafts.
    """
    p, q, _ = small_pair(target, draft)
    if len(num_drafts) == 0:
        raise ArgumentError("num_drafts has 0 entries, expected one for each frame")
    counts = [check_int("num_drafts", k, low=1, high=8) for k in num_drafts]
    target, draft = torch.from_numpy(p), torch.from_numpy(q)
    points = curve(target, draft)
    end = max(max(counts), 2) + 0.3
    breaks = [r for r in points.ratio.tolist() if r < end]
    grid = np.array(sorted({*np.linspace(0.02, end, 121), *breaks}))
    height = overlap(points, torch.from_numpy(grid)).numpy()
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
        found = {
            rule: acceptance_rate(target, draft, k, rule).item() for rule in ("recursive", "kseq", "optimal")
        }
        frames.append(_threshold_frame(k, end, (grid, height), (steps, reached), factor, found))
        alt.append(
            f"{k} draft{'s' * (k > 1)}: the recursive rule stops at threshold {steps[-1]:.4g} with acceptance "
            f"{found['recursive']:.4g}, K-SEQ at its factor {factor:.4g} with {found['kseq']:.4g}; the optimum "
            f"is {found['optimal']:.4g}."
        )
        data["thresholds"].append(steps[-1])
        data["factors"].append(factor)
        for rule, rate in found.items():
            data[rule].append(rate)
    return frames, data | {"alt": alt}


def _threshold_frame(
    k: int,
    end: float,
    line: tuple[np.ndarray, np.ndarray],
    climb: tuple[list[float], list[float]],
    factor: float,
    rates: dict[str, float],
) -> Figure:
    """The curve, the recursive rule's steps, and K-SEQ's factor."""
    (grid, height), (steps, reached) = line, climb
    figure, axes = new_figure(6.4, 3.2)
    axes.plot([0, *grid], [0, *height], color=BLUE, label="g(s)")
    axes.plot(
        grid,
        1 - (1 - height / grid) ** k,
        color=PURPLE,
        linewidth=1.3,
        linestyle="--",
        label="1 − (1 − g(s)/s)ᵏ",
    )
    axes.axhline(rates["optimal"], color=GREEN, linewidth=1.5, linestyle=":", label="optimum")
    for low, high, start in zip(steps, steps[1:], reached):
        axes.plot([low, high, high], [start, 1, 1], color=ORANGE, linewidth=1.1)
    for step, value in zip(steps[1:], reached[1:], strict=True):
        axes.plot([step, step], [1, value], color=ORANGE, linewidth=1.1)
    axes.plot(steps[-1], reached[-1], "o", color=ORANGE, markersize=8, label="recursive")
    axes.plot(factor, rates["kseq"], "s", color=PURPLE, markersize=7, label="K-SEQ")
    axes.set_xlim(0, end)
    axes.set_ylim(0, 1.04)
    axes.set_xlabel("threshold s")
    axes.set_ylabel("mass accepted")
    axes.set_title(f"k = {k}")
    figure.legend(loc="outside right center", **LEGEND)
    return figure
