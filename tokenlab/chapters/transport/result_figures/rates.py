"""How often rules accept at steps of two models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from jaxtyping import Float64
from torch import Tensor

from tokenlab.chapters.drawing import no_mathematics, numbers, visible
from tokenlab.chapters.intervals import Interval, student_interval
from tokenlab.chapters.transport.experiments import gap, rate
from tokenlab.errors import ShapeError, check_choice
from tokenlab.figures import BLUE, GREY, INK, METHODS, ORANGE, Method, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RULES = METHODS["transport"]
#: The two questions of :func:`drafts_or_rule`; neither is a method.
OTHER_DRAFTS = Method("drafts without repeats", INK, "o")
BEST_RULE = Method("best rule, same drafts", BLUE, "*")


def step_tokens(
    target_probs: Float64[Tensor, " vocab"], draft_probs: Float64[Tensor, " vocab"], names: Mapping[int, str]
) -> tuple[Figure, dict]:
    """What two models give to some tokens at one step: a point for each, joined by their difference."""
    if not names:
        raise ShapeError("names has 0 entries, expected one or more tokens")
    target, draft = ([row[token].item() for token in names] for row in (target_probs, draft_probs))
    figure, axes = new_figure(6.0, 0.34 * len(names) + 0.9)
    rows = range(len(names))
    for y, (p, q) in enumerate(zip(target, draft, strict=True)):
        axes.plot([p, q], [y, y], color=GREY, linewidth=2, zorder=1)
    axes.plot(target, rows, "o", color=BLUE, markersize=8)
    axes.plot(draft, rows, "D", color=ORANGE, markersize=7)
    axes.set_yticks(rows, [visible(name) for name in names.values()], fontfamily="monospace")
    no_mathematics(axes.get_yticklabels())
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.5, -1.3)
    axes.set_xlim(left=0)
    axes.set_xlabel("probability of the next token")
    # The words stand outside of the first pair, so that they never lie on one another.
    sides = sorted(((target[0], "target", BLUE), (draft[0], "draft", ORANGE)))
    for (at, word, colour), side in zip(sides, ("right", "left"), strict=True):
        axes.text(at, -0.5, word, color=colour, ha=side, va="bottom", fontweight="bold")
    alt = "Probabilities of target and draft. " + " ".join(
        f"{name!r}: {p:.3f} and {q:.3f}." for name, p, q in zip(names.values(), target, draft, strict=True)
    )
    return figure, {"target": target, "draft": draft, "alt": alt}


def acceptance_on_steps(results: Mapping, labels: Sequence[str] | None = None) -> tuple[list[Figure], dict]:
    """Acceptance as the number of drafts grows, a frame for each setting; results ``acceptance``."""
    labels = list(results["rates"]) if labels is None else list(labels)
    frames, alt, data = [], [], {"num_drafts": results["num_drafts"], "rates": {}}
    for label in labels:
        check_choice("label", label, tuple(results["rates"]))
        table = {
            series: [rate(results, label, series, k) for k in results["num_drafts"]]
            for series in results["rates"][label]
        }
        frames.append(_rates_frame(results["num_drafts"], table))
        data["rates"][label] = {series: [value.mean for value in row] for series, row in table.items()}
        last = results["num_drafts"][-1]
        alt.append(
            f"{label}: acceptance rate from one draft to {last}. "
            + " ".join(f"{RULES[series].name}: {_means(row)}." for series, row in table.items())
        )
    return frames, data | {"labels": labels, "alt": alt}


def _rates_frame(num_drafts: Sequence[int], table: Mapping[str, list[Interval]]) -> Figure:
    figure, axes = new_figure(6.4, 3.9)
    for series, row in table.items():
        _, colour, marker = RULES[series]
        axes.plot(num_drafts, [value.mean for value in row], color=colour, marker=marker, markersize=6)
        axes.fill_between(
            num_drafts,
            [value.low for value in row],
            [value.high for value in row],
            color=colour,
            alpha=0.1,
            linewidth=0,
        )
    axes.set_ylim(0, 1)
    _name_ends(axes, num_drafts, {RULES[series]: row[-1].mean for series, row in table.items()}, 1)
    axes.set_xticks(list(num_drafts))
    axes.set_xlabel("drafts at a node")
    axes.set_ylabel("acceptance rate")
    return figure


def gap_by_temperature(
    results: Mapping, num_drafts: int = 4, series: Sequence[str] = ("recursive", "kseq")
) -> tuple[Figure, dict]:
    """What rules leave below the optimum of i.i.d. drafts, from cold to hot; results ``acceptance``."""
    labels = [label for label in results["rates"] if "top-p" not in label]
    temperatures = [float(label.removeprefix("T = ")) for label in labels]
    table = {name: [gap(results, label, name, num_drafts) for label in labels] for name in series}
    figure, axes = new_figure(6.4, 3.2)
    for name, row in table.items():
        _interval_line(axes, temperatures, row, RULES[name])
    axes.plot([temperatures[0], temperatures[-1]], [0, 0], color=BLUE, linewidth=1.5)
    top = max(value.high for row in table.values() for value in row)
    axes.set_ylim(-0.04 * top, 1.05 * top)
    ends = {RULES["optimal"]: 0.0} | {RULES[name]: row[-1].mean for name, row in table.items()}
    _name_ends(axes, temperatures, ends, top)
    axes.set_xticks(temperatures)
    axes.set_xlabel("temperature of both models")
    axes.set_ylabel("optimum minus rule")
    alt = (
        f"How far rules stay below the optimum with {num_drafts} drafts, at temperatures "
        f"{', '.join(f'{t:g}' for t in temperatures)}. "
        + " ".join(f"{RULES[name].name}: {_means(row)}." for name, row in table.items())
    )
    gaps = {name: [value.mean for value in row] for name, row in table.items()}
    return figure, {"temperatures": temperatures, "gaps": gaps, "alt": alt}


def drafts_or_rule(results: Mapping) -> tuple[Figure, dict]:
    """Two ways to gain on recursive rejection of i.i.d. drafts; results ``acceptance``.

    Drafts without repeats, the optimum of both kinds compared; and the best rule for the same i.i.d. drafts.
    Differences are taken at the same steps, by file.
    """
    cells = results["without_replacement"]["cells"]
    by_heat = sorted((c for c in cells if c["num_drafts"] == 4), key=_temperature)
    by_drafts = sorted((c for c in cells if c["setting"] == "T = 1"), key=lambda c: c["num_drafts"])
    figure, panels = new_figure(6.6, 3.2, ncols=2, sharey=True)
    data: dict = {}
    sides = (
        ("temperature", by_heat, _temperature, "temperature, 4 drafts"),
        ("num_drafts", by_drafts, lambda c: c["num_drafts"], "drafts at a node, T = 1"),
    )
    words = []
    for axes, (side, chosen, position, label) in zip(panels, sides, strict=True):
        x = [position(cell) for cell in chosen]
        gains = {
            OTHER_DRAFTS: [_difference(cell, "optimal", "optimal, iid") for cell in chosen],
            BEST_RULE: [_difference(cell, "optimal, iid", "recursive, iid") for cell in chosen],
        }
        for method, row in gains.items():
            _interval_line(axes, x, row, method)
            words.append(f"{method.name}, by {label} of {numbers(x)}: {_means(row)}.")
        axes.axhline(0, color=GREY, linewidth=1)
        axes.set_xlabel(label)
        axes.set_xticks(x)
        data[side] = {"x": x} | {method.name: [value.mean for value in row] for method, row in gains.items()}
    panels[0].set_ylabel("gain in acceptance rate")
    top = panels[0].get_ylim()[1]
    panels[0].set_ylim(top=1.12 * top)
    _name_gains(panels[0], by_heat, _temperature, top)
    return figure, data | {"alt": "Gains over recursive rejection of i.i.d. drafts. " + " ".join(words)}


def _name_gains(axes: Axes, chosen: Sequence[Mapping], position: Callable, top: float) -> None:
    """Each line's name at its highest point: beside the line that falls, above the one that rises."""
    first, last = chosen[0], chosen[-1]
    falls = _difference(first, "optimal", "optimal, iid").mean
    rises = _difference(last, "optimal, iid", "recursive, iid").high
    step = 0.05 * (position(last) - position(first))
    axes.text(position(first) + step, falls, OTHER_DRAFTS.name, color=OTHER_DRAFTS.colour, va="center")
    axes.text(
        position(last), rises + 0.02 * top, BEST_RULE.name, color=BEST_RULE.colour, va="bottom", ha="right"
    )


