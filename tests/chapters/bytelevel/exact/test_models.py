"""Sources sum to one and token models are the distributions of encodings, counted text by text."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice

import pytest

from tests.bytelevel.toys import AA, BREAKS, CHAIN, LINES, PAIRS, TWO, A, B, instances, strings
from tokenlab.chapters.bytelevel import exact
from tokenlab.chapters.bytelevel.exact import END


@pytest.mark.parametrize("stop", ["0", "1/5"])
def test_texts_sum_to_one_and_begin_as_they_should(stop):
    for order in (0, 1, 3):
        source = exact.random_source(TWO, order, seed=order, stop=Fraction(stop))
        texts = source.texts(6)
        assert sum(texts.values()) == 1 and max(map(len, texts)) == 6
        assert (min(map(len, texts)) == 6) == (source.stop == 0)
        for text in strings(TWO, 0, 6):
            assert source.begins(text) == sum(p for y, p in texts.items() if y.startswith(text))


def test_the_two_state_chain_is_stationary():
    """Whatever the position, its byte is A with 3/7."""
    texts = CHAIN.texts(5)
    for position in range(5):
        assert sum(p for text, p in texts.items() if text[position : position + 1] == A) == Fraction(3, 7)


@pytest.mark.parametrize(("alpha", "beta"), [("2/5", "3/10"), ("1/2", "1/2"), ("1/7", "8/9"), ("1", "1/3")])
def test_tokens_of_the_two_state_chain_in_closed_form(alpha, beta):
    closed = exact.two_state_tokens(alpha, beta)
    assert all(sum(row.values()) == 1 for row in closed.values())
    bpe = exact.bpe([(A, A)], TWO)
    for tokenizer in (PAIRS, bpe):
        texts = exact.two_state_chain(alpha, beta).texts(8)
        model = exact.token_model(texts, tokenizer)
        for text in strings(TWO, 0, 5):
            # After tokens of up to five bytes the next one is decided within eight.
            context = tokenizer.encode(text)
            last = context[-1] if context else b""
            row = {token: p for token, p in closed[last].items() if p}
            if exact.probability(model, context):
                assert model(context) == row, (tokenizer, context)


def test_values_of_the_closed_form():
    rows = exact.two_state_tokens("2/5", "3/10")
    assert {last: [str(p) for p in row.values()] for last, row in rows.items()} == {
        b"": ["9/35", "6/35", "4/7"],
        AA: ["9/25", "6/25", "2/5"],
        A: ["0", "0", "1"],
        B: ["9/50", "3/25", "7/10"],
    }


def test_the_token_model_is_the_distribution_of_encodings():
    """Counted text by text, also where the pre-tokenizer looks ahead."""
    for source, tokenizer in [(LINES, BREAKS), *islice(instances(2, stop="1/4"), 4)]:
        texts = source.texts(7)
        model = exact.token_model(texts, tokenizer)
        for text in list(texts)[::9]:
            encoding = (*tokenizer.encode(text), END)
            assert exact.probability(model, encoding) == texts[text]
            for k in range(len(encoding)):
                share = sum(p for y, p in texts.items() if tokenizer.encode(y)[:k] == encoding[:k])
                assert exact.probability(model, encoding[:k]) == share
