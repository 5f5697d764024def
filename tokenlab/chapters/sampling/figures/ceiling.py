"""What a ceiling on the noise does: the race starts late, and rare tokens lose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tokenlab.chapters.drawing import numbers
from tokenlab.chapters.sampling.effective import nearest_temperature
from tokenlab.chapters.sampling.figures.small_rows import FIVE_TOKENS, FIVE_WORDS, small_row
from tokenlab.errors import check_int, check_real
from tokenlab.figures import BLUE, GREY, INK, ORANGE, new_figure
from tokenlab.ops import exponential, open_uniform
from tokenlab.sampling import reference

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def race_under_a_ceiling(
    probs: Sequence[float] | Tensor = FIVE_TOKENS,
    c: float = 0.1,
    seed: int = 671,
    words: Sequence[str] = FIVE_WORDS,
) -> tuple[list[Figure], dict]:
    """One race, without a ceiling on the noise and with one: nobody arrives before c / p.

    An exponential time that is known to exceed c is c and another exponential time, so that with the ceiling
    every runner is late by c / p. Two frames.
    """
    row, names = small_row(probs, words)
    c = check_real("c", c, low=0, include_low=False)
    generator = torch.Generator().manual_seed(check_int("seed", seed, low=0))
    noise = exponential(open_uniform((len(names),), generator=generator))
    starts = [torch.zeros_like(row), c / row]
    times = [start + noise / row for start in starts]
    winners = [int(time.argmin()) for time in times]
    end = times[1].max().item() * 1.15
    frames = [
        _race_frame(start.tolist(), time.tolist(), winner, names, row.tolist(), end)
        for start, time, winner in zip(starts, times, winners, strict=True)
    ]
    late = ", ".join(f"{start:.2g} for “{name}”" for start, name in zip(starts[1].tolist(), names))
    captions = [
        f"Without a ceiling every runner may arrive at any time. “{names[winners[0]]}” is first.",
        f"With a ceiling each is late by c/p: {late}. “{names[winners[1]]}” is first.",
    ]
    alt = [
        f"A race of the words {', '.join(names)} with rates {numbers(row)}. Earliest arrival: "
        f"{numbers(start)}. Arrival: {numbers(time)}."
        for start, time in zip(starts, times, strict=True)
    ]
    data = {"tokens": names, "starts": [start.tolist() for start in starts]}
    data |= {"times": [time.tolist() for time in times], "winners": winners}
    return frames, data | {"captions": captions, "alt": alt}


def _race_frame(
    starts: list[float], times: list[float], winner: int, names: list[str], rates: list[float], end: float
) -> Figure:
    """Runners on a time axis; in the thin part none can arrive."""
    figure, axes = new_figure(5.6, 2.8)
    for token, (start, time) in enumerate(zip(starts, times, strict=True)):
        colour = BLUE if token == winner else GREY
        axes.barh(token, start, 0.5, color=ORANGE, alpha=0.5)
        axes.plot([start, time], [token, token], color=colour, linewidth=2.5)
        axes.plot(time, token, "o", color=colour, markersize=9)
    axes.text(end, -0.62, "orange: too early to arrive", ha="right", va="center", color=INK)
    axes.set_yticks(
        range(len(names)), [f"{name}, rate {p:.2g}" for name, p in zip(names, rates, strict=True)]
    )
    axes.set_ylim(len(names) - 0.5, -0.9)
    axes.set_xlim(0, end)
    axes.set_xlabel("arrival time")
    return figure


def lost_and_gained(
    probs: Sequence[float] | Tensor = FIVE_TOKENS, c: float = 0.1, words: Sequence[str] = FIVE_WORDS
) -> tuple[Figure, dict]:
    """Drawn over true probability under a ceiling, beside the nearest temperature; one point for a token."""
    row, names = small_row(probs, words)
    c = check_real("c", c, low=0, high=1, include_low=False)
    drawn = reference.capped_gumbel_distribution(row, cap=-math.log(c))
    temperature = nearest_temperature(row, drawn)
    tempered = reference.softmax(row.log(), temperature)
    ratio, softer = (drawn / row).tolist(), (tempered / row).tolist()
    figure, axes = new_figure(5.6, 3.1)
    axes.axhline(1, color=GREY, linewidth=1.2)
    axes.annotate(
        "as often as it should be", (-0.9, 1), (0, 4), textcoords="offset points", ha="left", color=INK
    )
    for token, (by_ceiling, by_heat) in enumerate(zip(ratio, softer, strict=True)):
        axes.plot([token, token], [1, by_ceiling], color=ORANGE, linewidth=2.5)
        axes.plot(token, by_ceiling, "o", color=ORANGE, markersize=9)
        axes.plot(token + 0.2, by_heat, "D", color=GREY, markersize=7)
        axes.annotate(
            f"×{by_ceiling:.2f}", (token, by_ceiling), (-7, 0), textcoords="offset points",
            ha="right", va="center", color=INK,
        )  # fmt: skip
    axes.annotate(
        f"T = {temperature:.2f}", (0.2, softer[0]), (8, 0), textcoords="offset points", va="center", color=INK
    )
    axes.set_xticks(
        range(len(names)), [f"{name}\n{p:g}" for name, p in zip(names, row.tolist(), strict=True)]
    )
    axes.set_xlim(-0.95, len(names) - 0.4)
    axes.set_ylim(-0.06, 1.4)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel("drawn / true")
    alt = (
        f"The words {', '.join(names)} have the probabilities {numbers(row)}. With noise below the ceiling they "
        f"are drawn {numbers(ratio)} times as often, which is {numbers(drawn)}. At the nearest temperature, "
        f"{temperature:.3g}, they would be drawn {numbers(softer)} times as often."
    )
    data = {"tokens": names, "probs": row.tolist(), "drawn": drawn.tolist(), "ratio": ratio}
    return figure, data | {"temperature": temperature, "tempered": tempered.tolist(), "alt": alt}
