"""One chart for each benchmark: the comparison that its table is read for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import benchmark_words

from tokenlab.figures import BLUE, GREEN, GREY, INK, METHODS, new_figure, show

OURS, OTHERS = BLUE, GREY


class Bar(NamedTuple):
    """A named value, with the ends of its spread where it has one."""

    name: str
    value: float
    colour: str
    low: float | None = None
    high: float | None = None


def bar_chart(bars: Sequence[Bar], unit: str, caption: str, *, line: float | None = None) -> str:
    """Bars from the top down, each with its name and number; a line where a comparison is even."""
    figure, axes = new_figure(6.4, 0.6 + 0.3 * len(bars))
    positions = range(len(bars), 0, -1)
    axes.barh(positions, [bar.value for bar in bars], color=[bar.colour for bar in bars], height=0.65)
    for y, bar in zip(positions, bars, strict=True):
        if bar.low is not None:
            axes.plot([bar.low, bar.high], [y, y], color=INK, linewidth=1)
        end = max(bar.value, bar.high or 0)
        axes.annotate(
            f"{bar.value:.3g}", (end, y), (4, 0), textcoords="offset points", va="center", color=INK
        )
    if line is not None:
        axes.axvline(line, color=INK, linewidth=1)
    axes.set_yticks(list(positions), [bar.name for bar in bars])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(unit)
    axes.margins(x=0.12)
    named = "; ".join(f"{bar.name} {bar.value:.3g}" for bar in bars)
    return show(figure, caption=caption, alt=f"Bars in {unit}: {named}.")._repr_html_()


def compiled(result: dict) -> str:
    """Instructions that each kernel needs for what it reads, at its first launch in a case."""
    reading = [
        launch
        for launch in result["launches"]
        if launch["tokens_per_thread"] and launch["dtype"] == "float32"
    ]
    used: dict[str, set[str]] = {}
    for launch in reading:
        used.setdefault(launch["case"], set()).add(launch["kernel"])
    first: dict[str, float] = {}
    for launch in reading:
        case = launch["case"]
        kernel = launch["kernel"].strip("_").removesuffix("_kernel").replace("_", " ")
        name = case if len(used[case]) == 1 or case.startswith(kernel) else f"{case}, {kernel}"
        if not launch.get("logits", True):
            name += ", of probabilities"
        first.setdefault(name, launch["instructions"] / launch["tokens_per_thread"])
    bars = [Bar(name, value, OURS) for name, value in first.items()]
    return bar_chart(bars, "instructions", "Instructions for one entry of a row of float32, on sm_90.")


def kernels(result: dict) -> str:
    """How much of the copy bandwidth each kernel reaches at the largest shape."""
    rows = [row for row in result["rows"] if row["provider"] == "kernel"]
    largest = max(row["shape"] for row in rows)
    bars = [
        Bar(f"{row['operation']}, {row['dtype']}", row["share_of_copy"], OURS)
        for row in rows
        if row["shape"] == largest
    ]
    where = f"{largest[0]} rows of {largest[1]:,} tokens"
    return bar_chart(bars, "share of copy bandwidth", f"The kernels beside a copy, {where}.", line=1)


def references(result: dict) -> str:
    """How many times the reference's time the plain expression takes."""
    shape = [64, 32_000]
    bars = [
        Bar(row["operation"], 1 / row["ratio"], OURS if row["ratio"] <= 1 else GREY)
        for row in result["rows"]
        if row["shape"] == shape
        and row["dtype"] == "float32"
        and row["operation"] != "sample_categorical"
        # The stable sort is twenty times slower, and would squeeze the others.
        and row["plain"] != "stable sort"
    ]
    caption = (
        "How many times the reference's time plain PyTorch takes, 64 rows of 32,000; grey where plain is "
        "faster. The tables name the plain expressions."
    )
    return bar_chart(bars, "times", caption, line=1)


