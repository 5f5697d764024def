"""Recursive rejection as one number that moves: the threshold, and where each draft stands to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tokenlab.errors import ArgumentError, ShapeError
from tokenlab.figures import BLUE, GREY, INK, ORANGE, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def threshold_steps(
    target: Sequence[float],
    draft: Sequence[float],
    drafts: Sequence[int],
    uniforms: Sequence[float],
    words: Sequence[str],
) -> tuple[Figure, dict]:
    """Each test of independent drafts: the step of the threshold, the point at u, and the draft's p/q.

    A draft passes if its p/q lies to the right of the point.
    """
    if len(drafts) != len(uniforms) or len(target) != len(draft) or len(target) != len(words):
        raise ShapeError(
            f"{len(target)} and {len(draft)} probabilities, {len(words)} words, {len(drafts)} drafts and "
            f"{len(uniforms)} uniforms, expected one word for each probability and one uniform for each draft"
        )
    if not drafts or any(draft[token] <= 0 for token in drafts):
        raise ArgumentError("drafts must hold one token or more, all of them possible under the draft")
    steps, c = [], 0.0
    for token, u in zip(drafts, uniforms, strict=True):
        following = c + sum(max(p - c * q, 0.0) for p, q in zip(target, draft, strict=True))
        point, ratio = c + u * (following - c), target[token] / draft[token]
        steps.append({"from": c, "to": following, "point": point, "ratio": ratio, "passed": point < ratio})
        if point < ratio:
            break
        c = following

    figure, axes = new_figure(6.4, 0.95 * len(steps) + 0.6)
    for line, (step, token) in enumerate(zip(steps, drafts, strict=False)):
        y, colour = -line, BLUE if step["passed"] else ORANGE
        axes.plot(
            [step["from"], step["to"]], [y, y], color=GREY, linewidth=7, alpha=0.5, solid_capstyle="butt"
        )
        axes.plot([step["point"]] * 2, [y - 0.17, y + 0.17], color=INK, linewidth=1.8)
        axes.text(step["point"], y - 0.22, "u", ha="center", va="top", color=INK)
        axes.plot(step["ratio"], y, "o" if step["passed"] else "X", color=colour, markersize=9)
        verdict = "passes" if step["passed"] else "fails"
        axes.text(step["ratio"], y + 0.2, f"{words[token]} {verdict}", ha="center", va="bottom", color=INK)
        if line:
            axes.plot([step["from"]] * 2, [y, y + 1], color=GREY, linewidth=0.9, linestyle=":")
    axes.set_yticks(
        [-line for line in range(len(steps))], [f"draft {line + 1}" for line in range(len(steps))]
    )
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(0.4 - len(steps), 0.65)
    axes.set_xlim(-0.05, 1.2 * max(max(step["to"], step["ratio"]) for step in steps))
    axes.set_xlabel("threshold c, and p/q of the draft")
    alt = " ".join(
        f"Draft {line + 1}, {words[token]}, has p/q {step['ratio']:.2f}; the threshold steps from {step['from']:.2f} "
        f"to {step['to']:.2f}, u points at {step['point']:.2f}: it {'passes' if step['passed'] else 'fails'}."
        for line, (step, token) in enumerate(zip(steps, drafts, strict=False))
    )
    return figure, {"steps": steps, "alt": alt}
