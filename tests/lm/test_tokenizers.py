"""Both styles give every text back, up to limits that are stated here."""

from __future__ import annotations

import functools
import random
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support import tiny_corpus as tiny
from tokenlab.errors import ArgumentError
from tokenlab.lm.tokenizers import FIM_TOKENS, SPECIAL_TOKENS, VOCAB_SIZE, train_tokenizer

SIZE = 400
STYLES = ("byte_level", "sentencepiece")
SPECIAL = re.compile("|".join(map(re.escape, ("<unk>", *SPECIAL_TOKENS))))
#: SentencePiece writes a space as this character, so the two are one to it.
SPACE = "▁"


@functools.cache
def trained(style):
    rng = random.Random(0)
    words = ("".join(rng.choices("abcdeilnorst", k=rng.randrange(2, 8))) for _ in range(3000))
    texts = [*(d.text for d in tiny.documents() if not d.heldout), " ".join(words)]
    return train_tokenizer(texts, style, vocab_size=SIZE)


@pytest.fixture(params=STYLES)
def style(request):
    return request.param


def expected(style: str, text: str) -> str:
    return text.replace(SPACE, " ") if style == "sentencepiece" else text


def round_trip(tokenizer, text: str) -> str:
    return tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True)


any_text = st.text(
    st.one_of(
        st.sampled_from(" \n\t\0\r\x0b\x1c\x85\xa0▁<>0xaé\u0301\u200d\u2028\ufeff\ufffd😀🇩"),
        st.characters(exclude_categories=("Cs",)),
    ),
    max_size=30,
)


@pytest.mark.parametrize("style", STYLES)
@given(text=any_text)
@example("")
@example(" ")
@example("  two in front, two after  ")
@example("\n")
@example("\n\n    indented\n\tby tab\r\n")
@example("NUL \0 inside\0")
@example("😀👩‍👩‍👧 flags 🇩🇪")
@example("\u0301 a lone combining mark, and e\u0301 is not é")
@example("<0x0A> is text, and so are <0x> and </s>")
@example("a b")
@example("١٢٣ ½ Ⅷ 漢字 ‏עברית")
@example("\U0010ffff\ufffe")
@settings(max_examples=300)
def test_round_trip(style, text):
    if SPECIAL.search(text):
        return
    assert round_trip(trained(style), text) == expected(style, text)


def test_byte_level_keeps_the_sentencepiece_space():
    assert round_trip(trained("byte_level"), f"a{SPACE}b") == f"a{SPACE}b"


def test_limit_sentencepiece_space():
    """The only characters that SentencePiece style does not give back."""
    assert round_trip(trained("sentencepiece"), f"a{SPACE}b") == "a b"


def test_limit_special_text(style):
    """Text that spells a special token becomes that token."""
    tokenizer = trained(style)
    assert tokenizer("<eos>")["input_ids"] == [tokenizer.bos_token_id, tokenizer.eos_token_id]
    assert round_trip(tokenizer, "a<eos>") == "a"


def test_limit_bos_shown():
    """Decoding with ``<bos>`` shown keeps SentencePiece's dummy space."""
    ids = trained("sentencepiece")("a")["input_ids"]
    assert trained("sentencepiece").decode(ids) == "<bos> a"
    assert trained("byte_level").decode(trained("byte_level")("a")["input_ids"]) == "<bos>a"


def test_bos_in_front_and_no_eos(style):
    tokenizer = trained(style)
    for text in ("", "a", " a\n"):
        ids = tokenizer(text)["input_ids"]
        assert ids[0] == tokenizer.bos_token_id
        assert not set(ids[1:]) & set(tokenizer.all_special_ids)
    assert tokenizer("")["input_ids"] == [tokenizer.bos_token_id]


def test_special_ids_are_distinct(style):
    tokenizer = trained(style)
    ids = tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS))
    assert len(set(ids)) == len(SPECIAL_TOKENS) == 6
    assert [tokenizer.convert_ids_to_tokens(i) for i in ids] == list(SPECIAL_TOKENS)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == tuple(ids[:3])
    assert {*SPECIAL_TOKENS} <= {*tokenizer.all_special_tokens}
    for token in FIM_TOKENS:
        assert tokenizer(token, add_special_tokens=False)["input_ids"] == [
            tokenizer.convert_tokens_to_ids(token)
        ]


