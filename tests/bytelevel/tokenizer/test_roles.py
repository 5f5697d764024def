"""Each id has one meaning: text, an added token of a text, or an end. Others are refused by name."""

from __future__ import annotations

import itertools

import pytest
import torch
from tokenizers import AddedToken, Tokenizer

from tests.bytelevel.tokenizers import SPACE, built, described, tiny_for, with_added
from tests.bytelevel.tokenizers import changed as with_change
from tokenlab.bytelevel import ByteLM
from tokenlab.bytelevel.tokenizer.reading import read_tokenizer
from tokenlab.bytelevel.tokenizer.validity import Validity
from tokenlab.errors import ArgumentError

DUMMY = ("llama2", "metaspace first", "metaspace always")


def spelled(tokenizer: Tokenizer, text: str) -> list[int]:
    """What the tokenizer writes, by itself, where special tokens are texts like any other."""
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.encode_special_tokens = True
    return copy.encode(text, add_special_tokens=False).ids


def lost(tokenizer: Tokenizer, alphabet: str, length: int, **options) -> list[str]:
    """Texts of an alphabet whose encoding is not viable, or does not stand for the text."""
    description = read_tokenizer(tokenizer, **options)
    rules, found = Validity(description), []
    for size in range(1, length + 1):
        for text in map("".join, itertools.product(alphabet, repeat=size)):
            state = rules.start
            for token in spelled(tokenizer, text):
                state = None if state is None else rules.after(state, token)
            ids = spelled(tokenizer, text)
            if state is None or not rules.may_end(state) or description.decode(ids).decode() != text:
                found.append(text)
    return found


# Ends.
def test_an_end_that_is_text_is_refused():
    tokenizer = built("gpt2")
    model = tiny_for(tokenizer)
    model.generation_config.eos_token_id = [1, tokenizer.token_to_id("a")]
    with pytest.raises(ArgumentError, match=r"tokenizer writes 'a', the text b'a', as token \d+, which ends"):
        ByteLM(model, tokenizer)
    with pytest.raises(ArgumentError, match="expected ends that are no text"):
        ByteLM(model, tokenizer, "all", beam_width=9)


def test_whole_pieces_that_end_a_text():
    """Where pieces are looked up before they are merged, those that are no piece of any text may be ends."""
    tokenizer = built("llama3")
    whole = tokenizer.token_to_id("1234")
    read_tokenizer(tokenizer, end_ids=[whole])  # digits go in threes
    piece = tokenizer.token_to_id("ĠstarĊ".removesuffix("Ċ"))
    with pytest.raises(ArgumentError, match="the text b' star'"):
        read_tokenizer(tokenizer, end_ids=[piece])


def end_in_the_vocabulary_alone(tokenizer: Tokenizer) -> Tokenizer:
    def change(state):
        state["added_tokens"] = [entry for entry in state["added_tokens"] if entry["content"] != "<eos>"]

    return with_change(tokenizer, change)


@pytest.mark.parametrize("make", [end_in_the_vocabulary_alone, None], ids=["no added token", "not special"])
@pytest.mark.parametrize("counted", [{}, {"tokenization": "all", "beam_width": 99}], ids=["valid", "all"])
def test_an_end_is_counted_once(make, counted):
    """It takes no part in the texts: the distribution is that of a special token."""
    tokenizer = built("gpt2")
    if make is None:
        other = with_change(
            tokenizer, lambda state: [entry.update(special=False) for entry in state["added_tokens"]]
        )
        for content in ("<bos>", "<pad>"):
            other.add_special_tokens([content])
    else:
        other = make(tokenizer)
    lm, right = (
        ByteLM(tiny_for(tokenizer), other, **counted),
        ByteLM(tiny_for(tokenizer), tokenizer, **counted),
    )
    assert lm.end_ids == [1] and lm.vocabulary.positions[1] == -1
    for text in (b"", b"a<eos"):
        found, expected = lm.stream(text), right.stream(text)
        assert found.log_probs.exp().sum() == pytest.approx(1, abs=1e-12)
        assert torch.equal(found.log_probs, expected.log_probs) and found.leak == expected.leak >= 0


