r"""The rules at one node in exact fractions, written as their equations are.

This is the oracle: it shares no arithmetic with :mod:`tokenlab.transport.node.reference`, sums over
every tuple of drafts, and rounds nothing. "The output has the target's distribution" is then an equality,
not a tolerance. It is slow, and meant for a handful of tokens.

A distribution is a tuple of fractions (:func:`as_row`), drafts are a tuple of token ids. With
target p, draft distribution q and drafts :math:`x = (x_1, \dots, x_k)`,

=========================  =============================================================
:func:`draft_distribution`          how probable each tuple of drafts is, :math:`P(x)`
:func:`distribution`                what a rule makes of one tuple, :math:`\pi(y \mid x)`
:func:`output`             what comes out, :math:`\sum_x P(x)\,\pi(y \mid x)`
:func:`acceptance_rate`    how often that is a draft, :math:`\sum_x P(x)\,\pi(\{x\} \mid x)`
=========================  =============================================================
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import chain, combinations, product

from tokenlab.errors import ArgumentError, DtypeError, ProbabilityError
from tokenlab.transport.rules import check_drafts, resolve

Row = tuple[Fraction, ...]


Tokens = tuple[int, ...]


def as_row(name: str, values: Iterable[int | str | Fraction]) -> Row:
    """A distribution in fractions; refused unless it sums to one exactly.

    Parameters
    ----------
    name : str
        What the row is called in an error.
    values : iterable of Fraction, int, str or float
        A string may be ``"1/3"`` or ``"0.25"``; a float stands for the binary fraction it is.

    Returns
    -------
    tuple of Fraction

    Raises
    ------
    DtypeError
        If a value is no number.
    ProbabilityError
        If a value is negative, or the sum is not one.

    Examples
    --------
    >>> as_row("target", ["3/4", "1/4"])
    (Fraction(3, 4), Fraction(1, 4))
    """
    try:
        row = tuple(value if isinstance(value, Fraction) else Fraction(value) for value in values)
    except (TypeError, ValueError, OverflowError) as error:
        raise DtypeError(f"{name} must be a row of numbers, found {values!r}") from error
    if any(value < 0 for value in row):
        raise ProbabilityError(f"{name} holds {min(row)} < 0")
    if sum(row) != 1:
        raise ProbabilityError(f"{name} sums to {sum(row)}, expected exactly 1")
    return row


# How drafts are drawn.
def draft_distribution(draft: Row, num_drafts: int, sampling: str = "iid") -> dict[Tokens, Fraction]:
    r"""Probability of every tuple of drafts that can come.

    .. math::

        P_{\text{iid}}(x) = \prod_j q(x_j), \qquad
        P_{\text{without}}(x) = \prod_j \frac{q(x_j)}{1 - \sum_{i<j} q(x_i)}

    Parameters
    ----------
    draft : tuple of Fraction
        The draft distribution.
    num_drafts : int
        k, how many drafts.
    sampling : {"iid", "without_replacement", "greedy", "spechub"}
        How they are drawn.

    Returns
    -------
    dict
        From tuple to probability; the values sum to one.

    Raises
    ------
    ArgumentError
        If so many drafts cannot be drawn.

    Examples
    --------
    >>> for tokens, probability in draft_distribution(["3/4", "1/4"], 2, "without_replacement").items():
    ...     print(tokens, probability)
    (0, 1) 3/4
    (1, 0) 1/4
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


def _draw_iid(draft: Row, tokens: Tokens) -> Fraction:
    return math.prod((draft[token] for token in tokens), start=Fraction(1))


def _draw_without_replacement(draft: Row, tokens: Tokens) -> Fraction:
    """One draw after the other, each among the tokens that are left."""
    probability, left = Fraction(1), draft
    for token in tokens:
        probability *= left[token]
        left = without(left, [token])
    return probability


def _draw_greedy(draft: Row, tokens: Tokens) -> Fraction:
    """The most probable tokens, then one draw among the others."""
    first, last = tokens[:-1], tokens[-1]
    if first != most_probable(draft, len(first)):
        return Fraction(0)
    return without(draft, first)[last]


def _draw_spechub(draft: Row, tokens: Tokens) -> Fraction:
    """(i, a) with q(i), and (a, i) with q(a) q(i) / (1 - q(a)); a is the most probable token."""
    (hub,) = most_probable(draft, 1)
    if tokens[0] == tokens[1] or hub not in tokens or draft[hub] == 1:
        return Fraction(0)
    if tokens[1] == hub:
        return draft[tokens[0]]
    return draft[hub] * draft[tokens[1]] / (1 - draft[hub])


