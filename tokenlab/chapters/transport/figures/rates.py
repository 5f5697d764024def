"""What two distributions share, and how often rules accept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from tokenlab.chapters.drawing import numbers
from tokenlab.chapters.transport.figures.small_pairs import (
    FIVE_TOKENS,
    LABELS,
    SAMPLING_LABELS,
    Row,
    small_pair,
)
from tokenlab.errors import ArgumentError, check_choice, check_int
from tokenlab.figures import BLUE, CYCLE, GREEN, GREY, LEGEND, ORANGE, PURPLE, RED, new_figure
from tokenlab.transport.node.rates import acceptance_rate
from tokenlab.transport.rules import RULES

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def overlap_bars(target: Row = FIVE_TOKENS[0], draft: Row = FIVE_TOKENS[1]) -> tuple[Figure, dict]:
    """Both distributions as bars, and laid over each other: what they share, what each has alone."""
    p, q, names = small_pair(target, draft)
    shared, missing, spare = np.minimum(p, q), np.maximum(p - q, 0), np.maximum(q - p, 0)
    figure, panels = new_figure(6.0, 2.5, ncols=3, sharey=True)
    positions = range(len(names))
    panels[0].bar(positions, q, 0.75, color=ORANGE)
    panels[1].bar(positions, p, 0.75, color=GREEN)
    panels[2].bar(positions, shared, 0.75, color=BLUE, label="shared")
    panels[2].bar(positions, spare, 0.75, bottom=shared, color=ORANGE, label="draft only")
    panels[2].bar(positions, missing, 0.75, bottom=shared, color=GREEN, label="target only")
    for axes, title in zip(panels, ("draft q", "target p", "laid over each other"), strict=True):
        axes.set_xticks(positions, names)
        axes.set_title(title)
        axes.tick_params(axis="x", length=0)
    panels[0].set_ylabel("probability")
    figure.legend(loc="outside lower center", ncols=3, **LEGEND)
    alt = (
        f"Bars over tokens {', '.join(names)}. Draft: {numbers(q)}. Target: {numbers(p)}. "
        f"They share {numbers(shared)}, {shared.sum():.3g} in all; the draft alone has {numbers(spare)}, "
        f"the target alone {numbers(missing)}, {missing.sum():.3g} each in all."
    )
    data = {"tokens": names, "shared": shared.tolist(), "draft_only": spare.tolist()}
    return figure, data | {"target_only": missing.tolist(), "alt": alt}


def repetition(pairs: Sequence[tuple[Row, Row]], max_drafts: int = 8) -> tuple[Figure, dict]:
    r"""What comes out when the test for one draft is repeated with the target unchanged.

    :math:`(1 - (1 - \beta)^k) \min(p, q)/\beta + (1 - \beta)^k r`, with :math:`\beta = \sum \min(p, q)` and
    the residual r, for the first token of at most six pairs (target, draft).
    """
    check_int("max_drafts", max_drafts, low=2, high=20)
    if not 1 <= len(pairs) <= len(CYCLE):
        raise ArgumentError(f"pairs has {len(pairs)} entries, expected 1 to {len(CYCLE)}")
    counts = np.arange(1, max_drafts + 1)
    figure, axes = new_figure(5.6, 2.7)
    data: dict = {"drafts": counts.tolist(), "target": [], "output": []}
    words = []
    for colour, (target, draft) in zip(CYCLE, pairs):
        p, q, _ = small_pair(target, draft, least=0)
        shared, rest = np.minimum(p, q), np.maximum(p - q, 0)
        beta = shared.sum()
        accepted = 1 - (1 - beta) ** counts
        first = shared[0] / beta if beta else 0.0
        output = accepted * first + (1 - accepted) * (rest[0] / rest.sum() if rest.sum() else 0.0)
        axes.axhline(p[0], color=colour, linewidth=1.2, linestyle=":")
        axes.plot(counts, output, "o-", color=colour, markersize=4, label=f"p(a) = {p[0]:g}\nq(a) = {q[0]:g}")
        data["target"].append(float(p[0]))
        data["output"].append(output.tolist())
        words.append(f"With target {p[0]:g} and draft {q[0]:g} it is {numbers(output)}.")
    axes.set_xticks(counts)
    axes.set_ylim(0, 1.05)
    axes.set_xlabel("number of drafts")
    axes.set_ylabel("probability of a")
    figure.legend(loc="outside right center", **LEGEND)
    alt = (
        f"Probability of token a under repeated single-draft tests, for 1 to {max_drafts} drafts. "
        f"{' '.join(words)} Only the first value is right."
    )
    return figure, data | {"alt": alt}


def acceptance_by_drafts(
    target: Row = FIVE_TOKENS[0],
    draft: Row = FIVE_TOKENS[1],
    num_drafts: Sequence[int] = (1, 2, 3, 4),
    pairs: Sequence[tuple[str, str]] = (
        ("target_only", "iid"),
        ("naive", "iid"),
        ("recursive", "iid"),
        ("kseq", "iid"),
        ("optimal", "iid"),
        ("recursive", "without_replacement"),
        ("optimal", "without_replacement"),
        ("greedy", "greedy"),
    ),
) -> tuple[Figure, dict]:
    """Acceptance over the number of drafts: a curve for each (rule, sampling), styled by the sampling."""
    p, q, names = small_pair(target, draft)
    if not pairs or len(num_drafts) < 2:
        raise ArgumentError(
            f"pairs has {len(pairs)} and num_drafts {len(num_drafts)} entries, expected at least 1 and 2"
        )
    for rule, _ in pairs:
        check_choice("rule", rule, RULES)
    target, draft = torch.from_numpy(p), torch.from_numpy(q)
    styles = {"iid": "-", "without_replacement": "--", "greedy": ":", "spechub": "-."}
    colours = dict(zip(LABELS, (GREY, GREEN, ORANGE, PURPLE, RED, RED, BLUE), strict=True))
    figure, axes = new_figure(6.0, 3.2)
    found: dict[str, list[float]] = {}
    for rule, sampling in pairs:
        label = LABELS[rule] if sampling == rule else f"{LABELS[rule]}, {SAMPLING_LABELS[sampling]}"
        found[label] = [acceptance_rate(target, draft, k, rule, sampling).item() for k in num_drafts]
        style = {"linestyle": styles[sampling], "color": colours[rule], "marker": "o", "markersize": 4}
        axes.plot(num_drafts, found[label], label=label, **style)
    axes.set_xticks(list(num_drafts))
    axes.set_xlabel("number of drafts")
    axes.set_ylabel("acceptance rate")
    figure.legend(loc="outside right center", **LEGEND)
    alt = f"Acceptance rates for {numbers(num_drafts)} drafts over {len(names)} tokens. " + " ".join(
        f"{label}: {', '.join(f'{value:.4g}' for value in values)}." for label, values in found.items()
    )
    return figure, {"drafts": list(num_drafts), "rates": found, "alt": alt}


def chain_weights(ratios: Sequence[float] = (0.5, 1.6, 0.9, 1.5, 0.7)) -> tuple[Figure, dict]:
    r"""How probable it is that the first i drafts of a chain survive: token by token, and as a block.

    With :math:`r_j = p(x_j) / q(x_j)` it is :math:`\prod_{j \le i} \min(1, r_j)`, or
    :math:`w_i = \min(1, w_{i-1} r_i)`, where a ratio above one pays for one below.
    """
    values = [float(ratio) for ratio in ratios]
    if not 1 <= len(values) <= 12 or not all(math.isfinite(ratio) and ratio >= 0 for ratio in values):
        raise ArgumentError(f"ratios is {values}, expected 1 to 12 finite numbers, none negative")
    token, block = [1.0], [1.0]
    for ratio in values:
        token.append(token[-1] * min(1, ratio))
        block.append(min(1, block[-1] * ratio))
    figure, axes = new_figure(4.8, 2.7)
    edges = np.arange(len(block) + 1) - 0.5
    axes.stairs(block, edges, color=BLUE, fill=True, alpha=0.3)
    axes.stairs(block, edges, color=BLUE, linewidth=2, baseline=None, label="weight of the block")
    axes.stairs(token, edges, color=ORANGE, linewidth=2, baseline=None, label="token by token")
    axes.set_xticks(range(len(block)), ["start", *(f"{ratio:g}" for ratio in values)])
    axes.set_xlabel("ratio p/q of each drafted token")
    axes.set_ylabel("probability")
    axes.set_ylim(0, 1.05)
    axes.legend(**LEGEND)
    alt = (
        f"Staircases along a chain with ratios {numbers(values)}. Token by token: {numbers(token)}. "
        f"Weight of the block: {numbers(block)}."
    )
    return figure, {"ratios": values, "token": token, "block": block, "alt": alt}
