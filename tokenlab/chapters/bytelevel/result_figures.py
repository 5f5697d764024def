"""Pictures of the recorded experiments. Each returns ``(Figure, data)``; ``data["alt"]`` describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tokenlab.chapters.bytelevel import experiments
from tokenlab.chapters.intervals import Interval
from tokenlab.errors import check_choice
from tokenlab.figures import GREY, INK, METHODS, new_figure
from tokenlab.lm.corpus import KINDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLES = METHODS["bytelevel"]
PROMPTINGS = ("plain", "longest_match", "exact")
FILLERS = ("tokens", "healed tokens", "bytes")
PARTS = {"inside": "inside a token", "boundary": "between tokens", "all": "all cuts"}
GAP_MEASURES = {"bits": "bits of the middle", "similarity": "edit similarity"}
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)

#: By heading and method, the rows of one panel.
Groups = Mapping[str, Mapping[str, Interval]]


def cut_bits(results: Mapping, measure: str = "first") -> tuple[Figure, dict]:
    """Bits per byte after the cuts, by where the cut falls; results ``cuts``.

    ``measure``: ``"first"``, the next byte, or ``"ahead"``, the next eight.
    """
    check_choice("measure", measure, ("first", "ahead"))
    groups = {
        heading: {method: experiments.cut_bits(results, method, measure, part) for method in PROMPTINGS}
        for part, heading in PARTS.items()
    }
    first = measure == "first"
    what = "bits of the next byte" if first else f"bits per byte of the next {results['ahead']}"
    figure, data = _intervals({"": groups}, what)
    inside, between = (
        [groups[PARTS[part]][method].mean for method in PROMPTINGS] for part in ("inside", "boundary")
    )
    data["said"] = (
        f"{'The next byte' if first else 'Each of the next eight bytes'}. Inside a token the encoded prompt needs "
        "{:.2f} bits, longest-match healing {:.2f} and the exact distribution {:.2f}; ".format(*inside)
        + "between tokens {:.2f}, {:.2f} and {:.2f}.".format(*between)
    )
    return figure, data


def gap_scores(results: Mapping, measure: str = "bits") -> tuple[Figure, dict]:
    """What the fillers reach, by order and by where the gap begins; results ``infilling``.

    ``measure``: ``"bits"`` of the true middle, or ``"similarity"`` to it.
    """
    check_choice("measure", measure, tuple(GAP_MEASURES))
    panels = {
        order.upper(): {
            PARTS[part]: {
                filler: experiments.gap_score(results, order, filler, measure, part) for filler in FILLERS
            }
            for part in ("inside", "boundary")
        }
        for order in results["fills"]
    }
    figure, data = _intervals(panels, GAP_MEASURES[measure])
    digits = 0 if measure == "bits" else 2
    inside = [
        " and ".join(f"{panels[order][PARTS['inside']][filler].mean:.{digits}f}" for order in ("PSM", "SPM"))
        for filler in FILLERS
    ]
    data["said"] = (
        f"{GAP_MEASURES[measure].capitalize()}, in PSM and in SPM. Where the gap begins inside a token, "
        "the encoded prompt has {}, longest-match healing {} and the exact filler {}.".format(*inside)
    )
    return figure, data


def ensemble_label(name: str) -> str:
    """An ensemble of the results in words.

    Examples
    --------
    >>> ensemble_label("mix, target 0.25, other 0.75"), ensemble_label("other")
    ('mixture: target 0.25, other 0.75', 'lab-other')
    """
    how, _, parts = name.partition(", ")
    return f"{STYLES[how].name}: {parts}" if parts else STYLES[how].name


def ensemble_bits(results: Mapping) -> tuple[Figure, dict]:
    """Bits per byte of target and other together, by the target's weight; results ``ensembles``."""
    figure, panels = new_figure(6.4, 3.0, ncols=2, sharey=True)
    data: dict = {"weights": list(WEIGHTS), "bits": {}}
    for axes, kind in zip(panels, KINDS, strict=True):
        data["bits"][kind] = {}
        for how in ("mix", "product"):
            names = ["other", *(f"{how}, target {w:g}, other {1 - w:g}" for w in WEIGHTS[1:-1]), "target"]
            means = [experiments.ensemble_bits(results, name, kind).mean for name in names]
            data["bits"][kind][how] = means
            line = "-" if how == "mix" else "--"
            axes.plot(WEIGHTS, means, line, color=STYLES[how].colour, linewidth=1.4)
            axes.plot(WEIGHTS[1:-1], means[1:-1], STYLES[how].marker, color=STYLES[how].colour, markersize=6)
        _name_curves(axes, data["bits"][kind])
        axes.set_title({"source": "programs", "english": "English"}[kind], loc="left")
        axes.set_xlabel("weight of lab-target")
        axes.set_xticks(WEIGHTS, [f"{weight:g}" for weight in WEIGHTS])
        axes.margins(x=0.08, y=0.22)
    panels[0].set_ylabel("bits per byte")
    data["alt"] = (
        f"Bits per byte at target weights {', '.join(f'{weight:g}' for weight in WEIGHTS)}. "
        + " ".join(
            f"{kind}, {how}: {', '.join(f'{mean:.3f}' for mean in means)}."
            for kind, distributions in data["bits"].items()
            for how, means in distributions.items()
        )
    )
    return figure, data


