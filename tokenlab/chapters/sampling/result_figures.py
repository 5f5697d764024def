"""The picture of the recorded experiment: ``(Figure, data)``, and ``data["alt"]`` describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tokenlab.chapters.drawing import interval_rows
from tokenlab.chapters.intervals import Interval
from tokenlab.errors import ArgumentError
from tokenlab.figures import BLUE, ORANGE, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    figure, panels = new_figure(5.2, 0.28 * len(labels) + 0.8, ncols=2, sharey=True)
    for axes, metric, colour in zip(panels, metrics, (BLUE, ORANGE), strict=True):
        values = [Interval(**rules[label]["metrics"][metric]) for label in labels]
        interval_rows(axes, values, [colour] * len(labels))
        axes.set_xlabel(titles.get(metric, metric))
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
