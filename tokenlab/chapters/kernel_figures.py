"""Pictures of kernels. Each returns ``(Figure, data)``; ``data["alt"]`` describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool
from torch import Tensor

from tokenlab.chapters.drawing import numbers
from tokenlab.chapters.traffic import Pass
from tokenlab.errors import ArgumentError, ShapeError, check_int, check_logits, check_real, check_tensor
from tokenlab.figures import BLUE, CYCLE, GREY, INK, ORANGE, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours of neighbouring tiles; grey is kept for what is not there.
TILE_COLOURS = CYCLE[:5]


#: Light enough for text to be read on it, on a white page and on a black one.
TINT = 0.35

#: Between tiles, in lanes; and what a row may be wide, so that its numbers are read on a phone.
GAP, WIDEST = 0.35, 20


def passes(ways: Mapping[str, Sequence[Pass]]) -> tuple[Figure, dict]:
    """Bytes that operations read and write (:func:`~tokenlab.chapters.traffic.memory_traffic`), by way."""
    if not ways or not all(ways.values()):
        raise ArgumentError(f"ways has {len(ways)} entries, expected one or more, each with a pass or more")
    total = {way: sum(step.read + step.written for step in steps) for way, steps in ways.items()}
    unit, name = _unit(max(max(step.read + step.written for step in steps) for steps in ways.values()))
    count = sum(len(steps) for steps in ways.values())
    figure, panels = new_figure(
        6.4,
        0.33 * count + 0.45 * len(ways) + 0.7,
        nrows=len(ways),
        sharex=True,
        squeeze=False,
        height_ratios=[len(steps) + 0.6 for steps in ways.values()],
    )
    for axes, (way, steps) in zip(panels[:, 0], ways.items(), strict=True):
        rows = range(len(steps))
        read = [step.read / unit for step in steps]
        written = [step.written / unit for step in steps]
        axes.barh(rows, read, 0.62, color=BLUE)
        axes.barh(rows, written, 0.62, left=read, color=ORANGE)
        if axes is panels[0, 0]:
            # In the bar that has most room for both words.
            y = max(rows, key=lambda row: min(read[row], written[row]))
            for middle, word in ((read[y] / 2, "read"), (read[y] + written[y] / 2, "written")):
                axes.text(middle, y, word, ha="center", va="center", color=INK)
        # A bar may be too short to be seen.
        for y, total_here in enumerate(map(sum, zip(read, written, strict=True))):
            axes.annotate(
                f"{total_here:.3g}",
                (total_here, y),
                (4, 0),
                textcoords="offset points",
                va="center",
                color=INK,
            )
        axes.set_yticks(rows, [step.operation for step in steps])
        axes.set_ylim(len(steps) - 0.4, -0.6)
        axes.set_title(f"{way}: {_size(total[way])}", loc="left")
        axes.tick_params(axis="y", length=0)
    panels[-1, 0].set_xlabel(name)
    longest = max(step.read + step.written for steps in ways.values() for step in steps)
    panels[-1, 0].set_xlim(0, 1.12 * longest / unit)
    alt = " ".join(
        f"{way} moves {total[way] / unit:,.1f} {name}: "
        + "; ".join(
            f"{step.operation} reads {step.read / unit:,.1f} and writes {step.written / unit:,.1f}"
            for step in steps
        )
        + "."
        for way, steps in ways.items()
    )
    return figure, {"total": total, "passes": {way: list(steps) for way, steps in ways.items()}, "alt": alt}


def launch(
    reads: Bool[Tensor, "rows tiles vocab"],
    tile: int,
    partial: Sequence[str] = ("m", "s"),
    result: str = "lse",
) -> tuple[Figure, dict]:
    """Two launches: which program reads which tokens, what it writes, and who finishes the row.

    Program (row, tile) of the first ``reads`` tokens of its row and writes ``partial``; the second writes
    ``result``. Lanes of a tile past the end of the row are drawn empty.
    """
    check_tensor("reads", reads, dtypes=(torch.bool,), min_dims=3, max_dims=3)
    rows, tiles, vocab = reads.shape
    tile = check_int("tile", tile, low=1)
    if tiles != -(-vocab // tile):
        raise ShapeError(
            f"reads has {tiles} tiles, expected {-(-vocab // tile)} of {tile} for {vocab} tokens"
        )
    if _row_width(tile, tiles) > WIDEST or rows > 3:
        raise ArgumentError(
            f"reads has {rows} rows of {tiles * tile} lanes, expected at most 3, each with its gaps no wider "
            f"than {WIDEST} lanes, to be drawn"
        )
    figure, panels = new_figure(6.4, 1.85 * rows, nrows=rows, squeeze=False)
    owners = [
        [reads[row, :, token].nonzero().flatten().tolist() for token in range(vocab)] for row in range(rows)
    ]
    for row, axes in enumerate(panels[:, 0]):
        _draw_row(axes, row, owners[row], tile, tiles, partial, result)
    idle = tiles * tile - vocab
    alt = (
        f"{rows} row{'s' * (rows > 1)} of {vocab} tokens, cut into {tiles} tile{'s' * (tiles > 1)} of {tile} lanes. "
        + f"Each program writes {' and '.join(partial)}. "
        + " ".join(
            f"Program ({row}, {index}) reads {_span(reads[row, index])}."
            for row in range(rows)
            for index in range(tiles)
        )
        + f" {idle} lane{'s' * (idle != 1)} of the last tile of each row {'are' if idle != 1 else 'is'} masked. "
        + f"In a second launch, one program to a row reads {tiles * len(partial)} numbers and writes {result}."
    )
    data = {
        "owners": owners,
        "tiles": tiles,
        "idle_lanes": idle,
        "partial_numbers": rows * tiles * len(partial),
    }
    return figure, data | {"alt": alt}


def _draw_row(
    axes: Axes, row: int, owners: list[list[int]], tile: int, tiles: int, partial: Sequence[str], result: str
) -> None:
    """Lanes, partial results below them, the row's result at the bottom."""
    from matplotlib.patches import Rectangle

    def box(x: float, y: float, width: float, **style) -> None:
        axes.add_patch(Rectangle((x, y), width, 0.9, **{"linewidth": 1.2, **style}))

    def text(x: float, y: float, words: str) -> None:
        axes.text(x, y, words, ha="center", va="center", color=INK)

    width = _row_width(tile, tiles)
    # Tiles of one lane are narrower than their names, which stand on two levels in turn.
    levels = 1 if tile > 1 else 2
    arrow = {"arrowstyle": "-|>", "color": GREY, "linewidth": 1.1, "shrinkA": 1, "shrinkB": 1}
    for lane in range(tiles * tile):
        x = lane + GAP * (lane // tile)
        if lane >= len(owners):
            box(x + 0.04, 0, 0.92, facecolor="none", edgecolor=GREY, linestyle=":")
            continue
        for share, owner in enumerate(owners[lane]):  # one, unless a kernel reads a token twice
            part = 0.92 / len(owners[lane])
            colour = TILE_COLOURS[owner % len(TILE_COLOURS)]
            box(x + 0.04 + share * part, 0, part, facecolor=colour, alpha=TINT, edgecolor="none")
        box(x + 0.04, 0, 0.92, facecolor="none", edgecolor=GREY, linewidth=0.8)
        text(x + 0.5, 0.43, str(lane))
    bottom, size = -2.05, min(0.92, (tile + GAP) * 0.92 / len(partial))
    for index in range(tiles):
        colour = TILE_COLOURS[index % len(TILE_COLOURS)]
        middle = index * (tile + GAP) + tile / 2
        text(middle, 1.45 + index % levels, f"({row}, {index})")
        axes.annotate("", (middle, bottom + 0.95), (middle, -0.05), arrowprops=arrow)
        for place, name in enumerate(partial):
            x = middle + (place - len(partial) / 2) * size
            box(x, bottom, size * 0.96, facecolor=colour, alpha=TINT, edgecolor="none")
            box(x, bottom, size * 0.96, facecolor="none", edgecolor=colour)
            text(x + size * 0.48, bottom + 0.43, name)
        axes.annotate("", (width / 2, bottom - 1.2), (middle, bottom - 0.05), arrowprops=arrow)
    box(width / 2 - 1.5, bottom - 2.1, 3, facecolor="none", edgecolor=INK)
    text(width / 2, bottom - 1.67, result)
    axes.text(-0.4, 0.43, f"row {row}", ha="right", va="center", color=INK)
    axes.set_xlim(-2.6, max(width, 14) + 0.2)
    axes.set_ylim(bottom - 2.2, 0.9 + levels)
    axes.set_axis_off()


def _row_width(tile: int, tiles: int) -> float:
    """Of the tiles of a row with their gaps, in lanes."""
    return tiles * tile + GAP * (tiles - 1)


def tile_sizes(vocab: int, tiles: Sequence[int], rows: int = 1, itemsize: int = 4) -> tuple[Figure, dict]:
    """What the size of a tile changes: programs, idle lanes, and bytes of partial results.

    The sizes rise; ``itemsize`` is the bytes of a logit.
    """
    check_int("vocab", vocab, low=1)
    check_int("rows", rows, low=1)
    sizes = [check_int("tiles", size, low=1) for size in tiles]
    if len(sizes) < 2 or sizes != sorted(set(sizes)):
        raise ArgumentError(f"tiles is {sizes}, expected two sizes or more, rising")
    count = [-(-vocab // size) for size in sizes]
    data = {
        "tiles": sizes,
        "programs": [rows * n for n in count],
        "idle": [1 - vocab / (n * size) for n, size in zip(count, sizes, strict=True)],
        # Maximum and sum, float32, written once and read once.
        "partial": [2 * 2 * 4 * n / (vocab * itemsize) for n in count],
    }
    figure, panels = new_figure(6.6, 2.3, ncols=3)
    percent = {name: [100 * value for value in data[name]] for name in ("idle", "partial")}
    for axes, values, title in zip(
        panels,
        (data["programs"], percent["idle"], percent["partial"]),
        ("programs", "idle lanes, %", "partial results, %"),
        strict=True,
    ):
        axes.plot(sizes, values, "o-", color=BLUE)
        axes.set_xscale("log", base=2)
        axes.set_title(title)
        axes.set_xlabel("tokens in a tile")
        axes.set_xticks(sizes[:: -(-len(sizes) // 4)])
        axes.set_xticklabels([f"{size:,}" for size in sizes[:: -(-len(sizes) // 4)]])
        axes.minorticks_off()
    panels[0].set_yscale("log")
    panels[0].minorticks_off()
    for axes in panels[1:]:
        axes.set_ylim(bottom=0)
    alt = f"For {rows} row{'s' * (rows > 1)} of {vocab:,} tokens. " + " ".join(
        f"Tiles of {size:,}: {n:,} programs, {idle:.1f} % of lanes idle, "
        f"partial results {share:.2f} % of the logits' bytes."
        for size, n, idle, share in zip(
            sizes, data["programs"], percent["idle"], percent["partial"], strict=True
        )
    )
    return figure, data | {"alt": alt}


def two_level_draw(
    logits: Sequence[float] | Tensor,
    tile: int,
    noise: tuple[float, float],
    names: Sequence[str] | None = None,
    unit: str = "tile",
) -> tuple[Figure, dict]:
    """A tile drawn by its mass, then a token drawn inside it, each by its own uniform in ``noise``.

    At most 24 tokens, none impossible. ``names`` are the tokens' texts, else their numbers; ``unit`` is what
    the page calls a tile.
    """
    row = torch.as_tensor(logits, dtype=torch.float64)
    check_tensor("logits", row, max_dims=1)
    check_logits("logits", row)
    tile = check_int("tile", tile, low=1, high=len(row))
    if len(row) > 24 or not bool(row.isfinite().all()):
        raise ArgumentError("logits must hold at most 24 tokens, all of them possible, to be drawn")
    texts = [str(index) for index in range(len(row))] if names is None else list(names)
    if len(texts) != len(row):
        raise ShapeError(f"names has {len(texts)} entries, expected one for each of {len(row)} tokens")
    if len(noise) != 2:
        raise ShapeError(f"noise has {len(noise)} numbers, expected one for each of the two stages")
    first, second = (
        check_real("noise", u, low=0, high=1, include_low=False, include_high=False) for u in noise
    )
    weights = [part.tolist() for part in row.softmax(-1).split(tile)]
    masses = [sum(part) for part in weights]
    chosen = _pick(masses, first)
    inside = [weight / masses[chosen] for weight in weights[chosen]]
    token = chosen * tile + _pick(inside, second)

    figure, axes = new_figure(5.6, 2.5)
    colours = [TILE_COLOURS[index % len(TILE_COLOURS)] for index in range(len(masses))]
    start = sum(masses[:chosen])
    units = [f"{unit} {index}" for index in range(len(masses))]
    if names is not None:
        units = [", ".join(texts[index * tile : (index + 1) * tile]) for index in range(len(masses))]
    _strip(axes, 1.5, masses, units, colours, chosen, first)
    shown = texts[chosen * tile : chosen * tile + len(inside)]
    _strip(axes, 0, inside, shown, [colours[chosen]] * len(inside), token - chosen * tile, second)
    for x, end in ((0, start), (1, start + masses[chosen])):
        axes.plot([end, x], [1.5, 0.5], color=GREY, linewidth=1, linestyle=":")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.5, 2.5)
    axes.set_axis_off()
    alt = (
        f"Above, {len(masses)} {unit}s with probabilities {numbers(masses)}; the uniform {first:g} falls on {unit} "
        f"{chosen}. Below, the tokens {', '.join(shown)} of that {unit} with probabilities {numbers(inside)} inside "
        f"it; the uniform {second:g} falls on token {texts[token]}."
    )
    data = {"masses": masses, "tile": chosen, "inside": inside, "token": token}
    return figure, data | {"alt": alt}


def _strip(
    axes: Axes,
    y: float,
    widths: list[float],
    names: list[str],
    colours: list[str],
    chosen: int,
    uniform: float,
) -> None:
    """Segments from 0 to 1, and an arrow that falls on one of them."""
    left = 0.0
    for index, (width, name) in enumerate(zip(widths, names, strict=True)):
        alpha = 0.75 if index == chosen else TINT
        axes.barh(y + 0.25, width, 0.5, left=left, align="center", color=colours[index], alpha=alpha)
        axes.plot([left, left], [y, y + 0.5], color=GREY, linewidth=0.8)
        if width > 0.012 * len(name) + 0.01:
            axes.text(left + width / 2, y + 0.25, name, ha="center", va="center", color=INK)
        left += width
    arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.5, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (uniform, y + 0.5), (uniform, y + 0.85), arrowprops=arrow)
    # Beside the arrow, away from the lines that fan out to both ends of the lower strip.
    side, x = ("left", uniform + 0.015) if uniform < 0.3 else ("right", uniform - 0.015)
    axes.text(x, y + 0.68, f"u = {uniform:g}", ha=side, va="center", color=INK)


def _pick(weights: Sequence[float], uniform: float) -> int:
    """The first index whose cumulative sum exceeds uniform * total."""
    cdf = torch.tensor(weights, dtype=torch.float64).cumsum(0)
    return int(torch.searchsorted(cdf, uniform * cdf[-1], right=True))


def _unit(size: float) -> tuple[float, str]:
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return unit, name
    return 1.0, "bytes"


def _size(count: float) -> str:
    """Bytes in the unit that suits them."""
    unit, name = _unit(count)
    return f"{count / unit:.3g} {name}"


def _span(read: Bool[Tensor, " vocab"]) -> str:
    """Token numbers in words: "tokens 4 to 7"."""
    ids = read.nonzero().flatten().tolist()
    if not ids:
        return "no token"
    if ids == list(range(ids[0], ids[-1] + 1)) and len(ids) > 1:
        return f"tokens {ids[0]} to {ids[-1]}"
    return f"token{'s' * (len(ids) > 1)} {', '.join(map(str, ids))}"
