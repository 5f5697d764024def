"""The space before a text: which text a token sequence is, by trying all sequences of a toy."""

from __future__ import annotations

import math
from functools import cache
from itertools import product

import pytest
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers

from tests.bytelevel.brute import ALPHABET, BOS, tokenizer_of
from tests.support.planting import plant
from tests.support.tiny_models import EOS, plain_logits, tiny_model
from tokenlab.bytelevel import ByteLM
from tokenlab.bytelevel.tokenizer import tokenization
from tokenlab.bytelevel.tokenizer.vocabulary import END, SPACE

#: Bytes of the longest text.
LONGEST = 3


def sentencepiece(normalizer=None, pre_tokenizer=None) -> Tokenizer:
    tokenizer = Tokenizer.from_str(tokenizer_of("sentencepiece").to_str())
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizer
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def metaspace(scheme: str, split: bool) -> Tokenizer:
    return sentencepiece(pre_tokenizer=pre_tokenizers.Metaspace(SPACE, scheme, split))


def byte_level() -> Tokenizer:
    tokenizer = Tokenizer.from_str(tokenizer_of("byte_level").to_str())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    return tokenizer


LAYOUTS = {
    "prepend": lambda: sentencepiece(
        normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    ),
    "metaspace always": lambda: metaspace("always", True),
    "metaspace always, one piece": lambda: metaspace("always", False),
    "metaspace first": lambda: metaspace("first", True),
    "metaspace first, one piece": lambda: metaspace("first", False),
    "prepend and metaspace": lambda: sentencepiece(
        normalizers.Prepend(SPACE), pre_tokenizers.Metaspace(SPACE, "first", True)
    ),
    "byte_level": byte_level,
}


@cache
def tokenizer_in(layout: str) -> Tokenizer:
    return LAYOUTS[layout]()


@cache
def lm_in(layout: str) -> ByteLM:
    tokenizer = tokenizer_in(layout)
    return ByteLM(tiny_model(vocab=tokenizer.get_vocab_size(), seed=1, spread=0.3, layers=1), tokenizer)


def written(layout: str) -> dict[tuple[int, ...], str]:
    """All sequences that are the encoding of some text, with the text that they are decoded to."""
    tokenizer = tokenizer_in(layout)
    texts = ["".join(chars) for size in range(LONGEST + 2) for chars in product(ALPHABET, repeat=size)]
    encodings = {tuple(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts}
    found = {}
    tokens = range(tokenizer.get_vocab_size())
    for ids in (ids for size in range(LONGEST + 2) for ids in product(tokens, repeat=size)):
        if ids in encodings:
            decoded = tokenizer.decode(list(ids), skip_special_tokens=False)
            # ByteLevel's decoder leaves the space that its pre-tokenizer has put there.
            found[ids] = decoded[1:] if layout == "byte_level" else decoded
    return {ids: text for ids, text in found.items() if len(text) <= LONGEST}


@cache
def by_trying(layout: str) -> dict[str, float]:
    """The probability of each text and its end: a sum over the sequences that are decoded to it."""
    model, total = lm_in(layout).model, {}
    for ids, text in written(layout).items():
        rows = [plain_logits(model, [BOS, *ids[:size]]).log_softmax(-1) for size in range(len(ids) + 1)]
        log_prob = sum(float(row[token]) for row, token in zip(rows, [*ids, EOS], strict=True))
        total.setdefault(text, []).append(math.exp(log_prob))
    return {text: math.fsum(parts) for text, parts in total.items()}


def by_bytes(layout: str, text: str) -> float:
    stream = lm_in(layout).stream(text.encode())
    return math.exp(stream.cover_log_prob + math.log1p(-stream.leak) + float(stream.log_probs[END]))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_sequence_is_one_text_and_each_text_has_its_sum(layout):
    """So the texts' probabilities add up to that of all sequences: none is counted twice, none lost."""
    tried = by_trying(layout)
    texts = ["".join(chars) for size in range(LONGEST + 1) for chars in product(ALPHABET, repeat=size)]
    assert set(tried) == set(texts)
    for text in texts:
        assert by_bytes(layout, text) == pytest.approx(tried[text], rel=1e-9)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_encoding_of_a_text_is_one_that_is_decoded_to_it(layout):
    """What the baselines read of a prompt is the text that the exact path reads."""
    description = lm_in(layout).description
    for ids, text in written(layout).items():
        if text:
            assert tuple(description.encode(text.encode())) == ids
    assert description.encode(b"") == []


def test_a_space_that_is_dropped_shows(monkeypatch):
    plant(monkeypatch, tokenization, "self.dummy.decode() + chars", "chars")
    description = lm_in("metaspace first").description
    assert description.encode(b" a") == description.encode(b"a")
