"""Plans as bars: what both distributions have, what moves, and what test after test takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from tokenlab.chapters.drawing import numbers
from tokenlab.chapters.transport.figures.small_pairs import FIVE_TOKENS, Row, small_pair
from tokenlab.errors import ArgumentError, check_int
from tokenlab.figures import BLUE, GREEN, GREY, INK, METHODS, ORANGE, new_figure
from tokenlab.transport.node.rates import division_factor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Width of a bar; tokens are one apart.
WIDTH = 0.72


def plan_bars(target: Row = FIVE_TOKENS[0], draft: Row = FIVE_TOKENS[1]) -> tuple[list[Figure], dict]:
    """The plan for one draft in three frames: both distributions, what stays, where the rest moves.

    What a token has too much goes to the tokens that lack some, in proportion to what each lacks.
    """
    p, q, names = small_pair(target, draft)
    shared, missing, spare = np.minimum(p, q), np.maximum(p - q, 0), np.maximum(q - p, 0)
    if not spare.any():
        raise ArgumentError("target and draft are equal, expected two distributions with something to move")
    pieces = np.outer(spare, missing) / missing.sum()
    top = 1.3 * max(p.max(), q.max())
    frames = [_plan_frame(stage, (p, q, names), (shared, missing, pieces), top) for stage in range(3)]
    both = f"Draft: {numbers(q)}. Target: {numbers(p)}."
    stays = f"Blue, in both: {numbers(shared)}, {shared.sum():.3g} in all."
    moves = "; ".join(
        f"{names[x]} to {names[y]} {pieces[x, y]:.3g}" for x, y in zip(*np.nonzero(pieces), strict=True)
    )
    alt = [
        f"Bars over the words {', '.join(names)}. {both}",
        f"{both} {stays} Orange, too much: {numbers(spare)}. Green, missing: {numbers(missing)}.",
        f"{both} {stays} Orange moves: {moves}; {spare.sum():.3g} in all.",
    ]
    captions = [
        "Grey is what the draft model proposes. The outline is what the target model wants.",
        f"Blue is what both have, {shared.sum():.2f} in all: it stays. Orange is too much, green is missing.",
        "The orange mass moves onto the green gaps. Now the bars are the target's.",
    ]
    data = {"tokens": names, "shared": shared.tolist(), "missing": missing.tolist(), "spare": spare.tolist()}
    return frames, data | {"pieces": pieces.tolist(), "captions": captions, "alt": alt}


def _plan_frame(
    stage: int,
    pair: tuple[np.ndarray, np.ndarray, list[str]],
    parts: tuple[np.ndarray, np.ndarray, np.ndarray],
    top: float,
) -> Figure:
    """One frame; all have the same marks in the same order, so that they can move."""
    (p, q, names), (shared, missing, pieces) = pair, parts
    figure, axes = new_figure(6.4, 3.1)
    at = np.arange(len(names))
    gap = {"facecolor": GREEN, "edgecolor": "none", "alpha": 0.35 if stage == 1 else 0}
    axes.bar(at, missing, WIDTH, bottom=shared, **gap)
    axes.bar(at, shared, WIDTH, color=BLUE if stage else GREY)
    # Where the pieces came from, once they are gone.
    ghost = {"facecolor": "none", "edgecolor": ORANGE, "linestyle": ":", "alpha": 1 if stage == 2 else 0}
    axes.bar(at, np.maximum(q - p, 0), WIDTH, bottom=shared, **ghost)
    heights = [shared.copy(), shared.copy()]
    for x, y in zip(*np.nonzero(pieces), strict=True):
        place, base = (y, heights[1]) if stage == 2 else (x, heights[0])
        mass = pieces[x, y]
        # With an edge of its own colour, no seam shows between two pieces.
        colour = ORANGE if stage else GREY
        axes.bar(place, mass, WIDTH, bottom=base[place], facecolor=colour, edgecolor=colour, linewidth=0.4)
        base[place] += mass
    axes.bar(at, p, WIDTH, facecolor="none", edgecolor=INK, linewidth=1.2)
    wanted, proposed = int(p.argmax()), int(q.argmax())
    axes.text(wanted, p[wanted] + 0.02 * top, "target", ha="center", color=INK)
    axes.text(
        proposed, q[proposed] + 0.02 * top, "draft", ha="center", color=GREY, alpha=0 if stage == 2 else 1
    )
    visible = 1 if stage else 0
    for x, colour, words in (
        (0.30, BLUE, f"stays {shared.sum():.2f}"),
        (0.70, ORANGE, f"{'moves' if stage == 2 else 'too much'} {pieces.sum():.2f}"),
    ):
        axes.text(
            x, 0.97, words, transform=axes.transAxes, ha="center", va="top", color=colour, alpha=visible
        )
    _finish(axes, names, top)
    return figure


def shrinking_target(
    target: Row = FIVE_TOKENS[0], draft: Row = FIVE_TOKENS[1], num_drafts: int = 3
) -> tuple[list[Figure], dict]:
    r"""What each test takes from the target: recursive rejection beside K-SEQ.

    Of token x the i-th recursive test takes :math:`\min(p, c_i q) - \min(p, c_{i-1} q)`, the j-th of K-SEQ
    :math:`(1 - \beta)^{j-1} \min(p / \rho, q)`. A frame after each test, and one for the last draw.
    """
    p, q, names = small_pair(target, draft)
    check_int("num_drafts", num_drafts, low=2, high=4)
    taken = {"recursive": _recursive_tests(p, q, num_drafts), "kseq": _kseq_tests(p, q, num_drafts)}
    frames, alt = [], []
    for stage in range(1, num_drafts + 2):
        frames.append(_tests_frame(stage, p, names, taken))
        alt.append(_tests_words(stage, names, taken))
    sums = {rule: rows.sum(1) for rule, rows in taken.items()}
    captions = [
        f"Test {j + 1} accepts {sums['recursive'][j]:.3f} in recursive rejection, "
        f"{sums['kseq'][j]:.3f} in K-SEQ."
        for j in range(num_drafts)
    ]
    captions.append(
        f"What is left is drawn at last. The tests accepted {sums['recursive'].sum():.3f} and "
        f"{sums['kseq'].sum():.3f}."
    )
    data = {"tokens": names, "taken": {rule: rows.tolist() for rule, rows in taken.items()}}
    return frames, data | {"captions": captions, "alt": alt}


def _recursive_tests(p: np.ndarray, q: np.ndarray, k: int) -> np.ndarray:
    """Rows: what each test takes. The thresholds are equation (5) of the notebook."""
    steps = [0.0]
    for _ in range(k):
        steps.append(steps[-1] + np.maximum(p - steps[-1] * q, 0).sum())
    reached = np.array([np.minimum(p, step * q) for step in steps])
    return np.diff(reached, axis=0)


def _kseq_tests(p: np.ndarray, q: np.ndarray, k: int) -> np.ndarray:
    factor = division_factor(torch.from_numpy(p), torch.from_numpy(q), k).item()
    once = np.minimum(p / factor, q)
    return np.array([(1 - once.sum()) ** j * once for j in range(k)])


def _tests_frame(stage: int, p: np.ndarray, names: list[str], taken: dict[str, np.ndarray]) -> Figure:
    figure, panels = new_figure(6.4, 3.0, ncols=2, sharey=True)
    top, at = 1.12 * p.max(), np.arange(len(names))
    for axes, (rule, rows) in zip(panels, taken.items(), strict=True):
        base, last = np.zeros_like(p), stage > len(rows)
        for j, row in enumerate(rows):
            height = row if j < stage else 0 * row
            axes.bar(at, height, WIDTH, bottom=base, color=BLUE, alpha=0.95 - 0.25 * j, linewidth=0)
            base = base + height
            # The edge of each test's share stays visible at any strength of colour.
            axes.bar(at, height, WIDTH, bottom=base - height, facecolor="none", edgecolor=BLUE, linewidth=0.8)
        axes.bar(at, p - base, WIDTH, bottom=base, color=ORANGE if last else GREY, alpha=0.75)
        lines = [(f"test {j + 1} takes {row.sum():.3f}", BLUE, j < stage) for j, row in enumerate(rows)]
        lines.append((f"last draw {1 - rows.sum():.3f}", ORANGE, last))
        for number, (words, colour, shown) in enumerate(lines):
            axes.text(
                1.0,
                0.98 - 0.105 * number,
                words,
                transform=axes.transAxes,
                ha="right",
                va="top",
                color=colour,
                alpha=1 if shown else 0,
            )
        axes.set_title(METHODS["transport"][rule].name)
        _finish(axes, names, top)
    panels[1].set_ylabel("")
    return figure


def _tests_words(stage: int, names: list[str], taken: dict[str, np.ndarray]) -> str:
    found = [f"Bars over the words {', '.join(names)}."]
    for rule, rows in taken.items():
        name = METHODS["transport"][rule].name
        for j, row in enumerate(rows[:stage]):
            found.append(f"{name}, test {j + 1} takes {numbers(row)}, {row.sum():.3g} in all.")
        if stage > len(rows):
            found.append(f"{name}: {1 - rows.sum():.3g} is left for the last draw.")
    return " ".join(found)


def _finish(axes: Axes, names: Sequence[str], top: float) -> None:
    axes.set_xticks(range(len(names)), names)
    axes.tick_params(axis="x", length=0)
    axes.set_ylim(0, top)
    axes.set_ylabel("probability")
