"""The distribution of the next byte: as bars, while a text is typed, and byte by byte."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tokenlab.bytelevel.model.byte_lm import ByteLM
from tokenlab.bytelevel.tokenizer.vocabulary import END
from tokenlab.chapters.bytelevel.figures.labels import SIGNS, byte_label, string_label
from tokenlab.chapters.drawing import no_mathematics
from tokenlab.errors import ArgumentError, DtypeError, ProbabilityError, ShapeError, check_int
from tokenlab.figures import CYCLE, GREY, LEGEND, new_figure, show

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def next_byte(
    distributions: Tensor | Mapping[str, Tensor], top: int = 10, *, title: str | None = None
) -> tuple[Figure, dict]:
    """The distribution of the next byte as bars, of one method or of up to four beside one another.

    Log-probabilities are as :meth:`ByteLM.next_byte_log_probs` gives them. The ``top`` most probable bytes of
    any method have bars of their own.
    """
    rows = _distributions(distributions)
    check_int("top", top, low=1, high=20)
    stacked = torch.stack(list(rows.values()))
    # Of equal ones the lower byte, so that the picture does not hang on the order of a sort.
    shown = stacked.max(0).values.sort(descending=True, stable=True).indices[:top].tolist()
    labels = [byte_label(byte) for byte in shown]
    bars = {name: [*row[shown].tolist(), max(0.0, 1 - row[shown].sum().item())] for name, row in rows.items()}
    figure, axes = new_figure(6.4, 2.7)
    width = 0.82 / len(rows)
    for index, (name, heights) in enumerate(bars.items()):
        middles = np.arange(top + 1) + (index - (len(rows) - 1) / 2) * width
        axes.bar(middles, heights, width * 0.94, color=CYCLE[index], label=name)
    axes.set_xticks(range(top + 1), [*labels, "others"])
    no_mathematics(axes.get_xticklabels())
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("probability")
    axes.tick_params(axis="x", length=0)
    if title is not None:
        no_mathematics([axes.set_title(title)])
    if len(rows) > 1:
        axes.legend(**LEGEND)
    alt = f"Bars of the next byte{f' after {title}' if title else ''}. " + " ".join(
        f"{name}: {'; '.join(f'{label} {p:.3g}' for label, p in zip([*labels, 'all others'], heights, strict=True))}."
        for name, heights in bars.items()
    )
    return figure, {"bytes": shown, "labels": labels, "probs": bars, "alt": alt}


def typing(byte_lm: ByteLM, text: bytes, start: int = 0, top: int = 10) -> tuple[list[Figure], dict]:
    """The distribution of the next byte while a text is typed: a frame for each beginning.

    For :func:`tokenlab.figures.player`, with ``data["labels"]`` and ``data["alt"]``.
    """
    check_int("start", start, low=0, high=len(text) - 1)
    stream = byte_lm.stream(text[:start])
    frames: list[Figure] = []
    data: dict = {"labels": [], "alt": [], "best": [], "probs": []}
    for length in range(start, len(text) + 1):
        # The words beside the slider keep their width.
        label = string_label(text[max(0, length - 16) : length]) or "nothing"
        figure, drawn = next_byte(stream.log_probs, top, title=label)
        frames.append(figure)
        data["labels"].append(label)
        data["alt"].append(drawn["alt"])
        data["best"].append(drawn["labels"][0])
        (probs,) = drawn["probs"].values()
        data["probs"].append(probs[0])
        if length < len(text):
            stream.push(text[length])
    return frames, data


def typing_widget(byte_lm: ByteLM, text: str = "", top: int = 10):
    """A text box (``ipywidgets.VBox``) whose every change shows the next byte's distribution; needs a kernel.

    A further letter costs one step, taking one back costs nothing.
    """
    import html

    import ipywidgets

    if not isinstance(text, str):
        raise DtypeError(f"text must be a str, as it stands in a text box, found {type(text).__name__}")
    streams = {b"": byte_lm.stream(b"")}
    box = ipywidgets.Textarea(value=text, description="text", rows=2, layout={"width": "100%"})
    picture = ipywidgets.HTML()

    def redraw(_=None) -> None:
        try:
            typed = box.value.encode()
            known = max((prefix for prefix in streams if typed.startswith(prefix)), key=len)
            for length in range(len(known) + 1, len(typed) + 1):
                stream = streams[typed[: length - 1]].copy()
                stream.push(typed[length - 1])
                streams[typed[:length]] = stream
            figure, data = next_byte(streams[typed].log_probs, top)
        except ValueError as error:
            # What a reader types may be no text of this tokenizer; the box must stay usable.
            picture.value = f"<p>{html.escape(str(error))}</p>"
            return
        after = f"after {string_label(typed[-40:])}" if typed else "at the beginning of a text"
        picture.value = show(figure, caption=f"The next byte {after}.", alt=data["alt"])._repr_html_()

    box.observe(redraw, names="value")
    redraw()
    return ipywidgets.VBox([box, picture])


def per_byte(
    text: bytes,
    bits: Mapping[str, Sequence[float] | Tensor],
    borders: Iterable[int] = (),
    *,
    ylabel: str = "bits",
) -> tuple[Figure, dict]:
    """What each byte of a text, of at most 80, costs under several methods; nan where it has no cost.

    ``borders`` are positions between bytes that get a thin line: where tokens end.
    """
    rows = {name: [float(value) for value in values] for name, values in bits.items()}
    if not 1 <= len(text) <= 80:
        raise ArgumentError(f"text has {len(text)} bytes, expected 1 to 80, to be drawn")
    if not 1 <= len(rows) <= 4:
        raise ArgumentError(f"bits has {len(rows)} methods, expected 1 to 4")
    for name, values in rows.items():
        if len(values) != len(text):
            raise ShapeError(
                f"bits[{name!r}] has {len(values)} entries, expected one for each of {len(text)} bytes"
            )
    borders = [check_int("borders", border, low=0, high=len(text)) for border in borders]
    figure, axes = new_figure(max(4.4, 0.13 * len(text) + 1), 2.8)
    for border in borders:
        axes.axvline(border - 0.5, color=GREY, linewidth=0.7, alpha=0.6)
    markers = "osD^"
    for index, (name, values) in enumerate(rows.items()):
        style = {"marker": markers[index], "markersize": 3.5, "linewidth": 1.1}
        axes.plot(range(len(text)), values, color=CYCLE[index], label=name, **style)
    axes.set_xticks(range(len(text)), [SIGNS.get(byte, byte_label(byte)) for byte in text])
    no_mathematics(axes.get_xticklabels())
    axes.tick_params(axis="x", length=0, labelsize=9)
    axes.set_xlim(-0.6, len(text) - 0.4)
    axes.set_ylim(bottom=0)
    axes.set_ylabel(ylabel)
    if len(rows) > 1:
        figure.legend(loc="outside upper center", ncols=len(rows), **LEGEND)
    means = {name: _mean(values) for name, values in rows.items()}
    worst = {
        name: int(np.nanargmax(values)) if np.isfinite(values).any() else 0 for name, values in rows.items()
    }
    alt = f"Lines over the {len(text)} bytes of “{string_label(text)}”, in {ylabel}. " + " ".join(
        f"{name}: mean {means[name]:.3g}, largest {rows[name][worst[name]]:.3g} at byte "
        f"{worst[name] + 1}, {byte_label(text[worst[name]])}."
        for name in rows
    )
    return figure, {"bits": rows, "means": means, "borders": borders, "alt": alt}


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
                f"exp of distributions[{name!r}] sums to {probs[name].sum().item():.6g}, expected 1: "
                "natural logarithms are expected"
            )
    return probs


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else math.nan
