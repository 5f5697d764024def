"""Pictures of what was recorded. Each returns ``(Figure, data)``; ``data["alt"]`` describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tokenlab.chapters.intervals import Interval
from tokenlab.errors import ArgumentError
from tokenlab.figures import BLUE, GREY, INK, METHODS, Method, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def method_of(rule: Mapping) -> Method:
    """Name, colour and marker of a row of the results."""
    plain = "ancestral" if rule["temperature"] == 1 else "temperature"
    return METHODS["sampling"][rule["rule"] or plain]


#: Where the name of a way stands, in points from its mark, where the default would meet another name.
BESIDE = {
    "greedy": (8, 10),
    "top-H 0.4": (-30, -26),
    "min-p 0.1": (-30, 30),
    "temperature 0.7": (10, 40),
    "top-H 0.4, released": (24, 20),
    "typical 0.9": (10, 18),
    "top-k 50": (-44, 6),
    "top-p 0.9": (-44, -14),
    "eta 0.002": (-34, -26),
    "ancestral": (-24, -34),
}


def rules_tradeoff(
    results: Mapping, metrics: tuple[str, str] = ("entropy", "repetition_4")
) -> tuple[Figure, dict]:
    """Two measures of the texts that each rule writes, one against the other, with intervals of both."""
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
    figure, axes = new_figure(6.4, 3.9)
    for label in labels:
        method = method_of(rules[label])
        x, y = (Interval(**rules[label]["metrics"][metric]) for metric in metrics)
        axes.plot([x.low, x.high], [y.mean, y.mean], color=method.colour, linewidth=1.4, alpha=0.6)
        axes.plot([x.mean, x.mean], [y.low, y.high], color=method.colour, linewidth=1.4, alpha=0.6)
        axes.plot(x.mean, y.mean, method.marker, color=method.colour, markersize=8)
        offset = BESIDE.get(label, (8, 6))
        line = {"arrowstyle": "-", "color": GREY, "linewidth": 0.8, "shrinkA": 2, "shrinkB": 5}
        axes.annotate("", (x.mean, y.mean), offset, textcoords="offset points", arrowprops=line)
        axes.annotate(
            label, (x.mean, y.mean), offset, textcoords="offset points", color=INK,
            ha="right" if offset[0] < 0 else "left", va="center",
        )  # fmt: skip
    axes.set_xlabel(titles.get(metrics[0], metrics[0]))
    axes.set_ylabel(titles.get(metrics[1], metrics[1]))
    axes.set_yscale("log")
    ticks = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
    low, high = axes.get_ylim()
    axes.set_yticks(*zip(*((tick, f"{tick:g}") for tick in ticks if low <= tick <= high), strict=True))
    axes.minorticks_off()

    def words(label: str) -> str:
        values = [rules[label]["metrics"][metric] for metric in metrics]
        return f"{label}: " + ", ".join(
            f"{titles.get(metric, metric)} {value['mean']:.3g} ({value['low']:.3g} to {value['high']:.3g})"
            for metric, value in zip(metrics, values, strict=True)
        )

    alt = "Means and 95 % intervals for each rule. " + "; ".join(map(words, labels)) + "."
    values = {label: {metric: rules[label]["metrics"][metric] for metric in metrics} for label in labels}
    return figure, {"labels": labels, "values": values, "alt": alt}


def bits_per_byte(recorded: Mapping[str, Mapping[str, float]], ways: Sequence[str]) -> tuple[Figure, dict]:
    """What each way of predicting needs for a byte, by kind of text: a panel for each kind, a bar for each way.

    ``recorded`` is by kind of text and way; the first of ``ways`` is blue.
    """
    if not recorded or not ways:
        raise ArgumentError(
            f"recorded has {len(recorded)} kinds and {len(ways)} ways, expected one of each or more"
        )
    figure, panels = new_figure(
        6.4, (0.27 * len(ways) + 0.4) * len(recorded) + 0.5, nrows=len(recorded), sharex=True, squeeze=False
    )
    data = {kind: [row[way] for way in ways] for kind, row in recorded.items()}
    for axes, (kind, bits) in zip(panels[:, 0], data.items(), strict=True):
        axes.barh(range(len(ways)), bits, 0.7, color=[BLUE] + [GREY] * (len(ways) - 1))
        for y, value in enumerate(bits):
            axes.annotate(
                f"{value:.2f}", (value, y), (5, 0), textcoords="offset points", va="center", color=INK
            )
        axes.set_yticks(range(len(ways)), ways)
        axes.set_ylim(len(ways) - 0.4, -0.6)
        axes.set_title(kind, loc="left")
        axes.tick_params(axis="y", length=0)
    panels[-1, 0].set_xlabel("bits per byte")
    panels[-1, 0].set_xlim(0, 1.15 * max(map(max, data.values())))
    alt = "Bits per byte. " + " ".join(
        f"{kind}: {', '.join(f'{way} {value:.2f}' for way, value in zip(ways, bits, strict=True))}."
        for kind, bits in data.items()
    )
    return figure, {"bits": data, "ways": list(ways), "alt": alt}
