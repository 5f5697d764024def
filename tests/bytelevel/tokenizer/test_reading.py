"""Reading tokenizers: each token's bytes, what is put before a text, and what is refused."""

from __future__ import annotations

import json
import random

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from tests.bytelevel.pretokenizers import sequence
from tests.bytelevel.tokenizers import (
    NAMES,
    SPECIAL,
    SPECS,
    built,
    byte_level,
    changed,
    described,
    sentencepiece,
    texts,
    with_added,
)
from tokenlab.bytelevel.tokenizer.reading import read_tokenizer
from tokenlab.bytelevel.tokenizer.validity import Validity
from tokenlab.errors import ArgumentError, DtypeError

SENTENCEPIECE = NAMES[NAMES.index("lab sentencepiece") :]


@pytest.mark.parametrize("name", NAMES)
def test_tokens_spell_what_the_tokenizer_decodes(name):
    """Whole texts are compared: a decoder takes the dummy space away once, but for ByteLevel's."""
    tokenizer, description = built(name), described(name)
    for text in texts(random.Random(0), 40):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        spelled = description.decode(ids)
        assert spelled.startswith(description.dummy) or not text
        shown = spelled if name == "roberta" else spelled[len(description.dummy) :]
        assert shown.decode() == tokenizer.decode(ids)
        if not (description.dummy_ends and text.startswith(" ")):
            assert description.encode(text.encode()) == ids


@pytest.mark.parametrize("name", NAMES)
def test_a_text_keeps_the_spaces_it_begins_with(name):
    """Where "x" and " x" are written alike, the tokens of " x" are those that are decoded to it."""
    description, tokenizer = described(name), built(name)
    for text in ("", " ", "  ", "x", " x", "  x", "   x", " \n x"):
        ids = description.encode(text.encode())
        assert description.decode(ids) == (description.dummy + text.encode() if text else b"")
        if name != "roberta":
            assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("name", NAMES)
def test_each_token_is_there_once(name):
    description, tokenizer = described(name), built(name)
    special = {tokenizer.token_to_id(token) for token in SPECIAL} | (
        {tokenizer.token_to_id("<unk>")} if name in SENTENCEPIECE else set()
    )
    assert sorted(description.vocabulary.order.tolist()) == sorted(
        set(range(tokenizer.get_vocab_size())) - special
    )
    assert description.kind == ("sentencepiece" if name in SENTENCEPIECE else "byte_level")
    assert description.start_ids == (tokenizer.token_to_id("<bos>"),)
    assert {bytes([byte]) for byte in range(256)} <= set(description.vocabulary.strings)


@pytest.mark.parametrize(
    ("name", "dummy", "ends", "form"),
    [
        ("gpt2", b"", False, None),
        ("roberta", b" ", True, None),
        ("qwen2", b"", False, "NFC"),
        ("llama2", b" ", False, None),
        ("metaspace first", b" ", True, None),
        ("metaspace always", b" ", True, None),
        ("metaspace never", b"", False, None),
        ("gemma", b"", False, None),
        ("nfkc", b" ", True, "NFKC"),
    ],
)
def test_what_is_put_before_a_text(name, dummy, ends, form):
    description = described(name)
    assert (description.dummy, description.dummy_ends, description.normal_form) == (dummy, ends, form)
    ids = description.encode(b"a b")
    assert description.decode(ids) == dummy + b"a b"
    assert description.decode(description.encode(b"a b", dummy=False)) == b"a b"


def test_special_tokens_are_typed_as_text():
    for name in ("gpt2", "llama2"):
        description, tokenizer = described(name), built(name)
        ids = description.encode(b"<bos>a</s><eos>")
        assert tokenizer.token_to_id("<bos>") not in ids and tokenizer.token_to_id("<eos>") not in ids
        assert description.decode(ids) == description.dummy + b"<bos>a</s><eos>"
        assert description.added_token("<eos>") == tokenizer.token_to_id("<eos>")
        assert description.added_token("a") is None


