"""Rounds of decoding, one by one: what was drafted, what was kept, how the text grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tokenlab.chapters.drawing import visible
from tokenlab.chapters.transport.experiments import Round
from tokenlab.chapters.transport.result_figures.sheet import LINE, letters_and_lines, rule, words, write
from tokenlab.errors import ShapeError
from tokenlab.figures import BLUE, GREY, INK, ORANGE, new_figure
from tokenlab.transport.trees.draft_tree import DraftTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Transform

#: Letters of a token that a tree shows, letters between a token and its children, letters of a line of text.
LONGEST, GAP, TEXT_WIDTH = 9, 3.2, 34


def round_trees(
    rounds: Sequence[Round], text: Callable[[int], str], *, prompt: Sequence[int]
) -> tuple[list[Figure], dict]:
    """Rounds of decoding, a frame for each: the text that grows, and beside it the tree of drafts.

    The end of the text is the tree's root. Blue is accepted, orange asked and rejected, grey never asked; bold
    ink is the target's own token. An edge is as wide as its draft probability. ``text`` makes text of a
    token's id; the first round follows the tokens ``prompt``. For rules that ask siblings in their order.
    """
    if not rounds:
        raise ShapeError("rounds has 0 entries, expected one or more")
    whole = [*prompt, *(int(token) for found in rounds for token in found.verified.tokens)]
    lines = 1 + max((word.line for word in words([text(token) for token in whole], TEXT_WIDTH)), default=0)
    deepest = max(max(_rows(found.tree, _last(found)).values()) for found in rounds)
    height = (max(lines + 2.0, 2 * deepest + 3.0) * LINE + 10) / 72
    frames, data = [], {"rounds": [], "alt": [], "captions": []}
    before = list(prompt)
    for found in rounds:
        figure, (left, right) = new_figure(6.6, height, ncols=2, width_ratios=[1, 1.25])
        new = found.verified.tokens.tolist()
        colours = [GREY] * len(prompt) + [INK] * (len(before) - len(prompt)) + [BLUE] * (len(new) - 1) + [INK]
        pieces = [text(token) for token in (*before, *new)]
        _written(left, pieces, colours, bold=range(len(before), len(pieces)), title="the text")
        facts = _draw_tree(right, found, text, before[-1])
        frames.append(figure)
        data["rounds"].append(facts)
        data["captions"].append(_round_caption(facts, text))
        data["alt"].append(_round_alt(facts, text))
        before += new
    return frames, data


def _last(found: Round) -> int:
    """The last accepted node, -1 being the root."""
    nodes = found.verified.nodes.tolist()
    return nodes[-1] if nodes else -1


def _draw_tree(axes: Axes, found: Round, text: Callable[[int], str], root: int) -> dict:
    tree, kept, last = found.tree, found.verified.nodes.tolist(), _last(found)
    tokens, parents = tree.tokens.tolist(), tree.parents.tolist()
    rejected, final = _rejected(tree, kept), int(found.verified.tokens[-1])
    probs = [
        tree.draft_probs[parent + 1, token].item() for parent, token in zip(parents, tokens, strict=True)
    ]
    names = {node: _short(text(token)) for node, token in enumerate([*tokens, final])}
    names[-1] = _short(text(root), start=True)
    spots = _spots(tree, _rows(tree, last), names, last)
    grid = letters_and_lines(axes)
    for node, parent in enumerate([*parents, last]):
        colour, bold = _look(node, kept, rejected, len(tokens))
        is_final = node == len(tokens)
        column, line = spots[parent]
        rule(
            axes,
            grid,
            (column + len(names[parent]) + 0.3, line),
            (spots[node][0] - 0.3, spots[node][1]),
            color=colour,
            linewidth=1.8 if is_final else 1 + 6 * probs[node],
            linestyle=":" if is_final else "-",
            solid_capstyle="butt",
        )
        write(axes, grid, *spots[node], names[node], color=colour, fontweight="bold" if bold else "normal")
    write(axes, grid, *spots[-1], names[-1], color=INK)
    counts = {"accepted": len(kept), "rejected": len(rejected)}
    counts["not reached"] = len(tokens) - sum(counts.values())
    _counts(axes, grid, counts)
    facts = {"tokens": tokens, "parents": parents, "probs": probs, "accepted": kept, "rejected": rejected}
    kind = "correction" if tree.children(last) else "bonus token"
    return facts | {"final": final, "kind": kind, "spots": spots, "counts": counts}


def _round_caption(facts: dict, text: Callable[[int], str]) -> str:
    """What happened in a round, in a sentence."""
    accepted, rejected = len(facts["accepted"]), len(facts["rejected"])
    kept = f"{accepted} accepted" if accepted else "none accepted"
    return (
        f"Of {len(facts['tokens'])} drafts {kept}, {rejected} rejected; the target adds the {facts['kind']} "
        f"“{visible(text(facts['final']))}”."
    )


def _round_alt(facts: dict, text: Callable[[int], str]) -> str:
    tokens, probs = facts["tokens"], facts["probs"]
    path = " ".join(repr(text(tokens[node])) for node in facts["accepted"]) or "none"
    refused = ", ".join(f"{text(tokens[node])!r} ({probs[node]:.2f})" for node in facts["rejected"]) or "none"
    return (
        f"A tree of {len(tokens)} drafted tokens. Accepted: {path}. Rejected, with draft probabilities: {refused}. "
        f"Not reached: {facts['counts']['not reached']}. The target adds the {facts['kind']} {text(facts['final'])!r}."
    )


def _rejected(tree: DraftTree, kept: Sequence[int]) -> list[int]:
    """Drafts that were asked and failed: the siblings before the accepted one, or all of them."""
    failed = []
    for parent, child in zip([-1, *kept], [*kept, None], strict=True):
        siblings = tree.children(parent)
        failed += siblings if child is None else siblings[: siblings.index(child)]
    return failed


def _look(node: int, kept: Sequence[int], rejected: Sequence[int], final: int) -> tuple[str, bool]:
    """Colour of a node, and whether it is bold."""
    if node == final:
        return INK, True
    if node in kept:
        return BLUE, True
    return (ORANGE if node in rejected else GREY), False


def _short(token: str, *, start: bool = False) -> str:
    """A token's signs, cut to a length that a tree has room for; ``start`` keeps its end."""
    name = visible(token).replace(r"\$", "$")
    if len(name) <= LONGEST:
        return name
    return "…" + name[-LONGEST + 1 :] if start else name[: LONGEST - 1] + "…"


