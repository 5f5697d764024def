"""From texts to tokens: two common ways, a pre-tokenizer, and which sequences they write."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from functools import cache
from itertools import product
from typing import NamedTuple

from tokenlab.chapters.bytelevel.exact.tokens import END, Tokens, check_bytes, decode
from tokenlab.errors import ArgumentError, check_choice, check_int


class Tokenizer(NamedTuple):
    """A deterministic tokenizer: what it does, its tokens, and how far it looks ahead.

    Borders between tokens up to a position p are decided by the text up to ``p + look_ahead``.
    """

    encode: Callable[[bytes], Tokens]
    vocabulary: tuple[bytes, ...]
    look_ahead: int

    @property
    def alphabet(self) -> tuple[bytes, ...]:
        """The single bytes."""
        return tuple(token for token in self.vocabulary if len(token) == 1)


def longest_match(vocabulary: Iterable[bytes]) -> Tokenizer:
    """From left to right, always the longest token that the text goes on with.

    Raises
    ------
    DtypeError, ArgumentError
        If a token is not of bytes, is empty, occurs twice, or holds a byte that is no token.

    Examples
    --------
    >>> longest_match([b"A", b"B", b"AA"]).encode(b"BAAA")
    (b'B', b'AA', b'A')
    """
    vocabulary = tuple(vocabulary)
    for token in vocabulary:
        check_bytes("vocabulary", token)
        missing = {bytes([byte]) for byte in token} - set(vocabulary)
        if not token or missing:
            raise ArgumentError(
                f"vocabulary holds {token!r}, expected at least one byte, and each of them a token"
            )
    if len(set(vocabulary)) < len(vocabulary):
        raise ArgumentError(f"vocabulary holds a token twice: {vocabulary}")

    @cache
    def encode(text: bytes) -> Tokens:
        check_bytes("text", text, vocabulary)
        tokens: list[bytes] = []
        while text:
            tokens.append(max((token for token in vocabulary if text.startswith(token)), key=len))
            text = text[len(tokens[-1]) :]
        return tuple(tokens)

    return Tokenizer(encode, vocabulary, max(map(len, vocabulary), default=1) - 1)


def bpe(merges: Iterable[tuple[bytes, bytes]], alphabet: Iterable[bytes]) -> Tokenizer:
    r"""Byte-pair encoding: the merges in order of training, each from left to right.

    Whether :math:`(a_r, b_r)` merge depends on what earlier merges did to the :math:`|b_r|` bytes of the
    right part, and so on: the look-ahead is :math:`\sum_r |b_r|`.

    Raises
    ------
    DtypeError, ArgumentError
        If the alphabet is not of single bytes, a part of a merge does not exist before it, or two
        merges make the same token.

    Examples
    --------
    >>> bpe([(b"A", b"B"), (b"AB", b"A")], [b"A", b"B"]).encode(b"ABAAB")
    (b'ABA', b'AB')

    Reference: Sennrich et al. 2015, arXiv 1508.07909
    """
    merges, vocabulary = list(merges), list(alphabet)
    for byte in vocabulary:
        check_bytes("alphabet", byte)
        if len(byte) != 1:
            raise ArgumentError(f"alphabet holds {byte!r}, expected single bytes")
    alphabet = tuple(vocabulary)
    for left, right in merges:
        if left not in vocabulary or right not in vocabulary:
            raise ArgumentError(f"merges hold {(left, right)}, of which a part does not exist before")
        if left + right in vocabulary:
            raise ArgumentError(f"merges make {left + right!r} twice")
        vocabulary.append(left + right)

    @cache
    def encode(text: bytes) -> Tokens:
        check_bytes("text", text, alphabet)
        tokens = [bytes([byte]) for byte in text]
        for left, right in merges:
            i = 0
            while i + 1 < len(tokens):
                if tokens[i] == left and tokens[i + 1] == right:
                    tokens[i : i + 2] = [left + right]
                i += 1
        return tuple(tokens)

    return Tokenizer(encode, tuple(vocabulary), sum(len(right) for _, right in merges))


def random_tokenizer(alphabet: Iterable[bytes], num_tokens: int, kind: str, seed: int) -> Tokenizer:
    """A tokenizer, ``"bpe"`` or ``"longest_match"``, of the alphabet and random tokens of up to four bytes.

    Raises
    ------
    ArgumentError
        If there are not so many, or the kind is unknown.

    Examples
    --------
    >>> random_tokenizer([b"A", b"B"], 3, "bpe", seed=1).vocabulary
    (b'A', b'B', b'AB', b'ABA', b'BB')
    """
    check_choice("kind", kind, ("bpe", "longest_match"))
    alphabet, rng = tuple(alphabet), random.Random(seed)
    check_int("num_tokens", num_tokens, low=0, high=sum(len(alphabet) ** n for n in (2, 3, 4)))
    vocabulary, merges = list(alphabet), []
    while len(vocabulary) < len(alphabet) + num_tokens:
        if kind == "bpe":
            parts = rng.choices(vocabulary, k=2)
        else:
            parts = rng.choices(alphabet, k=rng.randint(2, 4))
        token = b"".join(parts)
        if len(token) <= 4 and token not in vocabulary:
            vocabulary.append(token)
            merges.append(tuple(parts))
    return bpe(merges, alphabet) if kind == "bpe" else longest_match(vocabulary)


#: GPT-2's pre-tokenizer for letters and white space: the last space of a run goes to the word.
WORDS = rb" ?[A-Za-z]+|\s+(?!\S)|\s+"


def split_first(tokenizer: Tokenizer, pattern: bytes = WORDS, look_ahead: int = 2) -> Tokenizer:
    r"""Cut the text into pieces by a regular expression, then encode each piece.

    Borders up to a position p are decided by the text up to ``p + look_ahead``. In the default pattern
    ``\s+(?!\S)`` leaves the last white space of a run to what follows; then a part of an encoding need not be
    one.

    Raises
    ------
    ArgumentError
        When a text is encoded that the pattern does not cover.

    Examples
    --------
    >>> lines = split_first(bpe([(b"\n", b"\n")], [b"a", b"\n"]))
    >>> lines.encode(b"a\n\n"), lines.encode(b"a\n\na")
    ((b'a', b'\n\n'), (b'a', b'\n', b'\n', b'a'))
    """
    check_int("look_ahead", look_ahead, low=0)

    @cache
    def encode(text: bytes) -> Tokens:
        pieces = re.findall(pattern, text)
        if b"".join(pieces) != text:
            raise ArgumentError(f"pattern {pattern!r} cuts {text!r} into {pieces}: text is missing")
        return sum((tokenizer.encode(piece) for piece in pieces), start=())

    return Tokenizer(encode, tokenizer.vocabulary, tokenizer.look_ahead + look_ahead)


def is_valid(tokenizer: Tokenizer, tokens: Tokens) -> bool:
    r"""Whether a sequence is an encoding, with or without the end: :math:`\mathrm{enc}(\mathrm{dec}(t)) = t`.

    Examples
    --------
    >>> tokenizer = longest_match([b"A", b"B", b"AA"])
    >>> is_valid(tokenizer, (b"AA", b"A")), is_valid(tokenizer, (b"A", b"AA"))
    (True, False)
    """
    if tokens and tokens[-1] == END:
        tokens = tokens[:-1]
    if not all(isinstance(token, bytes) for token in tokens):
        return False
    return tokenizer.encode(decode(tokens)) == tokens


def is_viable(tokenizer: Tokenizer, tokens: Tokens) -> bool:
    r"""Whether an encoding begins so: :math:`\exists z:\ \mathrm{enc}(\mathrm{dec}(t)\, z) = (t, \dots)`.

    It is enough to try all z up to the look-ahead. For BPE, longest match, and sequences with the end this
    is validity; after a pre-tokenizer that looks ahead it is not.

    Examples
    --------
    >>> lines = split_first(bpe([(b"\n", b"\n")], [b"a", b"\n"]))
    >>> is_valid(lines, (b"\n", b"\n")), is_viable(lines, (b"\n", b"\n"))
    (False, True)
    """
    if tokens and tokens[-1] == END:
        return is_valid(tokenizer, tokens)
    if not all(isinstance(token, bytes) for token in tokens):
        return False
    text = decode(tokens)
    return any(
        tokenizer.encode(text + z)[: len(tokens)] == tokens
        for length in range(tokenizer.look_ahead + 1)
        for z in map(b"".join, product(tokenizer.alphabet, repeat=length))
    )


def is_text(tokens: Tokens) -> bool:
    """Whether a sequence spells a text, encoded however: no special token but the end.

    Examples
    --------
    >>> is_text((b"A", b"A", END)), is_text((b"A", "<pad>"))
    (True, False)
    """
    return not any(isinstance(token, str) for token in tokens[:-1]) and (
        not tokens or tokens[-1] == END or not isinstance(tokens[-1], str)
    )
