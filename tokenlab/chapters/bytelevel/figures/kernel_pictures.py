"""Pictures of the kernels: how small and how uneven the sums are, what a running sum loses, a window's slots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from tokenlab.bytelevel.model.byte_lm import ByteLM
from tokenlab.bytelevel.tasks.baselines import plain_next_byte_log_probs
from tokenlab.bytelevel.tokenizer.vocabulary import ByteVocabulary
from tokenlab.chapters.bytelevel.figures.chips import CENTRED
from tokenlab.chapters.bytelevel.figures.labels import byte_label
from tokenlab.errors import ShapeError
from tokenlab.figures import BLUE, CYCLE, GREY, INK, ORANGE, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

#: Rounding error of a single-precision number close to 1.
ROUNDING = 2.0**-25


def byte_masses(byte_lm: ByteLM, prompt: bytes, labels: bytes = b"") -> tuple[Figure, dict]:
    """For every byte: how many tokens begin with it, and their mass after a prompt, as the encoded prompt says.

    Orange lies below the rounding error of a single-precision sum that is close to 1. ``labels`` are bytes to
    be named.
    """
    sizes = np.bincount(byte_lm.vocabulary.byte_at(0), minlength=256)
    masses = plain_next_byte_log_probs(byte_lm, prompt).log_probs[:256].exp().numpy()
    there = sizes > 0
    lost = there & (masses < ROUNDING)
    figure, axes = new_figure(6.4, 3.6)
    for some, colour in ((there & ~lost, BLUE), (lost, ORANGE)):
        axes.plot(sizes[some], masses[some], "o", color=colour, markersize=5, alpha=0.6)
    axes.axhline(ROUNDING, color=INK, linewidth=1, linestyle="--")
    # Far to the right no point lies near the line: large sums are large masses.
    axes.text(
        sizes.max(),
        ROUNDING / 2,
        "below: less than the rounding error\nof a running sum",
        ha="right",
        va="top",
        color=INK,
    )
    for byte in labels:
        axes.annotate(
            byte_label(byte), (sizes[byte], masses[byte]), xytext=(6, 2), textcoords="offset points", color=INK,
            parse_math=False,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("tokens that begin with the byte")
    axes.set_ylabel("probability of the byte")
    kept = masses[there]
    alt = (
        f"{there.sum()} bytes. The largest sum has {sizes.max():,} tokens, of {(sizes == 1).sum()} bytes one token. "
        f"Probabilities from {kept.min():.0e} to {kept.max():.2g}; {lost.sum()} lie below {ROUNDING:.0e}."
    )
    return figure, {"sizes": sizes, "masses": masses, "lost": int(lost.sum()), "alt": alt}


def sum_errors(exact: np.ndarray, errors: Mapping[str, np.ndarray]) -> tuple[Figure, dict]:
    """Relative error of each byte against its mass for three ways, and the line of two rounding errors.

    The first way has those errors, the second smaller ones, the third sums each byte by itself.
    """
    if len(errors) != 3:
        raise ShapeError(f"errors has {len(errors)} ways, expected 3")
    figure, axes = new_figure(6.6, 4.0)
    ends = np.array([exact.min(), exact.max()])
    # The first name stands at the right, above the line; the others at the left, where their points leave room.
    looks = zip((ORANGE, GREY, BLUE), "osD", (1e3, 1e-3, 3e-11), (1, 0, 0), strict=True)
    for (name, error), (colour, mark, height, end) in zip(errors.items(), looks, strict=True):
        axes.plot(exact, error.clip(1e-10), mark, color=colour, markersize=4, alpha=0.7)
        side = ("left", "right")[end]
        axes.text(ends[end], height, name, color=colour, fontweight="bold", va="center", ha=side)
    axes.plot(ends, 2 * ROUNDING / ends, color=INK, linewidth=1)
    axes.text(ends[0] * 100, 1e5, "$2^{-24}$ / probability", color=INK, va="center")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(1e-11, 1e6)
    axes.set_xlabel("probability of the byte")
    axes.set_ylabel("relative error")
    worst = {name: float(error.max()) for name, error in errors.items()}
    alt = f"Relative errors of {len(exact)} masses of bytes. " + " ".join(
        f"{name}: at most {error:.0e}." for name, error in worst.items()
    )
    return figure, {"worst": worst, "alt": alt}


def window(vocabulary: ByteVocabulary, sources: Tensor, targets: Tensor, ids: int) -> tuple[Figure, dict]:
    """The ids of one window, and the slots that their logits are moved into.

    ``sources`` (slots, width) holds for each position of a slot the id in the window, or -1; ``targets`` the
    number of each slot, or -1.
    """
    strings = dict(zip(vocabulary.order.tolist(), vocabulary.strings, strict=True))
    colours = dict(zip(sorted({string[:1] for string in strings.values()}), CYCLE, strict=False))
    used, width = [k for k, target in enumerate(targets.tolist()) if target >= 0], sources.shape[1]
    gap, wide = 0.5, len(used) * (width + 0.5) - 0.5
    figure, axes = new_figure(6.8, 2.5)
    # Wider boxes above, so that the window is as wide as its slots.
    step = wide / ids
    for token in range(ids):
        _box(axes, token * step, 2.6, step, strings.get(token), colours)
        axes.text((token + 0.5) * step, 3.65, token, **CENTRED)
    moved: dict = {}
    for number, k in enumerate(used):
        left = number * (width + gap)
        for lane, source in enumerate(sources[k].tolist()):
            if source < 0:
                _box(axes, left + lane, 0, 1, None, None)
                continue
            _box(axes, left + lane, 0, 1, strings.get(source), colours)
            moved.setdefault(number, []).append(strings.get(source, b"").decode())
            axes.plot([(source + 0.5) * step, left + lane + 0.5], [2.55, 0.87], color=GREY, linewidth=0.8)
        axes.text(left + width / 2, -0.55, f"slot {targets.tolist()[k]}", **CENTRED)
    axes.set_xlim(-0.2, wide + 0.2)
    axes.set_ylim(-0.9, 4.0)
    axes.axis("off")
    alt = f"{ids} neighbouring ids are moved into {len(used)} slots of {width}: " + "; ".join(
        f"slot {number} holds " + " and ".join(text or "a token without bytes" for text in texts)
        for number, texts in moved.items()
    )
    return figure, {"moved": moved, "alt": alt + "."}


def _box(
    axes: Axes, x: float, y: float, width: float, string: bytes | None, colours: Mapping[bytes, str] | None
) -> None:
    """A token in its first byte's colour; dotted without colours, where the position is empty."""
    from matplotlib.patches import Rectangle

    place = (x + 0.04, y), width - 0.08, 0.8
    if colours is not None:
        fill = colours.get(string[:1], GREY) if string else GREY
        axes.add_patch(Rectangle(*place, facecolor=fill, alpha=0.35, edgecolor="none"))
        axes.text(x + width / 2, y + 0.4, string.decode() if string else "–", **CENTRED)
    style = ":" if colours is None else "-"
    axes.add_patch(Rectangle(*place, facecolor="none", edgecolor=GREY, linestyle=style, linewidth=0.8))
