"""Pictures of the sampling chapter. Each returns ``(Figure, data)``; ``data["alt"]`` describes it.

The data are what the picture shows, as plain numbers, so that tests and notebooks can
read them; the alternative text is written from them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tokenlab.errors import (
    ArgumentError,
    ShapeError,
    check_int,
    check_logits,
    check_probs,
    check_real,
    check_tensor,
)
from tokenlab.figures import BLUE, CYCLE, GREY, INK, LEGEND, ORANGE, new_figure
from tokenlab.ops import exponential, gumbel, open_uniform
from tokenlab.sampling import reference
from tokenlab.sampling.api import check_temperature, truncation_mask

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The distribution whose kept sets can be worked out by hand.
FOUR_TOKENS = (0.5, 0.25, 0.15, 0.1)


#: Rules and parameters that part on FOUR_TOKENS.
FAMILY = (
    ("top_k", 2),
    ("top_p", 0.8),
    ("min_p", 0.3),
    ("typical", 0.2),
    ("epsilon", 0.2),
    ("eta", 0.3),
    ("top_h", 0.55),
    ("top_h_released", 0.55),
)


#: How rules are written in pictures.
LABELS = {
    "top_k": "top-k",
    "top_p": "top-p",
    "min_p": "min-p",
    "typical": "typical",
    "epsilon": "epsilon",
    "eta": "eta",
    "top_h": "top-H",
    "top_h_released": "top-H, released",
}


#: Temperatures of a sweep; each is about the square root of two times the one before.
SWEEP = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)


#: The largest Gumbel value from a float32 uniform, whose grid ends at 1 - 2^-24.
FLOAT32_CAP = -math.log(-math.log1p(-(2.0**-24)))


def softmax_temperature(
    probs: Sequence[float] | Tensor = FOUR_TOKENS, temperatures: Sequence[float] = (0.5, 1.0, 2.0)
) -> tuple[Figure, dict]:
    """One small distribution at several temperatures, as bars.

    Parameters
    ----------
    probs : sequence of float
        The distribution at temperature one.
    temperatures : sequence of float
        At most as many as there are colours (6).
    """
    row, names = _small_row(probs)
    rows = [reference.softmax(row.log(), check_temperature(t)).tolist() for t in temperatures]
    if not 1 <= len(rows) <= len(CYCLE):
        raise ArgumentError(f"temperatures has {len(rows)} entries, expected 1 to {len(CYCLE)}")
    figure, axes = new_figure(4.6, 2.7)
    width = 0.8 / len(rows)
    for index, (temperature, bars) in enumerate(zip(temperatures, rows, strict=True)):
        offset = (index - (len(rows) - 1) / 2) * width
        places = np.arange(len(names)) + offset
        axes.bar(places, bars, width * 0.92, label=f"T = {temperature:g}", color=CYCLE[index])
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("probability")
    axes.legend(**LEGEND)
    alt = f"Bars of a distribution over tokens {', '.join(names)}. " + " ".join(
        f"At temperature {temperature:g}: {_numbers(bars)}."
        for temperature, bars in zip(temperatures, rows, strict=True)
    )
    return figure, {"tokens": names, "temperatures": list(temperatures), "probs": rows, "alt": alt}


def temperature_sweep(
    logits: Sequence[float] | Tensor,
    temperatures: Sequence[float] = SWEEP,
    rules: Sequence[tuple[str, float]] = (("top_p", 0.9), ("min_p", 0.1)),
    tokens: Sequence[str] | None = None,
    shown: int = 8,
) -> tuple[list[Figure], dict]:
    """One row of logits at rising temperatures: the head, the tail in one bar, what rules keep.

    Made for :func:`tokenlab.figures.player`: one figure for each temperature, all on one scale.

    Parameters
    ----------
    logits : sequence of float, one for each token of the vocabulary
        All finite.
    temperatures : sequence of float
        One frame each.
    rules : sequence of (rule, value)
        At most four.
    tokens : sequence of str, optional
        Texts of the ``shown`` most probable tokens, from the most probable down.
    shown : int
        How many tokens have a bar of their own; the others share one.
    """
    row = torch.as_tensor(logits, dtype=torch.float64)
    check_tensor("logits", row, max_dims=1)
    check_logits("logits", row)
    check_int("shown", shown, low=1, high=12)
    if not bool(row.isfinite().all()) or len(row) <= shown:
        raise ArgumentError(f"logits must be finite and more than the {shown} tokens shown, found {len(row)}")
    if not 1 <= len(rules) <= 4:
        raise ArgumentError(f"rules has {len(rules)} entries, expected 1 to 4")
    names = [chr(ord("a") + index) for index in range(shown)] if tokens is None else list(tokens)
    if len(names) != shown:
        raise ShapeError(f"tokens has {len(names)} entries, expected the {shown} that are shown")
    row, rest = row.sort(descending=True, stable=True).values, len(row) - shown
    frames, alt = [], []
    data: dict = {"tokens": names, "rest": rest, "temperatures": list(temperatures)}
    data |= {"probs": [], "entropy": [], "kept": {_label(*rule): [] for rule in rules}}
    for temperature in temperatures:
        probs = reference.softmax(row, check_temperature(temperature))
        bars = [*probs[:shown].tolist(), probs[shown:].sum().item()]
        entropy = reference.entropy(probs).item()
        masks = {_label(*rule): truncation_mask(probs, *rule) for rule in rules}
        frames.append(
            _sweep_frame(bars, names, rest, masks, f"T = {temperature:g}:  entropy {entropy:.2f} nats")
        )
        counts = {label: int(mask.sum()) for label, mask in masks.items()}
        alt.append(
            f"At temperature {temperature:g} the entropy is {entropy:.3g} nats. Tokens "
            f"{', '.join(map(repr, names))} have probabilities {_numbers(bars[:-1])}, the {rest:,} others "
            f"together {bars[-1]:.3g}. "
            + " ".join(
                f"{label} keeps {count:,} token{'s' * (count > 1)}." for label, count in counts.items()
            )
        )
        data["probs"].append(bars)
        data["entropy"].append(entropy)
        for label, count in counts.items():
            data["kept"][label].append(count)
    return frames, data | {"alt": alt}


def _sweep_frame(
    bars: list[float], names: list[str], rest: int, masks: dict[str, Tensor], title: str
) -> Figure:
    """One frame: bars above, and below them a row of squares for each rule."""
    shown = len(names)
    figure, (upper, lower) = new_figure(
        5.0, 2.6 + 0.3 * len(masks), nrows=2, sharex=True, height_ratios=[6, len(masks)]
    )
    places = [*range(shown), shown + 0.8]
    upper.bar(places, bars, color=[BLUE] * shown + [ORANGE])
    upper.set_ylim(0, 1)
    upper.set_ylabel("probability")
    upper.set_title(title)
    upper.tick_params(axis="x", labelbottom=False, length=0)
    for y, mask in enumerate(masks.values()):
        for x, keep in enumerate(mask[:shown].tolist()):
            style = {"color": BLUE} if keep else {"color": "none", "markeredgecolor": GREY}
            lower.plot(x, y, "s", markersize=10, **style)
        count = f"{int(mask[shown:].sum()):,}"
        lower.text(places[-1], y, count, color=INK, ha="center", va="center")
    lower.set_yticks(range(len(masks)), [f"{label} keeps" for label in masks])
    lower.set_ylim(len(masks) - 0.4, -0.6)
    lower.set_xlim(-0.6, places[-1] + 0.7)
    lower.set_xticks(places, [*map(_visible, names), f"{rest:,}\nothers"])
    if max(map(len, names)) > 4:
        for text in lower.get_xticklabels()[:shown]:
            text.set(rotation=40, horizontalalignment="right", rotation_mode="anchor")
    lower.tick_params(length=0)
    for side in ("left", "bottom"):
        lower.spines[side].set_visible(False)
    return figure


def inverse_cdf(probs: Sequence[float] | Tensor = FOUR_TOKENS, uniform: float = 0.62) -> tuple[Figure, dict]:
    """The staircase of cumulative probabilities, and a uniform that meets it at one token."""
    row, names = _small_row(probs)
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
        f"Staircase of cumulative probabilities over tokens {', '.join(names)}: {_numbers(cdf)}. "
        f"The uniform {uniform:g} lies between {steps[drawn]:.3g} and {steps[drawn + 1]:.3g}, "
        f"the step of token {names[drawn]}, which is drawn."
    )
    return figure, {"tokens": names, "cdf": cdf.tolist(), "uniform": uniform, "drawn": drawn, "alt": alt}


def gumbel_max(
    probs: Sequence[float] | Tensor = FOUR_TOKENS, draws: int = 3, seed: int = 1
) -> tuple[Figure, dict]:
    """Log-probabilities plus Gumbel noise in a few draws; the largest sum wins."""
    row, names = _small_row(probs)
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
    alt = f"Log-probabilities of tokens {', '.join(names)}: {_numbers(log_probs)}. " + " ".join(
        f"Draw {draw + 1}: with noise {_numbers(scores[draw])}; token {names[winners[draw]]} is largest."
        for draw in range(draws)
    )
    data = {"tokens": names, "log_probs": log_probs.tolist(), "noise": noise.tolist()}
    return figure, data | {"scores": scores.tolist(), "winners": winners, "alt": alt}


def exponential_race(probs: Sequence[float] | Tensor = FOUR_TOKENS, seed: int = 0) -> tuple[Figure, dict]:
    """Tokens arriving at exponential times with their probabilities as rates; the first wins."""
    row, names = _small_row(probs)
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
        f"A race of tokens {', '.join(names)} with rates {_numbers(row)}. Arrival times: "
        f"{_numbers(times)}. Token {names[winner]} arrives first and is drawn."
    )
    data = {"tokens": names, "rates": row.tolist(), "times": times.tolist()}
    return figure, data | {"winner": winner, "alt": alt}


def capped_gumbel(cap: float = 3.0, draws: int = 40_000, seed: int = 0) -> tuple[Figure, dict]:
    """How often a token is drawn under capped noise, relative to its probability.

    The float32 cap bites below one in a million, where no simulation of this size would
    see it; a low cap shows the same shape where draws can be counted.

    Parameters
    ----------
    cap : float
        The visible cap. Its points are counted draws, its curve the closed form.
    draws : int
        Number of draws of the simulation.
    seed : int
        Seed of the simulation.
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
        f"{_numbers(counted)} counted, {_numbers(ratio['visible'])} computed, for probabilities "
        f"{_numbers(visible[:-1])}."
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


