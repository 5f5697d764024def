"""Toy models, and every tree of drafts that can be drawn from one."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import product
from typing import NamedTuple

from tokenlab.chapters.transport.exact.drafts import draft_distribution
from tokenlab.chapters.transport.exact.rows import Row, Tokens, normalised, without
from tokenlab.errors import ArgumentError

#: Next-token distributions by prefix, ``()`` being the root.
Model = Mapping[Tokens, Row]


class Tree(NamedTuple):
    """Nodes in drawing order, as in :class:`tokenlab.transport.DraftTree`; parent -1 is the root."""

    tokens: Tokens = ()
    parents: Tokens = ()

    def children(self, *nodes: int) -> Tokens:
        """Children of these nodes, in drawing order."""
        return tuple(child for child, parent in enumerate(self.parents) if parent in nodes)

    def prefix(self, node: int) -> Tokens:
        """The tokens from the root to a node."""
        return () if node < 0 else (*self.prefix(self.parents[node]), self.tokens[node])

    def grown(self, parent: int, tokens: Tokens) -> Tree:
        """The tree with further children of one node."""
        return Tree(self.tokens + tuple(tokens), self.parents + (parent,) * len(tokens))


#: Says where the next drafts go: the parent and how many; None when the tree is done.
Growth = Callable[[Tree], tuple[int, int] | None]


def random_model(vocab_size: int, length: int, seed: int, *, zeros: bool = False) -> dict[Tokens, Row]:
    """A toy model: random small fractions, zeros if asked, for each prefix shorter than ``length``.

    Examples
    --------
    >>> random_model(2, 1, seed=0)
    {(): (Fraction(1, 2), Fraction(1, 2))}
    """
    rng = random.Random(seed)
    lowest = 0 if zeros else 1

    def row() -> Row:
        weights = [rng.randint(lowest, 9) for _ in range(vocab_size)]
        return normalised(map(Fraction, weights)) if any(weights) else row()

    steps = range(length)
    return {prefix: row() for step in steps for prefix in product(range(vocab_size), repeat=step)}


def sequences(num_drafts: int, depth: int) -> Growth:
    """k independent sequences, as in SpecTr: each node but the root has one child."""

    def growth(tree: Tree) -> tuple[int, int] | None:
        nodes = len(tree.tokens)
        if nodes == num_drafts * depth:
            return None
        return (-1 if nodes % depth == 0 else nodes - 1), 1

    return growth


def branching(*num_drafts: int) -> Growth:
    """A tree whose nodes at level i have ``num_drafts[i]`` children."""

    def growth(tree: Tree) -> tuple[int, int] | None:
        for node in range(-1, len(tree.tokens)):
            level = len(tree.prefix(node))
            if level < len(num_drafts) and not tree.children(node):
                return node, num_drafts[level]
        return None

    return growth


def draft_trees(draft: Model, growth: Growth, sampling: str) -> dict[Tree, Fraction]:
    """Every tree that can be drawn, and its probability.

    Parameters
    ----------
    growth : callable
        From the tree so far to where the next drafts go: :func:`sequences`, :func:`branching`, or your own.
    sampling : {"iid", "without_replacement", "greedy", "spechub"}
        How children are drawn; in the first two they may come one at a time.

    Examples
    --------
    >>> draft_trees({(): (Fraction(1, 4), Fraction(3, 4))}, branching(1), "iid")[Tree((1,), (-1,))]
    Fraction(3, 4)
    """
    unfinished, done = {Tree(): Fraction(1)}, {}
    while unfinished:
        tree, probability = unfinished.popitem()
        step = growth(tree)
        if step is None:
            done[tree] = probability
            continue
        parent, count = step
        siblings = tuple(tree.tokens[node] for node in tree.children(parent))
        row = draft[tree.prefix(parent)]
        if sampling == "without_replacement":
            row = without(row, siblings)
        elif sampling != "iid" and siblings:
            raise ArgumentError(
                f"growth adds drafts to node {parent}, which has some: {sampling!r} draws them at once"
            )
        for tokens, chance in draft_distribution(row, count, sampling).items():
            unfinished[tree.grown(parent, tokens)] = probability * chance
    return dict(sorted(done.items()))
