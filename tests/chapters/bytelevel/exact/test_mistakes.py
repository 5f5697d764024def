"""The oracle's tests find mistakes planted in it; bad input is refused."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.bytelevel.toys import AA, BREAKS, CHAIN, PAIRS, TABLE, TWO, A, B, chain_model
from tests.chapters.bytelevel.exact import (
    test_lemma,
    test_models,
    test_prompting,
    test_reading,
    test_tokenizers,
)
from tests.support.planting import plant
from tokenlab.chapters.bytelevel import exact
from tokenlab.errors import ArgumentError, DtypeError, EmptySupportError, ProbabilityError


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: exact.longest_match(["A"]), DtypeError, "vocabulary must be bytes, found str 'A'"),
        (lambda: exact.longest_match([A, b"AB"]), ArgumentError, "vocabulary holds b'AB'"),
        (lambda: exact.longest_match([A, b""]), ArgumentError, "at least one byte"),
        (lambda: exact.longest_match([A, A]), ArgumentError, "a token twice"),
        (lambda: PAIRS.encode("AB"), DtypeError, "text must be bytes, found str"),
        (lambda: PAIRS.encode(b"AC"), ArgumentError, "text holds b'C', which is no token"),
        (lambda: exact.bpe([(A, A)], TWO).encode(b"C"), ArgumentError, "text holds b'C'"),
        (lambda: exact.bpe([], [b"AB"]), ArgumentError, "alphabet holds b'AB', expected single bytes"),
        (lambda: exact.bpe([(AA, A)], [A]), ArgumentError, "of which a part does not exist before"),
        (lambda: exact.bpe([(A, A), (A, A)], [A]), ArgumentError, "merges make b'AA' twice"),
        (lambda: BREAKS.encode(b"a1"), ArgumentError, r"pattern .* cuts b'a1' into \[b'a'\]"),
        (lambda: exact.split_first(PAIRS, look_ahead=-1), ArgumentError, "look_ahead is -1"),
        (lambda: exact.random_tokenizer(TWO, 2, "unigram", 0), ArgumentError, "kind is 'unigram'"),
        (lambda: exact.random_tokenizer(TWO, 29, "bpe", 0), ArgumentError, "num_tokens is 29, .* 28"),
        (lambda: exact.MarkovSource(1, {}, Fraction(1)), ProbabilityError, "stop is 1"),
        (lambda: exact.MarkovSource(-1, {}), ArgumentError, "order is -1"),
        (lambda: exact.MarkovSource(0, {b"": {A: Fraction(1, 2)}}), ProbabilityError, "sum to 1/2"),
        (
            lambda: exact.MarkovSource(0, {b"": {A: Fraction(3, 2), B: Fraction(-1, 2)}}),
            ProbabilityError,
            "the least is -1/2",
        ),
        (lambda: CHAIN.next_byte(b"C"), ArgumentError, "text ends in b'C'"),
        (lambda: CHAIN.next_byte("A"), DtypeError, "text must be bytes"),
        (lambda: CHAIN.texts(-1), ArgumentError, "length is -1"),
        (lambda: exact.spell("<pad>"), ArgumentError, "'<pad>' is a special token"),
        (lambda: exact.covers("A", [A], exact.is_text), DtypeError, "text must be bytes, found str 'A'"),
        (lambda: exact.stream("A", chain_model(), exact.is_text), DtypeError, "text must be bytes"),
        (
            lambda: exact.stream(b"C", chain_model(), exact.is_text),
            EmptySupportError,
            "text is b'C', which has probability 0",
        ),
        (
            lambda: exact.next_byte_distribution(b"C", chain_model(), [A, B, AA], exact.is_text),
            EmptySupportError,
            "text is b'C', which has probability 0",
        ),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def check_table() -> None:
    for prompt in TABLE:
        test_lemma.test_table_of_the_two_state_chain(prompt)


def check_leaky(distribution: str) -> None:
    for leaky in test_reading.LEAKY:
        test_reading.test_leaky_models_against_all_sequences(*leaky, distribution)


@pytest.mark.parametrize(
    ("old", "new", "check"),
    [
        pytest.param(
            "if spell(token).startswith(rest) and allowed(longer)",
            "if spell(token) == rest and allowed(longer)",
            check_table,
            id="only covers that end exactly",
        ),
        pytest.param(
            "            elif rest.startswith(spell(token)) and allowed(longer):",
            "            if rest.startswith(spell(token)) and rest and allowed(longer):",
            check_table,
            id="a cover that ends exactly goes on",
        ),
        pytest.param(
            "return tokenizer.encode(decode(tokens)) == tokens",
            "return True",
            check_table,
            id="no sequence is invalid",
        ),
        pytest.param(
            "            if not p or not allowed(tokens):",
            "            if not p or token == '<pad>':",
            lambda: check_leaky("valid"),
            id="the stream forgets what is not allowed",
        ),
        pytest.param(
            "if path.rest[:1] == byte]",
            "if path.rest]",
            check_table,
            id="covers that wait for another byte stay",
        ),
        pytest.param(
            "return normalised(distribution | {END: end})",
            "return normalised(distribution)",
            lambda: check_leaky("all"),
            id="the end is forgotten",
        ),
        pytest.param(
            "end += path.weight * p",
            "end += p",
            lambda: check_leaky("all"),
            id="the end without its context's weight",
        ),
        pytest.param(
            "1 - (_total(paths) + end) / mass",
            "1 - _total(paths) / mass",
            lambda: check_leaky("all"),
            id="the end counted as leak",
        ),
        pytest.param(
            "if path.rest:", "if len(path.rest) > 1:", check_table, id="the model asked a byte early"
        ),
        pytest.param(
            "if decode(tokens) == text]",
            "]",
            lambda: check_leaky("valid"),
            id="the end after a cover that reaches over",
        ),
        pytest.param(
            "if allowed((*t, END))) / here",
            ") / here",
            lambda: check_leaky("valid"),
            id="the end after what is no encoding",
        ),
        pytest.param(
            "        return is_valid(tokenizer, tokens)\n",
            "        return is_viable(tokenizer, tokens[:-1])\n",
            test_tokenizers.test_ends_special_tokens_and_second_tokens,
            id="a text may end in a viable sequence",
        ),
        pytest.param(
            "for length in range(tokenizer.look_ahead + 1)",
            "for length in range(1)",
            test_lemma.test_the_lemma_after_a_pre_tokenizer_that_looks_ahead,
            id="viable taken for valid",
        ),
        pytest.param(
            "if token != END and token.startswith(last)}",
            "if token not in (END, last) and token.startswith(last)}",
            lambda: test_prompting.test_canonical_and_healed_distributions_by_counting_texts("bpe"),
            id="healing without the token itself",
        ),
        pytest.param(
            "distribution = by_byte(starts, len(last))",
            "distribution = by_byte(starts, 0)",
            lambda: test_prompting.test_canonical_and_healed_distributions_by_counting_texts("bpe"),
            id="healing counts the first byte",
        ),
        pytest.param(
            "tokens = (*tokenizer.encode(text), END)\n        for k",
            "tokens = tokenizer.encode(text)\n        for k",
            test_models.test_the_token_model_is_the_distribution_of_encodings,
            id="encodings without an end",
        ),
        pytest.param(
            "for left, right in merges:\n            i = 0",
            "for left, right in reversed(merges):\n            i = 0",
            lambda: test_tokenizers.test_bpe_is_that_of_the_library(TWO),
            id="the last merge first",
        ),
    ],
)
def test_planted_mistake_is_caught(monkeypatch, old, new, check):
    check()
    plant(monkeypatch, exact, old, new)
    with pytest.raises((AssertionError, EmptySupportError)):
        check()
