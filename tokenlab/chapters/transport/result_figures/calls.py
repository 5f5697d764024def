"""How many tokens a call of the target gives, by what is drafted and which rule verifies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tokenlab.chapters.intervals import Interval
from tokenlab.chapters.transport.experiments import WAYS, efficiency
from tokenlab.errors import check_choice
from tokenlab.figures import GREY, METHODS, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RULES = METHODS["transport"]


def texts_by_way(results: Mapping, temperatures: Sequence[str] | None = None) -> tuple[Figure, dict]:
    """Tokens per call of the target over whole texts, a panel for each temperature; results ``decoding``."""
    settings = list(results["texts"]) if temperatures is None else list(temperatures)
    for setting in settings:
        check_choice("temperature", setting, tuple(results["texts"]))
    table = {
        setting: {
            (way.partition(",")[0], WAYS[way]["rule"]): efficiency(results, setting, way)
            for way in results["texts"][setting]
        }
        for setting in settings
    }
    return _by_drafts_and_rule(table)


def _by_drafts_and_rule(table: Mapping[str, Mapping[tuple[str, str], Interval]]) -> tuple[Figure, dict]:
    """Rows of intervals, those of the same drafts together under their name."""
    groups: dict[str, list[str]] = {}
    for drafts, rule in next(iter(table.values())):
        groups.setdefault(drafts, []).append(rule)
    rows = [
        row for drafts, rules in groups.items() for row in ((drafts, None), *((drafts, r) for r in rules))
    ]
    figure, panels = new_figure(6.6, 0.225 * len(rows) + 0.8, ncols=len(table), sharex=True, squeeze=False)
    for axes, (setting, values) in zip(panels[0], table.items(), strict=True):
        for y, key in enumerate(rows):
            if key in values:
                _, colour, marker = RULES[key[1]]
                value = values[key]
                axes.plot([value.low, value.high], [y, y], color=colour, linewidth=2)
                axes.plot(value.mean, y, marker, color=colour, markersize=7)
        axes.axvline(1, color=GREY, linewidth=1.5)
        axes.set_title(setting, loc="left")
        axes.set_xlabel("tokens per target call")
        axes.set_yticks(range(len(rows)), [RULES[rule].name if rule else drafts for drafts, rule in rows])
        for label, (_, rule) in zip(axes.get_yticklabels(), rows, strict=True):
            label.set_fontweight("normal" if rule else "bold")
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(axis="y", color=GREY, alpha=0.25, linewidth=0.8)
    alt = "Tokens for a call of the target, means and 95 % intervals over prompts. " + " ".join(
        f"{setting}: "
        + ", ".join(
            f"{drafts}, {RULES[rule].name} {v.mean:.2f} ({v.low:.2f} to {v.high:.2f})"
            for (drafts, rule), v in values.items()
        )
        + "."
        for setting, values in table.items()
    )
    values = {setting: {key: value._asdict() for key, value in row.items()} for setting, row in table.items()}
    return figure, {"groups": groups, "values": values, "alt": alt}