_DRAWS = {
    "iid": _draw_iid,
    "without_replacement": _draw_without_replacement,
    "greedy": _draw_greedy,
    "spechub": _draw_spechub,
}


def most_probable(row: Row, k: int) -> Tokens:
    """The k most probable tokens, descending; of equal ones the lower id first.

    Examples
    --------
    >>> most_probable(as_row("draft", ["1/4", "1/2", "1/4"]), 2)
    (1, 0)
    """
    return tuple(sorted(range(len(row)), key=lambda token: (-row[token], token))[:k])


def without(row: Row, tokens: Iterable[int]) -> Row:
    """The distribution given that none of these tokens comes; zero if nothing else can.

    Examples
    --------
    >>> without(as_row("draft", ["1/2", "1/3", "1/6"]), [0])
    (Fraction(0, 1), Fraction(2, 3), Fraction(1, 3))
    """
    return normalised(0 if token in tokens else value for token, value in enumerate(row))


# What a rule makes of the drafts.
def distribution(
    rule: str,
    target: Row,
    draft: Row,
    tokens: Tokens,
    sampling: str | None = None,
    *,
    factor: Fraction | None = None,
) -> Row:
    r"""Distribution of the token that comes out, given the drafts: :math:`\pi(y \mid x)`.

    Parameters
    ----------
    rule : {"target_only", "naive", "recursive", "kseq", "greedy", "spechub", "optimal"}
        The rule.
    target, draft : tuple of Fraction
        The two distributions.
    tokens : tuple of int
        The drafts, in sampling order.
    sampling : {"iid", "without_replacement", "greedy", "spechub"}, optional
        How the drafts were drawn; by default the rule's own distribution.
    factor : Fraction, optional
        Division factor of K-SEQ, by default :func:`lossless_factor`.

    Returns
    -------
    tuple of Fraction

    Raises
    ------
    ArgumentError
        If the rule is not defined for the sampling, the drafts cannot come, or the factor is so
        small that the residual would be negative.

    Examples
    --------
    >>> distribution("naive", ["3/4", "1/4"], ["1/4", "3/4"], (1, 1))
    (Fraction(2, 3), Fraction(1, 3))
    """
    target, draft = _pair(target, draft)
    tokens = tuple(tokens)
    if any(not isinstance(token, int) or not 0 <= token < len(draft) for token in tokens):
        raise ArgumentError(f"tokens are {tokens}, expected ids from 0 to {len(draft) - 1}")
    sampling = resolve(rule, sampling, len(tokens), len(draft))
    if not draft_probability(draft, tokens, sampling):
        raise ArgumentError(f"tokens are {tokens}, which cannot be drawn with sampling {sampling!r}")
    if rule == "kseq":
        factor = lossless_factor(target, draft, len(tokens)) if factor is None else Fraction(factor)
        return _kseq(target, draft, tokens, factor)
    if factor is not None:
        raise ArgumentError(f"factor is given, but rule {rule!r} has none, only 'kseq'")
    return _RULES[rule](target, draft, tokens, sampling)


def _target_only(target: Row, draft: Row, tokens: Tokens, sampling: str) -> Row:
    """The target, whatever the drafts are."""
    return target


def _naive(target: Row, draft: Row, tokens: Tokens, sampling: str) -> Row:
    """The single-draft rule on the first draft; the residual may happen to hit another one."""
    return _single(target, draft, tokens[0])


def _single(target: Row, draft: Row, token: int) -> Row:
    """Accept with min(1, p/q), else draw from (p - q)+, normalised."""
    return _test(token, target[token] / draft[token], normalised(excess(target, draft)))


def _recursive(target: Row, draft: Row, tokens: Tokens, sampling: str) -> Row:
    """Test the first draft; what it leaves of the target is the target of the next one."""
    if not tokens:
        return target
    token, rest = tokens[0], tokens[1:]
    accept = target[token] / draft[token]
    if accept >= 1:
        return point(token, len(target))
    left = normalised(excess(target, draft))
    if sampling == "without_replacement":
        draft = without(draft, [token])
    return _test(token, accept, _recursive(left, draft, rest, sampling))


def _kseq(target: Row, draft: Row, tokens: Tokens, factor: Fraction) -> Row:
    """The same test min(1, p / (rho q)) for every draft, then what is left of the target."""
    result = _kseq_residual(target, draft, len(tokens), factor)
    for token in reversed(tokens):
        result = _test(token, target[token] / (factor * draft[token]), result)
    return result


