"""Each layout that is in wide use: exact by enumeration, or refused with what would be needed."""

from __future__ import annotations

import pytest

from tests.bytelevel.layouts import EXACT, REFUSED
from tests.bytelevel.model.test_byte_lm import brute_distribution
from tests.bytelevel.tokenizer.test_validity import lost_texts, many_texts, wrong_sequences
from tests.bytelevel.tokenizers import lm_of, validity
from tokenlab.bytelevel.tokenizer.reading import read_tokenizer
from tokenlab.bytelevel.tokenizer.validity import Validity
from tokenlab.errors import ArgumentError


@pytest.mark.parametrize("name", EXACT)
def test_what_the_tokenizer_writes_is_viable_and_nothing_else(name):
    rules = validity(name)
    assert lost_texts(rules, many_texts(seed=2, number=60)) == 0
    assert wrong_sequences(name, rules, 60, seed=2) == (0, 0, 0)


@pytest.mark.model
@pytest.mark.parametrize("name", EXACT)
def test_the_next_byte_is_the_sum_over_encodings(name):
    lm = lm_of(name)
    for text in (b" 1's", "12 é".encode()[:-1]):
        stream, (distribution, leak, begins) = lm.stream(text), brute_distribution(name, lm, text)
        assert ((stream.log_probs.exp() - distribution.exp()).abs() < 1e-9).all()
        assert abs(stream.leak - leak) < 1e-9 and abs(stream.cover_log_prob - begins) < 1e-9


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_why(name):
    make, words = REFUSED[name]
    with pytest.raises(ArgumentError, match=words):
        Validity(read_tokenizer(make()))
