"""Pictures of the recorded experiments. Each returns ``(Figure, data)``; ``data["alt"]`` describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tokenlab.chapters.bytelevel import experiments
from tokenlab.chapters.intervals import Interval
from tokenlab.errors import check_choice
from tokenlab.figures import BLUE, GREY, LEGEND, ORANGE, PURPLE, new_figure
from tokenlab.lm.corpus import KINDS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: How methods and fillers are written and coloured.
METHODS = {
    "plain": ("plain prompting", GREY),
    "longest_match": ("longest-match healing", ORANGE),
    "exact": ("exact", BLUE),
}


FILLERS = {"tokens": ("tokens", GREY), "healed tokens": ("tokens, healed", ORANGE), "bytes": ("bytes", BLUE)}


PARTS = {"inside": "inside a token", "boundary": "between tokens", "all": "all"}


GAP_MEASURES = {
    "bits": "bits of the middle",
    "similarity": "edit similarity",
    "agrees": "share that is right",
}


WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)


def cut_bits(results: Mapping, measure: str = "first") -> tuple[Figure, dict]:
    """Bits per byte after the cuts, by where the cut falls; results ``cuts``.

    ``measure``: ``"first"``, the next byte, or ``"ahead"``, the next eight.
    """
    check_choice("measure", measure, ("first", "ahead"))
    rows = {
        name: [experiments.cut_bits(results, method, measure, part) for part in PARTS]
        for method, (name, _) in METHODS.items()
    }
    what = "bits of the next byte" if measure == "first" else f"bits per byte, next {results['ahead']}"
    return _groups(rows, list(PARTS.values()), [colour for _, colour in METHODS.values()], what)


def gap_scores(results: Mapping, measure: str = "bits") -> tuple[Figure, dict]:
    """What the fillers reach, by format and by where the gap begins; results ``infilling``.

    ``measure``: ``"bits"`` of the true middle, ``"similarity"`` to it, or ``"agrees"``, the share of matches.
    """
    check_choice("measure", measure, tuple(GAP_MEASURES))
    groups = [(format, part) for format in results["fills"] for part in ("inside", "boundary")]
    rows = {
        name: [experiments.gap_score(results, format, filler, measure, part) for format, part in groups]
        for filler, (name, _) in FILLERS.items()
    }
    labels = [f"{format.upper()},\n{PARTS[part]}" for format, part in groups]
    return _groups(rows, labels, [colour for _, colour in FILLERS.values()], GAP_MEASURES[measure])


def ensemble_bits(results: Mapping) -> tuple[Figure, dict]:
    """Bits per byte of target and other together, by the target's weight; results ``ensembles``."""
    figure, panels = new_figure(6.4, 3.0, ncols=2, sharey=True)
    data: dict = {"weights": list(WEIGHTS), "bits": {}}
    for axes, kind in zip(panels, KINDS, strict=True):
        data["bits"][kind] = {}
        for how, colour, marker in (("mix", BLUE, "o"), ("product", PURPLE, "s")):
            names = ["other", *(f"{how}, target {w:g}, other {1 - w:g}" for w in WEIGHTS[1:-1]), "target"]
            means = [experiments.ensemble_bits(results, name, kind).mean for name in names]
            data["bits"][kind][how] = means
            label = {"mix": "mixture", "product": "product"}[how]
            axes.plot(WEIGHTS, means, marker=marker, color=colour, label=label, markersize=4)
        axes.set_title({"source": "programs", "english": "English"}[kind], loc="left")
        axes.set_xlabel("weight of lab-target")
        axes.set_xticks(WEIGHTS, [f"{weight:g}" for weight in WEIGHTS])
    panels[0].set_ylabel("bits per byte")
    panels[0].legend(**LEGEND)
    data["alt"] = (
        f"Bits per byte at target weights {', '.join(f'{weight:g}' for weight in WEIGHTS)}. "
        + " ".join(
            f"{kind}, {how}: {', '.join(f'{mean:.3f}' for mean in means)}."
            for kind, distributions in data["bits"].items()
            for how, means in distributions.items()
        )
    )
    return figure, data


def _groups(
    rows: Mapping[str, Sequence[Interval]], labels: Sequence[str], colours: Sequence[str], what: str
) -> tuple[Figure, dict]:
    """Points with their intervals: a column for each label, one point for each series."""
    figure, axes = new_figure(6.4, 3.0)
    step = 0.6 / len(rows)
    for index, ((name, row), colour) in enumerate(zip(rows.items(), colours, strict=True)):
        middles = np.arange(len(labels)) + (index - (len(rows) - 1) / 2) * step
        means = [value.mean for value in row]
        reach = [[value.mean - value.low for value in row], [value.high - value.mean for value in row]]
        axes.errorbar(
            middles, means, reach, fmt="osD^"[index], color=colour, label=name, capsize=3, markersize=5
        )
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlim(-0.5, len(labels) - 0.5)
    axes.set_ylim(bottom=0)
    axes.set_ylabel(what)
    figure.legend(loc="outside upper center", ncols=len(rows), **LEGEND)
    told = [label.replace("\n", " ") for label in labels]
    alt = f"Means with 95 % intervals, {what}. " + " ".join(
        f"{name}: "
        + "; ".join(
            f"{label} {value.mean:.3g} ({value.low:.3g} to {value.high:.3g})"
            for label, value in zip(told, row, strict=True)
        )
        + "."
        for name, row in rows.items()
    )
    return figure, {
        "intervals": {name: [tuple(value) for value in row] for name, row in rows.items()},
        "alt": alt,
    }
