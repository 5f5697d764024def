r"""Bytes and tokens in exact fractions, written as their equations are.

This is the oracle: texts of two or three different bytes, tokenizers of a handful of tokens, and
nothing rounded, so that "the covers have the text's probability" is an equality. It shares no code
with the rest of the wing.

A text is ``bytes``, a token is its bytes, and a sequence of tokens is a tuple. With the source's distribution
:math:`P(x)` that a text begins with x, and the distribution :math:`P(t_1, \dots, t_k)` that its encoding
begins with these tokens,

===============================  ===============================================================
:func:`longest_match`            the two common ways from a text to its tokens
:func:`bpe`
:class:`MarkovSource`            where texts come from, and how probable each is
:func:`token_model`              the best token model there is: the distribution of encodings
:func:`covers`                   the sequences of tokens that begin with x
:func:`next_byte_distribution`            the lemma: :math:`P(b \mid x)` from sums over covers
:func:`canonical_next_byte`      what a user gets who encodes x and asks for the next token
:func:`stream`                   the lemma one byte at a time, for any token model
===============================  ===============================================================
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import product
from typing import NamedTuple

from tokenlab.errors import (
    ArgumentError,
    DtypeError,
    EmptySupportError,
    ProbabilityError,
    check_choice,
    check_int,
)

#: A token is its bytes. ``(b"A", 2)`` is a second token of the same bytes, a string a special token.
Token = bytes | tuple[bytes, int] | str


Tokens = tuple[Token, ...]


#: Bytes (or tokens) to probabilities; the end of the text is one of them.
Distribution = dict[Token, Fraction]


#: A token model: from the tokens so far to the distribution of the next one.
Model = Callable[[Tokens], Distribution]


#: Which sequences a sum goes over.
Allowed = Callable[[Tokens], bool]


#: The end of the text: among bytes as among tokens.
END = "<end>"


def spell(token: Token) -> bytes:
    """The bytes of a token that has some.

    Examples
    --------
    >>> spell(b"AA"), spell((b"A", 2))
    (b'AA', b'A')
    """
    if isinstance(token, str):
        raise ArgumentError(f"token {token!r} is a special token: it has no bytes")
    return token if isinstance(token, bytes) else token[0]


def decode(tokens: Tokens) -> bytes:
    """The text that a sequence of tokens spells.

    Examples
    --------
    >>> decode((b"B", b"AA"))
    b'BAA'
    """
    return b"".join(spell(token) for token in tokens)


# From texts to tokens.
class Tokenizer(NamedTuple):
    """A deterministic tokenizer: what it does, its tokens, and how far it looks ahead.

    Borders between tokens up to a place p are decided by the text up to ``p + look_ahead``.
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

    Parameters
    ----------
    vocabulary : iterable of bytes
        The tokens; every byte of every token must be one of them.

    Returns
    -------
    Tokenizer
        It looks ahead as far as its longest token reaches.

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
        _check_bytes("vocabulary", token)
        missing = {bytes([byte]) for byte in token} - set(vocabulary)
        if not token or missing:
            raise ArgumentError(
                f"vocabulary holds {token!r}, expected at least one byte, and each of them a token"
            )
    if len(set(vocabulary)) < len(vocabulary):
        raise ArgumentError(f"vocabulary holds a token twice: {vocabulary}")

    @cache
    def encode(text: bytes) -> Tokens:
        _check_bytes("text", text, vocabulary)
        tokens: list[bytes] = []
        while text:
            tokens.append(max((token for token in vocabulary if text.startswith(token)), key=len))
            text = text[len(tokens[-1]) :]
        return tuple(tokens)

    return Tokenizer(encode, vocabulary, max(map(len, vocabulary), default=1) - 1)


