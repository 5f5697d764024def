"""A prompt that ends inside a word: what is usually asked, and what the model holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenlab.bytelevel.model.byte_lm import ByteLM
from tokenlab.bytelevel.tasks.baselines import plain_complete, prompted_streams
from tokenlab.bytelevel.tasks.completion import complete
from tokenlab.chapters.bytelevel.figures.labels import byte_label
from tokenlab.chapters.drawing import no_mathematics
from tokenlab.errors import check_int
from tokenlab.figures import BLUE, INK, METHODS, ORANGE, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def broken_word(byte_lm: ByteLM, prompt: bytes, top: int = 3, max_new_tokens: int = 2) -> tuple[Figure, dict]:
    """The next byte after a prompt that ends inside a word, asked with its encoding and exactly.

    A panel for each method: how the model goes on, always with the most probable token, and the bytes that
    are among the ``top`` of either method. Orange is wrong, namely what differs from the exact answer.
    """
    check_int("top", top, low=1, high=6)
    word = prompt.decode().rpartition(" ")[2]
    distributions, answers = {}, {}
    for method, write in (("plain", plain_complete), ("exact", complete)):
        distributions[method] = prompted_streams(byte_lm, [prompt], method).log_probs[0].exp()
        text = write(byte_lm, prompt, max_new_tokens, temperature=0).text.decode()
        # What follows the broken word; the rest of the sentence is not the point.
        answers[method] = text.split("\n")[0].rstrip()
    best = {
        method: row.argsort(descending=True, stable=True)[:top].tolist()
        for method, row in distributions.items()
    }
    shown = list(dict.fromkeys([*best["exact"][:1], *best["plain"], *best["exact"]]))[: top + 1]
    figure, panels = new_figure(6.8, 0.3 * len(shown) + 1.3, ncols=2)
    data: dict = {"best": {}, "answers": answers, "probs": {}, "bytes": shown}
    parts = []
    for axes, (method, row) in zip(panels, distributions.items(), strict=True):
        heights, name = row[shown].tolist(), METHODS["bytelevel"][method].name
        colours = [BLUE if byte == best["exact"][0] else ORANGE for byte in shown]
        axes.barh(range(len(shown)), heights, 0.7, color=colours)
        for y, p in enumerate(heights):
            axes.text(p + 0.02, y, f"{p:.1%}", va="center", color=INK)
        axes.set_yticks(range(len(shown)), [byte_label(byte) for byte in shown])
        axes.tick_params(axis="y", length=0, labelsize=11)
        axes.set_xlim(0, 1.22)
        axes.set_ylim(len(shown) - 0.4, -2.5)
        axes.set_xticks([])
        axes.spines[:].set_visible(False)
        no_mathematics(axes.get_yticklabels())
        _answer(
            axes, name, f"… {word}", answers[method], ORANGE if best[method][0] != best["exact"][0] else BLUE
        )
        data["best"][method] = byte_label(best[method][0])
        data["probs"][method] = heights
        parts.append(
            f"{name}: {word}|{answers[method]}; next byte "
            + ", ".join(f"{byte_label(byte)} {p:.2g}" for byte, p in zip(shown, heights, strict=True))
            + "."
        )
    return figure, data | {"alt": f"The prompt “{prompt.decode()}”. " + " ".join(parts)}


def _answer(axes: Axes, name: str, typed: str, answer: str, colour: str) -> None:
    """The method's name, and below it what was typed and what the model adds."""
    axes.text(0, -2.2, name, color=INK, va="center", fontsize=11)
    before = axes.text(0, -1.3, typed, color=INK, va="center", fontsize=12, parse_math=False)
    # Directly after the last letter, whatever its width.
    axes.annotate(
        answer,
        (1, 0),
        xycoords=before,
        va="bottom",
        color=colour,
        fontsize=12,
        fontweight="bold",
        parse_math=False,
    )