def rates(result: dict) -> str:
    """Time over vocabulary, on logarithmic axes: all grow about linearly."""
    figure, axes = new_figure(6.4, 3.4)
    styles, ends = METHODS["transport"], []
    for quantity in dict.fromkeys(row["quantity"] for row in result["rows"]):
        rows = [row for row in result["rows"] if row["quantity"] == quantity]
        sizes, seconds = zip(*((row["shape"][1], row["seconds"]) for row in rows), strict=True)
        style = styles.get(quantity) or styles["optimal"]
        name = style.name if quantity in styles else quantity
        dashed = "--" if quantity == "optimum, greedy" else "-"
        axes.plot(sizes, seconds, dashed, color=style.colour, marker=style.marker, markersize=5)
        ends.append((seconds[-1], name, style.colour, sizes[-1]))
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    # Powers of two alone: the others stand too close on a phone.
    axes.set_xticks(sizes, [f"{size // 1024}k" if size & (size - 1) == 0 else "" for size in sizes])
    axes.set_xlabel("vocabulary")
    axes.set_ylabel("seconds for 64 rows")
    # Lines that end together share a label.
    groups: list[list] = []
    for end in sorted(ends):
        if groups and end[0] < 1.6 * groups[-1][0][0]:
            groups[-1].append(end)
        else:
            groups.append([end])
    for group in groups:
        text = "\n".join(name for _, name, _, _ in reversed(group))
        middle = (group[0][0] * group[-1][0]) ** 0.5
        axes.annotate(text, (group[0][3], middle), (8, 0), textcoords="offset points", va="center", color=INK)
    alt = "; ".join(f"{name} {value:.2f} s" for value, name, _, _ in sorted(ends))
    caption = "Acceptance rates of 64 rows with eight drafts: time grows with the vocabulary."
    return show(figure, caption=caption, alt=f"Seconds at the largest vocabulary: {alt}.")._repr_html_()


#: Rows of the decoding benchmark that the chart shows, one of each kind.
DECODING = (
    "plain loop",
    "transformers",
    "transformers assisted, default",
    "transformers assisted, 2",
    "chain 4, block",
    "iid_sequences 2 x 3, traversal",
    "without_replacement (2, 2), recursive",
    "dynamic 12, traversal",
)


def decoding(result: dict) -> str:
    """Tokens a second when sampling, for one way of each kind."""
    found = {row["method"]: row for row in result["rows"] if row["do_sample"]}
    bars = []
    for method in DECODING:
        row, ours = found[method], method.startswith(("chain", "iid", "without", "dynamic"))
        name = benchmark_words.decoding(method)
        bars.append(Bar(name, row["tokens_per_second"], OURS if ours else OTHERS, row["low"], row["high"]))
    caption = "Sampling with the lab pair: blue is this package. Thin lines leave out the slowest and fastest fifth."
    return bar_chart(bars, "tokens a second", caption)


def byte_distributions(result: dict) -> str:
    """Bytes a second, with beams of both packages beside each other."""
    bars = []
    for row in result["rows"]:
        method = row["method"]
        if row["threads"] == 1 and "error" not in row and not method.endswith(("own loop", "values kept")):
            ours = not method.startswith("genlm")
            colour = GREEN if method == "valid, text known" else OURS if ours else OTHERS
            name = benchmark_words.byte_distribution(method)
            bars.append(Bar(name, row["bytes_per_second"], colour, row["low"], row["high"]))
    caption = (
        "The distribution of each next byte: blue and green are this package, green where the whole text is "
        "known; grey is genlm-bytes. Thin lines span the texts."
    )
    return bar_chart(bars, "bytes a second", caption)


CHARTS: dict[str, Callable[[dict], str]] = {
    "kernels": kernels,
    "transport": kernels,
    "byte_masses": kernels,
    "compiled": compiled,
    "compiled_transport": compiled,
    "compiled_bytes": compiled,
    "references": references,
    "rates": rates,
    "decoding": decoding,
    "byte_distributions": byte_distributions,
}
