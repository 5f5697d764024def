"""A plan for tuples of drafts: as flow, as a table, and SpecHub's."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import torch

from tokenlab.chapters.drawing import numbers
from tokenlab.chapters.transport import exact
from tokenlab.chapters.transport.figures.small_pairs import (
    THREE_TOKENS,
    TWO_TOKENS,
    Row,
    check_blocks,
    small_pair,
)
from tokenlab.figures import BLUE, GREY, INK, ORANGE, new_figure
from tokenlab.transport.node.rates import transport_plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Space between two blocks of a column, in units of probability.
GAP = 0.025
#: Inches for one character, and the width at which labels must still find room: a phone's.
CHARACTER, NARROW = 0.076, 4.1


def plan_flow(
    target: Row = TWO_TOKENS[0], draft: Row = TWO_TOKENS[1], num_drafts: int = 2, sampling: str = "iid"
) -> tuple[Figure, dict]:
    """An optimal plan as flow: tuples on the left, words on the right, ribbons as wide as their mass.

    Mass that goes to one of the tuple's own words is blue, other mass orange. At most 12 tokens and 16 tuples.
    """
    p, q, names = small_pair(target, draft)
    plan = transport_plan(torch.from_numpy(p), torch.from_numpy(q), num_drafts, sampling)
    check_blocks(num_drafts, len(plan.tuples))
    words = [" ".join(names[token] for token in row) for row in plan.tuples.tolist()]
    dense = plan.dense().numpy()
    accepted = np.zeros_like(dense)
    np.add.at(accepted, (np.arange(len(words))[:, None], plan.tuples.numpy()), plan.accepted.numpy())
    moved = dense - accepted
    figure, axes = new_figure(6.4, 3.4)
    _flow(axes, words, plan.tuple_probs.numpy(), names, p, [(accepted, BLUE, True), (moved, ORANGE, True)])
    alt = (
        f"{_columns(words, plan.tuple_probs.tolist(), names, p)} Accepted mass: "
        f"{_flows(words, names, accepted)}; {accepted.sum():.4g} in all. "
        f"Moved to other words: {_flows(words, names, moved) or 'nothing'}."
    )
    data = {"tuples": words, "tokens": names, "tuple_probs": plan.tuple_probs.tolist()}
    return figure, data | {"accepted": accepted.tolist(), "moved": moved.tolist(), "alt": alt}


def hub_plan(target: Row = THREE_TOKENS[0], draft: Row = THREE_TOKENS[1]) -> tuple[list[Figure], dict]:
    """SpecHub's plan in four frames: the pairs, what the other words take, what the hub takes, what moves.

    Every pair holds the hub, the draft's most probable word, in the first or the second position.
    """
    p, q, names = small_pair(target, draft)
    rows = [
        exact.normalised(Fraction(float(value)).limit_denominator(10**6) for value in row) for row in (p, q)
    ]
    (hub,) = exact.most_probable(rows[1], 1)
    pairs = exact.draft_distribution(rows[1], 2, "spechub")
    check_blocks(2, len(pairs))
    words = [" ".join(names[token] for token in pair) for pair in pairs]
    shape = len(pairs), len(names)
    others, own, moved = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for number, (pair, mass) in enumerate(pairs.items()):
        given = exact.output_given_drafts("spechub", *rows, pair)
        for token, share in enumerate(given):
            kind = own if token == hub else others if token in pair else moved
            kind[number, token] = float(mass * share)
    masses = np.array([float(mass) for mass in pairs.values()])
    layers = ((others, BLUE), (own, BLUE), (moved, ORANGE))
    frames, alt, text = [], [], _columns(words, masses, names, p)
    told = (
        ("The other words take", others, "in all"),
        (f"The hub {names[hub]} takes", own, "in all"),
        ("Moved to words outside of the pair", moved, "in all"),
    )
    for stage in range(4):
        figure, axes = new_figure(6.4, 3.4)
        shown = [(mass, colour, number < stage) for number, (mass, colour) in enumerate(layers)]
        _flow(axes, words, masses, names, p, shown, marked=names[hub], faint=0.13)
        frames.append(figure)
        if stage:
            what, mass, end = told[stage - 1]
            text += f" {what}: {_flows(words, names, mass) or 'nothing'}; {mass.sum():.3g} {end}."
        alt.append(text)
    captions = [
        f"The whole plan, still faint. Each pair holds the hub “{names[hub]}”, as its first or its second word.",
        f"Each other word takes what it can from its own pairs: {others.sum():.2f} in all.",
        f"The hub takes from what they leave, up to its own probability: {own.sum():.2f}.",
        f"The rest is moved to words that still lack mass: {moved.sum():.2f}.",
    ]
    data = {"pairs": words, "tokens": names, "hub": names[hub], "pair_probs": masses.tolist()}
    data |= {"others": others.tolist(), "own": own.tolist(), "moved": moved.tolist()}
    return frames, data | {"captions": captions, "alt": alt}


def plan_table(
    target: Row = TWO_TOKENS[0], draft: Row = TWO_TOKENS[1], num_drafts: int = 2, sampling: str = "iid"
) -> tuple[Figure, dict]:
    """An optimal plan as a table, a row for each tuple; mass on drafts is blue, other mass orange."""
    p, q, names = small_pair(target, draft)
    plan = transport_plan(torch.from_numpy(p), torch.from_numpy(q), num_drafts, sampling)
    check_blocks(num_drafts, len(plan.tuples))
    words = [" ".join(names[token] for token in row) for row in plan.tuples.tolist()]
    dense = plan.dense().numpy()
    figure, axes = new_figure(1.1 * len(names) + 2.2, 0.36 * len(words) + 0.9)
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
        f"On the drafts' own words lies {plan.acceptance_rate:.4g}."
    )
    data = {"tuples": words, "tokens": names, "plan": dense.tolist(), "accepted": plan.acceptance_rate}
    return figure, data | {"alt": alt}


def _flow(
    axes: Axes,
    words: Sequence[str],
    masses: np.ndarray,
    names: Sequence[str],
    target: np.ndarray,
    layers: Sequence[tuple[np.ndarray, str, bool]],
    marked: str = "",
    faint: float = 0,
) -> None:
    """Blocks on both sides and ribbons between them.

    ``layers`` are masses, their colour, and if they show; those that do not are ``faint``.
    """
    sources, sinks = _stack(masses), _stack(target)
    leave, arrive = sources.copy(), sinks.copy()
    for flows, colour, shown in layers:
        for source, sink in zip(*np.nonzero(flows > 1e-9), strict=True):
            mass = flows[source, sink]
            _ribbon(axes, leave[source], arrive[sink], mass, colour, 0.55 if shown else faint)
            leave[source] -= mass
            arrive[sink] -= mass
    left = [f"{word}  {mass:.3g}" for word, mass in zip(words, masses, strict=True)]
    right = [
        f"{name}{' (hub)' if name == marked else ''}  {mass:.3g}"
        for name, mass in zip(names, target, strict=True)
    ]
    for x, gap, tops, heights, labels, side in (
        (-0.035, -0.02, sources, masses, left, "right"),
        (1.0, 0.055, sinks, target, right, "left"),
    ):
        for top, height, label in zip(tops, heights, labels, strict=True):
            axes.bar(x, height, 0.035, bottom=top - height, align="edge", color=GREY)
            if height > 0.035:
                axes.text(x + gap, top - height / 2, label, ha=side, va="center", color=INK)
    # Room for the labels where the figure is narrowest.
    shares = [max(map(len, labels)) * CHARACTER / NARROW for labels in (left, right)]
    width = 1.15 / (1 - sum(shares))
    axes.set_xlim(-0.06 - shares[0] * width, 1.08 + shares[1] * width)
    axes.set_ylim(-0.02 - GAP * (max(len(words), len(names)) - 1), 1.08)
    axes.text(-0.06, 1.03, "drafts", ha="right", color=INK)
    axes.text(1.055, 1.03, "output", ha="left", color=INK)
    axes.axis("off")


def _stack(masses: np.ndarray) -> np.ndarray:
    """Upper edges of stacked blocks, with gaps."""
    return 1 - np.concatenate([[0], np.cumsum(masses + GAP)[:-1]])


def _ribbon(axes: Axes, start: float, end: float, mass: float, colour: str, alpha: float) -> None:
    """A band of constant height; start and end are upper edges."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    corners = [(0, start), (0.5, start), (0.5, end), (1, end)]
    back = [(1, end - mass), (0.5, end - mass), (0.5, start - mass), (0, start - mass)]
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    path = Path([*corners, *back, (0, start)], codes)
    axes.add_patch(PathPatch(path, facecolor=colour, edgecolor="none", alpha=alpha))


def _columns(
    words: Sequence[str], masses: Sequence[float], names: Sequence[str], target: Sequence[float]
) -> str:
    left = "; ".join(f"{word} of mass {mass:.3g}" for word, mass in zip(words, masses, strict=True))
    right = "; ".join(f"{name} of mass {mass:.3g}" for name, mass in zip(names, target, strict=True))
    return f"Drafts on the left: {left}. Output on the right: {right}."


def _flows(words: Sequence[str], names: Sequence[str], masses: np.ndarray) -> str:
    return "; ".join(
        f"{words[source]} to {names[sink]} {masses[source, sink]:.3g}"
        for source, sink in zip(*np.nonzero(masses > 1e-9), strict=True)
    )
