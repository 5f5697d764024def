"""What is usually done instead: encode the prompt, and perhaps heal its last token."""

from __future__ import annotations

from fractions import Fraction

from tokenlab.chapters.bytelevel.exact.distributions import by_byte, normalised
from tokenlab.chapters.bytelevel.exact.tokenizers import Tokenizer
from tokenlab.chapters.bytelevel.exact.tokens import END, Distribution, Model


def canonical_next_byte(text: bytes, model: Model, tokenizer: Tokenizer) -> Distribution:
    r"""Distribution of the next byte that a user gets who encodes the prompt.

    .. math:: \sum_{t:\ t_{[1]} = b} P(t \mid \mathrm{enc}(x))

    It is empty if the model never saw this encoding.

    Examples
    --------
    >>> from tokenlab.chapters.bytelevel.exact import longest_match, token_model, two_state_chain
    >>> tokenizer = longest_match([b"A", b"B", b"AA"])
    >>> model = token_model(two_state_chain("2/5", "3/10").texts(8), tokenizer)
    >>> canonical_next_byte(b"A", model, tokenizer)
    {b'B': Fraction(1, 1)}
    >>> print(*healed_next_byte(b"A", model, tokenizer).items())
    (b'A', Fraction(3, 5)) (b'B', Fraction(2, 5))
    """
    return by_byte(model(tokenizer.encode(text)), 0)


def healed_next_byte(text: bytes, model: Model, tokenizer: Tokenizer) -> Distribution:
    """Distribution of the next byte after token healing, one token back; empty if none is defined.

    The last token r is replaced by one drawn among those that begin with r. If that is r itself, what follows
    is drawn as in :func:`canonical_next_byte`, whose example shows both.
    """
    if not text:
        return canonical_next_byte(text, model, tokenizer)
    *context, last = tokenizer.encode(text)
    next_tokens = model(tuple(context))
    starts = {token: p for token, p in next_tokens.items() if token != END and token.startswith(last)}
    if not sum(starts.values()):
        return {}
    again = starts.pop(last, Fraction(0))
    distribution = by_byte(starts, len(last))
    for byte, p in canonical_next_byte(text, model, tokenizer).items():
        distribution[byte] = distribution.get(byte, 0) + again * p
    return normalised(distribution)
