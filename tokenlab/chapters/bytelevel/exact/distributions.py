"""Small operations on distributions of bytes and tokens."""

from __future__ import annotations

import random
from fractions import Fraction

from tokenlab.chapters.bytelevel.exact.tokens import END, Distribution, Token, spell
from tokenlab.errors import EmptySupportError


def total_variation(left: Distribution, right: Distribution) -> Fraction:
    r"""Half the sum of differences: :math:`\tfrac12 \sum_b |P(b) - Q(b)|`.

    Examples
    --------
    >>> print(total_variation({b"A": Fraction(3, 5), b"B": Fraction(2, 5)}, {b"B": Fraction(1)}))
    3/5
    """
    outcomes = left.keys() | right.keys()
    return sum((abs(left.get(b, 0) - right.get(b, 0)) for b in outcomes), start=Fraction(0)) / 2


def by_byte(next_tokens: Distribution, depth: int) -> Distribution:
    """Masses of tokens by their byte at a depth, where all have one; the end stays what it is."""
    distribution: Distribution = {}
    for token, p in next_tokens.items():
        byte = token if token == END else spell(token)[depth : depth + 1]
        distribution[byte] = distribution.get(byte, 0) + p
    return distribution


def normalised(masses: Distribution) -> Distribution:
    """Masses divided by their sum, without those that are zero."""
    total = sum(masses.values())
    return {key: mass / total for key, mass in masses.items() if mass}


def random_distribution(outcomes: tuple[Token, ...], rng: random.Random) -> Distribution:
    """Positive probabilities, in the proportion of random numbers from 1 to 9."""
    return normalised({outcome: Fraction(rng.randint(1, 9)) for outcome in outcomes})


def check_mass(text: bytes, mass: Fraction) -> None:
    """Raise if a text is impossible."""
    if not mass:
        raise EmptySupportError(f"text is {text!r}, which has probability 0: no next byte is defined")
