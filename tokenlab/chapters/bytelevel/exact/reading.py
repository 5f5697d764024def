"""The lemma one byte at a time, for any token model."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from tokenlab.chapters.bytelevel.exact.distributions import check_mass, normalised
from tokenlab.chapters.bytelevel.exact.tokens import (
    END,
    Allowed,
    Distribution,
    Model,
    Tokens,
    check_bytes,
    spell,
)


class Path(NamedTuple):
    """A cover of what was read: its tokens, the bytes of the last one still to come, and P(tokens)."""

    tokens: Tokens
    rest: bytes
    weight: Fraction


class Step(NamedTuple):
    """What :func:`stream` knows after one more byte.

    ``distribution`` is normalised; of ``mass`` = P(x) the share ``leak`` went to sequences that are not
    allowed; the model was asked about ``contexts``.
    """

    distribution: Distribution
    leak: Fraction
    mass: Fraction
    contexts: list[Tokens]


def stream(text: bytes, model: Model, allowed: Allowed) -> list[Step]:
    r"""The distribution of the next byte before, between and after the bytes of a text.

    .. math:: \log P(x) &= \sum_n \log P(x_n \mid x_1^{n-1}) \\
              &+ \sum_n \log(1 - \mathrm{leak}_n)

    Covers that go on with another byte are lost. One that ends exactly here is followed by one more token;
    only then the model is asked.

    Raises
    ------
    EmptySupportError
        If the text is impossible, or nothing that is allowed can follow.

    Examples
    --------
    >>> model = lambda tokens: {b"A": Fraction(1, 2), b"AA": Fraction(1, 4), END: Fraction(1, 4)}
    >>> for step in stream(b"A", model, lambda tokens: True):
    ...     print(step.mass, *step.distribution.values(), step.contexts)
    1 3/4 1/4 [()]
    3/4 5/6 1/6 [(b'A',)]
    """
    check_bytes("text", text)
    paths, steps = [Path((), b"", Fraction(1))], []
    for n in range(len(text) + 1):
        mass = _total(paths)
        check_mass(text[:n], mass)
        contexts = [path.tokens for path in paths if not path.rest]
        paths, end = extend(paths, model, allowed)
        check_mass(text[:n], _total(paths) + end)
        steps.append(Step(pending_distribution(paths, end), 1 - (_total(paths) + end) / mass, mass, contexts))
        paths = read(paths, text[n : n + 1])
    return steps


def extend(paths: list[Path], model: Model, allowed: Allowed) -> tuple[list[Path], Fraction]:
    """Every cover that ends exactly here goes on with one more token, or with the end of the text.

    Examples
    --------
    >>> model = lambda tokens: {b"A": Fraction(3, 4), END: Fraction(1, 4)}
    >>> extend([Path((), b"", Fraction(1))], model, lambda tokens: True)
    ([Path(tokens=(b'A',), rest=b'A', weight=Fraction(3, 4))], Fraction(1, 4))
    """
    longer, end = [], Fraction(0)
    for path in paths:
        if path.rest:
            longer.append(path)
            continue
        for token, p in model(path.tokens).items():
            tokens = (*path.tokens, token)
            if not p or not allowed(tokens):
                continue
            if token == END:
                end += path.weight * p
            else:
                longer.append(Path(tokens, spell(token), path.weight * p))
    return longer, end


def pending_distribution(paths: list[Path], end: Fraction) -> Distribution:
    """Distribution of the next byte: weights of the covers by the byte that they wait for, normalised.

    Examples
    --------
    >>> print(*pending_distribution([Path((b"AB",), b"B", Fraction(1, 4))], Fraction(1, 2)).values())
    1/3 2/3
    """
    distribution: Distribution = {}
    for path in paths:
        byte = path.rest[:1]
        distribution[byte] = distribution.get(byte, 0) + path.weight
    return normalised(distribution | {END: end})


def read(paths: list[Path], byte: bytes) -> list[Path]:
    """The covers that wait for this byte, without it.

    Examples
    --------
    >>> read([Path((b"AB",), b"B", Fraction(1, 4)), Path((b"A",), b"A", Fraction(1, 2))], b"B")
    [Path(tokens=(b'AB',), rest=b'', weight=Fraction(1, 4))]
    """
    return [path._replace(rest=path.rest[1:]) for path in paths if path.rest[:1] == byte]


def _total(paths: list[Path]) -> Fraction:
    return sum((path.weight for path in paths), start=Fraction(0))
