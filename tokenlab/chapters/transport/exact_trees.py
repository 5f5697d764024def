r"""Trees and chains in exact fractions: every draft tree of a toy model, verified, added up.

This is the oracle for :mod:`tokenlab.transport.trees.verify`, and shares no arithmetic with it. A toy
model is a table from prefixes to distributions. One block then goes like this:

========================  ==============================================================
:func:`draft_trees`       every tree that the draft model can draw, and its probability
:func:`block_distribution`         what verification makes of one tree: accepted tokens and one more
:func:`sequence_distribution`      all trees together, each block completed by the target itself
:func:`block_efficiency`  expected tokens of one block: accepted drafts plus one
========================  ==============================================================

Verification is lossless if :func:`sequence_distribution` is :func:`target_distribution`, as fractions.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from itertools import product
from typing import NamedTuple

from tokenlab.chapters.transport.exact import (
    Row,
    Tokens,
    distribution,
    draft_distribution,
    excess,
    lossless_factor,
    normalised,
    without,
)
from tokenlab.errors import ArgumentError, check_choice, check_int
from tokenlab.transport.rules import RULES

#: Next-token distributions by prefix, ``()`` being the root.
Model = Mapping[Tokens, Row]


#: Distribution of blocks: accepted tokens and the final one, with their probability.
Distribution = dict[Tokens, Fraction]


#: K-SEQ's factor is a fraction this many halvings from its root.
HALVINGS = 50


class Tree(NamedTuple):
    """Nodes in the order in which they were drawn; parent -1 is the root.

    It is the ``tokens`` and ``parents`` of :class:`tokenlab.transport.trees.draft_tree.DraftTree`.
    """

    tokens: Tokens = ()
    parents: Tokens = ()

    def children(self, *nodes: int) -> Tokens:
        """Children of these nodes, in the order in which they were drawn."""
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
    """A toy model: a random distribution of small fractions for each prefix shorter than ``length``.

    Parameters
    ----------
    vocab_size, length : int
        How many tokens, and how many steps.
    seed : int
        Of the weights.
    zeros : bool
        Whether tokens may have probability zero.

    Returns
    -------
    dict
        From prefix to distribution.

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


# How trees grow.
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
    draft : mapping
        The draft model.
    growth : callable
        Where the next drafts go, for instance :func:`sequences` or :func:`branching`. It sees
        the tree so far, its tokens too: a tree may adapt to what was drawn.
    sampling : {"iid", "without_replacement", "greedy", "spechub"}
        How the children of one node are drawn. In the first two they may come one at a time,
        with other draws in between.

    Returns
    -------
    dict
        From tree to probability; the values sum to one.

    Examples
    --------
    >>> draft = {(): (Fraction(1, 4), Fraction(3, 4))}
    >>> for tree, probability in draft_trees(draft, branching(1), "iid").items():
    ...     print(tree.tokens, probability)
    (0,) 1/4
    (1,) 3/4
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


# What verification makes of one tree.
def block_distribution(target: Model, draft: Model, tree: Tree, rule: str, sampling: str) -> Distribution:
    """Distribution of the accepted tokens and the final one, given the tree.

    Parameters
    ----------
    target, draft : mapping
        The two models.
    tree : Tree
        What was drawn.
    rule : str
        A rule at one node, ``"block"`` for chains, or ``"traversal"``. ``"traversal_"`` before a
        rule at one node runs that rule bottom-up.
    sampling : {"iid", "without_replacement", "greedy", "spechub"}
        How it was drawn.

    Returns
    -------
    dict
        From the tokens of a block to its probability; ``len(tokens) - 1`` are accepted.

    Raises
    ------
    ArgumentError
        If the rule is unknown, or not defined for such a tree.

    Examples
    --------
    >>> target = {prefix: (Fraction(3, 4), Fraction(1, 4)) for prefix in [(), (0,), (1,)]}
    >>> draft = {(): (Fraction(1, 4), Fraction(3, 4))}
    >>> for tokens, probability in block_distribution(target, draft, Tree((1,), (-1,)), "block", "iid").items():
    ...     print(tokens, probability)
    (1, 0) 1/4
    (1, 1) 1/12
    (0,) 2/3
    """
    bottom_up = tuple(f"traversal_{name}" for name in RULES)
    check_choice("rule", rule, (*RULES, "block", "traversal", *bottom_up))
    outcomes: Distribution = defaultdict(Fraction)
    if rule == "block":
        outcomes |= _block(target, draft, tree)
    elif rule == "traversal":
        _traverse(target, draft, tree, (-1,), Fraction(1), sampling, outcomes, Fraction(1))
    elif rule in bottom_up:
        node_rule = rule.removeprefix("traversal_")
        _bottom_up(target, draft, tree, (-1,), Fraction(1), node_rule, sampling, outcomes, Fraction(1))
    else:
        _walk(target, draft, tree, (-1,), rule, sampling, outcomes, Fraction(1))
    return {tokens: probability for tokens, probability in outcomes.items() if probability}


