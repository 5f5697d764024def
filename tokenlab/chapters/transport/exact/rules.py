"""What each rule makes of the drafts of one node, and what comes out."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from tokenlab.chapters.transport.exact.drafts import draft_distribution, draft_probability
from tokenlab.chapters.transport.exact.kseq import kseq_residual, lossless_factor
from tokenlab.chapters.transport.exact.optimum import transport_plan
from tokenlab.chapters.transport.exact.rows import (
    Row,
    Tokens,
    as_pair,
    excess,
    most_probable,
    normalised,
    point,
    without,
)
from tokenlab.errors import ArgumentError
from tokenlab.transport.rules import resolve


def output_given_drafts(
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
    tokens : tuple of int
        The drafts, in sampling order.
    sampling : {"iid", "without_replacement", "greedy", "spechub"}, optional
        By default what the rule expects first.
    factor : Fraction, optional
        Division factor of K-SEQ, by default :func:`lossless_factor`.

    Raises
    ------
    ArgumentError
        If the rule is not defined for the sampling, the drafts cannot come, or the factor makes the
        residual negative.

    Examples
    --------
    >>> output_given_drafts("naive", ["3/4", "1/4"], ["1/4", "3/4"], (1, 1))
    (Fraction(2, 3), Fraction(1, 3))
    """
    target, draft = as_pair(target, draft)
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

    Arguments and errors: :func:`output_given_drafts` and :func:`draft_distribution`.

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
    r"""Probability that the :func:`output` is a draft: :math:`\sum_x P(x) \sum_{y \in x} \pi(y \mid x)`.

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
    """P(x), x and the output given x, for every x."""
    target, draft = as_pair(target, draft)
    sampling = resolve(rule, sampling, num_drafts, len(draft))
    for tokens, probability in draft_distribution(draft, num_drafts, sampling).items():
        yield probability, tokens, output_given_drafts(rule, target, draft, tokens, sampling, factor=factor)


def _target_only(target: Row, draft: Row, tokens: Tokens, sampling: str) -> Row:
    return target


def _naive(target: Row, draft: Row, tokens: Tokens, sampling: str) -> Row:
    """The single-draft rule on the first draft; the residual may hit another one."""
    return _single(target, draft, tokens[0])


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
    result = kseq_residual(target, draft, len(tokens), factor)
    for token in reversed(tokens):
        result = _test(token, target[token] / (factor * draft[token]), result)
    return result


def _greedy(target: Row, draft: Row, tokens: Tokens, sampling: str) -> Row:
    """The single-draft rule on the last draft, against the distribution that it came from."""
    return _single(target, without(draft, tokens[:-1]), tokens[-1])


def _spechub(target: Row, draft: Row, tokens: Tokens, sampling: str) -> Row:
    """Token i takes what it can, first from pairs (i, a), then from pairs (a, i).

    What is left of the pairs goes to the hub a, up to p(a): first from (a, i), then from (i, a).
    """
    (hub,) = most_probable(draft, 1)
    others = [token for token in range(len(draft)) if token != hub]
    before = {i: draft_probability(draft, (i, hub), "spechub") for i in others}
    after = {i: draft_probability(draft, (hub, i), "spechub") for i in others}
    taken_before = {i: min(target[i], before[i]) for i in others}
    taken_after = {i: min(target[i] - taken_before[i], after[i]) for i in others}
    left_before = sum(before.values()) - sum(taken_before.values())
    left_after = sum(after.values()) - sum(taken_after.values())
    hub_after = min(target[hub], left_after)
    hub_before = min(target[hub] - hub_after, left_before)
    missing = [
        target[i] - taken_before[i] - taken_after[i] if i != hub else target[hub] - hub_after - hub_before
        for i in range(len(draft))
    ]

    if tokens[0] == hub:
        other, accept = tokens[1], taken_after[tokens[1]] / after[tokens[1]]
        accept_hub = hub_after / left_after if left_after else 0
    else:
        other, accept = tokens[0], taken_before[tokens[0]] / before[tokens[0]]
        accept_hub = hub_before / left_before if left_before else 0
    return _test(other, accept, _test(hub, accept_hub, normalised(missing)))


def _optimal(target: Row, draft: Row, tokens: Tokens, sampling: str) -> Row:
    return transport_plan(target, draft, len(tokens), sampling)[tokens]


def _single(target: Row, draft: Row, token: int) -> Row:
    """Accept with min(1, p/q), else draw from (p - q)+, normalised."""
    return _test(token, target[token] / draft[token], normalised(excess(target, draft)))


def _test(token: int, accept: Fraction, otherwise: Row) -> Row:
    """The token with probability ``accept``, at most one; else another distribution."""
    accept = min(accept, Fraction(1))
    return tuple(
        accept * own + (1 - accept) * other
        for own, other in zip(point(token, len(otherwise)), otherwise, strict=True)
    )


_RULES = {
    "target_only": _target_only,
    "naive": _naive,
    "recursive": _recursive,
    "greedy": _greedy,
    "spechub": _spechub,
    "optimal": _optimal,
}