def test_vocabulary_size(style):
    tokenizer = trained(style)
    assert len(tokenizer) == tokenizer.vocab_size == len(tokenizer.get_vocab()) == SIZE
    assert sorted(tokenizer.get_vocab().values()) == list(range(len(tokenizer)))
    assert VOCAB_SIZE == 4096


def test_byte_level_has_all_bytes_and_no_unknown_token():
    tokenizer = trained("byte_level")
    assert tokenizer.unk_token is None
    singles = [token for token in tokenizer.get_vocab() if len(token) == 1]
    assert len(singles) == 256


def test_sentencepiece_has_byte_fallback():
    tokenizer = trained("sentencepiece")
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    assert set(byte_tokens) <= set(tokenizer.get_vocab())
    assert not set(byte_tokens) & set(tokenizer.all_special_tokens)
    assert tokenizer.tokenize("é") == [SPACE, "<0xC3>", "<0xA9>"]
    assert tokenizer.unk_token_id not in tokenizer("é😀\0")["input_ids"]


def test_sentencepiece_has_dummy_space():
    tokenizer = trained("sentencepiece")
    first = tokenizer.tokenize("total")
    assert first[0].startswith(SPACE)
    assert "".join(tokenizer.tokenize(" total")) == f"{SPACE}{SPACE}total"
    # A word in front of the text and one inside it are the same tokens.
    assert tokenizer.tokenize("the total")[-len(first) :] == first
    assert not trained("byte_level").tokenize("total")[0].startswith(("Ġ", SPACE))


def test_the_styles_cut_differently():
    text = tiny.documents()[0].text
    pieces = [[len(t) for t in trained(style).tokenize(text)] for style in STYLES]
    assert pieces[0] != pieces[1]


@pytest.mark.parametrize(("style", "most"), [("byte_level", 3), ("sentencepiece", 1)])
def test_digits_in_a_token(style, most):
    texts = ["1234567 total 1234567\n" * 50]
    pieces = train_tokenizer(texts, style, vocab_size=350).tokenize("1234567")
    assert "".join(pieces).strip(SPACE) == "1234567"
    assert max(sum(map(str.isdigit, piece)) for piece in pieces) == most


def test_deterministic(style):
    texts = [d.text for d in tiny.documents()]
    first, second = (train_tokenizer(iter(texts), style, vocab_size=350) for _ in range(2))
    assert first.backend_tokenizer.to_str() == second.backend_tokenizer.to_str()


def test_save_and_load(style, tmp_path):
    from transformers import AutoTokenizer

    tokenizer = trained(style)
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded.get_vocab() == tokenizer.get_vocab()
    assert loaded.special_tokens_map == tokenizer.special_tokens_map
    assert set(loaded.all_special_ids) == set(tokenizer.all_special_ids)
    assert (loaded.padding_side, loaded.model_max_length) == ("left", 512)
    for text in ("", "  The total 's . , n't of\n\tline 42", "é😀\0 \u0301", "a <fim_prefix>b"):
        assert loaded(text)["input_ids"] == tokenizer(text)["input_ids"]
        assert round_trip(loaded, text) == round_trip(tokenizer, text)


def test_left_padding(style):
    tokenizer = trained(style)
    batch = tokenizer(["a", "a longer text"], padding=True)
    short, mask = batch["input_ids"][0], batch["attention_mask"][0]
    assert len(short) == len(batch["input_ids"][1])
    assert short[0] == tokenizer.pad_token_id
    assert mask == [int(i != tokenizer.pad_token_id) for i in short]


@pytest.mark.parametrize("arguments", [("wordpiece", 400), ("byte_level", 299), ("byte_level", 0)])
def test_bad_input(arguments):
    with pytest.raises(ArgumentError, match="style|vocab_size"):
        train_tokenizer(["text"], *arguments)