def _walk(
    target: Model,
    draft: Model,
    tree: Tree,
    nodes: Tokens,
    rule: str,
    sampling: str,
    outcomes: Distribution,
    reached: Fraction,
) -> None:
    """Decide at one prefix, then go on in all nodes that carry the token: they are one prefix."""
    prefix = tree.prefix(nodes[0])
    children = tree.children(*nodes)
    if not children:
        given = target[prefix]
    else:
        tokens = tuple(tree.tokens[child] for child in children)
        given = _node_distribution(rule, target[prefix], draft[prefix], tokens, sampling)
    for token, probability in enumerate(given):
        same = tuple(child for child in children if tree.tokens[child] == token)
        if same and probability:
            _walk(target, draft, tree, same, rule, sampling, outcomes, reached * probability)
        else:
            outcomes[*prefix, token] += reached * probability


@cache
def _node_distribution(rule: str, target: Row, draft: Row, tokens: Tokens, sampling: str) -> Row:
    factor = lossless_factor(target, draft, len(tokens), HALVINGS) if rule == "kseq" else None
    return distribution(rule, target, draft, tokens, sampling, factor=factor)


def _block(target: Model, draft: Model, tree: Tree) -> Distribution:
    r"""A chain :math:`x_1, \dots, x_\gamma`, in the notation of the paper.

    .. math::

        p_0 = 1, \quad p_i = \min\left(1,\ p_{i-1} \frac{p(x_i)}{q(x_i)}\right), \qquad
        h_i = \frac{R_i}{R_i + 1 - p_i}, \quad h_\gamma = p_\gamma, \qquad
        R_i = \sum_x \max(p_i\, p(x \mid x_{\le i}) - q(x \mid x_{\le i}),\ 0)

    The longest i whose own test, with probability :math:`h_i`, succeeds is accepted.
    """
    length = len(tree.tokens)
    if tree.parents != tuple(range(-1, length - 1)):
        raise ArgumentError(f"parents are {tree.parents}, expected a chain for rule 'block'")
    weight, tests = Fraction(1), []
    for i in range(length + 1):
        prefix = tree.tokens[:i]
        scaled = tuple(weight * p for p in target[prefix])
        if i == length:
            tests.append((weight, target[prefix]))
            break
        residual = excess(scaled, draft[prefix])
        mass = sum(residual)
        tests.append((mass / (mass + 1 - weight) if mass else Fraction(0), normalised(residual)))
        token = tree.tokens[i]
        weight = min(Fraction(1), scaled[token] / draft[prefix][token])

    outcomes, reached = {}, Fraction(1)
    for i, (accept, residual) in reversed(list(enumerate(tests))):
        for token, probability in enumerate(residual):
            outcomes[*tree.tokens[:i], token] = reached * accept * probability
        reached *= 1 - accept
    return outcomes


def _traverse(
    target: Model,
    draft: Model,
    tree: Tree,
    nodes: Tokens,
    rate: Fraction,
    sampling: str,
    outcomes: Distribution,
    reached: Fraction,
) -> Fraction:
    r"""Bottom-up: a subtree is entered with a rate; returns how probably it is left unaccepted.

    The state of a node is :math:`(p, q, r)`. A child x is entered with
    :math:`\min(1, r\,p(x)/q(x))`; if it is left unaccepted,

    .. math::

        R = \sum_x \max(r\,p(x) - q(x), 0), \qquad p \leftarrow \frac{(r\,p - q)_+}{R}, \qquad
        r \leftarrow \frac{R}{R + 1 - r}

    and without replacement q loses the token. When no child is left, the node itself is accepted
    with probability r, and the final token comes from p.
    """
    prefix = tree.prefix(nodes[0])
    children = tree.children(*nodes)
    p, q, r = target[prefix], draft.get(prefix), rate
    seen: set[int] = set()
    for child in children:
        token = tree.tokens[child]
        if token not in seen:
            # Later nodes with this token are the same prefix: they bring their children along.
            same = tuple(other for other in children if tree.tokens[other] == token)
            enter = min(Fraction(1), r * p[token] / q[token])
            reached = _traverse(target, draft, tree, same, enter, sampling, outcomes, reached)
        seen.add(token)
        residual = excess(tuple(r * value for value in p), q)
        mass = sum(residual)
        if r < 1 or mass:
            p, r = normalised(residual), mass / (mass + 1 - r)
        if sampling == "without_replacement":
            q = without(q, [token])
    for token, probability in enumerate(p):
        outcomes[*prefix, token] += reached * r * probability
    return reached * (1 - r)


