"""Distributions as tuples of fractions."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from tokenlab.errors import ArgumentError, DtypeError, ProbabilityError

#: A distribution over the vocabulary.
Row = tuple[Fraction, ...]
#: Token ids: drafts of one node, or a prefix.
Tokens = tuple[int, ...]


def as_row(name: str, values: Iterable[int | str | Fraction]) -> Row:
    """A distribution in fractions; a float stands for the binary fraction it is.

    Raises
    ------
    DtypeError
        If a value is no number.
    ProbabilityError
        If a value is negative, or the sum is not exactly one.

    Examples
    --------
    >>> as_row("target", ["3/4", "0.25"])
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


def as_pair(target: Row, draft: Row) -> tuple[Row, Row]:
    """Target and draft in fractions, over the same tokens."""
    target, draft = as_row("target", target), as_row("draft", draft)
    if len(target) != len(draft):
        raise ArgumentError(f"target has {len(target)} tokens, draft has {len(draft)}")
    return target, draft


def normalised(weights: Iterable[Fraction]) -> Row:
    """Weights divided by their sum; zeros stay zeros.

    Examples
    --------
    >>> normalised([Fraction(1, 4), Fraction(1, 2)])
    (Fraction(1, 3), Fraction(2, 3))
    """
    weights = tuple(weights)
    total = sum(weights)
    return tuple(Fraction(weight) / total if total else Fraction(0) for weight in weights)


def excess(target: Row, draft: Row, factor: Fraction | int = 1) -> Row:
    """What the target has beyond ``factor`` times the draft: max(p - c q, 0) for each token.

    Examples
    --------
    >>> excess(as_row("target", ["3/4", "1/4"]), as_row("draft", ["1/4", "3/4"]))
    (Fraction(1, 2), Fraction(0, 1))
    """
    return tuple(max(p - factor * q, Fraction(0)) for p, q in zip(target, draft, strict=True))


def point(token: int, vocab: int) -> Row:
    """All mass on one token.

    Examples
    --------
    >>> point(1, 3)
    (Fraction(0, 1), Fraction(1, 1), Fraction(0, 1))
    """
    return tuple(Fraction(int(other == token)) for other in range(vocab))


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
