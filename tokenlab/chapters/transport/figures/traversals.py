"""The tree of the opening picture, verified from the leaves up."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from tokenlab.chapters.transport import exact
from tokenlab.chapters.transport.figures.small_pairs import CONTEXT
from tokenlab.chapters.transport.figures.walks import (
    TREE,
    NextWords,
    Path,
    Story,
    draw_tree,
    layout,
    next_words,
)
from tokenlab.errors import ArgumentError
from tokenlab.figures import BLUE, GREY, INK, ORANGE, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: The tree of the opening picture. After "table" the target much prefers a word that the draft model doubts.
TRAVERSED = dataclasses.replace(
    TREE,
    models={
        **TREE.models,
        ("table",): next_words("and with while", "1/20 9/10 1/20", "7/10 1/20 1/4"),
        ("table", "with"): next_words("dignity crumbs us", "1/2 3/10 1/5", "1/5 3/10 1/2"),
    },
    tests=(Fraction(1, 2), Fraction(4, 5)),
    final="dignity",
)


class Visit(NamedTuple):
    """A moment of the traversal: where it is, its weight and row there, what is known, and the words for it."""

    node: Path
    weight: Fraction
    row: exact.Row
    states: dict[Path, str]
    caption: str
    final: str = ""


def visits(story: Story) -> list[Visit]:
    """The traversal of a tree of independent drafts, a step for each node that is entered or ends."""
    uniforms, found, states = list(story.tests), [], {}

    def visit(node: Path, weight: Fraction, row: exact.Row, how: str) -> bool:
        found.append(Visit(node, weight, row, dict(states), how))
        for word in story.drafts.get(node, ()):
            model, child = story.models[node], (*node, word)
            token = model.words.index(word)
            target, draft = weight * row[token], model.draft[token]
            inner = min(Fraction(1), target / draft)
            below = story.models.get(child)
            how = f"“{word}”: {float(target):.2g} against {float(draft):.2g}, weight {float(inner):.2g}."
            how += " Its children come first." if story.drafts.get(child) else " It is a leaf, and is tested."
            if visit(child, inner, below.target if below else (), how):
                return True
            left = exact.excess([weight * value for value in row], model.draft)
            rest = sum(left)
            row, weight = (exact.normalised(left), rest / (rest + 1 - weight)) if rest else (row, Fraction(0))
            how = f"“{word}” fails; back to “{(node or ('the',))[-1]}”, whose weight is now {float(weight):.2g}."
            found.append(Visit(node, weight, row, dict(states), how))
        accepted = weight == 1 or uniforms.pop(0) < weight
        if accepted:
            states.update({node[:end]: "accepted" for end in range(1, len(node) + 1)})
            how = (
                f"It is accepted, and “{story.final}” is drawn: “{' '.join((CONTEXT, *node, story.final))}”."
            )
            found.append(Visit(node, weight, row, dict(states), how, story.final))
        else:
            states[node] = "rejected"
        return accepted

    visit((), Fraction(1), story.models[()].target, "The root has weight 1: nothing is owed, back is empty.")
    return found


def traversal_walk(story: Story = TRAVERSED) -> tuple[list[Figure], dict]:
    """Traversal verification, a frame for each step: the tree, and the bars of the node that is asked.

    The bars are the node's longer target, each word times the weight and *back* the rest, beside the draft.
    """
    places, walk = layout(story), visits(story)
    last = walk[-1]
    if story.final not in story.models[last.node].words:
        raise ArgumentError(f"final is {story.final!r}, which cannot come after {' '.join(last.node)!r}")
    frames, alt = [], []
    for step in walk:
        figure, (left, right) = new_figure(6.4, 3.2, ncols=2, width_ratios=(1.5, 1))
        draw_tree(left, places, step.states, step.node, story.final, last.node, drawn=bool(step.final))
        model = story.models.get(step.node)
        _draw_bars(right, model, step, drafted=step.node in story.drafts)
        frames.append(figure)
        done = "; ".join(f"{' '.join(node)} {state}" for node, state in step.states.items())
        alt.append(
            f"At “{' '.join((CONTEXT, *step.node))}” with weight {float(step.weight):.3g}, "
            f"back {1 - float(step.weight):.3g}. So far: {done or 'nothing is decided'}."
        )
    data = {
        "path": [" ".join(step.node) for step in walk],
        "weights": [float(step.weight) for step in walk],
        "states": [{" ".join(node): state for node, state in step.states.items()} for step in walk],
    }
    return frames, data | {"captions": [step.caption for step in walk], "alt": alt}


def _draw_bars(
    axes: Axes, model: NextWords | None, step: Visit, *, drafted: bool, width: float = 0.36, slots: int = 6
) -> None:
    """Words of the node and *back*, sideways; always as many bars, so that they move."""
    words = [*(model.words if model else ()), "back"]
    weight = float(step.weight)
    target = [weight * float(value) for value in (step.row if model else ())]
    draft = [float(value) * drafted for value in (model.draft if model else ())]
    empty = slots - len(words)
    blue, grey, words = target + [0.0] * (empty + 1), draft + [0.0] * (empty + 1), words[:-1] + [""] * empty
    at = [slots - 1 - number for number in range(slots)]
    axes.barh([y + width / 2 for y in at], blue, width, color=BLUE)
    axes.barh([y - width / 2 for y in at], grey, width, color=GREY)
    axes.barh(0, 1 - weight, 2 * width, color=ORANGE)
    for y, word in zip(at, [*words, "back"], strict=True):
        axes.text(-0.04, y, word, ha="right", va="center", color=ORANGE if word == "back" else INK)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    axes.set_ylim(-0.7, slots - 0.3)
    axes.set_xlim(-0.5, 1.05)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.set_title(f"weight {weight:.2g}")