def _bottom_up(
    target: Model,
    draft: Model,
    tree: Tree,
    nodes: Tokens,
    rate: Fraction,
    rule: str,
    sampling: str,
    outcomes: Distribution,
    reached: Fraction,
) -> Fraction:
    r"""Any rule bottom-up; returns how probably the subtree is left unaccepted.

    The target gets one more token, which is never drafted: "back", with mass :math:`1 - r`. The
    rule's distribution for this longer row says how probably each drafted token comes out; a subtree is
    entered with its token's share of what the ones before it left.
    """
    prefix = tree.prefix(nodes[0])
    children = tree.children(*nodes)
    given = (*(rate * value for value in target[prefix]), 1 - rate)
    tokens = tuple(tree.tokens[child] for child in children)
    if children:
        given = _node_distribution(rule, given, (*draft[prefix], Fraction(0)), tokens, sampling)
    left = Fraction(1)
    for token in dict.fromkeys(tokens):
        same = tuple(child for child in children if tree.tokens[child] == token)
        enter = given[token] / left if left else Fraction(0)
        reached = _bottom_up(target, draft, tree, same, enter, rule, sampling, outcomes, reached)
        left -= given[token]
    for token, probability in enumerate(given[:-1]):
        if left and token not in tokens:
            outcomes[*prefix, token] += reached * probability / left
    return reached * given[-1] / left if left else reached


# All trees together.
def target_distribution(target: Model, length: int) -> Distribution:
    """Distribution of the first tokens when the target draws them itself.

    Examples
    --------
    >>> target_distribution({(): (Fraction(3, 4), Fraction(1, 4))}, 1)
    {(0,): Fraction(3, 4), (1,): Fraction(1, 4)}
    """
    return completed({(): Fraction(1)}, target, length)


def completed(blocks: Distribution, target: Model, length: int) -> Distribution:
    """Blocks of any length, each continued by the target to ``length`` tokens."""
    done: Distribution = defaultdict(Fraction)
    unfinished = list(blocks.items())
    while unfinished:
        tokens, probability = unfinished.pop()
        if len(tokens) >= length:
            done[tokens[:length]] += probability
            continue
        for token, chance in enumerate(target[tokens]):
            if chance:
                unfinished.append(((*tokens, token), probability * chance))
    return dict(sorted(done.items()))


def sequence_distribution(
    target: Model, draft: Model, growth: Growth, rule: str, sampling: str, length: int
) -> Distribution:
    """Distribution of the first ``length`` tokens when one block is verified and the target goes on.

    Parameters
    ----------
    target, draft : mapping
        The two models; the target must know all prefixes shorter than ``length``.
    growth, rule, sampling
        As in :func:`draft_trees` and :func:`block_distribution`.
    length : int
        At least the depth of the trees and one more, so that the whole block is seen.

    Returns
    -------
    dict
        From tokens to probability.

    Raises
    ------
    ArgumentError
        If a block is longer than ``length``.

    Examples
    --------
    >>> target, draft = random_model(2, 3, seed=1), random_model(2, 3, seed=2)
    >>> sequence_distribution(target, draft, sequences(2, 2), "traversal", "iid", 3) == target_distribution(target, 3)
    True
    """
    check_int("length", length, low=1)
    total: Distribution = defaultdict(Fraction)
    for tree, probability in draft_trees(draft, growth, sampling).items():
        for tokens, chance in block_distribution(target, draft, tree, rule, sampling).items():
            if len(tokens) > length:
                raise ArgumentError(f"length is {length}, but a block has {len(tokens)} tokens")
            total[tokens] += probability * chance
    return completed(total, target, length)


def block_efficiency(target: Model, draft: Model, growth: Growth, rule: str, sampling: str) -> Fraction:
    """Expected number of tokens that one target call gives: accepted drafts and one more.

    Parameters
    ----------
    target, draft, growth, rule, sampling
        As in :func:`sequence_distribution`.

    Returns
    -------
    Fraction

    Examples
    --------
    >>> target, draft = random_model(2, 3, seed=1), random_model(2, 3, seed=2)
    >>> for rule in ("recursive", "block"):
    ...     print(rule, block_efficiency(target, draft, sequences(1, 2), rule, "iid"))
    recursive 95/42
    block 971/420
    """
    return sum(
        (
            probability * chance * len(tokens)
            for tree, probability in draft_trees(draft, growth, sampling).items()
            for tokens, chance in block_distribution(target, draft, tree, rule, sampling).items()
        ),
        start=Fraction(0),
    )
