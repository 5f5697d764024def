"""The lemma: the distribution of the next byte from sums over covers."""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction

from tokenlab.chapters.bytelevel.exact.distributions import check_mass
from tokenlab.chapters.bytelevel.exact.models import probability
from tokenlab.chapters.bytelevel.exact.tokens import (
    END,
    Allowed,
    Distribution,
    Model,
    Token,
    Tokens,
    check_bytes,
    decode,
    spell,
)


def covers(text: bytes, vocabulary: Collection[Token], allowed: Allowed) -> list[Tokens]:
    r"""The shortest sequences that begin with a text x: only the last token may reach beyond it.

    .. math::

        \mathrm{cover}(x) = \{t_1^k :\ &\mathrm{dec}(t_1^{k-1}) \prec x \\
        &\preceq \mathrm{dec}(t_1^k)\}

    among the sequences that are allowed. No sequence begins with two covers of x. The empty text is covered
    by the empty sequence.

    Parameters
    ----------
    vocabulary : collection of tokens
        The tokens that have bytes.
    allowed : callable
        Which sequences count, and so all their beginnings: :func:`is_viable` or :func:`is_valid` of a
        tokenizer, or :func:`is_text`.

    Examples
    --------
    >>> from tokenlab.chapters.bytelevel.exact import is_text, is_viable, longest_match
    >>> vocabulary = [b"A", b"B", b"AA"]
    >>> covers(b"AA", vocabulary, lambda tokens: is_viable(longest_match(vocabulary), tokens))
    [(b'AA',)]
    >>> covers(b"AA", vocabulary, is_text)
    [(b'AA',), (b'A', b'A'), (b'A', b'AA')]

    Reference: Phan, Amos et al. 2024, arXiv 2410.09303
    """
    check_bytes("text", text)
    if not text:
        return [()]
    found, contexts = [], [()]
    for context in contexts:
        rest = text[len(decode(context)) :]
        for token in vocabulary:
            longer = (*context, token)
            if spell(token).startswith(rest) and allowed(longer):
                found.append(longer)
            elif rest.startswith(spell(token)) and allowed(longer):
                # Grows while it is read: contexts are visited from short to long.
                contexts.append(longer)
    return found


def cover_probability(text: bytes, model: Model, vocabulary: Collection[Token], allowed: Allowed) -> Fraction:
    r"""Probability that texts begin with x: :math:`P(x) = \sum_{t \in \mathrm{cover}(x)} P(t)`.

    Examples
    --------
    >>> model = lambda tokens: {b"A": Fraction(1, 2), b"AA": Fraction(1, 4), END: Fraction(1, 4)}
    >>> cover_probability(b"AA", model, [b"A", b"AA"], lambda tokens: True)
    Fraction(5, 8)

    Reference: Phan, Amos et al. 2024, arXiv 2410.09303, the byte-token representation lemma
    """
    found = covers(text, vocabulary, allowed)
    return sum((probability(model, tokens) for tokens in found), start=Fraction(0))


def next_byte_distribution(
    text: bytes, model: Model, vocabulary: Collection[Token], allowed: Allowed
) -> Distribution:
    r"""Distribution of the next byte by two sums over covers; nothing is normalised.

    .. math::

        P(b \mid x) &= \frac{P(xb)}{P(x)} \\
        P(\text{end} \mid x) &= \sum_t \frac{P(t, \text{end})}{P(x)}

    The sum is over the covers t of x that spell x and no more. What is missing to one is the leak: the
    model's mass on sequences that are not allowed.

    Raises
    ------
    EmptySupportError
        If P(x) = 0.

    Examples
    --------
    >>> model = lambda tokens: {b"A": Fraction(1, 2), b"AA": Fraction(1, 4), END: Fraction(1, 4)}
    >>> print(*next_byte_distribution(b"A", model, [b"A", b"AA"], lambda tokens: True).values())
    5/6 1/6

    Reference: Phan, Amos et al. 2024, arXiv 2410.09303
    """
    here = cover_probability(text, model, vocabulary, allowed)
    check_mass(text, here)
    alphabet = sorted({bytes([byte]) for token in vocabulary for byte in spell(token)})
    distribution = {
        byte: cover_probability(text + byte, model, vocabulary, allowed) / here for byte in alphabet
    }
    exact = [tokens for tokens in covers(text, vocabulary, allowed) if decode(tokens) == text]
    distribution[END] = sum(probability(model, (*t, END)) for t in exact if allowed((*t, END))) / here
    return {outcome: p for outcome, p in distribution.items() if p}