def truncation_family(
    probs: Sequence[float] | Tensor = FOUR_TOKENS, rules: Sequence[tuple[str, float]] = FAMILY
) -> tuple[Figure, dict]:
    """Which tokens of one distribution each rule keeps: a grid of rules and tokens."""
    row, names = _small_row(probs)
    masks = {_label(rule, value): truncation_mask(row, rule, value).tolist() for rule, value in rules}
    figure, axes = new_figure(4.6, 0.32 * len(masks) + 0.75)
    for y, mask in enumerate(masks.values()):
        for x, keep in enumerate(mask):
            style = {"color": BLUE} if keep else {"color": "none", "markeredgecolor": GREY}
            axes.plot(x, y, "s", markersize=14, **style)
    axes.set_yticks(range(len(masks)), list(masks))
    labels = [f"{name}\n{p:.3g}" for name, p in zip(names, row.tolist(), strict=True)]
    axes.set_xticks(range(len(names)), labels)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_ylim(len(masks) - 0.4, -0.6)
    axes.tick_params(length=0)
    axes.xaxis.tick_top()
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    kept = {
        label: [name for name, keep in zip(names, mask, strict=True) if keep] for label, mask in masks.items()
    }
    alt = f"Grid of rules and tokens {', '.join(names)} with probabilities {_numbers(row)}. " + " ".join(
        f"{label} keeps {', '.join(tokens)}." for label, tokens in kept.items()
    )
    return figure, {"tokens": names, "probs": row.tolist(), "masks": masks, "alt": alt}


