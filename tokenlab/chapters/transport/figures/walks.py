"""A chain and a tree of drafts, verified node by node by recursive rejection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from tokenlab.chapters.transport import exact
from tokenlab.chapters.transport.figures.small_pairs import CONTEXT
from tokenlab.errors import ArgumentError
from tokenlab.figures import BLUE, GREY, INK, ORANGE, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


#: Words after the context; a node of a tree.
Path = tuple[str, ...]


class NextWords(NamedTuple):
    """What may come after one prefix: words, their probability under the target and under the draft."""

    words: tuple[str, ...]
    target: exact.Row
    draft: exact.Row


@dataclass(frozen=True)
class Story:
    """Two tiny models, the drafts of one round, and the noise that verification met.

    ``tests`` are the uniforms of the tests in their order; the last word is ``final``, drawn from what is left.
    """

    models: Mapping[tuple[str, ...], NextWords]
    drafts: Mapping[tuple[str, ...], tuple[str, ...]]
    tests: tuple[Fraction, ...]
    final: str


def next_words(words: str, target: str, draft: str) -> NextWords:
    """A row of each model, from texts."""
    rows = (exact.as_row(name, row.split()) for name, row in (("target", target), ("draft", draft)))
    return NextWords(tuple(words.split()), *rows)


_FIRST = next_words("mat floor sofa bed table", "9/20 1/4 3/20 1/10 1/20", "1/20 1/10 3/20 1/4 9/20")

#: A chain of three drafts: two are accepted, the third is corrected.
CHAIN = Story(
    models={
        (): _FIRST,
        ("bed",): next_words("and while until", "1/2 3/10 1/5", "3/5 1/5 1/5"),
        ("bed", "and"): next_words("slept purred barked", "1/2 2/5 1/10", "1/5 3/10 1/2"),
    },
    drafts={(): ("bed",), ("bed",): ("and",), ("bed", "and"): ("barked",)},
    tests=(Fraction(3, 10), Fraction(2, 5), Fraction(3, 5)),
    final="slept",
)
#: A tree with two drafts at each node: one branch is dropped, a path of two is accepted, and one word is free.
TREE = Story(
    models={
        (): _FIRST,
        ("mat",): next_words("and while until", "1/2 3/10 1/5", "1/5 1/2 3/10"),
        ("mat", "and"): next_words("slept purred barked", "1/2 2/5 1/10", "1/5 3/10 1/2"),
    },
    drafts={(): ("table", "mat"), ("table",): ("and", "with"), ("mat",): ("while", "and")},
    tests=(Fraction(7, 10), Fraction(1, 2), Fraction(4, 5), Fraction(2, 5)),
    final="purred",
)


@dataclass
class _Walk:
    """What is known after some tests: the state of each node, the row that decides now, and the words for it."""

    states: dict[tuple[str, ...], str] = field(default_factory=dict)
    path: tuple[str, ...] = ()
    target: exact.Row = ()
    caption: str = ""
    final: str = ""

    def now(self, **changes: object) -> _Walk:
        values = {"states": dict(self.states), "path": self.path, "target": self.target, "final": self.final}
        return _Walk(**{**values, **changes})


def steps(story: Story) -> list[_Walk]:
    """The walk, a step before the first test and one after each."""
    path: tuple[str, ...] = ()
    row = story.models[path]
    step = _Walk({}, path, row.target, "The draft model proposed this. The bars show the first position.")
    found, uniforms = [step], list(story.tests)
    while path in story.drafts:
        words, target, draft = story.models[path]
        moved, name = False, "target"
        for word in story.drafts[path]:
            token, uniform = words.index(word), uniforms.pop(0)
            accept = min(Fraction(1), target[token] / draft[token])
            ratio = f"“{word}”: {name} {float(target[token]):.2f}, draft {float(draft[token]):.2f}"
            node = (*path, word)
            if uniform < accept:
                chance = "surely" if accept == 1 else f"with probability {float(accept):.2f}"
                path, moved = node, True
                after = story.models.get(path)
                step = step.now(
                    states=step.states | {node: "accepted"},
                    path=path,
                    target=after.target if after else (),
                    caption=f"{ratio}. It is accepted, {chance}; the next position is now asked.",
                )
                found.append(step)
                break
            target, name = exact.normalised(exact.excess(target, draft)), "residual"
            step = step.now(
                states=step.states | {node: "rejected"},
                target=target,
                caption=f"{ratio}. It is rejected; the target becomes the residual.",
            )
            found.append(step)
        if not moved:
            break
    row = story.models[path]
    if story.final not in row.words or not step.target[row.words.index(story.final)]:
        raise ArgumentError(f"final is {story.final!r}, which cannot be drawn from what is left")
    left = "the residual" if path in story.drafts else "the target"
    text = " ".join((CONTEXT, *path, story.final))
    found.append(step.now(final=story.final, caption=f"“{story.final}” is drawn from {left}: “{text}”."))
    return found


def verification_walk(story: Story = TREE) -> tuple[list[Figure], dict]:
    """Verification of a chain or a tree, a frame for each step.

    The drafts stand on one side, accepted ones blue, rejected ones orange; on the other side the bars of the
    node that decides: the draft, and the target or what rejections left of it.
    """
    places = layout(story)
    frames, alt = [], []
    walk = steps(story)
    for step in walk:
        figure, (left, right) = new_figure(6.4, 3.2, ncols=2, width_ratios=(1.5, 1))
        colour = ORANGE if step.path in story.drafts else BLUE
        shown = {"drawn": bool(step.final), "colour": colour}
        draw_tree(left, places, step.states, step.path, step.final, step.path, **shown)
        _draw_bars(right, story.models[step.path], step, drafted=step.path in story.drafts)
        frames.append(figure)
        words, _, draft = story.models[step.path]
        shares = ", ".join(
            f"{word} {float(p):.3g} against {float(q):.3g}"
            for word, p, q in zip(words, step.target, draft, strict=True)
        )
        done = (
            "; ".join(f"{' '.join(node)} {state}" for node, state in step.states.items()) or "no draft tested"
        )
        done += f"; {step.final} is drawn at last" * bool(step.final)
        alt.append(
            f"After “{' '.join((CONTEXT, *step.path))}”, target or residual against draft: {shares}. So far: {done}."
        )
    data = {
        "nodes": [" ".join(node) for node in places if node],
        "states": [{" ".join(node): state for node, state in step.states.items()} for step in walk],
        "path": [" ".join(step.path) for step in walk],
        "rows": [
            dict(zip(story.models[step.path].words, map(float, step.target), strict=True)) for step in walk
        ],
        "final": story.final,
    }
    return frames, data | {"captions": [step.caption for step in walk], "alt": alt}


def layout(story: Story) -> dict[tuple[str, ...], tuple[float, float]]:
    """Where each node stands: columns by depth, leaves evenly below each other; a chain descends."""
    leaves: list[tuple[str, ...]] = []

    def visit(node: tuple[str, ...]) -> None:
        children = story.drafts.get(node, ())
        for word in children:
            visit((*node, word))
        if not children:
            leaves.append(node)

    visit(())
    heights = {leaf: -float(number) for number, leaf in enumerate(leaves)}
    nodes = {leaf[:depth] for leaf in leaves for depth in range(len(leaf) + 1)}

    def height(node: tuple[str, ...]) -> float:
        below = [heights[leaf] for leaf in leaves if leaf[: len(node)] == node]
        return sum(below) / len(below)

    if len(leaves) == 1:
        return {leaves[0][:depth]: (float(depth), -float(depth)) for depth in range(len(leaves[0]) + 1)}
    return {
        node: (float(len(node)), height(node)) for node in sorted(nodes, key=lambda n: (len(n), -height(n)))
    }


def draw_tree(
    axes: Axes,
    places: Mapping[Path, tuple[float, float]],
    states: Mapping[Path, str],
    here: Path,
    final: str,
    end: Path,
    *,
    drawn: bool,
    colour: str = BLUE,
) -> None:
    """The tree, its nodes coloured by what became of them; ``final`` stands after ``end`` once it is drawn."""
    colours = {"accepted": BLUE, "rejected": ORANGE}
    # A chain descends: its words stand beside the line, not on it.
    side, shift = ("left", 0.08) if len({x for x, _ in places.values()}) == len(places) else ("center", 0.0)
    for node, (x, y) in places.items():
        if node:
            from_x, from_y = places[node[:-1]]
            state = states.get(node)
            axes.plot(
                [from_x, x],
                [from_y, y],
                color=colours.get(state, GREY),
                linewidth=2.4 if state == "accepted" else 1.2,
                linestyle="-" if state != "rejected" else ":",
                zorder=1,
            )
    for node, (x, y) in places.items():
        state = states.get(node, "accepted" if not node else "")
        size = 15 if node == here and not drawn else 10
        axes.plot(x, y, "o", color=colours.get(state, GREY), markersize=size, zorder=2)
        label = node[-1] if node else "…the"
        ink = colours.get(state, INK)
        axes.text(x + shift, y + 0.2, label, ha=side, va="bottom", color=ink, zorder=3)
    x, y = places[end]
    last, visible = max(place[0] for place in places.values()), 1 if drawn else 0
    axes.plot([x, last + 1], [y, y - 0.35], color=colour, linewidth=2.4, alpha=visible, zorder=1)
    axes.plot(last + 1, y - 0.35, "s", color=colour, markersize=10, alpha=visible, zorder=2)
    axes.text(last + 1, y - 0.6, final, ha="center", va="top", color=colour, alpha=visible)
    rows = [place[1] for place in places.values()]
    axes.set_xlim(-0.5, last + 1.5)
    axes.set_ylim(min(rows) - 1.1, max(rows) + 0.8)
    axes.axis("off")


def _draw_bars(axes: Axes, row: NextWords, step: _Walk, *, drafted: bool, width: float = 0.36) -> None:
    """Target or residual beside the draft, if there is one, sideways, so that words have room."""
    size = len(row.words)
    at = [size - 1 - number for number in range(size)]
    axes.barh([y + width / 2 for y in at], [float(p) for p in step.target], width, color=BLUE)
    axes.barh([y - width / 2 for y in at], [float(q) * drafted for q in row.draft], width, color=GREY)
    # As texts, not ticks: the bars keep their size from frame to frame.
    for y, word in zip(at, row.words, strict=True):
        axes.text(-0.04, y, word, ha="right", va="center", color=INK)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    axes.set_ylim(-0.7, size - 0.3)
    axes.set_xlim(-0.5, 1.05)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    name = "target" if step.target == row.target else "residual"
    axes.set_title(f"{name} (blue)" + ", draft (grey)" * drafted)
