"""The distribution of the next byte as bars, and what each byte of a text costs."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tokenlab.bytelevel.tokenizer.vocabulary import END
from tokenlab.chapters.bytelevel.figures.labels import SIGNS, byte_label, string_label
from tokenlab.chapters.drawing import no_mathematics
from tokenlab.errors import ArgumentError, ProbabilityError, ShapeError, as_sum, check_int
from tokenlab.figures import CYCLE, GREY, INK, LEGEND, METHODS, narrow_only, new_figure, wide_only
from tokenlab.figures.methods import Method

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

#: Bytes of a text beside one another; a longer one is continued in a second panel.
LINE = 20


def next_byte(
    distributions: Tensor | Mapping[str, Tensor], top: int = 10, always: Collection[int] = ()
) -> tuple[Figure, dict]:
    """The distribution of the next byte as bars, of one method or of up to four beside one another.

    Log-probabilities are as :meth:`ByteLM.next_byte_log_probs` gives them, by method: a name of
    ``METHODS["bytelevel"]``, or any other. The ``top`` most probable bytes of any method have bars of their
    own; those of ``always`` are among them.
    """
    rows, shown = probable_bytes(distributions, top, always)
    labels = [byte_label(byte) for byte in shown]
    styles = [style(name, index) for index, name in enumerate(rows)]
    height = 0.25 * (top + 1) + (0.55 if len(rows) > 1 else 0.3)
    figure, panels = new_figure(
        6.4, height, narrow=(4.1, height), narrow_stack=False, ncols=len(rows), sharey=True, squeeze=False
    )
    for axes, method, heights in zip(panels[0], styles, rows.values(), strict=True):
        _bars(axes, heights, method.colour)
        if len(rows) > 1:
            wide_only(_above(axes, textwrap.fill(method.name, 13)))
            narrow_only(_above(axes, textwrap.fill(method.name, 13 if len(rows) < 3 else 10)))
    first = panels[0, 0]
    first.set_yticks(range(top + 1), [*labels, "others"])
    no_mathematics(first.get_yticklabels())
    first.set_ylim(top + 0.6, -0.6)
    told = [*labels, "all others"]
    alt = "Bars of the next byte. " + " ".join(
        f"{method.name}: {'; '.join(f'{label} {p:.3g}' for label, p in zip(told, heights, strict=True))}."
        for method, heights in zip(styles, rows.values(), strict=True)
    )
    return figure, {"bytes": shown, "labels": labels, "probs": rows, "alt": alt}


def probable_bytes(
    distributions: Tensor | Mapping[str, Tensor], top: int, always: Collection[int] = ()
) -> tuple[dict[str, list[float]], list[int]]:
    """By method, probabilities of ``top`` bytes and of all others; and the bytes.

    They are those of ``always``, and the most probable ones under any method.
    """
    probs = _distributions(distributions)
    check_int("top", top, low=1, high=20)
    # Of equal ones the lower byte, so that the picture does not hang on the order of a sort.
    highest = torch.stack(list(probs.values())).max(0).values
    order = highest.sort(descending=True, stable=True).indices.tolist()
    kept = {*sorted(order, key=lambda byte: byte not in always)[:top]}
    shown = [byte for byte in order if byte in kept]
    rows = {
        name: [*row[shown].tolist(), max(0.0, 1 - row[shown].sum().item())] for name, row in probs.items()
    }
    return rows, shown


def probability_label(p: float) -> str:
    """A probability beside its bar.

    Examples
    --------
    >>> probability_label(0.972), probability_label(0.0004)
    ('0.97', '<0.01')
    """
    return f"{p:.2f}" if p >= 0.005 or p == 0 else "<0.01"


def style(name: str, index: int) -> Method:
    """How a method is drawn; one that is not among the chapter's has the next colour of the cycle."""
    return METHODS["bytelevel"].get(name, Method(name, CYCLE[index], "osD^"[index]))


def _above(axes: Axes, text: str) -> Text:
    """A text above the left end of a panel."""
    place = {"xycoords": "axes fraction", "xytext": (0, 4), "textcoords": "offset points", "va": "bottom"}
    return axes.annotate(text, (0, 1), **place, color=INK, fontsize=10, parse_math=False)


def _bars(axes: Axes, probs: Sequence[float], colour: str) -> None:
    """Bars to the right with their numbers; the last one, all other bytes, is paler."""
    bars = axes.barh(range(len(probs)), probs, 0.72, color=colour)
    bars[-1].set_alpha(0.5)
    for y, p in enumerate(probs):
        place = {"textcoords": "offset points", "xytext": (4, 0), "va": "center", "fontsize": 10}
        axes.annotate(probability_label(p), (p, y), color=INK, **place)
    axes.set_xlim(0, 1.55)
    axes.set_xticks([])
    axes.tick_params(axis="y", length=0)
    axes.spines["bottom"].set_visible(False)


