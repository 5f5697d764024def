r"""Bytes and tokens in exact fractions, written as their equations are: the chapter's oracle.

It shares no code with :mod:`tokenlab.bytelevel`, which it judges, and is meant for a handful of tokens.
A text x is ``bytes``, a token its bytes, a sequence t of tokens a tuple; :math:`P` is the probability that
a text, or its encoding, begins so.

==============================  =====================================================
:func:`longest_match`           the two common ways from a text to its tokens
:func:`bpe`
:class:`MarkovSource`           where texts come from, and how probable each is
:func:`token_model`             the best token model: the distribution of encodings
:func:`covers`                  the sequences of tokens that begin with x
:func:`next_byte_distribution`  the lemma: :math:`P(b \mid x)` from sums over covers
:func:`canonical_next_byte`     encode x and ask for the next token, as users do
:func:`stream`                  the lemma byte by byte, for any token model
==============================  =====================================================
"""

from tokenlab.chapters.bytelevel.exact.distributions import total_variation
from tokenlab.chapters.bytelevel.exact.lemma import cover_probability, covers, next_byte_distribution
from tokenlab.chapters.bytelevel.exact.models import probability, random_model, token_model, two_state_tokens
from tokenlab.chapters.bytelevel.exact.prompting import canonical_next_byte, healed_next_byte
from tokenlab.chapters.bytelevel.exact.reading import Path, Step, extend, pending_distribution, read, stream
from tokenlab.chapters.bytelevel.exact.sources import MarkovSource, random_source, two_state_chain
from tokenlab.chapters.bytelevel.exact.tokenizers import (
    WORDS,
    Tokenizer,
    bpe,
    is_text,
    is_valid,
    is_viable,
    longest_match,
    random_tokenizer,
    split_first,
)
from tokenlab.chapters.bytelevel.exact.tokens import (
    END,
    Allowed,
    Distribution,
    Model,
    Token,
    Tokens,
    decode,
    spell,
)

__all__ = [
    "END",
    "WORDS",
    "Allowed",
    "Distribution",
    "MarkovSource",
    "Model",
    "Path",
    "Step",
    "Token",
    "Tokenizer",
    "Tokens",
    "bpe",
    "canonical_next_byte",
    "cover_probability",
    "covers",
    "decode",
    "extend",
    "healed_next_byte",
    "is_text",
    "is_valid",
    "is_viable",
    "longest_match",
    "next_byte_distribution",
    "pending_distribution",
    "probability",
    "random_model",
    "random_source",
    "random_tokenizer",
    "read",
    "spell",
    "split_first",
    "stream",
    "token_model",
    "total_variation",
    "two_state_chain",
    "two_state_tokens",
]