def kept_tokens_along_text(
    kept: Mapping[str, Sequence[int] | Tensor], tokens: Sequence[str] | None = None
) -> tuple[Figure, dict]:
    """How many tokens each rule keeps at every position of a text.

    Parameters
    ----------
    kept : mapping of str to sequence of int
        Counts by the rule's label, all of one length; at most six rules.
    tokens : sequence of str, optional
        The text's tokens, written below the positions; leave out for long texts.
    """
    counts = {label: np.asarray(row, dtype=np.int64) for label, row in kept.items()}
    if not 1 <= len(counts) <= len(CYCLE):
        raise ArgumentError(f"kept has {len(counts)} rules, expected 1 to {len(CYCLE)}")
    lengths = {len(row) for row in counts.values()} | ({len(tokens)} if tokens is not None else set())
    if len(lengths) != 1 or 0 in lengths:
        raise ShapeError(f"kept has rows of lengths {sorted(lengths)}, expected one length above zero")
    if min(row.min() for row in counts.values()) < 1:
        raise ArgumentError("kept holds a count below one; leave out what stands after an end of text")
    figure, axes = new_figure(5.0, 3.0)
    length = lengths.pop()
    for index, (label, row) in enumerate(counts.items()):
        # Lines shifted by a hair, so that equal counts do not hide each other.
        style = {"color": CYCLE[index], "linewidth": 1.5}
        axes.step(range(length), row * 1.03**index, where="mid", label=label, **style)
    axes.set_yscale("log")
    axes.set_ylabel("tokens kept")
    if tokens is None:
        axes.set_xlabel("position")
    else:
        axes.set_xticks(range(length), [_visible(token) for token in tokens], rotation=90, fontsize=9)
    figure.legend(loc="outside upper center", ncols=min(len(counts), 3), **LEGEND)
    alt = f"Number of tokens kept by each rule along {length} positions. " + " ".join(
        f"{label}: from {row.min()} to {row.max()}, median {np.median(row):g}."
        for label, row in counts.items()
    )
    data = {label: row.tolist() for label, row in counts.items()}
    return figure, {"kept": data, "alt": alt}


