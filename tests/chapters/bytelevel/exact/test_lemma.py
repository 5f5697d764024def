"""Covers are complete, and their sums have the probability of every text."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations

import pytest

from tests.bytelevel.toys import (
    AA,
    BREAKS,
    CHAIN,
    LINES,
    ORDER_THREE,
    PAIRS,
    TABLE,
    TWO,
    A,
    B,
    chain_model,
    instances,
    lemma_misses,
    strings,
    valid,
    viable,
)
from tests.chapters.bytelevel.exact.instances import SPACES, THREE, first_cover
from tokenlab.chapters.bytelevel import exact


@pytest.mark.parametrize("prompt", TABLE, ids=bytes.decode)
def test_table_of_the_two_state_chain(prompt):
    covers, mass, true, canonical = TABLE[prompt]
    model, allowed = chain_model(), valid(PAIRS)
    assert set(exact.covers(prompt, PAIRS.vocabulary, allowed)) == covers
    assert exact.cover_probability(prompt, model, PAIRS.vocabulary, allowed) == Fraction(mass)
    assert CHAIN.begins(prompt) == Fraction(mass) and CHAIN.next_byte(prompt)[A] == Fraction(true)
    assert exact.canonical_next_byte(prompt, model, PAIRS).get(A, 0) == Fraction(canonical)
    by_covers = exact.next_byte_distribution(prompt, model, PAIRS.vocabulary, allowed)
    assert by_covers == CHAIN.next_byte(prompt) == exact.stream(prompt, model, allowed)[-1].distribution


def test_covers_are_what_encodings_of_longer_texts_begin_with():
    toys = [(BREAKS, 4), (SPACES, 2), *((tokenizer, 4) for _, tokenizer in instances(4, num_tokens=3))]
    for tokenizer, longest in toys:
        # The last token is at most four bytes, of which one lies in the text, and is decided then.
        ahead = min(3 + tokenizer.look_ahead, {2: 6, 3: 5}[len(tokenizer.alphabet)])
        tails, allowed = strings(tokenizer.alphabet, 0, ahead), viable(tokenizer)
        for text in strings(tokenizer.alphabet, 0, longest):
            expected = {first_cover(text, tokenizer.encode(text + tail)) for tail in tails}
            found = exact.covers(text, tokenizer.vocabulary, allowed)
            assert set(found) == expected and len(found) == len(expected), (tokenizer.vocabulary, text)


def test_covers_over_all_tokenizations():
    """One letter, tokens of one and two bytes, of which the last may reach over: Fibonacci numbers."""
    fibonacci = [1, 1]
    for n in range(1, 9):
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
        found = exact.covers(A * n, [A, AA], exact.is_text)
        assert len(found) == len(set(found)) == fibonacci[n + 1]
        assert {first_cover(A * n, tokens) for tokens in found} == set(found)


def test_no_sequence_begins_with_two_covers():
    for _, tokenizer in instances(3, num_tokens=3):
        for text in strings(TWO, 1, 4):
            for one, other in permutations(exact.covers(text, tokenizer.vocabulary, exact.is_text), 2):
                assert other[: len(one)] != one


@pytest.mark.parametrize("stop", ["0", "1/6"])
def test_covers_have_the_probability_of_every_text_up_to_length_seven(stop):
    """Order 1 to 3, BPE and longest match."""
    for source, tokenizer in instances(6, stop=stop):
        assert lemma_misses(source, tokenizer, 7, 9) == (0, 255), (source, tokenizer.vocabulary)


def test_the_lemma_over_three_bytes_and_more_tokens():
    for source, tokenizer in instances(3, alphabet=(A, B, b"C"), num_tokens=9):
        assert lemma_misses(source, tokenizer, 4, 6) == (0, 121)


def test_the_lemma_with_the_tokens_of_eight():
    """Tokens that overlap in many ways; a third of the canonical encodings never occurs."""
    vocabulary = [A, B, b"AB", b"BB", b"ABA", b"BBAB", AA, b"ABABB"]
    greedy = exact.longest_match(vocabulary)
    merges = [(A, B), (B, B), (b"AB", A), (b"BB", b"AB"), (A, A), (b"ABA", b"BB")]
    merged = exact.bpe(merges, TWO)
    assert set(merged.vocabulary) == set(vocabulary)
    for tokenizer in (greedy, merged):
        assert lemma_misses(ORDER_THREE, tokenizer, 7, 10) == (0, 255)
    model = exact.token_model(ORDER_THREE.texts(8 + greedy.look_ahead), greedy)
    prompts = strings(TWO, 3, 7)
    undefined = [x for x in prompts if exact.canonical_next_byte(x, model, greedy) == {}]
    assert (len(undefined), len(prompts)) == (74, 248)


def test_the_lemma_after_a_pre_tokenizer_that_looks_ahead():
    for tokenizer, source, longest in [
        (BREAKS, LINES, 6),
        (SPACES, exact.random_source(THREE, 2, seed=3, stop=Fraction(1, 8)), 3),
    ]:
        texts = source.texts(longest + (3 if tokenizer is BREAKS else 4))
        model, allowed = exact.token_model(texts, tokenizer), viable(tokenizer)
        for text in strings(tokenizer.alphabet, 0, longest):
            mass = exact.cover_probability(text, model, tokenizer.vocabulary, allowed)
            assert mass == source.begins(text)
            if mass:
                distribution = exact.next_byte_distribution(text, model, tokenizer.vocabulary, allowed)
                assert distribution == {b: p for b, p in source.next_byte(text).items() if p}
                assert distribution == exact.stream(text, model, allowed)[-1].distribution
