"""Token models: the best one for a source, one in closed form, and random ones."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import cache

from tokenlab.chapters.bytelevel.exact.distributions import normalised, random_distribution
from tokenlab.chapters.bytelevel.exact.tokenizers import Tokenizer
from tokenlab.chapters.bytelevel.exact.tokens import END, Distribution, Model, Token, Tokens


def token_model(texts: Mapping[bytes, Fraction], tokenizer: Tokenizer) -> Model:
    r"""The token model of a source, as training on endless data would give it.

    .. math::

        P(t_{k+1} \mid t_1^k) = \frac{P(t_1, \dots, t_{k+1})}{P(t_1, \dots, t_k)}

    where :math:`P(t_1, \dots, t_k)` is the sum of P(y) over the texts y whose encoding begins with
    :math:`t_1, \dots, t_k`. If texts (:meth:`MarkovSource.texts`) were cut at N, it is right while the
    tokens' bytes and ``tokenizer.look_ahead`` are at most N together. It is empty where no encoding begins
    with the context.

    Examples
    --------
    >>> from tokenlab.chapters.bytelevel.exact import longest_match
    >>> texts = {b"AA": Fraction(1, 4), b"AB": Fraction(3, 4)}
    >>> model = token_model(texts, longest_match([b"A", b"B", b"AA"]))
    >>> model((b"A",)), model((b"A", b"A"))
    ({b'B': Fraction(1, 1)}, {})
    """
    rows: dict[Tokens, Distribution] = {}
    for text, mass in texts.items():
        tokens = (*tokenizer.encode(text), END)
        for k, token in enumerate(tokens):
            row = rows.setdefault(tokens[:k], {})
            row[token] = row.get(token, 0) + mass
    return cache(lambda context: normalised(rows.get(context, {})))


def two_state_tokens(alpha: Fraction | str, beta: Fraction | str) -> dict[bytes, Distribution]:
    """Tokens A, B, AA of the two-state chain, in closed form: a chain of its own.

    From the last token (``b""`` at the beginning) to the distribution of the next one. After a single A
    comes B, or else it were an AA.

    Examples
    --------
    >>> print(*two_state_tokens("2/5", "3/10")[b"B"].values())
    9/50 3/25 7/10
    """
    alpha, beta = Fraction(alpha), Fraction(beta)
    stationary = beta / (alpha + beta)

    def after(to_a: Fraction) -> Distribution:
        """Given the probability that the next byte is A."""
        return {b"AA": to_a * (1 - alpha), b"A": to_a * alpha, b"B": 1 - to_a}

    return {
        b"": after(stationary),
        b"AA": after(1 - alpha),
        b"A": {b"AA": Fraction(0), b"A": Fraction(0), b"B": Fraction(1)},
        b"B": after(beta),
    }


def random_model(vocabulary: Iterable[Token], seed: int) -> Model:
    """A token model that was never told which encodings exist: all tokens have mass, everywhere.

    Special tokens, such as :data:`END`, and second tokens of the same bytes may be among them.

    Examples
    --------
    >>> min(random_model([b"A", b"B", b"AA", END], seed=1)((b"A", b"A")).values()) > 0
    True
    """
    vocabulary = tuple(vocabulary)
    return cache(lambda context: random_distribution(vocabulary, random.Random(f"{seed} {context}")))


def probability(model: Model, tokens: Tokens) -> Fraction:
    r"""Probability that the tokens begin so: :math:`\prod_i P(t_i \mid t_1^{i-1})`.

    Examples
    --------
    >>> probability(lambda tokens: {b"A": Fraction(1, 3), b"B": Fraction(2, 3)}, (b"B", b"A"))
    Fraction(2, 9)
    """
    mass = Fraction(1)
    for k, token in enumerate(tokens):
        mass *= model(tokens[:k]).get(token, 0)
    return mass
