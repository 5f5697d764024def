"""Byte strings in order: ranges against a search through all tokens."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.bytelevel.vocabularies import mixed
from tokenlab.bytelevel import ByteVocabulary
from tokenlab.bytelevel.tokenizer.vocabulary import (
    END,
    byte_alphabet,
    byte_level_string,
    fallback_byte,
    sentencepiece_string,
)
from tokenlab.errors import ArgumentError, DtypeError


@pytest.fixture(
    scope="module", params=[b"ab", b"a\xfe\xff", bytes(range(256))], ids=["letters", "ends", "all"]
)
def vocabulary(request) -> ByteVocabulary:
    return mixed(300, alphabet=request.param)


def test_the_order(vocabulary):
    assert vocabulary.strings == sorted(vocabulary.strings)
    assert sorted(vocabulary.order.tolist()) == np.flatnonzero(vocabulary.positions >= 0).tolist()
    assert vocabulary.positions[vocabulary.order.numpy()].tolist() == list(range(len(vocabulary)))
    assert vocabulary.lengths.tolist() == [len(string) for string in vocabulary.strings]
    assert vocabulary.longest == max(map(len, vocabulary.strings))
    assert len(vocabulary.positions) == vocabulary.vocab_size > len(vocabulary)


def test_ranges_are_what_begins_so(vocabulary):
    draw = random.Random(0)
    prefixes = [b"", b"\xff", b"\xff\xff", *draw.choices(vocabulary.strings, k=100)]
    for prefix in [*prefixes, *(prefix[: draw.randrange(len(prefix) + 1)] for prefix in prefixes)]:
        lo, hi = vocabulary.find(prefix)
        begins = [position for position, string in enumerate(vocabulary.strings) if string.startswith(prefix)]
        assert list(range(lo, hi)) == begins
        for byte in (0, 97, 255):
            assert vocabulary.find(prefix + bytes([byte]), lo, hi) == vocabulary.find(
                prefix + bytes([byte])
            ) or (prefix + bytes([byte]) not in [string[: len(prefix) + 1] for string in vocabulary.strings])
        if begins:
            ended = vocabulary.ended(len(prefix), lo, hi)
            assert vocabulary.strings[lo:hi].count(prefix) == ended - lo


def test_bytes_at_a_depth(vocabulary):
    draw = random.Random(1)
    for depth in range(vocabulary.longest + 1):
        lo = draw.randrange(len(vocabulary))
        expected = [string[depth] if depth < len(string) else END for string in vocabulary.strings]
        assert vocabulary.byte_at(depth).tolist() == expected
        assert vocabulary.byte_at(depth, lo, lo + 20).tolist() == expected[lo : lo + 20]


def test_several_tokens_for_the_same_bytes():
    vocabulary = ByteVocabulary([b"a", b"ab", b"a", None, b"a"], 9)
    assert vocabulary.order.tolist() == [0, 2, 4, 1] and vocabulary.ended(1, 0, 4) == 3
    assert vocabulary.positions.tolist() == [0, 3, 1, -1, 2, -1, -1, -1, -1]


@pytest.mark.parametrize(
    ("strings", "size", "error", "words"),
    [
        ([b"a", "b"], None, DtypeError, r"strings\[1\] must be bytes or None, found str"),
        ([b"a", b""], None, ArgumentError, r"strings\[1\] is empty"),
        ([None, None], None, ArgumentError, "strings holds no token that stands for bytes"),
        ([b"a", b"b"], 1, ArgumentError, "vocab_size is 1, expected at least 2"),
        ([b"a"], 2.0, DtypeError, "vocab_size must be an int, found float"),
    ],
)
def test_bad_input(strings, size, error, words):
    with pytest.raises(error, match=words):
        ByteVocabulary(strings, size)


def test_the_alphabet_of_bytes_is_the_librarys():
    from tokenizers import pre_tokenizers

    alphabet = byte_alphabet()
    assert sorted(alphabet) == sorted(pre_tokenizers.ByteLevel.alphabet())
    assert sorted(alphabet.values()) == list(range(256))
    text = "Ab 1\n\té€😀\x00\x7f\u0300"
    ((piece, _),) = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)
    assert byte_level_string(piece) == text.encode()
    with pytest.raises(ArgumentError, match="token 'a b' holds ' ', which stands for no byte"):
        byte_level_string("a b")


def test_pieces_of_sentencepiece():
    assert [fallback_byte(piece) for piece in ("<0x0A>", "<0xFF>", "<0xZZ>", "<0xA>", "0x0A", "<0x0AB>")] == [
        10,
        255,
        None,
        None,
        None,
        None,
    ]
    assert sentencepiece_string("<0xE2>") == b"\xe2" and sentencepiece_string("▁▁é") == "  é".encode()


def test_memory_is_counted():
    vocabulary = mixed(2000)
    assert vocabulary.num_bytes > sum(map(len, vocabulary.strings)) * 2 + 8 * len(vocabulary)
