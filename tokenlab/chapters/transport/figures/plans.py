"""An optimal plan as flow and as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from tokenlab.chapters.drawing import numbers
from tokenlab.chapters.transport.figures.small_pairs import (
    FIVE_TOKENS,
    TWO_TOKENS,
    Row,
    check_blocks,
    small_pair,
)
from tokenlab.errors import check_choice
from tokenlab.figures import BLUE, GREY, INK, ORANGE, new_figure
from tokenlab.transport.node.rates import transport_plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: What a plan's picture shows, one stage after the other.
STAGES = ("distributions", "accepted", "plan")
#: Space between two blocks of a column, in units of probability.
GAP = 0.025


def plan_flow(
    target: Row = FIVE_TOKENS[0],
    draft: Row = FIVE_TOKENS[1],
    num_drafts: int = 1,
    sampling: str = "iid",
    stage: str = "plan",
) -> tuple[Figure, dict]:
    """An optimal plan as flow: drafts on the left, tokens on the right, ribbons as wide as their mass.

    ``stage`` shows the marginals (``"distributions"``), the accepted mass too (``"accepted"``), or all
    (``"plan"``). At most 12 tokens and 16 tuples.
    """
    p, q, names = small_pair(target, draft)
    check_choice("stage", stage, STAGES)
    plan = transport_plan(torch.from_numpy(p), torch.from_numpy(q), num_drafts, sampling)
    check_blocks(num_drafts, len(plan.tuples))
    words = ["".join(names[token] for token in row) for row in plan.tuples.tolist()]
    dense = plan.dense().numpy()
    accepted = np.zeros_like(dense)
    np.add.at(accepted, (np.arange(len(words))[:, None], plan.tuples.numpy()), plan.accepted.numpy())
    moved = dense - accepted

    figure, axes = new_figure(5.2, 3.4)
    sources, sinks = _stack(plan.tuple_probs.numpy()), _stack(p)
    leave, arrive = sources.copy(), sinks.copy()
    for colour, masses, shown in (
        (BLUE, accepted, stage != "distributions"),
        (ORANGE, moved, stage == "plan"),
    ):
        for source, sink in zip(*np.nonzero(masses > 1e-9), strict=True):
            mass = masses[source, sink]
            if shown:
                _ribbon(axes, leave[source], arrive[sink], mass, colour)
            leave[source] -= mass
            arrive[sink] -= mass
    for x, tops, heights, labels, side in (
        (-0.035, sources, plan.tuple_probs.numpy(), words, "right"),
        (1.0, sinks, p, names, "left"),
    ):
        for top, height, label in zip(tops, heights, labels, strict=True):
            axes.bar(x, height, 0.035, bottom=top - height, align="edge", color=GREY)
            if height > 0.035:
                gap = -0.02 if side == "right" else 0.055
                axes.text(
                    x + gap, top - height / 2, f"{label}  {height:.3g}", ha=side, va="center", color=INK
                )
    axes.set_xlim(-0.3, 1.3)
    axes.set_ylim(-0.02 - GAP * (max(len(words), len(names)) - 1), 1.06)
    axes.text(-0.035, 1.03, "drafts", ha="center", color=INK)
    axes.text(1.0175, 1.03, "output", ha="center", color=INK)
    axes.axis("off")

    lines = [
        f"{word} of mass {mass:.3g}" for word, mass in zip(words, plan.tuple_probs.tolist(), strict=True)
    ]
    alt = f"Drafts on the left: {'; '.join(lines)}. Output on the right: " + "; ".join(
        f"{name} of mass {mass:.3g}" for name, mass in zip(names, p, strict=True)
    )
    alt += "."
    if stage != "distributions":
        alt += " Accepted mass: " + _flows(words, names, accepted) + f"; {accepted.sum():.4g} in all."
    if stage == "plan":
        alt += " Moved to other tokens: " + (_flows(words, names, moved) or "nothing") + "."
    data = {"tuples": words, "tokens": names, "tuple_probs": plan.tuple_probs.tolist()}
    return figure, data | {"accepted": accepted.tolist(), "moved": moved.tolist(), "alt": alt}


def plan_table(
    target: Row = TWO_TOKENS[0], draft: Row = TWO_TOKENS[1], num_drafts: int = 2, sampling: str = "iid"
) -> tuple[Figure, dict]:
    """An optimal plan as a table, a row for each tuple; mass on drafts is blue, other mass orange."""
    p, q, names = small_pair(target, draft)
    plan = transport_plan(torch.from_numpy(p), torch.from_numpy(q), num_drafts, sampling)
    check_blocks(num_drafts, len(plan.tuples))
    words = ["".join(names[token] for token in row) for row in plan.tuples.tolist()]
    dense = plan.dense().numpy()
    figure, axes = new_figure(0.85 * len(names) + 1.6, 0.34 * len(words) + 0.8)
    for y, row in enumerate(plan.tuples.tolist()):
        for x in range(len(names)):
            colour, strength = (BLUE, 0.15 + 0.6 * dense[y, x] / dense.max()) if x in row else (ORANGE, 0.25)
            if dense[y, x] > 1e-12 or x in row:
                axes.bar(x, 0.94, 0.94, bottom=y - 0.47, color=colour, alpha=strength)
            axes.text(
                x,
                y,
                f"{dense[y, x]:.4f}".rstrip("0").rstrip(".") if dense[y, x] > 1e-12 else "0",
                ha="center",
                va="center",
                color=INK,
            )
    axes.set_xticks(range(len(names)), [f"{name}\n{mass:.3g}" for name, mass in zip(names, p, strict=True)])
    axes.set_yticks(
        range(len(words)),
        [f"{word}  {mass:.4g}" for word, mass in zip(words, plan.tuple_probs.tolist(), strict=True)],
    )
    axes.set_xlim(-0.55, len(names) - 0.45)
    axes.set_ylim(len(words) - 0.45, -0.55)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    alt = (
        f"Table of a plan. Columns {', '.join(names)} sum to {numbers(p)}; rows {', '.join(words)} sum to "
        f"{numbers(plan.tuple_probs)}. Entries: {_flows(words, names, dense)}. "
        f"On the drafts' own tokens lies {plan.acceptance_rate:.4g}."
    )
    data = {"tuples": words, "tokens": names, "plan": dense.tolist(), "accepted": plan.acceptance_rate}
    return figure, data | {"alt": alt}


def _stack(masses: np.ndarray) -> np.ndarray:
    """Upper edges of stacked blocks, with gaps."""
    return 1 - np.concatenate([[0], np.cumsum(masses + GAP)[:-1]])


def _ribbon(axes: Axes, start: float, end: float, mass: float, colour: str) -> None:
    """A band of constant height; start and end are upper edges."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    corners = [(0, start), (0.5, start), (0.5, end), (1, end)]
    back = [(1, end - mass), (0.5, end - mass), (0.5, start - mass), (0, start - mass)]
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    path = Path([*corners, *back, (0, start)], codes)
    axes.add_patch(PathPatch(path, facecolor=colour, edgecolor="none", alpha=0.55))


def _flows(words: list[str], names: list[str], masses: np.ndarray) -> str:
    return "; ".join(
        f"{words[source]} to {names[sink]} {masses[source, sink]:.3g}"
        for source, sink in zip(*np.nonzero(masses > 1e-9), strict=True)
    )
