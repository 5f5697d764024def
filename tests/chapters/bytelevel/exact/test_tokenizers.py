"""Encoders against the tokenizers library and by hand; how far they look ahead; which sequences they write."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from itertools import pairwise, product

import pytest

from tests.bytelevel.toys import BREAKS, PAIRS, TWO, A, B, instances, strings
from tests.chapters.bytelevel.exact.instances import SPACES, THREE
from tokenlab.chapters.bytelevel import exact
from tokenlab.chapters.bytelevel.exact import END, Tokenizer


def lowest_rank_first(merges, text: bytes) -> tuple[bytes, ...]:
    """BPE as it is usually told: look for the best pair again after every merge."""
    ranks, tokens = {pair: rank for rank, pair in enumerate(merges)}, [bytes([byte]) for byte in text]
    while pairs := [(ranks[pair], i) for i, pair in enumerate(pairwise(tokens)) if pair in ranks]:
        _, i = min(pairs)
        tokens[i : i + 2] = [tokens[i] + tokens[i + 1]]
    return tuple(tokens)


def library_bpe(merges, alphabet) -> Callable[[bytes], tuple[bytes, ...]]:
    """The same by the tokenizers library."""
    from tokenizers import Tokenizer as HuggingFaceTokenizer
    from tokenizers.models import BPE

    tokens = [*(byte.decode() for byte in alphabet), *((a + b).decode() for a, b in merges)]
    ids = {token: i for i, token in enumerate(tokens)}
    tokenizer = HuggingFaceTokenizer(BPE(ids, [(a.decode(), b.decode()) for a, b in merges]))
    return lambda text: tuple(token.encode() for token in tokenizer.encode(text.decode()).tokens)


@pytest.mark.parametrize("alphabet", [TWO, (A, B, b"C")], ids=["two letters", "three letters"])
def test_bpe_is_that_of_the_library(alphabet):
    for seed in range(12):
        rng, tokens, merges = random.Random(seed), list(alphabet), []
        while len(merges) < 6:
            pair = tuple(rng.choices(tokens, k=2))
            if b"".join(pair) not in tokens:
                merges.append(pair)
                tokens.append(b"".join(pair))
        ours, library = exact.bpe(merges, alphabet), library_bpe(merges, alphabet)
        for text in strings(alphabet, 0, 8 if len(alphabet) == 2 else 5):
            assert ours.encode(text) == library(text) == lowest_rank_first(merges, text), (merges, text)


def test_longest_match_takes_the_longest():
    tokenizer = exact.longest_match([A, B, b"AB", b"ABB", b"BA"])
    assert tokenizer.encode(b"ABABBBA") == (b"AB", b"ABB", b"BA")
    assert tokenizer.encode(b"ABAB") == (b"AB", b"AB")
    assert tokenizer.encode(b"") == ()


def test_pieces_are_those_of_gpt_2():
    """Letters and white space, through the library's own pattern."""
    from tokenizers.pre_tokenizers import ByteLevel

    split = ByteLevel(add_prefix_space=False, use_regex=True)
    for text in strings(THREE, 0, 7):
        expected = [text[start:end] for _, (start, end) in split.pre_tokenize_str(text.decode())]
        assert re.findall(exact.WORDS, text) == expected


def undecided(tokenizer: Tokenizer, reach: int, longest: int) -> list[tuple[bytes, int]]:
    """Texts and positions up to which the borders change when all text from ``reach`` bytes on is cut."""

    def borders(text: bytes, position: int) -> set[int]:
        tokens = tokenizer.encode(text)
        ends = (len(exact.decode(tokens[:k])) for k in range(len(tokens) + 1))
        return {end for end in ends if end <= position}

    return [
        (text, position)
        for text in strings(tokenizer.alphabet, reach, longest)
        for position in range(len(text) - reach)
        if borders(text, position) != borders(text[: position + reach], position)
    ]


@pytest.mark.parametrize("name", ["random", "lines", "spaces"])
def test_no_tokenizer_looks_further_ahead_than_it_says(name):
    toys = {"random": [t for _, t in instances(5, num_tokens=3)], "lines": [BREAKS], "spaces": [SPACES]}
    for tokenizer in toys[name]:
        longest = {2: 8, 3: 7}[len(tokenizer.alphabet)]
        assert undecided(tokenizer, tokenizer.look_ahead, longest) == [], tokenizer.vocabulary


def test_the_bound_on_looking_ahead_is_met():
    for tokenizer in (PAIRS, exact.bpe([(A, A)], TWO), exact.longest_match([A, B, b"ABBA"])):
        assert undecided(tokenizer, tokenizer.look_ahead - 1, 6) != []
    assert (b"\n\na", 1) in undecided(BREAKS, 1, 3)


def beginnings(tokenizer: Tokenizer, longest: int) -> set:
    """Every sequence that an encoding of a text up to a length begins with."""
    encodings = [tokenizer.encode(text) for text in strings(tokenizer.alphabet, 0, longest)]
    return {tokens[:k] for tokens in encodings for k in range(len(tokens) + 1)}


def test_for_bpe_and_longest_match_viable_is_valid():
    for _, tokenizer in instances(4, num_tokens=3):
        for length in range(5):
            for tokens in product(tokenizer.vocabulary, repeat=length):
                assert exact.is_viable(tokenizer, tokens) == exact.is_valid(tokenizer, tokens)


@pytest.mark.parametrize("tokenizer", [BREAKS, SPACES], ids=["lines", "spaces"])
def test_viable_sequences_are_those_that_encodings_begin_with(tokenizer):
    differs = 0
    seen = beginnings(tokenizer, 4 + (tokenizer.look_ahead if len(tokenizer.alphabet) == 2 else 3))
    for length in range(5):
        for tokens in product(tokenizer.vocabulary, repeat=length):
            if len(exact.decode(tokens)) <= 4:
                assert exact.is_viable(tokenizer, tokens) == (tokens in seen), tokens
                differs += exact.is_viable(tokenizer, tokens) != exact.is_valid(tokenizer, tokens)
    assert differs > 0


def test_ends_special_tokens_and_second_tokens():
    newline = b"\n"
    assert exact.is_viable(BREAKS, (newline, newline))
    assert not exact.is_viable(BREAKS, (newline, newline, END))
    assert exact.is_viable(BREAKS, (b"\n\n", END)) and exact.is_valid(BREAKS, (b"\n\n", END))
    for wrong in [((A, 2),), ("<pad>",), (END, A), (A, "<pad>"), ("<pad>", END)]:
        assert not exact.is_viable(PAIRS, wrong) and not exact.is_valid(PAIRS, wrong)
    assert exact.is_text(((A, 2), A, END)) and exact.is_text(())
    assert not any(exact.is_text(tokens) for tokens in [(END, A), ("<pad>", A), ("<pad>",)])