def bpe(merges: Iterable[tuple[bytes, bytes]], alphabet: Iterable[bytes]) -> Tokenizer:
    r"""Byte-pair encoding: one merge after the other, each from left to right.

    Whether the merge :math:`(a_r, b_r)` takes place at p depends on what earlier merges did to its
    right part, :math:`|b_r|` bytes, and so on: the look-ahead is :math:`\sum_r |b_r|`.

    Parameters
    ----------
    merges : iterable of pairs of bytes
        In the order of training.
    alphabet : iterable of bytes
        The single bytes of the texts.

    Returns
    -------
    Tokenizer

    Raises
    ------
    DtypeError, ArgumentError
        If the alphabet is not of single bytes, a part of a merge does not exist before it, or two
        merges make the same token.

    Examples
    --------
    >>> bpe([(b"A", b"B"), (b"AB", b"A")], [b"A", b"B"]).encode(b"ABAAB")
    (b'ABA', b'AB')

    Reference: Sennrich et al. 2016, arXiv 1508.07909
    """
    merges, vocabulary = list(merges), list(alphabet)
    for byte in vocabulary:
        _check_bytes("alphabet", byte)
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
        _check_bytes("text", text, alphabet)
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
    """A tokenizer of so many tokens beside the alphabet, each of up to four bytes, drawn by a seed.

    Parameters
    ----------
    alphabet : iterable of bytes
        The single bytes.
    num_tokens : int
        How many longer tokens.
    kind : {"bpe", "longest_match"}
        For BPE the tokens come by merging two that exist, else byte by byte.
    seed : int
        The same seed gives the same tokenizer.

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
    r"""Cut the text into pieces by a pattern, then encode each piece.

    The default pattern looks ahead: ``\s+(?!\S)`` leaves the last white space of a run to what
    follows. Then a part of an encoding need not be an encoding.

    Parameters
    ----------
    tokenizer : Tokenizer
        What encodes a piece.
    pattern : bytes
        A regular expression; its matches must make up the text.
    look_ahead : int
        Borders of pieces up to a place p are decided by the text up to p + look_ahead.

    Returns
    -------
    Tokenizer

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
    r"""Whether a sequence is an encoding: :math:`\mathrm{enc}(\mathrm{dec}(t)) = t`.

    The end of the text may stand last: it adds nothing to the condition.

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
    r"""Whether some text's encoding begins with these tokens.

    .. math:: \exists z:\ \mathrm{enc}(\mathrm{dec}(t)\, z) = (t, \dots)

    It is enough to try all z up to the tokenizer's look-ahead. For BPE and longest match this is
    validity; after a pre-tokenizer that looks ahead it is not. A sequence with the end of the text
    is viable if it is valid: no other text ends there.

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


# Where texts come from.
@dataclass(frozen=True)
class MarkovSource:
    r"""Bytes of which each depends on the last ``order`` ones; the text may end before each.

    .. math::

        P(b \mid x) = (1 - s)\, \pi(b \mid x_{n-m+1}^n), \qquad P(\text{end} \mid x) = s

    Parameters
    ----------
    order : int
        m.
    transitions : dict
        From every history (at a text's beginning a shorter one) to the distribution of the next byte.
    stop : Fraction
        s, at least 0 and below 1.

    Raises
    ------
    ProbabilityError
        If a distribution is not one.

    Examples
    --------
    >>> source = two_state_chain("2/5", "3/10")
    >>> print(source.begins(b"AAA"))
    27/175
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
        _check_bytes("text", text)
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
        """All texts, cut at a length, with their probabilities; they sum to one."""
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
    >>> print(two_state_chain("2/5", "3/10").begins(b"A"))
    3/7
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
    >>> source = random_source([b"A", b"B"], order=3, seed=1)
    >>> len(source.transitions), sum(source.texts(6).values())
    (15, Fraction(1, 1))
    """
    alphabet, rng = tuple(alphabet), random.Random(seed)
    histories = [b"".join(parts) for n in range(order + 1) for parts in product(alphabet, repeat=n)]
    transitions = {history: _random_distribution(alphabet, rng) for history in histories}
    return MarkovSource(order, transitions, Fraction(stop))


