"""How one token is drawn: by a uniform, by Gumbel noise, by a race."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tokenlab.chapters.drawing import numbers
from tokenlab.chapters.sampling.figures.small_rows import FOUR_TOKENS, FOUR_WORDS, small_row
from tokenlab.errors import check_int, check_real
from tokenlab.figures import BLUE, GREY, INK, new_figure
from tokenlab.ops import exponential, gumbel, open_uniform

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def inverse_cdf(
    probs: Sequence[float] | Tensor = FOUR_TOKENS, uniform: float = 0.62, words: Sequence[str] = FOUR_WORDS
) -> tuple[Figure, dict]:
    """The staircase of cumulative probabilities, and a uniform that meets it at one token."""
    row, names = small_row(probs, words)
    uniform = check_real("uniform", uniform, low=0, high=1, include_low=False, include_high=False)
    cdf = row.cumsum(-1)
    drawn = int((cdf <= uniform).sum().clamp(max=len(names) - 1))
    steps = [0.0, *cdf.tolist()]
    figure, axes = new_figure(5.6, 2.9)
    edges = np.arange(len(names) + 1) - 0.5
    axes.stairs(steps[1:], edges, color=GREY, linewidth=2.2, baseline=None)
    axes.bar(drawn, row[drawn].item(), 1.0, bottom=steps[drawn], color=BLUE, alpha=0.5)
    arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0}
    axes.plot([-0.5, drawn], [uniform, uniform], color=INK, linewidth=1.6)
    axes.annotate("", (drawn, 0), (drawn, uniform), arrowprops=arrow)
    axes.text(-0.45, uniform + 0.03, f"u = {uniform:g}", color=INK)
    for token, p in enumerate(row.tolist()):
        # Above the step, so that no line runs through it.
        axes.text(token, steps[token + 1] + 0.02, f"{p:g}", ha="center", va="bottom", color=INK)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("cumulative probability")
    axes.set_ylim(0, 1.13)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_xlim(-0.5, len(names) - 0.5)
    alt = (
        f"Staircase of cumulative probabilities over the words {', '.join(names)}: {numbers(cdf)}. "
        f"The uniform {uniform:g} lies between {steps[drawn]:.3g} and {steps[drawn + 1]:.3g}, "
        f"the step of “{names[drawn]}”, which is drawn."
    )
    return figure, {"tokens": names, "cdf": cdf.tolist(), "uniform": uniform, "drawn": drawn, "alt": alt}


def gumbel_max(
    probs: Sequence[float] | Tensor = FOUR_TOKENS,
    draws: int = 4,
    seed: int = 1,
    words: Sequence[str] = FOUR_WORDS,
) -> tuple[list[Figure], dict]:
    """Log-probabilities plus Gumbel noise, a frame for each draw; the largest sum wins."""
    row, names = small_row(probs, words)
    check_int("draws", draws, low=2, high=8)
    noise = gumbel(open_uniform((draws, len(names)), generator=_generator(seed)))
    log_probs = row.log()
    scores = log_probs + noise
    winners = scores.argmax(-1).tolist()
    limits = min(scores.min().item(), log_probs.min().item()) - 0.4, scores.max().item() + 0.8
    frames = [
        _gumbel_frame(log_probs.tolist(), draw.tolist(), winner, names, limits)
        for draw, winner in zip(scores, winners, strict=True)
    ]
    captions, alt = [], []
    for draw, winner in enumerate(winners):
        captions.append(
            f"Draw {draw + 1}: “{names[winner]}” has the largest total, {scores[draw, winner].item():.2f}."
        )
        alt.append(
            f"Log-probabilities of {', '.join(names)}: {numbers(log_probs)}; with noise "
            f"{numbers(scores[draw])}."
        )
    data = {"tokens": names, "log_probs": log_probs.tolist(), "noise": noise.tolist()}
    return frames, data | {"scores": scores.tolist(), "winners": winners, "captions": captions, "alt": alt}


def _gumbel_frame(
    log_probs: list[float], scores: list[float], winner: int, names: list[str], limits: tuple[float, float]
) -> Figure:
    """Where each token starts, and how far its noise carries it."""
    figure, axes = new_figure(5.6, 2.9)
    for token, (low, high) in enumerate(zip(log_probs, scores, strict=True)):
        colour = BLUE if token == winner else GREY
        axes.plot([token, token], [low, high], color=colour, linewidth=2.5)
        axes.plot(token, low, "_", color=INK, markersize=22, markeredgewidth=1.8)
        axes.plot(token, high, "o", color=colour, markersize=10)
    axes.text(-0.2, log_probs[0], "log p", ha="right", va="center", color=INK)
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.75, len(names) - 0.5)
    axes.set_ylim(*limits)
    axes.set_ylabel("log p + noise")
    return figure


def exponential_race(
    probs: Sequence[float] | Tensor = FOUR_TOKENS, seed: int = 0, words: Sequence[str] = FOUR_WORDS
) -> tuple[Figure, dict]:
    """Tokens arriving at exponential times, with their probabilities as rates; the first wins."""
    row, names = small_row(probs, words)
    times = exponential(open_uniform((len(names),), generator=_generator(seed))) / row
    winner = int(times.argmin())
    figure, axes = new_figure(5.6, 2.5)
    for token, time in enumerate(times.tolist()):
        colour = BLUE if token == winner else GREY
        axes.plot([0, time], [token, token], color=colour, linewidth=2.5)
        axes.plot(time, token, "o", color=colour, markersize=9)
        axes.annotate(
            f"{time:.1f}", (time, token), (8, 0), textcoords="offset points", va="center", color=INK
        )
    axes.set_yticks(
        range(len(names)), [f"{name}, rate {p:.2g}" for name, p in zip(names, row.tolist(), strict=True)]
    )
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, times.max().item() * 1.12)
    axes.set_xlabel("arrival time")
    alt = (
        f"A race of the words {', '.join(names)} with rates {numbers(row)}. Arrival times: "
        f"{numbers(times)}. “{names[winner]}” arrives first and is drawn."
    )
    data = {"tokens": names, "rates": row.tolist(), "times": times.tolist()}
    return figure, data | {"winner": winner, "alt": alt}


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(check_int("seed", seed, low=0))