def _name_curves(axes: Axes, curves: Mapping[str, Sequence[float]]) -> None:
    """Names at the points: of the two models at the ends, of mixture and product where they part."""
    for name, x, y, side in (
        ("other", 0, curves["mix"][0], "left"),
        ("target", 1, curves["mix"][-1], "right"),
    ):
        axes.plot(x, y, STYLES[name].marker, color=STYLES[name].colour, markersize=8)
        _near(axes, x, y, STYLES[name].name, (0, 8), side, "bottom")
    for how in sorted(curves, key=lambda how: curves[how][1]):
        above = curves[how][1] == max(curve[1] for curve in curves.values())
        place = ((7, 4), "left", "bottom") if above else ((-4, -7), "right", "top")
        _near(axes, WEIGHTS[1], curves[how][1], STYLES[how].name, *place)


def _near(
    axes: Axes, x: float, y: float, text: str, offset: tuple[int, int], side: str, vertical: str
) -> None:
    place = {"xytext": offset, "textcoords": "offset points", "ha": side, "va": vertical}
    axes.annotate(text, (x, y), color=INK, fontsize=10, **place)


def _intervals(panels: Mapping[str, Groups], what: str) -> tuple[Figure, dict]:
    """Means with their intervals: a panel each, in it a heading and a row for each method."""
    rows = sum(len(methods) + 1 for methods in next(iter(panels.values())).values())
    figure, all_axes = new_figure(
        6.4, 0.23 * rows + 0.7, ncols=len(panels), sharey=True, sharex=True, squeeze=False
    )
    told = []
    for axes, (title, groups) in zip(all_axes[0], panels.items(), strict=True):
        _rows(axes, groups)
        axes.set_xlabel(what)
        if title:
            axes.set_title(title, loc="left")
        told += [
            f"{', '.join(filter(None, (title, heading)))}: "
            + "; ".join(
                f"{STYLES[m].name} {v.mean:.3g} ({v.low:.3g} to {v.high:.3g})" for m, v in row.items()
            )
            + "."
            for heading, row in groups.items()
        ]
    # Panels share the axis, so that it is set when all is drawn.
    all_axes[0, 0].set_xlim(left=0)
    intervals = {
        title: {
            heading: {method: tuple(value) for method, value in row.items()} for heading, row in g.items()
        }
        for title, g in panels.items()
    }
    alt = f"Means with 95 % intervals, {what}. {' '.join(told)}"
    return figure, {"intervals": intervals, "alt": alt}


def _rows(axes: Axes, groups: Groups) -> None:
    y, ticks = 0, {}
    for heading, methods in groups.items():
        place = {"xycoords": axes.get_yaxis_transform(), "xytext": (5, 0), "textcoords": "offset points"}
        axes.annotate(heading, (0, y), **place, va="center", fontsize=10, fontweight="bold", color=INK)
        for method, value in methods.items():
            y += 1
            look = STYLES[method]
            ticks[y] = look.name
            axes.plot([value.low, value.high], [y, y], color=look.colour, linewidth=2)
            axes.plot(value.mean, y, look.marker, color=look.colour, markersize=6)
        y += 1
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(y - 0.4, -0.6)
    axes.grid(axis="x", color=GREY, alpha=0.3, linewidth=0.8)
    axes.set_axisbelow(True)