def test_merges_are_written_in_two_ways():
    pairs = described("gpt2").merges
    joined = changed(
        built("gpt2"),
        lambda state: state["model"].update(merges=[" ".join(m) for m in state["model"]["merges"]]),
    )
    assert (read_tokenizer(joined).merges == pairs).all() and len(pairs) > 100


def test_rows_without_tokens():
    description = read_tokenizer(built("gpt2"), 500)
    assert description.vocabulary.vocab_size == 500 and (description.vocabulary.positions[440:] == -1).all()


def test_tokenizers_of_transformers():
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(tokenizer_object=built("gpt2"), eos_token="<eos>", bos_token="<bos>")
    description = read_tokenizer(tokenizer)
    assert description.vocabulary.strings == described("gpt2").vocabulary.strings
    assert description.start_ids == (0,)


def test_tokens_that_no_bytes_spell():
    """A vocabulary may hold pieces outside the alphabet of bytes: no text has them."""
    odd = changed(built("gpt2"), lambda state: state["model"]["vocab"].update({"日本": 440}))
    description = read_tokenizer(odd)
    assert description.vocabulary.positions[440] == -1 and description.vocabulary.vocab_size == 441


def test_added_tokens():
    tokenizer = with_added(byte_level(SPECS["gpt2"]), ("  ", "<tool>"), normalized=False)
    tokenizer.add_special_tokens(["<more>"])
    description = read_tokenizer(tokenizer)
    assert sorted(description.literals.values()) == [b"  ", b"<tool>"]
    assert description.vocabulary.positions[tokenizer.token_to_id("<more>")] == -1
    overlapping = with_added(
        with_added(byte_level(SPECS["gpt2"]), ("ab",), normalized=True), ("bc",), normalized=False
    )
    with pytest.raises(ArgumentError, match="added tokens '..' and '..', of which one is looked for before"):
        read_tokenizer(overlapping)


def with_(**parts) -> Tokenizer:
    tokenizer = Tokenizer.from_str(built("gpt2").to_str())
    for name, part in parts.items():
        setattr(tokenizer, name, part)
    return tokenizer


def bpe(**options) -> Tokenizer:
    return Tokenizer(models.BPE(vocab={"a": 0, "b": 1}, merges=[], **options))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: Tokenizer(models.WordPiece({"a": 0, "?": 1}, unk_token="?")),
            "tokenizer is a WordPiece model.*BPE",
        ),
        (
            lambda: Tokenizer(models.WordLevel({"a": 0}, unk_token="a")),
            "tokenizer is a WordLevel model.*unknown token",
        ),
        (
            lambda: Tokenizer(models.Unigram([("a", 0.0)], None, False)),
            "tokenizer is a Unigram model.*likeliest",
        ),
        (
            lambda: bpe(dropout=0.1),
            r"tokenizer drops merges at random \(dropout 0.1\), expected a deterministic",
        ),
        (
            lambda: bpe(continuing_subword_prefix="##"),
            "tokenizer marks words with continuing_subword_prefix '##'",
        ),
        (lambda: bpe(end_of_word_suffix="</w>"), "tokenizer marks words with end_of_word_suffix '</w>'"),
        (lambda: bpe(), "tokenizer is neither byte-level .* nor of SentencePiece's kind with byte fallback"),
        (
            lambda: with_(normalizer=normalizers.Lowercase()),
            'tokenizer has the normalizer {"type": "Lowercase"}',
        ),
        (lambda: with_(normalizer=normalizers.Sequence([normalizers.NFC(), normalizers.NFKC()])), '"NFKC"'),
        (
            lambda: with_(normalizer=normalizers.Replace("a", "b")),
            'tokenizer has the normalizer {"type": "Replace"',
        ),
        (
            lambda: sentencepiece(SPECS["metaspace"], normalizer=normalizers.Prepend("_")),
            'tokenizer has the normalizer {"type": "Prepend"',
        ),
    ],
)
def test_kinds_that_are_not_supported(make, words):
    with pytest.raises(ArgumentError, match=words):
        read_tokenizer(make())


