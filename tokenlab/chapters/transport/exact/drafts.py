"""How the drafts of one node are drawn."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

from tokenlab.chapters.transport.exact.rows import Row, Tokens, as_row, most_probable, without
from tokenlab.errors import ArgumentError
from tokenlab.transport.rules import check_drafts


def draft_distribution(draft: Row, num_drafts: int, sampling: str = "iid") -> dict[Tokens, Fraction]:
    r"""Probability of every tuple of drafts that can come.

    .. math::

        P_{\text{iid}}(x) &= \prod_j q(x_j) \\
        P_{\text{without}}(x) &= \prod_j \frac{q(x_j)}{1 - \sum_{i<j} q(x_i)}

    Sampling is ``"iid"``, ``"without_replacement"``, ``"greedy"`` or ``"spechub"``.

    Raises
    ------
    ArgumentError
        If so many drafts cannot be drawn.

    Examples
    --------
    >>> print(*draft_distribution(["3/4", "1/4"], 2, "without_replacement").items())
    ((0, 1), Fraction(3, 4)) ((1, 0), Fraction(1, 4))
    """
    draft = as_row("draft", draft)
    check_drafts(sampling, num_drafts, len(draft))
    distribution = {
        tokens: probability
        for tokens in product(range(len(draft)), repeat=num_drafts)
        if (probability := draft_probability(draft, tokens, sampling))
    }
    if sum(distribution.values()) != 1:
        raise ArgumentError(
            f"num_drafts is {num_drafts}, but draft has only {sum(q > 0 for q in draft)} tokens of "
            f"positive probability: too few for sampling {sampling!r}"
        )
    return distribution


def draft_probability(draft: Row, tokens: Tokens, sampling: str) -> Fraction:
    """Probability of one tuple of drafts.

    Examples
    --------
    >>> draft_probability(as_row("draft", ["1/2", "1/3", "1/6"]), (0, 2), "without_replacement")
    Fraction(1, 6)
    """
    return _DRAWS[sampling](draft, tokens)


def _iid(draft: Row, tokens: Tokens) -> Fraction:
    return math.prod((draft[token] for token in tokens), start=Fraction(1))


def _without_replacement(draft: Row, tokens: Tokens) -> Fraction:
    """One draw after the other, each among the tokens that are left."""
    probability, left = Fraction(1), draft
    for token in tokens:
        probability *= left[token]
        left = without(left, [token])
    return probability


def _greedy(draft: Row, tokens: Tokens) -> Fraction:
    """The most probable tokens, then one draw among the others."""
    first, last = tokens[:-1], tokens[-1]
    if first != most_probable(draft, len(first)):
        return Fraction(0)
    return without(draft, first)[last]


def _spechub(draft: Row, tokens: Tokens) -> Fraction:
    """(i, a) with q(i), and (a, i) with q(a) q(i) / (1 - q(a)); a is the most probable token."""
    (hub,) = most_probable(draft, 1)
    if tokens[0] == tokens[1] or hub not in tokens or draft[hub] == 1:
        return Fraction(0)
    if tokens[1] == hub:
        return draft[tokens[0]]
    return draft[hub] * draft[tokens[1]] / (1 - draft[hub])


_DRAWS = {"iid": _iid, "without_replacement": _without_replacement, "greedy": _greedy, "spechub": _spechub}