def per_byte(
    text: bytes,
    bits: Mapping[str, Sequence[float] | Tensor],
    borders: Iterable[int] = (),
    *,
    ylabel: str = "bits",
) -> tuple[Figure, dict]:
    """What each byte of a text, of at most 40, costs under several methods; nan where it has no cost.

    Methods are drawn in the order given, the last one on top. ``borders`` are positions between bytes that get
    a thin line: where tokens end.
    """
    rows = {name: [float(value) for value in values] for name, values in bits.items()}
    if not 1 <= len(text) <= 2 * LINE:
        raise ArgumentError(f"text has {len(text)} bytes, expected 1 to {2 * LINE}, to be drawn")
    if not 1 <= len(rows) <= 4:
        raise ArgumentError(f"bits has {len(rows)} methods, expected 1 to 4")
    for name, values in rows.items():
        if len(values) != len(text):
            raise ShapeError(
                f"bits[{name!r}] has {len(values)} entries, expected one for each of {len(text)} bytes"
            )
    borders = [check_int("borders", border, low=0, high=len(text)) for border in borders]
    styles = {name: style(name, index) for index, name in enumerate(rows)}

    def width(name: str) -> float:
        """Of several lines that may lie on one another, the last one is thin and the one below it shows."""
        return 4.0 if list(rows).index(name) == len(rows) - 2 and len(rows) > 2 else 1.5

    starts = range(0, len(text), LINE)
    figure, panels = new_figure(6.4, 2.8, ncols=len(starts), sharey=True, squeeze=False)
    for axes, start in zip(panels[0], starts, strict=True):
        stop = min(start + LINE, len(text))
        # Where a line is broken, the border stands at the end of the first part.
        for border in (border for border in borders if start - (start == 0) < border <= stop):
            axes.axvline(border - 0.5, color=GREY, linewidth=0.7, alpha=0.6)
        for name, method in styles.items():
            axes.plot(range(start, stop), rows[name][start:stop], color=method.colour, linewidth=width(name))
        axes.set_xticks(
            range(start, stop), [SIGNS.get(byte) or byte_label(byte) for byte in text[start:stop]]
        )
        no_mathematics(axes.get_xticklabels())
        axes.tick_params(axis="x", length=0)
        axes.set_xlim(start - 0.6, start + min(LINE, len(text)) - 0.4)
    panels[0, 0].set_ylim(bottom=0)
    panels[0, 0].set_ylabel(ylabel)
    if len(rows) > 1:
        name_methods(figure, list(styles.values()))
    means = {name: _mean(values) for name, values in rows.items()}
    worst = {
        name: int(np.nanargmax(values)) if np.isfinite(values).any() else 0 for name, values in rows.items()
    }
    alt = f"Lines over the {len(text)} bytes of “{string_label(text)}”, in {ylabel}. " + " ".join(
        f"{method.name}: mean {means[name]:.3g}, largest {rows[name][worst[name]]:.3g} at byte "
        f"{worst[name] + 1}, {byte_label(text[worst[name]])}."
        for name, method in styles.items()
    )
    return figure, {"bits": rows, "means": means, "borders": borders, "alt": alt}


def name_methods(figure: Figure, methods: Sequence[Method]) -> None:
    """The names of methods above a figure, each after its colour, where lines leave no room at their ends."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=method.colour, linewidth=4) for method in methods]
    names = [textwrap.fill(method.name, 15) for method in methods]
    spacing = {"handlelength": 1.2, "handletextpad": 0.4, "columnspacing": 1.0}
    figure.legend(handles, names, loc="outside upper left", ncols=len(methods), **spacing, **LEGEND)


def _distributions(distributions: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
    rows = {"probability": distributions} if isinstance(distributions, Tensor) else dict(distributions)
    if not 1 <= len(rows) <= 4:
        raise ArgumentError(f"distributions has {len(rows)} methods, expected 1 to 4")
    probs = {}
    for name, row in rows.items():
        if not isinstance(row, Tensor) or row.shape != (END + 1,):
            found = tuple(row.shape) if isinstance(row, Tensor) else type(row).__name__
            raise ShapeError(
                f"distributions[{name!r}] is {found}, expected a tensor of {END + 1} log-probabilities"
            )
        probs[name] = row.detach().double().cpu().exp()
        if not abs(probs[name].sum().item() - 1) < 1e-3:
            raise ProbabilityError(
                f"exp of distributions[{name!r}] sums to {as_sum(probs[name].sum().item())}, expected 1: "
                "natural logarithms are expected"
            )
    return probs


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else math.nan