def test_a_space_that_is_written_otherwise():
    tokenizer = sentencepiece(SPECS["metaspace"])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="_")
    with pytest.raises(ArgumentError, match="tokenizer writes a space as '_', expected '▁'"):
        read_tokenizer(tokenizer)


def test_a_split_at_spaces_that_are_still_there():
    """After their replacement it divides nothing; before, it does."""
    spaces = SPECS["space_before"]
    assert Validity(read_tokenizer(sentencepiece(sequence(SPECS["metaspace"], spaces)))).splitter
    with pytest.raises(ArgumentError, match="Metaspace after another division"):
        Validity(read_tokenizer(sentencepiece(sequence(spaces, SPECS["metaspace"]))))


def test_what_is_no_tokenizer():
    from transformers import PreTrainedTokenizer

    class Slow(PreTrainedTokenizer):
        vocab_size = 1

        def get_vocab(self):
            return {"a": 0}

    for found in (Slow(), "gpt2", None):
        with pytest.raises(
            DtypeError, match=f"tokenizer is a {type(found).__name__}, expected a fast tokenizer"
        ):
            read_tokenizer(found)


def test_the_advice_for_a_tokenizer_of_another_class_works():
    """mistral-common, once installed, gives AutoTokenizer such a class."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    from tokenlab.lm.loading import lab_folder

    folder = str(lab_folder("lab-draft"))

    class MistralCommonBackend:
        pass

    with pytest.raises(
        DtypeError, match=r"is a MistralCommonBackend, .*PreTrainedTokenizerFast.from_pretrained\("
    ):
        read_tokenizer(MistralCommonBackend())
    advised, usual = PreTrainedTokenizerFast.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert read_tokenizer(advised).json_text == read_tokenizer(usual).json_text


@pytest.mark.parametrize("lacking", ["<0x00>", "<0xE9>"])
def test_byte_fallback_without_all_bytes_is_refused(lacking):
    """Every character that has this byte is then the unknown token, or none."""
    state = json.loads(built("llama2").to_str())
    vocab = state["model"]["vocab"]
    vocab[f"{lacking}?"] = vocab.pop(lacking)
    with pytest.raises(ArgumentError, match=f"tokens for 255 bytes, but none for {lacking}"):
        read_tokenizer(Tokenizer.from_str(json.dumps(state)))


def test_ids_beyond_the_models_rows():
    with pytest.raises(ArgumentError, match="writes text in tokens up to 439, the model has rows for 400"):
        read_tokenizer(built("gpt2"), 400)


def test_added_tokens_beyond_the_models_rows_are_no_tokens_of_it():
    tokenizer = with_added(built("gpt2"), ("<image>", "qq"))
    tokenization = read_tokenizer(tokenizer, 440)
    assert tokenization.vocabulary.vocab_size == 440
    assert tokenization.added_token("<image>") is None and tokenization.added_token("<bos>") == 0
    with pytest.raises(
        ArgumentError, match=r"the added token b'qq' \(id 441\), for which the model has no row"
    ):
        tokenization.encode(b"a qq")


def test_texts_that_are_none():
    description = described("gpt2")
    with pytest.raises(
        ArgumentError, match=r"text is not UTF-8: unexpected end of data at byte 1 \(b'\\xc3'\)"
    ):
        description.encode(b"a\xc3")
    with pytest.raises(DtypeError, match="text must be bytes, found str"):
        description.encode("a")
    assert description.encode(memoryview(b"ab")) == description.encode(b"ab")


def test_the_description_is_the_tokenizers_own():
    assert json.loads(described("gemma").json_text)["model"]["type"] == "BPE"
    assert isinstance(built("gpt2").decoder, decoders.ByteLevel)
