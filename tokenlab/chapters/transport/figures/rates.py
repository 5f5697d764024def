"""How often rules accept, and what a wrong one gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from tokenlab.chapters.drawing import numbers
from tokenlab.chapters.transport.figures.small_pairs import FIVE_TOKENS, SAMPLING_LABELS, Row, small_pair
from tokenlab.errors import ArgumentError, check_choice, check_int
from tokenlab.figures import BLUE, METHODS, ORANGE, new_figure
from tokenlab.transport.node.rates import acceptance_rate
from tokenlab.transport.rules import RULES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: More lines than these could not be told apart.
MOST_PAIRS = 4
#: Rules and samplings of the two panels of :func:`acceptance_by_drafts`.
INDEPENDENT = tuple((rule, "iid") for rule in ("target_only", "naive", "recursive", "kseq", "optimal"))
NOT_REPEATED = (
    ("recursive", "without_replacement"),
    ("optimal", "without_replacement"),
    ("greedy", "greedy"),
)


def repetition(pairs: Sequence[tuple[Row, Row]], max_drafts: int = 8) -> tuple[Figure, dict]:
    r"""What comes out when the test for one draft is repeated with the target unchanged.

    :math:`(1 - (1 - \beta)^k) \min(p, q)/\beta + (1 - \beta)^k r`, with :math:`\beta = \sum \min(p, q)` and
    the residual r, for the first word of at most four pairs (target, draft).
    """
    check_int("max_drafts", max_drafts, low=2, high=20)
    if not 1 <= len(pairs) <= MOST_PAIRS:
        raise ArgumentError(f"pairs has {len(pairs)} entries, expected 1 to {MOST_PAIRS}")
    counts = np.arange(1, max_drafts + 1)
    figure, axes = new_figure(6.4, 2.9)
    data: dict = {"drafts": counts.tolist(), "target": [], "output": []}
    words = []
    for target, draft in pairs:
        p, q, names = small_pair(target, draft)
        shared, rest = np.minimum(p, q), np.maximum(p - q, 0)
        beta = shared.sum()
        accepted = 1 - (1 - beta) ** counts
        first = shared[0] / beta if beta else 0.0
        output = accepted * first + (1 - accepted) * (rest[0] / rest.sum() if rest.sum() else 0.0)
        axes.axhline(p[0], color=BLUE, linewidth=1.4, linestyle=":")
        axes.plot(counts, output, "o-", color=ORANGE, markersize=5)
        axes.text(1.15, p[0] + 0.015, f"target {p[0]:g}", ha="left", va="bottom", color=BLUE)
        axes.text(2.15, output[1], f"draft {q[0]:g}", ha="left", va="bottom", color=ORANGE)
        data["target"].append(float(p[0]))
        data["output"].append(output.tolist())
        words.append(f"With target {p[0]:g} and draft {q[0]:g} it is {numbers(output)}.")
    axes.set_xticks(counts)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("number of drafts")
    axes.set_ylabel(f"probability of “{names[0]}”")
    alt = (
        f"Probability of the word {names[0]} under repeated single-draft tests, for 1 to {max_drafts} drafts. "
        f"{' '.join(words)} Only the first value is right."
    )
    return figure, data | {"alt": alt}


def acceptance_by_drafts(
    target: Row = FIVE_TOKENS[0],
    draft: Row = FIVE_TOKENS[1],
    num_drafts: Sequence[int] = (1, 2, 3, 4),
    pairs: Sequence[tuple[str, str]] = INDEPENDENT + NOT_REPEATED,
) -> tuple[Figure, dict]:
    """Acceptance over the number of drafts: independent drafts in one panel, all others in the other."""
    p, q, names = small_pair(target, draft)
    if not pairs or len(num_drafts) < 2:
        raise ArgumentError(
            f"pairs has {len(pairs)} and num_drafts {len(num_drafts)} entries, expected at least 1 and 2"
        )
    for rule, _ in pairs:
        check_choice("rule", rule, RULES)
    target, draft = torch.from_numpy(p), torch.from_numpy(q)
    figure, panels = new_figure(6.4, 3.4, ncols=2, sharey=True)
    found: dict[str, list[float]] = {}
    ends: list[list[tuple[float, str, str]]] = [[], []]
    for rule, sampling in pairs:
        method, panel = METHODS["transport"][rule], int(sampling != "iid")
        label = method.name if sampling == rule else f"{method.name}, {SAMPLING_LABELS[sampling]}"
        found[label] = [acceptance_rate(target, draft, k, rule, sampling).item() for k in num_drafts]
        panels[panel].plot(
            num_drafts, found[label], color=method.colour, marker=method.marker, markersize=6, linewidth=1.5
        )
        ends[panel].append((found[label][-1], method.name, method.colour))
    for axes, labels, title in zip(
        panels, ends, ("independent drafts", "drafts without repeats"), strict=True
    ):
        axes.set_xticks(list(num_drafts))
        axes.set_xlabel("number of drafts")
        axes.set_title(title)
        axes.set_ylim(0, 1.06)
        axes.set_xlim(num_drafts[0] - 0.2, num_drafts[-1] + 0.75 * (num_drafts[-1] - num_drafts[0]))
        _at_the_end(axes, num_drafts[-1] + 0.15, labels)
    panels[0].set_ylabel("acceptance rate")
    alt = f"Acceptance rates for {numbers(num_drafts)} drafts over {len(names)} words. " + " ".join(
        f"{label}: {', '.join(f'{value:.4g}' for value in values)}." for label, values in found.items()
    )
    return figure, {"drafts": list(num_drafts), "rates": found, "alt": alt}


def _at_the_end(axes: Axes, x: float, labels: list[tuple[float, str, str]], least: float = 0.085) -> None:
    """Names beside the ends of their lines, moved apart where they would touch."""
    placed = -1.0
    for y, words, colour in sorted(labels):
        placed = max(y, placed + least)
        axes.text(x, placed, words, color=colour, va="center")
