"""All trees together: what comes out of one round, and how long it is."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

from tokenlab.chapters.transport.exact.trees import Growth, Model, draft_trees
from tokenlab.chapters.transport.exact.verification import Blocks, output_given_tree
from tokenlab.errors import ArgumentError, check_int


def target_distribution(target: Model, length: int) -> Blocks:
    """Distribution of the first tokens when the target draws them itself.

    Examples
    --------
    >>> target_distribution({(): (Fraction(3, 4), Fraction(1, 4))}, 1)
    {(0,): Fraction(3, 4), (1,): Fraction(1, 4)}
    """
    return completed({(): Fraction(1)}, target, length)


def completed(blocks: Blocks, target: Model, length: int) -> Blocks:
    """Blocks of any length, each continued by the target to ``length`` tokens."""
    done: Blocks = defaultdict(Fraction)
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
) -> Blocks:
    """Distribution of the first ``length`` tokens when one block is verified and the target goes on.

    The target must know all shorter prefixes. See :func:`draft_trees` and :func:`output_given_tree`.

    Raises
    ------
    ArgumentError
        If a block is longer than ``length``.

    Examples
    --------
    >>> from tokenlab.chapters.transport.exact import random_model, sequences
    >>> p, q = random_model(2, 3, seed=1), random_model(2, 3, seed=2)
    >>> sequence_distribution(p, q, sequences(2, 2), "traversal", "iid", 3) == target_distribution(p, 3)
    True
    """
    check_int("length", length, low=1)
    total: Blocks = defaultdict(Fraction)
    for tree, probability in draft_trees(draft, growth, sampling).items():
        for tokens, chance in output_given_tree(target, draft, tree, rule, sampling).items():
            if len(tokens) > length:
                raise ArgumentError(f"length is {length}, but a block has {len(tokens)} tokens")
            total[tokens] += probability * chance
    return completed(total, target, length)


def block_efficiency(target: Model, draft: Model, growth: Growth, rule: str, sampling: str) -> Fraction:
    """Expected number of tokens that one target call gives: accepted drafts and one more.

    Examples
    --------
    >>> from tokenlab.chapters.transport.exact import random_model, sequences
    >>> p, q = random_model(2, 3, seed=1), random_model(2, 3, seed=2)
    >>> print(*(block_efficiency(p, q, sequences(1, 2), rule, "iid") for rule in ("recursive", "block")))
    95/42 971/420
    """
    return sum(
        (
            probability * chance * len(tokens)
            for tree, probability in draft_trees(draft, growth, sampling).items()
            for tokens, chance in output_given_tree(target, draft, tree, rule, sampling).items()
        ),
        start=Fraction(0),
    )