# Token models.
def token_model(texts: Mapping[bytes, Fraction], tokenizer: Tokenizer) -> Model:
    r"""The token model of a source: how probable each next token is in the encoding of a text.

    .. math::

        P(t_1, \dots, t_k) = \sum_{y:\ \mathrm{enc}(y) = (t_1, \dots, t_k, \dots)} P(y), \qquad
        P(t_{k+1} \mid t_1^k) = \frac{P(t_1, \dots, t_{k+1})}{P(t_1, \dots, t_k)}

    This is what training on endless data would give. Texts that were cut at N end there; still,
    :math:`P(t_1, \dots, t_k)` is that of the longer texts as long as the tokens' bytes and
    ``tokenizer.look_ahead`` together are at most N.

    Parameters
    ----------
    texts : dict
        From text to probability, as :meth:`MarkovSource.texts`.
    tokenizer : Tokenizer
        What encodes them.

    Returns
    -------
    callable
        From a context to the distribution of the next token, which may be :data:`END`. No text's encoding
        begins with the context: an empty distribution.

    Examples
    --------
    >>> texts = two_state_chain("2/5", "3/10").texts(8)
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
    return cache(lambda context: _normalised(rows.get(context, {})))


def two_state_tokens(alpha: Fraction | str, beta: Fraction | str) -> dict[bytes, Distribution]:
    r"""Tokens A, B, AA of the two-state chain, in closed form: a chain of its own.

    After AA comes what the bytes say. After a single A comes B, or else it were an AA.

    Returns
    -------
    dict
        From the last token (``b""`` at the beginning) to the distribution of the next one.

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

    Parameters
    ----------
    vocabulary : iterable of tokens
        May hold :data:`END`, other special tokens and second tokens of the same bytes.
    seed : int
        The same seed and context give the same distribution.

    Examples
    --------
    >>> model = random_model([b"A", b"B", b"AA", END], seed=1)
    >>> sum(model((b"A", b"A")).values()), min(model((b"A", b"A")).values()) > 0
    (Fraction(1, 1), True)
    """
    vocabulary = tuple(vocabulary)
    return cache(lambda context: _random_distribution(vocabulary, random.Random(f"{seed} {context}")))


def probability(model: Model, tokens: Tokens) -> Fraction:
    r"""Probability that the tokens begin so: :math:`\prod_i P(t_i \mid t_1^{i-1})`.

    Examples
    --------
    >>> texts = two_state_chain("2/5", "3/10").texts(8)
    >>> model = token_model(texts, longest_match([b"A", b"B", b"AA"]))
    >>> print(probability(model, (b"B", b"AA")), probability(model, (b"B", b"A")))
    18/175 12/175
    """
    mass = Fraction(1)
    for k, token in enumerate(tokens):
        mass *= model(tokens[:k]).get(token, 0)
    return mass


# The lemma.
def covers(text: bytes, vocabulary: Collection[Token], allowed: Allowed) -> list[Tokens]:
    r"""The shortest sequences that begin with a text.

    .. math::

        \mathrm{cover}(x) = \{t_1^k \text{ allowed}:\ \mathrm{dec}(t_1^{k-1}) \prec x \preceq
        \mathrm{dec}(t_1^k)\}

    Only the last token may reach beyond the text, and without it the text is not complete. So no
    sequence of tokens has two covers of x among its beginnings.

    Parameters
    ----------
    text : bytes
        x. The empty text is covered by the empty sequence.
    vocabulary : collection of tokens
        The tokens that have bytes.
    allowed : callable
        Which sequences count: :func:`is_viable` or :func:`is_valid` of a tokenizer, or
        :func:`is_text` for all tokenizations. Beginnings of what is allowed must be allowed.

    Returns
    -------
    list of tuples of tokens

    Examples
    --------
    >>> from functools import partial
    >>> tokenizer = longest_match([b"A", b"B", b"AA"])
    >>> covers(b"AAA", tokenizer.vocabulary, partial(is_viable, tokenizer))
    [(b'AA', b'A'), (b'AA', b'AA')]
    >>> covers(b"AA", tokenizer.vocabulary, is_text)
    [(b'AA',), (b'A', b'A'), (b'A', b'AA')]

    Reference: Phan et al. 2025, arXiv 2410.09303
    """
    _check_bytes("text", text)
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
    r"""Probability that the text begins with x, from tokens.

    .. math:: P(x) = \sum_{t \in \mathrm{cover}(x)} P(t)

    Examples
    --------
    >>> from functools import partial
    >>> tokenizer = longest_match([b"A", b"B", b"AA"])
    >>> model = token_model(two_state_chain("2/5", "3/10").texts(8), tokenizer)
    >>> print(cover_probability(b"AAA", model, tokenizer.vocabulary, partial(is_viable, tokenizer)))
    27/175

    Reference: Phan et al. 2025, arXiv 2410.09303, the byte-token representation lemma
    """
    found = covers(text, vocabulary, allowed)
    return sum((probability(model, tokens) for tokens in found), start=Fraction(0))


def next_byte_distribution(
    text: bytes, model: Model, vocabulary: Collection[Token], allowed: Allowed
) -> Distribution:
    r"""Distribution of the next byte by two sums over covers; nothing is normalised.

    .. math::

        P(b \mid x) = \frac{P(xb)}{P(x)}, \qquad
        P(\text{end} \mid x) = \frac{1}{P(x)} \sum_{t \in \mathrm{cover}(x),\ \mathrm{dec}(t) = x}
        P(t, \text{end})

    What is missing to one is the leak: mass of the model on sequences that are not allowed.

    Parameters
    ----------
    text, model, vocabulary, allowed
        As in :func:`covers` and :func:`cover_probability`.

    Returns
    -------
    dict
        From byte, or :data:`END`, to probability; without those of probability zero.

    Raises
    ------
    EmptySupportError
        If P(x) = 0.

    Examples
    --------
    >>> from functools import partial
    >>> tokenizer = longest_match([b"A", b"B", b"AA"])
    >>> model = token_model(two_state_chain("2/5", "3/10").texts(8), tokenizer)
    >>> next_byte_distribution(b"A", model, tokenizer.vocabulary, partial(is_viable, tokenizer))
    {b'A': Fraction(3, 5), b'B': Fraction(2, 5)}

    Reference: Phan et al. 2025, arXiv 2410.09303
    """
    here = cover_probability(text, model, vocabulary, allowed)
    _check_mass(text, here)
    alphabet = sorted({bytes([byte]) for token in vocabulary for byte in spell(token)})
    distribution = {
        byte: cover_probability(text + byte, model, vocabulary, allowed) / here for byte in alphabet
    }
    exact = [tokens for tokens in covers(text, vocabulary, allowed) if decode(tokens) == text]
    distribution[END] = sum(probability(model, (*t, END)) for t in exact if allowed((*t, END))) / here
    return {outcome: p for outcome, p in distribution.items() if p}


# What is usually done instead.
def canonical_next_byte(text: bytes, model: Model, tokenizer: Tokenizer) -> Distribution:
    r"""Distribution of the next byte that a user gets who encodes the prompt.

    .. math:: \sum_{t:\ t_{[1]} = b} P(t \mid \mathrm{enc}(x))

    Returns
    -------
    dict
        Empty if the model never saw this encoding: no distribution is defined.

    Examples
    --------
    >>> tokenizer = longest_match([b"A", b"B", b"AA"])
    >>> model = token_model(two_state_chain("2/5", "3/10").texts(8), tokenizer)
    >>> canonical_next_byte(b"A", model, tokenizer)
    {b'B': Fraction(1, 1)}
    """
    return _by_byte(model(tokenizer.encode(text)), 0)


def healed_next_byte(text: bytes, model: Model, tokenizer: Tokenizer) -> Distribution:
    r"""Distribution of the next byte after token healing, one token back.

    The last token r is taken away, and a token drawn among those that begin with r. If that is r
    itself, what follows is drawn as in :func:`canonical_next_byte`.

    Returns
    -------
    dict
        Empty if no distribution is defined.

    Examples
    --------
    >>> tokenizer = longest_match([b"A", b"B", b"AA"])
    >>> model = token_model(two_state_chain("2/5", "3/10").texts(8), tokenizer)
    >>> print(*healed_next_byte(b"A", model, tokenizer).items())
    (b'A', Fraction(3, 5)) (b'B', Fraction(2, 5))
    """
    if not text:
        return canonical_next_byte(text, model, tokenizer)
    *context, last = tokenizer.encode(text)
    next_tokens = model(tuple(context))
    starts = {token: p for token, p in next_tokens.items() if token != END and token.startswith(last)}
    if not sum(starts.values()):
        return {}
    again = starts.pop(last, Fraction(0))
    distribution = _by_byte(starts, len(last))
    for byte, p in canonical_next_byte(text, model, tokenizer).items():
        distribution[byte] = distribution.get(byte, 0) + again * p
    return _normalised(distribution)


def total_variation(left: Distribution, right: Distribution) -> Fraction:
    r"""Half the sum of differences: :math:`\tfrac12 \sum_b |P(b) - Q(b)|`.

    Examples
    --------
    >>> print(total_variation({b"A": Fraction(3, 5), b"B": Fraction(2, 5)}, {b"B": Fraction(1)}))
    3/5
    """
    outcomes = left.keys() | right.keys()
    return sum((abs(left.get(b, 0) - right.get(b, 0)) for b in outcomes), start=Fraction(0)) / 2


# The lemma one byte at a time.
class Path(NamedTuple):
    """A cover of what was read: its tokens, the bytes of the last one still to come, and P(tokens)."""

    tokens: Tokens
    rest: bytes
    weight: Fraction


class Step(NamedTuple):
    """What :func:`stream` knows after one more byte.

    ``distribution`` is normalised; ``leak`` is the share of ``mass`` = P(x) that went to sequences which are
    not allowed; ``contexts`` are those that the model was asked about.
    """

    distribution: Distribution
    leak: Fraction
    mass: Fraction
    contexts: list[Tokens]


def stream(text: bytes, model: Model, allowed: Allowed) -> list[Step]:
    r"""The distribution of the next byte before, between and after the bytes of a text.

    .. math:: \log P(x) = \sum_n \log P(x_n \mid x_1^{n-1}) + \sum_n \log(1 - \mathrm{leak}_n)

    Covers of a text become covers of the longer text: they lose those that go on with another byte,
    and a cover that ends exactly here is followed by one more token. Only then the model is asked.

    Parameters
    ----------
    text : bytes
        What is read.
    model : callable
        Any token model; it may give mass to sequences that are not allowed.
    allowed : callable
        As in :func:`covers`.

    Returns
    -------
    list of Step
        One more than the text has bytes.

    Raises
    ------
    EmptySupportError
        If the text is impossible, or nothing that is allowed can follow.

    Examples
    --------
    >>> from functools import partial
    >>> tokenizer = longest_match([b"A", b"B", b"AA"])
    >>> model = token_model(two_state_chain("2/5", "3/10").texts(8), tokenizer)
    >>> for step in stream(b"AAA", model, partial(is_viable, tokenizer)):
    ...     print(step.mass, *step.distribution.values(), step.contexts)
    1 3/7 4/7 [()]
    3/7 3/5 2/5 [(b'A',)]
    9/35 3/5 2/5 [(b'AA',)]
    27/175 3/5 2/5 [(b'AA', b'A')]
    """
    _check_bytes("text", text)
    paths, steps = [Path((), b"", Fraction(1))], []
    for n in range(len(text) + 1):
        mass = _total(paths)
        _check_mass(text[:n], mass)
        contexts = [path.tokens for path in paths if not path.rest]
        paths, end = extend(paths, model, allowed)
        _check_mass(text[:n], _total(paths) + end)
        steps.append(Step(pending_distribution(paths, end), 1 - (_total(paths) + end) / mass, mass, contexts))
        paths = read(paths, text[n : n + 1])
    return steps


def extend(paths: list[Path], model: Model, allowed: Allowed) -> tuple[list[Path], Fraction]:
    """Every cover that ends exactly here goes on with one more token, or with the end of the text.

    Examples
    --------
    >>> model = random_model([b"A", END], seed=1)
    >>> paths, end = extend([Path((), b"", Fraction(1))], model, is_text)
    >>> paths[0].tokens, paths[0].rest, paths[0].weight + end
    ((b'A',), b'A', Fraction(1, 1))
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
    >>> paths = [Path((b"AB",), b"B", Fraction(1, 4)), Path((b"A", b"A"), b"A", Fraction(1, 2))]
    >>> print(*pending_distribution(paths, Fraction(1, 4)).values())
    1/4 1/2 1/4
    """
    distribution: Distribution = {}
    for path in paths:
        byte = path.rest[:1]
        distribution[byte] = distribution.get(byte, 0) + path.weight
    return _normalised(distribution | {END: end})


def read(paths: list[Path], byte: bytes) -> list[Path]:
    """The covers that wait for this byte, without it.

    Examples
    --------
    >>> read([Path((b"AB",), b"B", Fraction(1, 4)), Path((b"A",), b"A", Fraction(1, 2))], b"B")
    [Path(tokens=(b'AB',), rest=b'', weight=Fraction(1, 4))]
    """
    return [path._replace(rest=path.rest[1:]) for path in paths if path.rest[:1] == byte]


# Parts of the above.
def _by_byte(next_tokens: Distribution, depth: int) -> Distribution:
    """Masses of tokens by their byte at a depth, where all have one; the end stays what it is."""
    distribution: Distribution = {}
    for token, p in next_tokens.items():
        byte = token if token == END else spell(token)[depth : depth + 1]
        distribution[byte] = distribution.get(byte, 0) + p
    return distribution


def _normalised(masses: Distribution) -> Distribution:
    total = sum(masses.values())
    return {key: mass / total for key, mass in masses.items() if mass}


def _total(paths: list[Path]) -> Fraction:
    return sum((path.weight for path in paths), start=Fraction(0))


def _random_distribution(outcomes: tuple[Token, ...], rng: random.Random) -> Distribution:
    return _normalised({outcome: Fraction(rng.randint(1, 9)) for outcome in outcomes})


def _check_bytes(name: str, value: bytes, known: Collection[bytes] | None = None) -> None:
    if not isinstance(value, bytes):
        raise DtypeError(f"{name} must be bytes, found {type(value).__name__} {value!r}")
    if known is not None and (unknown := {bytes([byte]) for byte in value} - set(known)):
        raise ArgumentError(f"{name} holds {min(unknown)!r}, which is no token")


def _check_mass(text: bytes, mass: Fraction) -> None:
    if not mass:
        raise EmptySupportError(f"text is {text!r}, which has probability 0: no next byte is defined")
