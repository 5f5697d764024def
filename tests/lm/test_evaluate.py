"""Bits per byte and agreement against brute force; what a trained model's metrics hold."""

from __future__ import annotations

import dataclasses
import math
import types

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.support import tiny_corpus as tiny
from tokenlab.errors import ArgumentError
from tokenlab.lm import corpus, evaluate
from tokenlab.lm.evaluate import agreement, bits_per_byte, forward_milliseconds, judged_texts

TEXT = tiny.documents()[11].text + "é😀"


@pytest.fixture(scope="module")
def double(model):
    """The tiny model in double precision."""
    import copy

    return copy.deepcopy(model).double()


@pytest.fixture(scope="module")
def second(tokenizer):
    """Another model with the same tokenizer."""
    from tokenlab.lm.training import build_model

    model = build_model(dataclasses.replace(tiny.RECIPE, seed=9), tokenizer).double().eval()
    with torch.no_grad():
        model.lm_head.weight.mul_(20)
    return model


class Uniform:
    """Gives every token of ``size`` the same probability, and counts what it is asked."""

    device = torch.device("cpu")

    def __init__(self, size: int = 4) -> None:
        self.size, self.longest = size, 0

    def forward(self, input_ids, use_cache):
        self.longest = max(self.longest, input_ids.shape[1])
        return types.SimpleNamespace(logits=torch.zeros(*input_ids.shape, self.size))

    __call__ = forward


class Letters:
    """One token for each letter a or b; puts ``<bos>`` in front if told to."""

    def __init__(self, adds_bos: bool = True, bos_token_id: int | None = 0) -> None:
        self.adds_bos, self.bos_token_id = adds_bos, bos_token_id

    def __call__(self, text, verbose=False):
        ids = [1 + "ab".index(letter) for letter in text]
        return {"input_ids": [self.bos_token_id, *ids] if self.adds_bos else ids}


def prefixes(count: int, context: int, stride: int):
    """(first token of the window, token): each token in the first window that reaches it."""
    for i in range(1, count):
        yield next(s for s in range(0, count, stride) if i < s + context), i


@torch.inference_mode()
def distributions(model, ids, context, stride):
    """Next-token distributions, one forward pass for each token."""
    rows = []
    for start, i in prefixes(len(ids), context, stride):
        rows.append(model(input_ids=ids[None, start:i]).logits[0, -1].double().softmax(-1))
    return torch.stack(rows)


@pytest.mark.parametrize(
    ("tokens", "context", "stride"),
    [
        (20, 32, 16),
        (32, 32, 16),
        (33, 32, 16),
        (100, 32, 16),
        (100, 32, 31),
        (100, 32, 1),
        (90, 32, 13),
        (10, 2, 1),
    ],
)
def test_bits_per_byte_token_by_token(double, tokenizer, tokens, context, stride):
    text = tokenizer.decode(tokenizer(TEXT)["input_ids"][-tokens:], skip_special_tokens=True)
    ids = torch.tensor(tokenizer(text)["input_ids"])
    p = distributions(double, ids, context, stride).gather(1, ids[1:, None])
    expected = -p.log2().sum().item() / len(text.encode())
    found = bits_per_byte(double, tokenizer, text, context=context, stride=stride)
    assert found == pytest.approx(expected, rel=1e-5)


@given(length=st.integers(1, 60), context=st.integers(2, 20), data=st.data())
def test_every_token_is_scored_once(length, context, data):
    stride = data.draw(st.integers(1, context - 1))
    model = Uniform()
    found = bits_per_byte(model, Letters(), "a" * length, context=context, stride=stride)
    assert found == pytest.approx(2.0)  # log2 of 4, for each letter of one byte.
    assert model.longest <= context - 1


def test_bytes_not_characters(tokenizer):
    model = Uniform(len(tokenizer))
    tokens = len(tokenizer("é😀")["input_ids"]) - 1
    found = bits_per_byte(model, tokenizer, "é😀")
    assert found == pytest.approx(math.log2(len(tokenizer)) * tokens / 6)