# Added tokens and pieces.
def test_an_added_token_that_takes_the_id_of_a_byte_is_refused():
    tokenizer = with_added(built("gpt2"), ("ä",))
    with pytest.raises(
        ArgumentError, match=r"added token 'ä' with the id \d+, by which it also writes b'\\xe4'"
    ):
        read_tokenizer(tokenizer)
    tokenizer = with_added(built("gemma"), ("<0xE4>",))
    with pytest.raises(ArgumentError, match="added token '<0xE4>'.*also writes b'.xe4'"):
        read_tokenizer(tokenizer)


@pytest.mark.parametrize("content", ["a", "ä", "the", "Ġt"])
def test_special_tokens_leave_text_its_ids(content):
    """A padding token that is text, too, makes no text impossible."""
    tokenizer = Tokenizer.from_str(built("gpt2").to_str())
    tokenizer.add_special_tokens([content])
    assert lost(tokenizer, "ath中äĠ ", 3) == []
    assert read_tokenizer(tokenizer).vocabulary.strings == described("gpt2").vocabulary.strings


def test_added_tokens_with_the_bytes_of_their_piece():
    assert lost(with_added(built("gpt2"), ("a", "th")), "ath ", 4) == []


def test_added_tokens_are_looked_for_after_normalization():
    tokenizer = with_added(built("qwen2"), ("e\u0301x", "ab"), normalized=True)
    assert sorted(read_tokenizer(tokenizer).literals.values()) == [b"ab", "éx".encode()]
    assert lost(tokenizer, "éxab", 3) == []


def test_special_tokens_hide_no_added_token():
    """As if they were not there; the library, told to divide them, would still look for them."""
    tokenizer = with_added(built("gpt2"), ("o>", "<b"), normalized=False)
    tokenizer.add_special_tokens(["<o>"])
    without = with_change(
        tokenizer,
        lambda state: state.update(added_tokens=[t for t in state["added_tokens"] if not t["special"]]),
    )
    description = read_tokenizer(tokenizer)
    for text in map("".join, itertools.product("<bo>s", repeat=5)):
        assert description.encode(text.encode()) == spelled(without, text)
    assert lost(without, "<bo>", 4) == []


# Added tokens after which a text is not its tokens joined.
@pytest.mark.parametrize("name", DUMMY)
def test_added_tokens_with_a_dummy_space_after_them_are_refused(name):
    tokenizer = with_added(built(name), ("<tool>",))
    with pytest.raises(
        ArgumentError, match=r"added token '<tool>' \(id \d+\).*a dummy space.*mark it as special"
    ):
        read_tokenizer(tokenizer)


@pytest.mark.parametrize("option", ["single_word", "lstrip", "rstrip"])
@pytest.mark.parametrize("name", ["gpt2", "gemma"])
def test_added_tokens_with_options_are_refused(name, option):
    tokenizer = with_added(built(name), ("<tool>",), **{option: True})
    with pytest.raises(ArgumentError, match=rf"added token '<tool>' \(id \d+\), which has {option}.*mark it"):
        read_tokenizer(tokenizer)


@pytest.mark.parametrize("name", ["gpt2", "llama2"])
def test_the_way_out_is_one(name):
    """Marked as special, in either library, it is a text like any other."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = with_added(built(name), ("<tool>",), rstrip=True)
    fast = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(tokenizer.to_str()))
    for marked in (tokenizer, fast):
        marked.add_tokens(
            [AddedToken("<tool>", special=True)], **({"special_tokens": True} if marked is fast else {})
        )
        description = read_tokenizer(marked)
        assert description.literals == {}
        assert description.decode(description.encode(b"a<tool> b")) == description.dummy + b"a<tool> b"


def test_an_end_needs_no_mark():
    tokenizer = with_added(built("llama2"), ("</s>",), rstrip=True)
    token = tokenizer.token_to_id("</s>")
    assert read_tokenizer(tokenizer, end_ids=[token]).vocabulary.positions[token] == -1


def test_runs_of_spaces_that_merges_make_are_no_added_tokens():
    tokenizer = with_added(built("llama2"), (SPACE * 2,), normalized=False)
    assert read_tokenizer(tokenizer).literals == {}


def test_tokens_without_bytes_are_not_decoded():
    with pytest.raises(ArgumentError, match="ids holds 1, a token that stands for no bytes"):
        described("gpt2").decode([5, 1])
