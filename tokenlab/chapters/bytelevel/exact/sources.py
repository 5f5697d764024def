"""Where texts come from, and how probable each is."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from tokenlab.chapters.bytelevel.exact.distributions import random_distribution
from tokenlab.chapters.bytelevel.exact.tokens import END, Distribution, check_bytes
from tokenlab.errors import ArgumentError, ProbabilityError, check_int


@dataclass(frozen=True)
class MarkovSource:
    r"""Bytes of which each depends on the last m = ``order`` ones; the text may end before each.

    .. math::

        P(b \mid x) &= (1 - s)\, \pi(b \mid x_{n-m+1}^n) \\
        P(\text{end} \mid x) &= s

    ``transitions`` are :math:`\pi`, from every history (at a text's beginning a shorter one) to a
    distribution; ``stop`` is s, at least 0 and below 1.

    Raises
    ------
    ProbabilityError
        If a distribution is not one.
    """

    order: int
    transitions: Mapping[bytes, Distribution]
    stop: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        check_int("order", self.order, low=0)
        if not 0 <= self.stop < 1:
            raise ProbabilityError(f"stop is {self.stop}, expected at least 0 and below 1")
        for history, distribution in self.transitions.items():
            if sum(distribution.values()) != 1 or min(distribution.values()) < 0:
                raise ProbabilityError(
                    f"transitions from {history!r} sum to {sum(distribution.values())}, the least is "
                    f"{min(distribution.values())}; expected 1 and at least 0"
                )

    def next_byte(self, text: bytes) -> Distribution:
        """Distribution of what follows a text: a byte, or its end."""
        check_bytes("text", text)
        history = text[max(0, len(text) - self.order) :]
        if history not in self.transitions:
            raise ArgumentError(f"text ends in {history!r}, expected one of {list(self.transitions)}")
        distribution = {byte: (1 - self.stop) * p for byte, p in self.transitions[history].items()}
        return distribution | {END: self.stop} if self.stop else distribution

    def begins(self, text: bytes) -> Fraction:
        """Probability that a text begins so, P(x)."""
        mass = Fraction(1)
        for n in range(len(text)):
            mass *= self.next_byte(text[:n]).get(text[n : n + 1], 0)
        return mass

    def texts(self, length: int) -> Distribution:
        """All texts, cut at a length, with their probabilities."""
        check_int("length", length, low=0)
        ended, going = {}, {b"": Fraction(1)}
        for _ in range(length):
            longer = {}
            for text, mass in going.items():
                for byte, p in self.next_byte(text).items():
                    if byte == END:
                        ended[text] = mass * p
                    elif p:
                        longer[text + byte] = mass * p
            going = longer
        return ended | going


def two_state_chain(alpha: Fraction | str, beta: Fraction | str) -> MarkovSource:
    r"""Bytes A and B, from A to B with :math:`\alpha`, back with :math:`\beta`, without an end.

    The first byte has the stationary distribution, :math:`\pi_A = \beta / (\alpha + \beta)`.

    Examples
    --------
    >>> print(two_state_chain("2/5", "3/10").begins(b"AAA"))
    27/175
    """
    alpha, beta = Fraction(alpha), Fraction(beta)
    return MarkovSource(
        1,
        {
            b"": {b"A": beta / (alpha + beta), b"B": alpha / (alpha + beta)},
            b"A": {b"A": 1 - alpha, b"B": alpha},
            b"B": {b"A": beta, b"B": 1 - beta},
        },
    )


def random_source(alphabet: Iterable[bytes], order: int, seed: int, stop: Fraction | int = 0) -> MarkovSource:
    """A Markov source of positive probabilities, drawn by a seed.

    Examples
    --------
    >>> len(random_source([b"A", b"B"], order=3, seed=1).transitions)
    15
    """
    alphabet, rng = tuple(alphabet), random.Random(seed)
    histories = [b"".join(parts) for n in range(order + 1) for parts in product(alphabet, repeat=n)]
    transitions = {history: random_distribution(alphabet, rng) for history in histories}
    return MarkovSource(order, transitions, Fraction(stop))