def test_longer_context_is_never_worse_by_much(double, tokenizer):
    short, long = (bits_per_byte(double, tokenizer, TEXT, context=c, stride=c // 2) for c in (4, 32))
    assert long < short


def test_bos_is_added_where_the_tokenizer_does_not():
    found = [bits_per_byte(Uniform(), Letters(adds_bos), "abab") for adds_bos in (True, False)]
    assert found == pytest.approx([2.0, 2.0])


@pytest.mark.parametrize(
    ("tokenizer", "text", "options", "message"),
    [
        (Letters(), "", {}, "text is empty"),
        (Letters(False, None), "ab", {}, "tokenizer has no bos token"),
        (Letters(), "ab", {"context": 8, "stride": 8}, "stride is 8, expected 1 to 7"),
        (Letters(), "ab", {"context": 8, "stride": 0}, "stride is 0, expected 1 to 7"),
        (Letters(), "ab", {"context": 1, "stride": 1}, "context is 1, expected at least 2"),
    ],
)
def test_bad_input(tokenizer, text, options, message):
    with pytest.raises(ArgumentError, match=message):
        bits_per_byte(Uniform(), tokenizer, text, **options)
    with pytest.raises(ArgumentError, match=message):
        agreement(Uniform(), Uniform(), tokenizer, text, **options)


def test_agreement_with_itself(double, tokenizer):
    found = agreement(double, double, tokenizer, TEXT, context=32, stride=16)
    assert found.greedy == 1
    assert found.overlap == pytest.approx(1, abs=1e-6)
    assert found.positions == len(tokenizer(TEXT)["input_ids"]) - 1


@pytest.mark.parametrize("tokens", [12, 100])
def test_agreement_token_by_token(double, second, tokenizer, tokens):
    text = tokenizer.decode(tokenizer(TEXT)["input_ids"][-tokens:], skip_special_tokens=True)
    ids = torch.tensor(tokenizer(text)["input_ids"])
    p, q = (distributions(model, ids, 32, 16) for model in (double, second))
    found = agreement(double, second, tokenizer, text, context=32, stride=16)
    assert found.positions == len(p)
    assert found.greedy == pytest.approx((p.argmax(-1) == q.argmax(-1)).double().mean().item())
    assert found.overlap == pytest.approx(torch.minimum(p, q).sum(-1).mean().item(), rel=1e-5)
    assert 0 < found.overlap < 0.9
    assert found == pytest.approx(agreement(second, double, tokenizer, text, context=32, stride=16))


@pytest.mark.parametrize("new_tokens", [1, 5])
def test_forward_milliseconds_is_positive(model, new_tokens):
    assert forward_milliseconds(model, new_tokens, cached=8, repeats=3) > 0


def test_judged_texts(documents):
    texts = judged_texts(documents)
    assert texts.keys() == {f"{where}-{kind}" for where in ("heldout", "library") for kind in corpus.KINDS}
    assert texts["heldout-english"] == corpus.heldout_text("english")
    assert texts["library-source"] == documents[11].text
    assert texts["library-english"] == documents[-1].text


def test_judged_texts_without_heldout_files_in_the_library(documents):
    training = [document for document in documents if not document.heldout]
    assert judged_texts(training).keys() == {"heldout-source", "heldout-english"}


def test_judged_texts_are_cut(documents, monkeypatch):
    monkeypatch.setattr(evaluate, "LIBRARY_CHARACTERS", 10)
    assert judged_texts(documents)["library-source"] == documents[11].text[:10]


def test_samples_continue_their_prompts(documents, monkeypatch):
    """Prompt and continuation together are the text that the model wrote; spaces included."""
    from tokenlab.lm.tokenizers import train_tokenizer
    from tokenlab.lm.training import build_model

    prompts = [{"id": "one", "kind": "english", "text": "The total"}]
    monkeypatch.setattr(corpus, "prompts", lambda: prompts)
    for style in ("byte_level", "sentencepiece"):
        tokenizer = train_tokenizer((d.text for d in documents), style, 400)
        model = build_model(tiny.RECIPE, tokenizer).eval()
        word = next(iter(tokenizer(" of", add_special_tokens=False)["input_ids"][-1:]))
        with torch.no_grad():  # Always the same next token.
            model.lm_head.weight = torch.nn.Parameter(torch.zeros_like(model.lm_head.weight))
            model.lm_head.bias = torch.nn.Parameter(torch.zeros(len(tokenizer)))
            model.lm_head.bias[word] = 10
        (sample,) = evaluate.samples(model, tokenizer, new_tokens=3)
        assert sample["id"] == "one"
        assert sample["prompt"] == "The total"
        piece = tokenizer.convert_ids_to_tokens(word).replace("Ġ", " ").replace("▁", " ")
        assert sample["continuation"] == 3 * piece