def _difference(cell: Mapping, more: str, less: str) -> Interval:
    pairs = zip(cell["rates"][more], cell["rates"][less], strict=True)
    return student_interval([a - b for a, b in pairs])


def _temperature(cell: Mapping) -> float:
    return float(cell["setting"].removeprefix("T = "))


def _interval_line(axes: Axes, x: Sequence[float], row: Sequence[Interval], method: Method) -> None:
    axes.plot(x, [v.mean for v in row], color=method.colour, marker=method.marker, markersize=7)
    for at, value in zip(x, row, strict=True):
        axes.plot([at, at], [value.low, value.high], color=method.colour, linewidth=1.2, alpha=0.6)


def _name_ends(axes: Axes, x: Sequence[float], ends: Mapping[Method, float], height: float) -> None:
    """Each line's name at its end, moved apart where lines end close together."""
    apart = 0.075 * height
    heights = sorted(ends.values())
    for low in range(1, len(heights)):
        heights[low] = max(heights[low], heights[low - 1] + apart)
    # The names' middle stays where the ends' middle is.
    shift = (sum(heights) - sum(ends.values())) / len(heights)
    spread = x[-1] - x[0]
    for (method, _), at in zip(sorted(ends.items(), key=lambda item: item[1]), heights, strict=True):
        axes.text(x[-1] + 0.04 * spread, at - shift, method.name, color=method.colour, va="center")
    # The right part of the axes is for the names: frames of a player then keep their axes in place.
    axes.set_xlim(x[0] - 0.04 * spread, x[-1] + 0.42 * spread)


def _means(row: Sequence[Interval]) -> str:
    return ", ".join(f"{value.mean:.3f}" for value in row)
