"""Pictures of the transport chapter. Each returns ``(Figure, data)``; ``data["alt"]`` describes it.

The data are what the picture shows, as plain numbers, so that tests and notebooks can
read them; the alternative text is written from them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tokenlab.errors import ArgumentError, ShapeError, check_choice, check_int, check_probs, check_tensor
from tokenlab.figures import BLUE, CYCLE, GREEN, GREY, INK, LEGEND, ORANGE, PURPLE, RED, new_figure
from tokenlab.transport.node import rates, reference
from tokenlab.transport.node.drafts import draft_distribution
from tokenlab.transport.node.thresholds import curve, overlap
from tokenlab.transport.rules import RULES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Sequence[float] | Tensor


#: The smallest pair on which the rules part.
TWO_TOKENS = ((0.75, 0.25), (0.25, 0.75))


#: Three tokens that the draft ranks the wrong way round.
THREE_TOKENS = ((0.5, 0.3, 0.2), (0.2, 0.3, 0.5))


#: Five of them, with ratios on both sides of one.
FIVE_TOKENS = ((0.45, 0.25, 0.15, 0.1, 0.05), (0.05, 0.1, 0.15, 0.25, 0.45))


#: How rules are written in pictures.
LABELS = {
    "target_only": "target-only",
    "naive": "naive",
    "recursive": "recursive",
    "kseq": "K-SEQ",
    "greedy": "greedy",
    "spechub": "SpecHub",
    "optimal": "optimum",
}


#: How distributions of drafts are written in pictures.
DISTRIBUTIONS = {
    "iid": "i.i.d.",
    "without_replacement": "without replacement",
    "greedy": "greedy",
    "spechub": "SpecHub",
}


#: What a plan's picture shows, one stage after the other.
STAGES = ("distributions", "accepted", "plan")


#: More blocks than these in one column could not be told apart.
MAX_BLOCKS = 16


#: Space between two blocks of a column, in units of probability.
GAP = 0.025


def overlap_bars(target: Row = FIVE_TOKENS[0], draft: Row = FIVE_TOKENS[1]) -> tuple[Figure, dict]:
    """Both distributions as bars, and laid over each other: what they share and what each has alone."""
    p, q, names = _small_pair(target, draft)
    shared, missing, spare = np.minimum(p, q), np.maximum(p - q, 0), np.maximum(q - p, 0)
    figure, panels = new_figure(6.0, 2.5, ncols=3, sharey=True)
    places = range(len(names))
    panels[0].bar(places, q, 0.75, color=ORANGE)
    panels[1].bar(places, p, 0.75, color=GREEN)
    panels[2].bar(places, shared, 0.75, color=BLUE, label="shared")
    panels[2].bar(places, spare, 0.75, bottom=shared, color=ORANGE, label="draft only")
    panels[2].bar(places, missing, 0.75, bottom=shared, color=GREEN, label="target only")
    for axes, title in zip(panels, ("draft q", "target p", "laid over each other"), strict=True):
        axes.set_xticks(places, names)
        axes.set_title(title)
        axes.tick_params(axis="x", length=0)
    panels[0].set_ylabel("probability")
    figure.legend(loc="outside lower center", ncols=3, **LEGEND)
    alt = (
        f"Bars over tokens {', '.join(names)}. Draft: {_numbers(q)}. Target: {_numbers(p)}. "
        f"They share {_numbers(shared)}, {shared.sum():.3g} in all; the draft alone has {_numbers(spare)}, "
        f"the target alone {_numbers(missing)}, {missing.sum():.3g} each in all."
    )
    data = {"tokens": names, "shared": shared.tolist(), "draft_only": spare.tolist()}
    return figure, data | {"target_only": missing.tolist(), "alt": alt}


def plan_flow(
    target: Row = FIVE_TOKENS[0],
    draft: Row = FIVE_TOKENS[1],
    num_drafts: int = 1,
    sampling: str = "iid",
    stage: str = "plan",
) -> tuple[Figure, dict]:
    """An optimal plan as flow: drafts on the left, tokens on the right, ribbons as wide as their mass.

    Parameters
    ----------
    target, draft : sequence of float
        One pair of distributions, of at most 12 tokens.
    num_drafts : int
        k; at most 16 tuples of drafts can be drawn.
    sampling : {"iid", "without_replacement", "greedy", "spechub"}
        How the drafts are drawn.
    stage : {"distributions", "accepted", "plan"}
        Both marginals alone, with the accepted mass, or with all of it.
    """
    p, q, names = _small_pair(target, draft)
    check_choice("stage", stage, STAGES)
    plan = rates.transport_plan(torch.from_numpy(p), torch.from_numpy(q), num_drafts, sampling)
    _check_blocks(num_drafts, len(plan.tuples))
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
                place = (x + gap, top - height / 2)
                axes.text(*place, f"{label}  {height:.3g}", ha=side, va="center", color=INK)
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
    """An optimal plan as a table, a row for each tuple; what is accepted stands on a darker ground."""
    p, q, names = _small_pair(target, draft)
    plan = rates.transport_plan(torch.from_numpy(p), torch.from_numpy(q), num_drafts, sampling)
    _check_blocks(num_drafts, len(plan.tuples))
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
        f"Table of a plan. Columns {', '.join(names)} sum to {_numbers(p)}; rows {', '.join(words)} sum to "
        f"{_numbers(plan.tuple_probs)}. Entries: {_flows(words, names, dense)}. "
        f"On the drafts' own tokens lies {plan.acceptance_rate:.4g}."
    )
    data = {"tuples": words, "tokens": names, "plan": dense.tolist(), "accepted": plan.acceptance_rate}
    return figure, data | {"alt": alt}


def repetition(pairs: Sequence[tuple[Row, Row]], max_drafts: int = 8) -> tuple[Figure, dict]:
    r"""What comes out when the test for one draft is repeated with the target unchanged.

    The token ``a`` comes out with :math:`(1 - (1 - \beta)^k) \min(p, q)/\beta + (1 - \beta)^k r`,
    with :math:`\beta = \sum \min(p, q)` and :math:`r` the normalised residual.

    Parameters
    ----------
    pairs : sequence of (target, draft)
        One curve each, at most six.
    max_drafts : int
        Up to how many drafts.
    """
    check_int("max_drafts", max_drafts, low=2, high=20)
    if not 1 <= len(pairs) <= len(CYCLE):
        raise ArgumentError(f"pairs has {len(pairs)} entries, expected 1 to {len(CYCLE)}")
    counts = np.arange(1, max_drafts + 1)
    figure, axes = new_figure(5.6, 2.7)
    data: dict = {"drafts": counts.tolist(), "target": [], "output": []}
    words = []
    for colour, (target, draft) in zip(CYCLE, pairs):
        p, q, _ = _small_pair(target, draft, least=0)
        shared, rest = np.minimum(p, q), np.maximum(p - q, 0)
        beta = shared.sum()
        accepted = 1 - (1 - beta) ** counts
        first = shared[0] / beta if beta else 0.0
        output = accepted * first + (1 - accepted) * (rest[0] / rest.sum() if rest.sum() else 0.0)
        axes.axhline(p[0], color=colour, linewidth=1.2, linestyle=":")
        axes.plot(counts, output, "o-", color=colour, markersize=4, label=f"p(a) = {p[0]:g}\nq(a) = {q[0]:g}")
        data["target"].append(float(p[0]))
        data["output"].append(output.tolist())
        words.append(f"With target {p[0]:g} and draft {q[0]:g} it is {_numbers(output)}.")
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


def threshold_curves(
    target: Row = FIVE_TOKENS[0], draft: Row = FIVE_TOKENS[1], num_drafts: Sequence[int] = tuple(range(1, 9))
) -> tuple[list[Figure], dict]:
    r"""The curve :math:`g(s)` with each rule's threshold on it, one frame for each number of drafts.

    The recursive rule climbs in steps: from :math:`c_i` a line of slope one reaches the height 1 at
    :math:`c_{i+1} = c_i + 1 - g(c_i)`. K-SEQ stands where :math:`g(s)` meets
    :math:`1 - (1 - g(s)/s)^k`.

    Parameters
    ----------
    target, draft : sequence of float
        One pair of distributions, of at most 12 tokens.
    num_drafts : sequence of int
        One frame each, from 1 to 8.
    """
    p, q, _ = _small_pair(target, draft)
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
    data: dict = {
        "drafts": counts,
        "recursive": [],
        "thresholds": [],
        "kseq": [],
        "factors": [],
        "optimal": [],
    }
    for k in counts:
        steps = [0.0]
        for _ in range(k):
            above = reference.hockey_stick(
                target, draft, torch.tensor([steps[-1]], dtype=torch.float64)
            ).sum()
            steps.append(steps[-1] + above.item())
        reached = overlap(points, torch.tensor(steps, dtype=torch.float64)).tolist()
        factor = rates.division_factor(target, draft, k).item()
        found = {
            rule: rates.acceptance_rate(target, draft, k, rule).item()
            for rule in ("recursive", "kseq", "optimal")
        }
        frames.append(_threshold_frame(grid, height, k, steps, reached, factor, found, end))
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
    grid: np.ndarray,
    height: np.ndarray,
    k: int,
    steps: list[float],
    reached: list[float],
    factor: float,
    rates: dict[str, float],
    end: float,
) -> Figure:
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


def minimum_cut(
    target: Row = THREE_TOKENS[0], draft: Row = THREE_TOKENS[1], num_drafts: int = 2, sampling: str = "iid"
) -> tuple[Figure, dict]:
    """Tuples, tokens and the lines between them; the set H at which the mass gets stuck is marked."""
    p, q, names = _small_pair(target, draft)
    tuples, distribution = draft_distribution(torch.from_numpy(q), num_drafts, sampling)
    _check_blocks(num_drafts, len(tuples))
    sets = [set(row) for row in tuples.tolist()]
    mass = distribution.numpy()

    def promised(chosen: tuple[int, ...]) -> float:
        return sum(m for inside, m in zip(sets, mass, strict=True) if inside <= set(chosen))

    waste, chosen = max((promised(chosen) - p[list(chosen)].sum(), chosen) for chosen in _subsets(len(names)))
    inside = [member <= set(chosen) for member in sets]
    words = ["".join(names[token] for token in row) for row in tuples.tolist()]
    # Tuples inside of H first, so that the bottleneck stands together.
    rows = sorted(range(len(words)), key=lambda row: not inside[row])
    tokens = sorted(range(len(names)), key=lambda token: token not in chosen)
    left = dict(zip(rows, np.linspace(1, 0, len(rows)), strict=True))
    right = dict(zip(tokens, np.linspace(0.92, 0.08, len(tokens)), strict=True))
    figure, axes = new_figure(4.8, 0.26 * len(rows) + 1.0)
    for row in rows:
        colour = RED if inside[row] else GREY
        for token in sorted(sets[row]):
            axes.plot([0, 1], [left[row], right[token]], color=colour, linewidth=1.4 if inside[row] else 0.8)
        axes.plot(0, left[row], "o", color=colour, markersize=4 + 18 * mass[row])
        axes.text(-0.06, left[row], f"{words[row]}  {mass[row]:.3g}", ha="right", va="center", color=INK)
    for token in tokens:
        colour = RED if token in chosen else GREY
        axes.plot(1, right[token], "s", color=colour, markersize=5 + 18 * p[token])
        axes.text(1.08, right[token], f"{names[token]}  {p[token]:.3g}", ha="left", va="center", color=INK)
    axes.set_xlim(-0.35, 1.35)
    axes.set_ylim(-0.08, 1.13)
    axes.text(0, 1.09, "drafts", ha="center", color=INK)
    axes.text(1, 1.09, "output", ha="center", color=INK)
    axes.axis("off")
    letters = [names[token] for token in chosen]
    in_tuples = "; ".join(f"{word} {part:.3g}" for word, part in zip(words, mass, strict=True))
    in_tokens = "; ".join(f"{name} {part:.3g}" for name, part in zip(names, p, strict=True))
    alt = (
        f"Tuples of drafts on the left, {in_tuples}; tokens on the right, {in_tokens}; a line from each tuple "
        f"to its tokens. Marked is H = {{{', '.join(letters)}}}: the tuples inside bring "
        f"{promised(chosen):.4g}, its tokens take {p[list(chosen)].sum():.4g}, so {waste:.4g} is wasted."
    )
    data = {"set": letters, "promised": float(promised(chosen)), "taken": float(p[list(chosen)].sum())}
    return figure, data | {"waste": float(waste), "alt": alt}


def all_subsets(
    target: Row = FIVE_TOKENS[0], draft: Row = FIVE_TOKENS[1], num_drafts: Sequence[int] = tuple(range(1, 9))
) -> tuple[list[Figure], dict]:
    r"""Every set of tokens as a point (q(H), p(H)), and how far it lies below :math:`q(H)^k`.

    One frame for each number of i.i.d. drafts. The largest drop is what no rule can accept; it
    is found among the beginnings of the sorted list, the lower border of all points.

    Parameters
    ----------
    target, draft : sequence of float
        One pair of distributions, of at most 10 tokens.
    num_drafts : sequence of int
        One frame each, from 1 to 8.
    """
    p, q, names = _small_pair(target, draft)
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
        figure, axes = new_figure(6.2, 3.4)
        axes.plot(xs, ys, "o", color=GREY, markersize=3.5, label="a set H")
        axes.plot(*border, "o-", color=BLUE, markersize=5, linewidth=1.3, label="first m sorted")
        axes.plot(line, line**k, color=ORANGE, label="q(H)" if k == 1 else "q(H)ᵏ")
        x, y = xs[best], ys[best]
        axes.plot([x, x], [y, x**k], color=RED, linewidth=3, label=f"largest drop {drop[best]:.3f}")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("draft's mass q(H)")
        axes.set_ylabel("target's mass p(H)")
        axes.set_title(f"k = {k}:  optimum {1 - drop[best]:.3f}")
        figure.legend(loc="outside right center", **LEGEND)
        frames.append(figure)
        letters = [names[token] for token in sets[best]]
        alt.append(
            f"{k} draft{'s' * (k > 1)}: {len(sets)} sets as points. The largest drop below the curve is "
            f"{drop[best]:.4g}, at H = {{{', '.join(letters)}}} with q(H) = {x:.3g} and p(H) = {y:.3g}; "
            f"the optimum is {1 - drop[best]:.4g}."
        )
        data["sets"].append(letters)
        data["waste"].append(float(drop[best]))
    return frames, data | {"alt": alt}


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
    """Acceptance of rules over the number of drafts; the distribution of the drafts is the style of the line.

    Parameters
    ----------
    target, draft : sequence of float
        One pair of distributions, of at most 12 tokens.
    num_drafts : sequence of int
        The places on the horizontal axis.
    pairs : sequence of (rule, sampling)
        One curve each.
    """
    p, q, names = _small_pair(target, draft)
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
        label = LABELS[rule] if sampling == rule else f"{LABELS[rule]}, {DISTRIBUTIONS[sampling]}"
        found[label] = [rates.acceptance_rate(target, draft, k, rule, sampling).item() for k in num_drafts]
        style = {"linestyle": styles[sampling], "color": colours[rule], "marker": "o", "markersize": 4}
        axes.plot(num_drafts, found[label], label=label, **style)
    axes.set_xticks(list(num_drafts))
    axes.set_xlabel("number of drafts")
    axes.set_ylabel("acceptance rate")
    figure.legend(loc="outside right center", **LEGEND)
    alt = f"Acceptance rates for {_numbers(num_drafts)} drafts over {len(names)} tokens. " + " ".join(
        f"{label}: {', '.join(f'{value:.4g}' for value in values)}." for label, values in found.items()
    )
    return figure, {"drafts": list(num_drafts), "rates": found, "alt": alt}


def chain_weights(ratios: Sequence[float] = (0.5, 1.6, 0.9, 1.5, 0.7)) -> tuple[Figure, dict]:
    r"""How probable it is that the first i drafts of a chain survive: token by token, and as a block.

    Token by token it is :math:`\prod_{j \le i} \min(1, r_j)` with :math:`r_j = p(x_j) / q(x_j)`. A block
    keeps the weight :math:`w_i = \min(1, w_{i-1} r_i)`: a ratio above one pays for one below.

    Parameters
    ----------
    ratios : sequence of float
        Target over draft at the tokens of one chain, none negative.
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
        f"Staircases along a chain with ratios {_numbers(values)}. Token by token: {_numbers(token)}. "
        f"Weight of the block: {_numbers(block)}."
    )
    return figure, {"ratios": values, "token": token, "block": block, "alt": alt}