def _spots(
    tree: DraftTree, rows: dict[int, float], names: dict[int, str], last: int
) -> dict[int, tuple[float, float]]:
    """Column and line of each node: a token begins where its parent's ends. Number ``len(tree)`` is the final one."""
    parents = [*tree.parents.tolist(), last]
    spots = {-1: (0.0, 2 * rows[-1] + 2)}
    for node, parent in enumerate(parents):
        spots[node] = (spots[parent][0] + len(names[parent]) + GAP, 2 * rows[node] + 2)
    return spots


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


def _counts(axes: Axes, grid: Transform, counts: dict[str, int]) -> None:
    """The line above a tree, which says what its colours mean."""
    column = 0.0
    for (word, count), colour in zip(counts.items(), (BLUE, ORANGE, GREY), strict=True):
        letters = f"{count} {word}"
        write(axes, grid, column, 0.2, letters, color=colour)
        column += len(letters) + 2


def text_by_call(
    prompt: Sequence[str], plain: Sequence[str], rounds: Sequence[tuple[Sequence[str], int]]
) -> tuple[list[Figure], dict]:
    """The text after each call of the target, without drafts and with them: a frame for each call.

    ``plain`` has the token that each call adds. A round has its tokens, of which the last is the target's
    own, and how many were drafted for it.
    """
    if not rounds or len(plain) != len(rounds):
        raise ShapeError(
            f"plain has {len(plain)} calls and rounds {len(rounds)}, expected as many, and one or more"
        )
    without = [*prompt, *plain]
    drafted = [*prompt, *(token for tokens, _ in rounds for token in tokens)]
    lines = 1 + max(word.line for text in (without, drafted) for word in words(text, TEXT_WIDTH))
    frames, data = [], {"plain": [], "drafted": [], "kept": [], "verified": [], "captions": [], "alt": []}
    for call in range(1, len(rounds) + 1):
        done = [tokens for tokens, _ in rounds[:call]]
        kept, verified = sum(len(tokens) - 1 for tokens in done), sum(number for _, number in rounds[:call])
        figure, (left, right) = new_figure(6.6, (lines + 2.6) * LINE / 72, ncols=2)
        sides = (
            (left, without[: len(prompt) + call], [1] * call, "without drafts"),
            (right, drafted[: len(prompt) + kept + call], [len(tokens) for tokens in done], "with drafts"),
        )
        for axes, pieces, sizes, word in sides:
            # Of the tokens of a call, all but the last were drafted.
            colours = [GREY] * len(prompt) + [c for size in sizes for c in [BLUE] * (size - 1) + [INK]]
            bold = range(len(pieces) - sizes[-1], len(pieces))
            title = f"{word}: {sum(sizes)} token{'s' * (sum(sizes) > 1)}"
            _written(axes, pieces, colours, bold=bold, title=title)
        frames.append(figure)
        caption = (
            f"After {call} call{'s' * (call > 1)} of the target: {call} token{'s' * (call > 1)} without drafts, "
            f"{kept + call} with them. Kept: {kept} of {verified} drafts."
        )
        written = "".join(token for tokens in done for token in tokens)
        alt = f"{caption} Without drafts: {''.join(plain[:call])!r}. With drafts: {written!r}."
        values = {"plain": call, "drafted": kept + call, "kept": kept, "verified": verified}
        for name, value in (values | {"captions": caption, "alt": alt}).items():
            data[name].append(value)
    return frames, data


def _written(
    axes: Axes, pieces: Sequence[str], colours: Sequence[str], *, bold: Sequence[int], title: str
) -> None:
    """A text in pieces, each underlined so that they can be counted; those in ``bold`` are new."""
    grid = letters_and_lines(axes)
    write(axes, grid, 0, 0.2, title, color=INK)
    for piece, column, line, letters in words(pieces, TEXT_WIDTH):
        at = line + 1.6
        weight = "bold" if piece in bold else "normal"
        write(axes, grid, column, at, letters, color=colours[piece], fontweight=weight)
        if colours[piece] != GREY:
            rule(
                axes, grid, (column + 0.15, at + 0.5), (column + len(letters) - 0.15, at + 0.5),
                color=colours[piece], linewidth=2.5 if piece in bold else 1.2, solid_capstyle="butt",
            )  # fmt: skip