@lru_cache(maxsize=256)
def _kseq_residual(target: Row, draft: Row, k: int, factor: Fraction) -> Row:
    """The target without what the tests accept, normalised."""
    once, tests = _kseq_parts(target, draft, k, factor)
    residual = tuple(p - tests * mass for p, mass in zip(target, once, strict=True))
    if min(residual) < 0:
        raise ArgumentError(
            f"factor is {float(factor):.6g}, below the root: the residual of token "
            f"{residual.index(min(residual))} would be {float(min(residual)):.3g}"
        )
    return normalised(residual)


def _kseq_parts(target: Row, draft: Row, k: int, factor: Fraction) -> tuple[Row, Fraction]:
    r"""What one test accepts, :math:`\min(p/\rho, q)`, and the mean number of tests.

    With :math:`\beta` the sum of the first, the second is
    :math:`\gamma = \sum_{j<k} (1 - \beta)^j`. All k tests accept :math:`\gamma \min(p/\rho, q)`.
    """
    once = tuple(min(p / factor, q) for p, q in zip(target, draft, strict=True))
    return once, sum(((1 - sum(once)) ** j for j in range(k)), start=Fraction(0))


def _greedy(target: Row, draft: Row, tokens: Tokens, sampling: str) -> Row:
    """The single-draft rule on the last draft, against the distribution that it was drawn from."""
    return _single(target, without(draft, tokens[:-1]), tokens[-1])


def _spechub(target: Row, draft: Row, tokens: Tokens, sampling: str) -> Row:
    """Token i takes what it can, first from pairs (i, a), then from pairs (a, i).

    What is left of the pairs goes to the hub a, up to p(a): first from (a, i), then from (i, a).
    """
    (hub,) = most_probable(draft, 1)
    others = [token for token in range(len(draft)) if token != hub]
    ahead = {i: draft_probability(draft, (i, hub), "spechub") for i in others}
    after = {i: draft_probability(draft, (hub, i), "spechub") for i in others}
    taken_ahead = {i: min(target[i], ahead[i]) for i in others}
    taken_after = {i: min(target[i] - taken_ahead[i], after[i]) for i in others}
    left_ahead = sum(ahead.values()) - sum(taken_ahead.values())
    left_over = sum(after.values()) - sum(taken_after.values())
    hub_after = min(target[hub], left_over)
    hub_ahead = min(target[hub] - hub_after, left_ahead)
    missing = [
        target[i] - taken_ahead[i] - taken_after[i] if i != hub else target[hub] - hub_after - hub_ahead
        for i in range(len(draft))
    ]

    if tokens[0] == hub:
        other, accept = tokens[1], taken_after[tokens[1]] / after[tokens[1]]
        accept_hub = hub_after / left_over if left_over else 0
    else:
        other, accept = tokens[0], taken_ahead[tokens[0]] / ahead[tokens[0]]
        accept_hub = hub_ahead / left_ahead if left_ahead else 0
    return _test(other, accept, _test(hub, accept_hub, normalised(missing)))


def _optimal(target: Row, draft: Row, tokens: Tokens, sampling: str) -> Row:
    """The row of an optimal plan that belongs to these drafts."""
    return transport_plan(target, draft, len(tokens), sampling)[tokens]


_RULES = {
    "target_only": _target_only,
    "naive": _naive,
    "recursive": _recursive,
    "greedy": _greedy,
    "spechub": _spechub,
    "optimal": _optimal,
}


# Sums over all drafts.
def output(
    rule: str,
    target: Row,
    draft: Row,
    num_drafts: int,
    sampling: str | None = None,
    *,
    factor: Fraction | None = None,
) -> Row:
    r"""Distribution of the token that comes out: :math:`\sum_x P(x)\,\pi(y \mid x)`.

    A rule is lossless if this is the target.

    Parameters
    ----------
    rule, target, draft, sampling, factor
        As in :func:`distribution`.
    num_drafts : int
        k, how many drafts.

    Returns
    -------
    tuple of Fraction

    Raises
    ------
    ArgumentError
        As :func:`distribution` and :func:`draft_distribution`.

    Examples
    --------
    >>> output("recursive", ["3/4", "1/4"], ["1/4", "3/4"], 3)
    (Fraction(3, 4), Fraction(1, 4))
    """
    total = [Fraction(0)] * len(target)
    for probability, _, given in _outcomes(rule, target, draft, num_drafts, sampling, factor):
        total = [sum_so_far + probability * share for sum_so_far, share in zip(total, given, strict=True)]
    return tuple(total)