def _small_pair(target: Row, draft: Row, least: int = 2) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Two distributions in float64, and one letter for each token."""
    rows = []
    for name, values in (("target", target), ("draft", draft)):
        row = torch.as_tensor(values, dtype=torch.float64)
        check_tensor(name, row, max_dims=1)
        check_probs(name, row)
        rows.append(row)
    if len(rows[0]) != len(rows[1]):
        raise ShapeError(f"target has {len(rows[0])} tokens, draft has {len(rows[1])}")
    if not least <= len(rows[0]) <= 12:
        raise ArgumentError(f"target has {len(rows[0])} tokens, expected {least} to 12, to be drawn")
    return rows[0].numpy(), rows[1].numpy(), [chr(ord("a") + index) for index in range(len(rows[0]))]


def _check_blocks(num_drafts: int, tuples: int) -> None:
    if tuples > MAX_BLOCKS:
        raise ArgumentError(
            f"num_drafts is {num_drafts}, which makes {tuples} tuples; at most {MAX_BLOCKS} can be drawn"
        )


def _stack(masses: np.ndarray) -> np.ndarray:
    """Upper edges of blocks that stand on each other, with gaps."""
    return 1 - np.concatenate([[0], np.cumsum(masses + GAP)[:-1]])


def _ribbon(axes: Axes, start: float, end: float, mass: float, colour: str) -> None:
    """A band of constant height from (0, start) to (1, end), both upper edges."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    corners = [(0, start), (0.5, start), (0.5, end), (1, end)]
    back = [(1, end - mass), (0.5, end - mass), (0.5, start - mass), (0, start - mass)]
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    path = Path([*corners, *back, (0, start)], codes)
    axes.add_patch(PathPatch(path, facecolor=colour, edgecolor="none", alpha=0.55))


def _subsets(size: int) -> list[tuple[int, ...]]:
    return [chosen for count in range(size + 1) for chosen in combinations(range(size), count)]


def _flows(words: list[str], names: list[str], masses: np.ndarray) -> str:
    return "; ".join(
        f"{words[source]} to {names[sink]} {masses[source, sink]:.3g}"
        for source, sink in zip(*np.nonzero(masses > 1e-9), strict=True)
    )


def _numbers(values: Sequence[float] | Tensor | np.ndarray) -> str:
    return ", ".join(f"{float(value):.3g}" for value in values)
