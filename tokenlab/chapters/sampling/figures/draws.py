"""How one token is drawn: by a uniform, by Gumbel noise, by a race, by capped noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tokenlab.chapters.drawing import numbers
from tokenlab.chapters.sampling.figures.small_rows import FOUR_TOKENS, small_row
from tokenlab.errors import check_int, check_real
from tokenlab.figures import BLUE, GREY, INK, LEGEND, ORANGE, new_figure
from tokenlab.ops import exponential, gumbel, open_uniform
from tokenlab.sampling import reference

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The largest Gumbel value from a float32 uniform, whose grid ends at 1 - 2^-24.
FLOAT32_CAP = -math.log(-math.log1p(-(2.0**-24)))


def inverse_cdf(probs: Sequence[float] | Tensor = FOUR_TOKENS, uniform: float = 0.62) -> tuple[Figure, dict]:
    """The staircase of cumulative probabilities, and a uniform that meets it at one token."""
    row, names = small_row(probs)
    uniform = check_real("uniform", uniform, low=0, high=1, include_low=False, include_high=False)
    cdf = row.cumsum(-1)
    drawn = int((cdf <= uniform).sum().clamp(max=len(names) - 1))
    steps = [0.0, *cdf.tolist()]
    figure, axes = new_figure(4.6, 2.7)
    edges = np.arange(len(names) + 1) - 0.5
    axes.stairs(steps[1:], edges, color=BLUE, linewidth=2.2, baseline=None)
    axes.bar(drawn, row[drawn].item(), 1.0, bottom=steps[drawn], color=BLUE, alpha=0.35)
    arrow = {"arrowstyle": "-|>", "color": ORANGE, "linewidth": 2, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (drawn - 0.5, uniform), (-0.5, uniform), arrowprops=arrow | {"arrowstyle": "-"})
    axes.plot([drawn - 0.5, drawn], [uniform, uniform], color=ORANGE, linewidth=2)
    axes.annotate("", (drawn, 0), (drawn, uniform), arrowprops=arrow)
    axes.text(-0.45, uniform + 0.03, f"u = {uniform:g}", color=INK)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("cumulative probability")
    axes.set_ylim(0, 1.05)
    axes.set_xlim(-0.5, len(names) - 0.5)
    alt = (
        f"Staircase of cumulative probabilities over tokens {', '.join(names)}: {numbers(cdf)}. "
        f"The uniform {uniform:g} lies between {steps[drawn]:.3g} and {steps[drawn + 1]:.3g}, "
        f"the step of token {names[drawn]}, which is drawn."
    )
    return figure, {"tokens": names, "cdf": cdf.tolist(), "uniform": uniform, "drawn": drawn, "alt": alt}


def gumbel_max(
    probs: Sequence[float] | Tensor = FOUR_TOKENS, draws: int = 3, seed: int = 1
) -> tuple[Figure, dict]:
    """Log-probabilities plus Gumbel noise in a few draws; the largest sum wins."""
    row, names = small_row(probs)
    check_int("draws", draws, low=1, high=6)
    noise = gumbel(open_uniform((draws, len(names)), generator=_generator(seed)))
    log_probs = row.log()
    scores = log_probs + noise
    winners = scores.argmax(-1).tolist()
    figure, panels = new_figure(4.8, 2.7, ncols=draws, sharey=True, squeeze=False)
    for draw, axes in enumerate(panels[0]):
        for token in range(len(names)):
            low, high = log_probs[token].item(), scores[draw, token].item()
            colour = ORANGE if token == winners[draw] else GREY
            axes.plot([token, token], [low, high], color=colour, linewidth=2.5)
            axes.plot(token, low, "_", color=INK, markersize=12, markeredgewidth=1.8)
            axes.plot(token, high, "o", color=colour, markersize=9 if token == winners[draw] else 6)
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.6, len(names) - 0.4)
        axes.set_title(f"draw {draw + 1}: {names[winners[draw]]}")
    panels[0][0].set_ylabel("log p + noise")
    alt = f"Log-probabilities of tokens {', '.join(names)}: {numbers(log_probs)}. " + " ".join(
        f"Draw {draw + 1}: with noise {numbers(scores[draw])}; token {names[winners[draw]]} is largest."
        for draw in range(draws)
    )
    data = {"tokens": names, "log_probs": log_probs.tolist(), "noise": noise.tolist()}
    return figure, data | {"scores": scores.tolist(), "winners": winners, "alt": alt}


def exponential_race(probs: Sequence[float] | Tensor = FOUR_TOKENS, seed: int = 0) -> tuple[Figure, dict]:
    """Tokens arriving at exponential times, with their probabilities as rates; the first wins."""
    row, names = small_row(probs)
    times = exponential(open_uniform((len(names),), generator=_generator(seed))) / row
    winner = int(times.argmin())
    figure, axes = new_figure(4.6, 2.4)
    for token, time in enumerate(times.tolist()):
        colour = ORANGE if token == winner else GREY
        axes.plot([0, time], [token, token], color=colour, linewidth=2.5)
        axes.plot(time, token, "o", color=colour, markersize=9 if token == winner else 6)
    axes.axvline(times[winner].item(), color=ORANGE, linewidth=1, linestyle=":")
    labels = [f"{name}  p = {p:.2g}" for name, p in zip(names, row.tolist(), strict=True)]
    axes.set_yticks(range(len(names)), labels)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("arrival time")
    alt = (
        f"A race of tokens {', '.join(names)} with rates {numbers(row)}. Arrival times: "
        f"{numbers(times)}. Token {names[winner]} arrives first and is drawn."
    )
    data = {"tokens": names, "rates": row.tolist(), "times": times.tolist()}
    return figure, data | {"winner": winner, "alt": alt}


def capped_gumbel(cap: float = 3.0, draws: int = 40_000, seed: int = 0) -> tuple[Figure, dict]:
    """How often a token is drawn under capped noise, relative to its probability: counts and closed form.

    The float32 cap bites below one in a million, too rare to be counted; a low cap shows the same shape.
    """
    cap = check_real("cap", cap, low=0, high=20)
    check_int("draws", draws, low=1)
    visible, tiny = _tail_and_head(-2.5, -0.8, 9), _tail_and_head(-9, -5, 33)
    ratio = {
        name: (reference.capped_gumbel_distribution(row, limit) / row)[:-1].tolist()
        for name, row, limit in (("visible", visible, cap), ("float32", tiny, FLOAT32_CAP))
    }
    # Arrival times with noise below the cap: exponentials that start at exp(-cap).
    uniform = open_uniform((draws, len(visible)), generator=_generator(seed))
    drawn = ((exponential(uniform) + math.exp(-cap)) / visible).argmin(-1)
    frequency = torch.bincount(drawn, minlength=len(visible)) / draws
    counted = (frequency / visible)[:-1].tolist()

    figure, axes = new_figure(4.8, 3.0)
    axes.plot(tiny[:-1], ratio["float32"], color=BLUE, label="cap 16.6 (float32)")
    axes.plot(visible[:-1], ratio["visible"], color=ORANGE, label=f"cap {cap:g}")
    axes.plot(visible[:-1], counted, "o", color=ORANGE, markersize=5, label="counted draws")
    axes.axhline(1, color=GREY, linewidth=1, linestyle=":")
    axes.set_xscale("log")
    axes.set_ylim(-0.04, 1.85)
    axes.set_yticks([0, 0.5, 1])
    axes.set_xlabel("true probability of a token")
    axes.set_ylabel("drawn / true")
    axes.legend(loc="upper left", **LEGEND)
    half = float(np.interp(0.5, ratio["float32"], tiny[:-1]))
    alt = (
        "Ratio of drawn to true probability, rising from 0 to 1 with the probability. With the "
        f"float32 cap {FLOAT32_CAP:.4f} a token of probability {half:.1e} keeps half of its mass. "
        f"With cap {cap:g}, {draws} draws follow the closed form: "
        f"{numbers(counted)} counted, {numbers(ratio['visible'])} computed, for probabilities "
        f"{numbers(visible[:-1])}."
    )
    data = {"cap": cap, "float32_cap": FLOAT32_CAP, "half_probability": half, "draws": draws}
    return figure, data | {
        "visible_probs": visible[:-1].tolist(),
        "visible_ratio": ratio["visible"],
        "counted_ratio": counted,
        "float32_probs": tiny[:-1].tolist(),
        "float32_ratio": ratio["float32"],
        "alt": alt,
    }


def _tail_and_head(low: float, high: float, count: int) -> Tensor:
    """Tokens whose log10-probabilities run from low to high, and one that takes the rest."""
    tail = torch.logspace(low, high, count, dtype=torch.float64)
    return torch.cat([tail, 1 - tail.sum(0, keepdim=True)])


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(check_int("seed", seed, low=0))
