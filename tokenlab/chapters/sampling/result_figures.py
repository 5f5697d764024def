"""The picture of the recorded experiment: ``(Figure, data)``, and ``data["alt"]`` describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tokenlab.chapters.intervals import Interval
from tokenlab.errors import ArgumentError
from tokenlab.figures import GREY, METHODS, Method, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def method_of(rule: Mapping) -> Method:
    """Name, colour and marker of a row of the results."""
    plain = "ancestral" if rule["temperature"] == 1 else "temperature"
    return METHODS["sampling"][rule["rule"] or plain]


def rules_tradeoff(
    results: Mapping, metrics: tuple[str, str] = ("entropy", "repetition_4")
) -> tuple[Figure, dict]:
    """Two measures of the texts that each rule writes, with intervals, ordered by the first."""
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
    figure, panels = new_figure(6.4, 0.28 * len(labels) + 0.8, ncols=2, sharey=True)
    for axes, metric in zip(panels, metrics, strict=True):
        for y, label in enumerate(labels):
            method, value = method_of(rules[label]), Interval(**rules[label]["metrics"][metric])
            axes.plot([value.low, value.high], [y, y], color=method.colour, linewidth=2)
            axes.plot(value.mean, y, method.marker, color=method.colour, markersize=7)
        axes.grid(axis="y", color=GREY, alpha=0.3, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_xlabel(titles.get(metric, metric))
    panels[0].set_yticks(range(len(labels)), labels)
    panels[0].set_ylim(len(labels) - 0.5, -0.5)
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