def acceptance_rate(
    rule: str,
    target: Row,
    draft: Row,
    num_drafts: int,
    sampling: str | None = None,
    *,
    factor: Fraction | None = None,
) -> Fraction:
    r"""Probability that the output is a draft: :math:`\sum_x P(x) \sum_{y \in x} \pi(y \mid x)`.

    Parameters
    ----------
    rule, target, draft, sampling, factor
        As in :func:`distribution`.
    num_drafts : int
        k, how many drafts.

    Returns
    -------
    Fraction

    Raises
    ------
    ArgumentError
        As :func:`distribution` and :func:`draft_distribution`.

    Examples
    --------
    >>> for rule in ("target_only", "naive", "recursive", "optimal"):
    ...     print(rule, acceptance_rate(rule, ["3/4", "1/4"], ["1/4", "3/4"], 2))
    target_only 9/16
    naive 5/8
    recursive 5/8
    optimal 11/16
    """
    outcomes = _outcomes(rule, target, draft, num_drafts, sampling, factor)
    return sum(
        (probability * sum(given[token] for token in set(tokens)) for probability, tokens, given in outcomes),
        start=Fraction(0),
    )


def _outcomes(
    rule: str, target: Row, draft: Row, num_drafts: int, sampling: str | None, factor: Fraction | None
) -> Iterator[tuple[Fraction, Tokens, Row]]:
    """P(x), x and the distribution given x, for every x."""
    target, draft = _pair(target, draft)
    sampling = resolve(rule, sampling, num_drafts, len(draft))
    for tokens, probability in draft_distribution(draft, num_drafts, sampling).items():
        yield probability, tokens, distribution(rule, target, draft, tokens, sampling, factor=factor)


# K-SEQ's factor, and the optimum.
@lru_cache(maxsize=256)
def _factor(target: Row, draft: Row, num_drafts: int, halvings: int) -> Fraction:
    low, high = Fraction(1), Fraction(num_drafts)
    if _kseq_parts(target, draft, num_drafts, low)[1] <= low:
        return low
    for _ in range(halvings):
        middle = (low + high) / 2
        if _kseq_parts(target, draft, num_drafts, middle)[1] <= middle:
            high = middle
        else:
            low = middle
    return high


def lossless_factor(target: Row, draft: Row, num_drafts: int, halvings: int = 60) -> Fraction:
    r"""A rational division factor of K-SEQ, on the lossless side of the root.

    The residual :math:`p - \gamma \min(p/\rho, q)` is negative nowhere if and only if
    :math:`\gamma(\rho) \le \rho`. The bracket [1, k] is halved, and its upper end returned.

    Parameters
    ----------
    target, draft : tuple of Fraction
        The two distributions.
    num_drafts : int
        k, how many drafts.
    halvings : int
        The result lies above the root by at most :math:`(k - 1) / 2^{\text{halvings}}`.

    Returns
    -------
    Fraction

    Examples
    --------
    >>> factor = lossless_factor(["3/4", "1/4"], ["1/4", "3/4"], 2)
    >>> round(float(factor), 6), output("kseq", ["3/4", "1/4"], ["1/4", "3/4"], 2, factor=factor)
    (1.59307, (Fraction(3, 4), Fraction(1, 4)))

    Reference: Sun et al. 2023, arXiv 2310.15141.
    """
    target, draft = _pair(target, draft)
    check_drafts("iid", num_drafts, len(draft))
    return _factor(target, draft, num_drafts, halvings)


def optimal_acceptance_rate(target: Row, draft: Row, num_drafts: int, sampling: str = "iid") -> Fraction:
    r"""The most that any lossless rule can accept, from all :math:`2^V` sets of tokens.

    .. math::

        \alpha^\star = 1 + \min_{H} \left[ p(H) - \Pr(\text{all drafts lie in } H) \right]

    Parameters
    ----------
    target, draft : tuple of Fraction
        The two distributions.
    num_drafts : int
        k, how many drafts.
    sampling : {"iid", "without_replacement", "greedy", "spechub"}
        How they are drawn.

    Returns
    -------
    Fraction

    Examples
    --------
    >>> optimal_acceptance_rate(["1/2", "3/10", "1/5"], ["1/5", "3/10", "1/2"], 2)
    Fraction(43, 50)

    Reference: Hu et al. 2025, arXiv 2502.18779.
    """
    target, draft = _pair(target, draft)
    drafts = draft_distribution(draft, num_drafts, sampling)
    vocab = range(len(target))
    subsets = chain.from_iterable(combinations(vocab, size) for size in range(len(target) + 1))
    return 1 + min(
        sum(target[token] for token in subset)
        - sum(probability for tokens, probability in drafts.items() if set(tokens) <= set(subset))
        for subset in subsets
    )


