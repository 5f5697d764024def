"""The sets of tokens that limit every rule."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import torch

from tokenlab.chapters.transport.figures.small_pairs import (
    FIVE_TOKENS,
    THREE_TOKENS,
    Row,
    check_blocks,
    small_pair,
)
from tokenlab.errors import ArgumentError, check_int
from tokenlab.figures import BLUE, GREY, INK, ORANGE, new_figure
from tokenlab.transport.node.drafts import draft_distribution
from tokenlab.transport.node.thresholds import curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def minimum_cut(
    target: Row = THREE_TOKENS[0], draft: Row = THREE_TOKENS[1], num_drafts: int = 2, sampling: str = "iid"
) -> tuple[Figure, dict]:
    """Tuples, tokens and lines between them; the set H at which the mass gets stuck is marked."""
    p, q, names = small_pair(target, draft)
    tuples, distribution = draft_distribution(torch.from_numpy(q), num_drafts, sampling)
    check_blocks(num_drafts, len(tuples))
    sets = [set(row) for row in tuples.tolist()]
    mass = distribution.numpy()

    def drafted(chosen: tuple[int, ...]) -> float:
        """Probability that all drafts lie in the set."""
        return sum(m for member, m in zip(sets, mass, strict=True) if member <= set(chosen))

    waste, chosen = max((drafted(chosen) - p[list(chosen)].sum(), chosen) for chosen in _subsets(len(names)))
    inside = [member <= set(chosen) for member in sets]
    words = [" ".join(names[token] for token in row) for row in tuples.tolist()]
    # Tuples inside of H first, so that the bottleneck stands together.
    rows = sorted(range(len(words)), key=lambda row: not inside[row])
    tokens = sorted(range(len(names)), key=lambda token: token not in chosen)
    left = dict(zip(rows, np.linspace(1, 0, len(rows)), strict=True))
    right = dict(zip(tokens, np.linspace(0.92, 0.08, len(tokens)), strict=True))
    figure, axes = new_figure(6.4, 0.27 * len(rows) + 1.0)
    for row in rows:
        colour = ORANGE if inside[row] else GREY
        for token in sorted(sets[row]):
            axes.plot([0, 1], [left[row], right[token]], color=colour, linewidth=1.4 if inside[row] else 0.8)
        axes.plot(0, left[row], "o", color=colour, markersize=4 + 18 * mass[row])
        axes.text(-0.06, left[row], f"{words[row]}  {mass[row]:.3g}", ha="right", va="center", color=INK)
    for token in tokens:
        colour = ORANGE if token in chosen else GREY
        axes.plot(1, right[token], "s", color=colour, markersize=5 + 18 * p[token])
        axes.text(1.08, right[token], f"{names[token]}  {p[token]:.3g}", ha="left", va="center", color=INK)
    axes.set_xlim(-0.35, 1.35)
    axes.set_ylim(-0.08, 1.13)
    axes.text(0, 1.09, "drafts", ha="center", color=INK)
    axes.text(1, 1.09, "output", ha="center", color=INK)
    axes.axis("off")
    members = [names[token] for token in chosen]
    in_tuples = "; ".join(f"{word} {part:.3g}" for word, part in zip(words, mass, strict=True))
    in_tokens = "; ".join(f"{name} {part:.3g}" for name, part in zip(names, p, strict=True))
    alt = (
        f"Tuples of drafts on the left, {in_tuples}; tokens on the right, {in_tokens}; a line from each tuple "
        f"to its tokens. Marked is H = {{{', '.join(members)}}}: the tuples inside bring "
        f"{drafted(chosen):.4g}, its tokens take {p[list(chosen)].sum():.4g}, so {waste:.4g} is wasted."
    )
    data = {"set": members, "drafted": float(drafted(chosen)), "taken": float(p[list(chosen)].sum())}
    return figure, data | {"waste": float(waste), "alt": alt}


def all_subsets(
    target: Row = FIVE_TOKENS[0], draft: Row = FIVE_TOKENS[1], num_drafts: Sequence[int] = tuple(range(1, 9))
) -> tuple[list[Figure], dict]:
    """Every set of tokens as a point (q(H), p(H)), and how far it lies below :math:`q(H)^k`.

    A frame for each number of i.i.d. drafts, up to 8; at most 10 tokens. No rule can accept the largest drop;
    it is on the lower border, the beginnings of the sorted list.
    """
    p, q, names = small_pair(target, draft)
    if len(names) > 10:
        raise ArgumentError(
            f"target has {len(names)} tokens, expected at most 10: every set of them is a point"
        )
    if len(num_drafts) == 0:
        raise ArgumentError("num_drafts has 0 entries, expected one for each frame")
    sets = list(_subsets(len(names)))
    xs = np.array([q[list(chosen)].sum() for chosen in sets])
    ys = np.array([p[list(chosen)].sum() for chosen in sets])
    points = curve(torch.from_numpy(p), torch.from_numpy(q))
    border = points.draft.numpy(), points.target.numpy()
    line = np.linspace(0, 1, 81)
    frames, alt = [], []
    data: dict = {"drafts": list(num_drafts), "sets": [], "waste": [], "border": [b.tolist() for b in border]}
    for k in num_drafts:
        check_int("num_drafts", k, low=1, high=8)
        drop = xs**k - ys
        # Of equal drops the smaller set, so that rounding does not choose.
        best = min(
            range(len(sets)), key=lambda index: (-round(drop[index], 12), len(sets[index]), sets[index])
        )
        x, y = xs[best], ys[best]
        figure, axes = new_figure(6.4, 3.6)
        axes.plot(xs, ys, "o", color=GREY, markersize=3.5)
        axes.plot(*border, "o-", color=BLUE, markersize=5, linewidth=1.3)
        axes.plot(line, line**k, color=INK)
        axes.plot([x, x], [y, x**k], color=ORANGE, linewidth=3)
        for column, row, words, colour in (
            (0.0, 1.22, "sets H of words", GREY),
            (0.0, 1.11, "sorted beginnings", BLUE),
            (0.5, 1.22, "curve q(H)" + "ᵏ" * (k > 1), INK),
            (0.5, 1.11, f"largest drop {drop[best]:.3f}", ORANGE),
        ):
            axes.text(column, row, words, ha="left", va="center", color=colour)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.28)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
        axes.set_xlabel("draft's mass q(H)")
        axes.set_ylabel("target's mass p(H)")
        axes.set_title(f"k = {k}:  optimum {1 - drop[best]:.3f}")
        frames.append(figure)
        members = [names[token] for token in sets[best]]
        alt.append(
            f"{k} draft{'s' * (k > 1)}: {len(sets)} sets as points. The largest drop below the curve is "
            f"{drop[best]:.4g}, at H = {{{', '.join(members)}}} with q(H) = {x:.3g} and p(H) = {y:.3g}; "
            f"the optimum is {1 - drop[best]:.4g}."
        )
        data["sets"].append(members)
        data["waste"].append(float(drop[best]))
    data["captions"] = [
        f"{k} draft{'s' * (k > 1)}: the deepest drop is at H = {{{', '.join(members)}}}, {waste:.3f} deep."
        for k, members, waste in zip(num_drafts, data["sets"], data["waste"], strict=True)
    ]
    return frames, data | {"alt": alt}


def _subsets(size: int) -> list[tuple[int, ...]]:
    return [chosen for count in range(size + 1) for chosen in combinations(range(size), count)]
