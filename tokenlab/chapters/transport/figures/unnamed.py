"""The picture of a question: curves without names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from tokenlab.chapters.drawing import numbers
from tokenlab.figures import INK, new_figure
from tokenlab.transport.node.rates import acceptance_rate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Target and draft over four words.
PAIR = ((0.4, 0.3, 0.2, 0.1), (0.1, 0.1, 0.3, 0.5))
#: Who is who, in the order of the letters. Repetition is no rule of the package: it is biased.
CURVES = (("A", "recursive"), ("B", "optimal"), ("C", "naive"), ("D", "repetition"), ("E", "kseq"))
NUM_DRAFTS = (1, 2, 3, 4)


def rate(rule: str, num_drafts: int) -> float:
    """How often a draft comes out on ``PAIR``; repetition makes the test of one draft each time."""
    target, draft = torch.tensor(PAIR, dtype=torch.float64)
    if rule == "repetition":
        return 1 - (1 - torch.minimum(target, draft).sum().item()) ** num_drafts
    return float(acceptance_rate(target, draft, num_drafts, rule))


def rates_by_drafts() -> tuple[Figure, dict]:
    """How often five rules return a draft, by the number of drafts; ``data`` has the curves by letter."""
    figure, axes = new_figure(6.4, 3.4)
    data: dict = {"drafts": list(NUM_DRAFTS)}
    words = []
    for letter, rule in CURVES:
        rates = [rate(rule, k) for k in NUM_DRAFTS]
        # One colour for all: a colour would be a name.
        axes.plot(NUM_DRAFTS, rates, "o-", color=INK, markersize=4, linewidth=1.4)
        axes.annotate(
            letter, (4, rates[-1]), (9, 0), textcoords="offset points", fontsize=13, va="center", color=INK
        )
        data[letter] = rates
        words.append(f"{letter}: {numbers(rates)}.")
    axes.set_xticks(NUM_DRAFTS)
    axes.set_xlim(0.85, 4.25)
    axes.set_ylim(0.45, 1.0)
    axes.set_xlabel("number of drafts")
    axes.set_ylabel("a draft comes out")
    data["alt"] = (
        "Five curves without names: how often one of the drafts comes out, for one, two, three and four drafts. "
        f"{' '.join(words)}"
    )
    return figure, data