def transport_plan(target: Row, draft: Row, num_drafts: int, sampling: str = "iid") -> dict[Tokens, Row]:
    r"""An optimal rule: for each tuple of drafts the distribution of the token that comes out.

    Mass flows from the tuples, as much as :math:`P(x)` each, to their own tokens, and leaves them,
    as much as :math:`p(y)` each. A maximum flow is the accepted mass; what it leaves of the target
    is the residual.

    Parameters
    ----------
    target, draft : tuple of Fraction
        The two distributions.
    num_drafts : int
        k, how many drafts.
    sampling : {"iid", "without_replacement", "greedy", "spechub"}
        How they are drawn.

    Returns
    -------
    dict
        From tuple of drafts to a tuple of fractions.

    Examples
    --------
    >>> for tokens, row in transport_plan(["3/4", "1/4"], ["1/4", "3/4"], 2).items():
    ...     print(tokens, *row)
    (0, 0) 1 0
    (0, 1) 1 0
    (1, 0) 1 0
    (1, 1) 5/9 4/9

    Reference: Sun et al. 2023, arXiv 2310.15141 (the transport problem).
    """
    target, draft = _pair(target, draft)
    return _plan(target, draft, num_drafts, sampling)


@lru_cache(maxsize=256)
def _plan(target: Row, draft: Row, num_drafts: int, sampling: str) -> dict[Tokens, Row]:
    import networkx

    drafts = draft_distribution(draft, num_drafts, sampling)
    # Whole numbers of 1/unit, so that the flow is exact.
    unit = math.lcm(*(value.denominator for value in (*drafts.values(), *target)))
    graph = networkx.DiGraph()
    for token, mass in enumerate(target):
        graph.add_edge(token, "target", capacity=int(mass * unit))
    for tokens, probability in drafts.items():
        graph.add_edge("drafts", tokens, capacity=int(probability * unit))
        graph.add_edges_from((tokens, token) for token in sorted(set(tokens)))
    _, flow = networkx.maximum_flow(graph, "drafts", "target")

    residual = normalised(
        target[token] - Fraction(flow[token]["target"], unit) for token in range(len(target))
    )
    plan = {}
    for tokens, probability in drafts.items():
        kept = [Fraction(flow[tokens].get(token, 0), unit) / probability for token in range(len(target))]
        wasted = 1 - sum(kept)
        plan[tokens] = tuple(share + wasted * rest for share, rest in zip(kept, residual, strict=True))
    return plan


# Small pieces.
def excess(target: Row, draft: Row, factor: Fraction | int = 1) -> Row:
    """What the target has beyond ``factor`` times the draft: max(p - c q, 0) for each token.

    Examples
    --------
    >>> excess(as_row("target", ["3/4", "1/4"]), as_row("draft", ["1/4", "3/4"]))
    (Fraction(1, 2), Fraction(0, 1))
    """
    return tuple(max(p - factor * q, Fraction(0)) for p, q in zip(target, draft, strict=True))


def normalised(weights: Iterable[Fraction]) -> Row:
    """Weights divided by their sum; zeros stay zeros, they are never drawn from.

    Examples
    --------
    >>> normalised([Fraction(1, 4), Fraction(1, 2)])
    (Fraction(1, 3), Fraction(2, 3))
    """
    weights = tuple(weights)
    total = sum(weights)
    return tuple(Fraction(weight) / total if total else Fraction(0) for weight in weights)


def point(token: int, vocab: int) -> Row:
    """All mass on one token.

    Examples
    --------
    >>> point(1, 3)
    (Fraction(0, 1), Fraction(1, 1), Fraction(0, 1))
    """
    return tuple(Fraction(int(other == token)) for other in range(vocab))


def _test(token: int, accept: Fraction, otherwise: Row) -> Row:
    """The token with probability ``accept``, at most one; else another distribution."""
    accept = min(accept, Fraction(1))
    return tuple(
        accept * own + (1 - accept) * other
        for own, other in zip(point(token, len(otherwise)), otherwise, strict=True)
    )


def _pair(target: Row, draft: Row) -> tuple[Row, Row]:
    target, draft = as_row("target", target), as_row("draft", draft)
    if len(target) != len(draft):
        raise ArgumentError(f"target has {len(target)} tokens, draft has {len(draft)}")
    return target, draft