def rules_tradeoff(
    results: Mapping, metrics: tuple[str, str] = ("entropy", "repetition_4")
) -> tuple[Figure, dict]:
    """Two measures of the texts that each rule writes, with intervals, ordered by the first.

    Parameters
    ----------
    results : mapping
        What ``tokenlab.chapters.sampling.experiments.load_results`` returns.
    metrics : pair of str
        Names in its ``metrics``.
    """
    rules = results["rules"]
    for metric in metrics:
        if any(metric not in rule["metrics"] for rule in rules.values()):
            raise ArgumentError(f"metrics names {metric!r}, which the results do not have")
    titles = {
        "entropy": "entropy (nats)",
        "repetition_2": "repeated 2-grams",
        "repetition_4": "repeated 4-grams",
        "log_prob": "log-probability (nats)",
        "kept": "tokens kept",
    }
    labels = sorted(rules, key=lambda label: rules[label]["metrics"][metrics[0]]["mean"])
    figure, panels = new_figure(5.2, 0.28 * len(labels) + 0.8, ncols=2, sharey=True)
    for axes, metric, colour in zip(panels, metrics, (BLUE, ORANGE), strict=True):
        for y, label in enumerate(labels):
            value = rules[label]["metrics"][metric]
            axes.plot([value["low"], value["high"]], [y, y], color=colour, linewidth=2)
            axes.plot(value["mean"], y, "o", color=colour, markersize=6)
        axes.set_xlabel(titles.get(metric, metric))
        axes.grid(axis="y", color=GREY, alpha=0.3, linewidth=0.8)
        axes.set_axisbelow(True)
    panels[0].set_yticks(range(len(labels)), labels)
    panels[1].tick_params(axis="y", length=0)

    def words(label: str) -> str:
        values = [rules[label]["metrics"][metric] for metric in metrics]
        return f"{label}: " + ", ".join(
            f"{titles.get(metric, metric)} {value['mean']:.3g} ({value['low']:.3g} to {value['high']:.3g})"
            for metric, value in zip(metrics, values, strict=True)
        )

    alt = "Means and 95 % intervals for each rule. " + "; ".join(map(words, labels)) + "."
    values = {label: {metric: rules[label]["metrics"][metric] for metric in metrics} for label in labels}
    return figure, {"labels": labels, "values": values, "alt": alt}


def _small_row(probs: Sequence[float] | Tensor) -> tuple[Tensor, list[str]]:
    """A row of positive probabilities in float64, and one letter for each token."""
    row = probs.double() if isinstance(probs, Tensor) else torch.tensor(probs, dtype=torch.float64)
    check_tensor("probs", row, max_dims=1)
    check_probs("probs", row)
    if len(row) > 12 or not bool((row > 0).all()):
        raise ArgumentError("probs must hold at most 12 tokens, none of probability zero, to be drawn")
    return row, [chr(ord("a") + index) for index in range(len(row))]


def _label(rule: str, value: float) -> str:
    return f"{LABELS.get(rule, rule)} {value:g}"


def _tail_and_head(low: float, high: float, count: int) -> Tensor:
    """Tokens whose log10-probabilities run from low to high, and one that takes the rest."""
    tail = torch.logspace(low, high, count, dtype=torch.float64)
    return torch.cat([tail, 1 - tail.sum(0, keepdim=True)])


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(check_int("seed", seed, low=0))


def _numbers(values: Sequence[float] | Tensor) -> str:
    return ", ".join(f"{float(value):.3g}" for value in values)


def _visible(token: str) -> str:
    return token.replace("\n", "\\n").replace(" ", "␣").replace("$", r"\$")
