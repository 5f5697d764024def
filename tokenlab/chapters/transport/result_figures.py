"""Pictures of the rules on real models. Each returns ``(Figure, data)``; ``data["alt"]`` describes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from tokenlab.chapters.drawing import interval_rows, visible
from tokenlab.chapters.intervals import Interval, student_interval
from tokenlab.chapters.transport.experiments import Round, efficiency, gap, rate
from tokenlab.chapters.transport.figures import LABELS
from tokenlab.errors import check_choice
from tokenlab.figures import BLUE, CYCLE, GREEN, GREY, INK, LEGEND, ORANGE, PURPLE, RED, new_figure
from tokenlab.transport.trees.draft_tree import DraftTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

#: How series are written and coloured, as in the pictures of the theory.
STYLES: dict[str, tuple[str, str]] = {
    "target_only": (LABELS["target_only"], GREY),
    "naive": (LABELS["naive"], GREEN),
    "recursive": (LABELS["recursive"], ORANGE),
    "kseq": (LABELS["kseq"], PURPLE),
    "optimal": (LABELS["optimal"], BLUE),
    "greedy": ("greedy drafts", RED),
}


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
        frames.append(_rates_frame(results["num_drafts"], table, label))
        data["rates"][label] = {series: [value.mean for value in row] for series, row in table.items()}
        last = results["num_drafts"][-1]
        alt.append(
            f"{label}: acceptance rate from one draft to {last}. "
            + " ".join(f"{STYLES[series][0]}: {_means(row)}." for series, row in table.items())
        )
    return frames, data | {"labels": labels, "alt": alt}


def _rates_frame(num_drafts: Sequence[int], table: Mapping[str, list[Interval]], title: str) -> Figure:
    figure, axes = new_figure(5.4, 3.3)
    for series, row in table.items():
        name, colour = STYLES[series]
        axes.plot(num_drafts, [value.mean for value in row], "o-", color=colour, label=name, markersize=4)
        axes.fill_between(
            num_drafts,
            [value.low for value in row],
            [value.high for value in row],
            color=colour,
            alpha=0.12,
            linewidth=0,
        )
    axes.set_ylim(0, 1)
    axes.set_xticks(list(num_drafts))
    axes.set_xlabel("drafts at a node")
    axes.set_ylabel("acceptance rate")
    axes.set_title(title, loc="left")
    # Frames of a player keep their axes in place: room for all series, drawn or not.
    handles = [_handle(axes, *STYLES[series]) for series in STYLES]
    figure.legend(handles=handles, loc="outside right center", **LEGEND)
    return figure


def _handle(axes: Axes, name: str, colour: str) -> Line2D:
    (line,) = axes.plot([], [], "o-", color=colour, label=name, markersize=4)
    return line


def gap_by_temperature(
    results: Mapping, num_drafts: int = 4, series: Sequence[str] = ("recursive", "kseq")
) -> tuple[Figure, dict]:
    """What rules leave below the optimum of i.i.d. drafts, from cold to hot; results ``acceptance``."""
    labels = [label for label in results["rates"] if "top-p" not in label]
    temperatures = [float(label.removeprefix("T = ")) for label in labels]
    table = {name: [gap(results, label, name, num_drafts) for label in labels] for name in series}
    figure, axes = new_figure(4.6, 2.8)
    for name, row in table.items():
        _interval_line(axes, temperatures, row, *STYLES[name])
    axes.axhline(0, color=GREY, linewidth=1, linestyle=":")
    axes.set_xticks(temperatures)
    axes.set_xlabel("temperature of both models")
    axes.set_ylabel("optimum minus rule")
    axes.legend(**LEGEND)
    alt = (
        f"How far rules stay below the optimum with {num_drafts} drafts, at temperatures "
        f"{', '.join(f'{t:g}' for t in temperatures)}. "
        + " ".join(f"{STYLES[name][0]}: {_means(row)}." for name, row in table.items())
    )
    gaps = {name: [value.mean for value in row] for name, row in table.items()}
    return figure, {"temperatures": temperatures, "gaps": gaps, "alt": alt}


#: The four curves of the next picture: words, colour, line.
FEW_STYLES: dict[str, tuple[str, str, str]] = {
    "optimal": ("optimum, without replacement", BLUE, "--"),
    "recursive": ("recursive, without replacement", ORANGE, "--"),
    "optimal, iid": ("optimum, i.i.d.", BLUE, "-"),
    "recursive, iid": ("recursive, i.i.d.", ORANGE, "-"),
}


def without_replacement(results: Mapping) -> tuple[Figure, dict]:
    """Recursive rejection and the optimum, with and without replacement; results ``acceptance``."""
    cells = results["without_replacement"]["cells"]
    by_drafts = sorted((c for c in cells if c["setting"] == "T = 1"), key=lambda c: c["num_drafts"])
    by_heat = sorted((c for c in cells if c["num_drafts"] == 4), key=_temperature)
    figure, panels = new_figure(6.4, 3.4, ncols=2, sharey=True)
    data: dict = {}
    sides = (
        ("num_drafts", by_drafts, lambda c: c["num_drafts"], "drafts at a node, T = 1"),
        ("temperature", by_heat, _temperature, "temperature, 4 drafts"),
    )
    words = []
    for axes, (side, chosen, position, label) in zip(panels, sides, strict=True):
        x = [position(cell) for cell in chosen]
        data[side] = {"x": x}
        for name, style in FEW_STYLES.items():
            row = [student_interval(cell["rates"][name]) for cell in chosen]
            _interval_line(axes, x, row, *style)
            data[side][name] = [value.mean for value in row]
            words.append(f"{style[0]}, by {label}: {_means(row)}.")
        axes.set_xlabel(label)
        axes.set_xticks(x)
    panels[0].set_ylabel("acceptance rate")
    panels[0].set_ylim(0, 1)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=2, **LEGEND)
    alt = "Acceptance rates with and without replacement. " + " ".join(words)
    return figure, data | {"alt": alt}


def _temperature(cell: Mapping) -> float:
    return float(cell["setting"].removeprefix("T = "))


def block_efficiency(results: Mapping, temperatures: Sequence[str] | None = None) -> tuple[Figure, dict]:
    """Tokens per call of the target by way, a panel for each temperature; results ``decoding``."""
    settings = list(results["texts"]) if temperatures is None else list(temperatures)
    for setting in settings:
        check_choice("temperature", setting, tuple(results["texts"]))
    ways = list(results["texts"][settings[0]])
    table = {setting: {way: efficiency(results, setting, way) for way in ways} for setting in settings}
    figure, panels = new_figure(
        6.6, 0.27 * len(ways) + 0.9, ncols=len(settings), sharey=True, sharex=True, squeeze=False
    )
    for axes, (setting, row) in zip(panels[0], table.items(), strict=True):
        interval_rows(axes, list(row.values()), [_way_colour(way) for way in ways])
        axes.set_title(setting, loc="left")
        axes.set_xlabel("tokens per target call")
    panels[0][0].set_yticks(range(len(ways)), ways)
    panels[0][0].set_ylim(len(ways) - 0.4, -0.6)
    alt = "Tokens per call of the target model, means and 95 % intervals over prompts. " + " ".join(
        f"{setting}: "
        + ", ".join(f"{way} {v.mean:.2f} ({v.low:.2f} to {v.high:.2f})" for way, v in row.items())
        + "."
        for setting, row in table.items()
    )
    values = {setting: {way: value._asdict() for way, value in row.items()} for setting, row in table.items()}
    return figure, {"ways": ways, "values": values, "alt": alt}


def _way_colour(way: str) -> str:
    structures = ("chain", "sequences", "dynamic", "tree")
    return next((CYCLE[i] for i, word in enumerate(structures) if word in way), GREY)


def round_tree(
    found: Round, text: Callable[[int], str], *, size: tuple[float, float] = (6.4, 3.4), title: str = ""
) -> tuple[Figure, dict]:
    """One round of decoding: the drafted tree, what was kept of it, and the target's own token.

    An edge is as wide as its draft probability. Blue is accepted, grey rejected or never asked; the orange
    box is the final token. ``text`` makes text of a token's id; ``size`` is in inches.
    """
    tree, kept = found.tree, found.verified.nodes.tolist()
    depths, tokens, parents = tree.depths.tolist(), tree.tokens.tolist(), tree.parents.tolist()
    last = kept[-1] if kept else -1
    final = int(found.verified.tokens[-1])
    is_bonus = not tree.children(last)
    # The final token stands where one more child of the last accepted node would.
    rows = _rows(tree, last)
    spots = {node: (depths[node] if node >= 0 else 0, rows[node]) for node in range(-1, len(tokens))}
    final_spot = (spots[last][0] + 1, rows[len(tokens)])
    names = {node: visible(text(token)) for node, token in enumerate(tokens)} | {-1: ""}
    probs = [
        tree.draft_probs[parent + 1, token].item() for parent, token in zip(parents, tokens, strict=True)
    ]

    figure, axes = new_figure(*size)
    span = (-0.2, max(depths) + 1.6)
    letter = 0.085 * (span[1] - span[0]) / size[0]  # width of a letter, in levels

    def edge(parent: int, child: tuple[float, float], name: str, **style) -> None:
        begin = spots[parent][0] + letter * (len(names[parent]) / 2 + 1)
        axes.plot([begin, child[0] - letter * (len(name) / 2 + 1)], [spots[parent][1], child[1]], **style)

    for node, (parent, prob) in enumerate(zip(parents, probs, strict=True)):
        accepted = node in kept
        edge(
            parent,
            spots[node],
            names[node],
            color=BLUE if accepted else GREY,
            linewidth=0.8 + 7 * prob,
            alpha=1.0 if accepted else 0.55,
            solid_capstyle="butt",
        )
        _token(axes, spots[node], names[node], BLUE if accepted else GREY, bold=accepted)
    edge(last, final_spot, visible(text(final)), color=ORANGE, linewidth=1.5, linestyle="--")
    kind = "bonus" if is_bonus else "correction"
    _token(axes, final_spot, visible(text(final)), ORANGE, bold=True, box=True)
    axes.plot(*spots[-1], "o", color=INK, markersize=7)
    axes.set_xlim(*span)
    axes.set_ylim(max(rows.values()) + 0.7, -0.7)
    axes.set_axis_off()
    axes.set_title(f"{title}{len(kept)} accepted, 1 {kind}", loc="left")
    path = " ".join(repr(text(tokens[node])) for node in kept) or "none"
    rejected = ", ".join(
        f"{text(tokens[node])!r} ({probs[node]:.2f})"
        for node in range(len(tokens))
        if node not in kept and parents[node] in (-1, *kept)
    )
    alt = (
        f"{title}A tree of {len(tokens)} drafted tokens, {max(depths)} deep. Accepted: {path}. "
        f"Beside them, with draft probabilities: {rejected or 'none'}. The target adds the {kind} {text(final)!r}."
    )
    data = {"tokens": tokens, "parents": parents, "probs": probs, "accepted": kept, "final": final}
    return figure, data | {"kind": kind, "rows": rows, "alt": alt}


def _rows(tree: DraftTree, last: int) -> dict[int, float]:
    """A height for each node, -1 being the root: leaves in order, parents amid their children.

    The final token comes last, as a child of ``last``.
    """
    rows: dict[int, float] = {}
    final, free = len(tree), 0

    def settle(node: int) -> float:
        nonlocal free
        children = ([] if node == final else tree.children(node)) + ([final] if node == last else [])
        if children:
            heights = [settle(child) for child in children]
            rows[node] = (heights[0] + heights[-1]) / 2
        else:
            rows[node] = float(free)
            free += 1
        return rows[node]

    settle(-1)
    return rows


def _token(
    axes: Axes, spot: tuple[float, float], name: str, colour: str, *, bold: bool, box: bool = False
) -> None:
    axes.annotate(
        name,
        spot,
        ha="center",
        va="center",
        fontsize=9,
        color=INK,
        fontweight="bold" if bold else "normal",
        bbox={
            "boxstyle": "square,pad=0.25" if box else "round,pad=0.25",
            "facecolor": "none",
            "edgecolor": colour,
            "linewidth": 1.6,
        },
    )


def _interval_line(
    axes: Axes, x: Sequence[float], row: Sequence[Interval], name: str, colour: str, line: str = "-"
) -> None:
    axes.plot(x, [v.mean for v in row], "o", linestyle=line, color=colour, label=name, markersize=4)
    for at, value in zip(x, row, strict=True):
        axes.plot([at, at], [value.low, value.high], color=colour, linewidth=1, alpha=0.45)


def _means(row: Sequence[Interval]) -> str:
    return ", ".join(f"{value.mean:.3f}" for value in row)
