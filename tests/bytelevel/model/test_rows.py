"""Tokens for which the model has no row, and heads that do not show their rows."""

from __future__ import annotations

import math

import pytest
import torch
from tokenizers import AddedToken

from tests.bytelevel.brute import BOS, Brute, texts, tokenizer_of
from tests.support.tiny_models import tiny_model
from tokenlab.bytelevel import ByteLM
from tokenlab.bytelevel.tasks.infilling import find_fim_ids
from tokenlab.bytelevel.tokenizer.reading import read_tokenizer
from tokenlab.errors import ArgumentError


class WithoutRows(Brute):
    """Enumeration with the tokenizer's own tokens, of which the model lacks some."""

    def __init__(self, byte_lm: ByteLM, tokenizer) -> None:
        super().__init__(byte_lm, byte_lm.start_ids)
        self.description, self.rows = read_tokenizer(tokenizer), byte_lm.model.config.vocab_size

    def log_probs(self, ids):
        size = self.description.vocabulary.vocab_size
        if any(token >= self.rows for token in ids):  # after what never happens: anything
            return torch.zeros(size, dtype=torch.float64)
        row = torch.full((size,), -math.inf, dtype=torch.float64)
        row[: self.rows] = super().log_probs(ids)
        return row


@pytest.fixture(scope="module")
def extended():
    """A model, and its tokenizer with an image token and a piece of text that were never given rows."""
    tokenizer = tokenizer_of("byte_level")
    model = tiny_model(vocab=tokenizer.get_vocab_size(), spread=0.3, layers=1)
    tokenizer.add_special_tokens([AddedToken("<image>", special=True)])
    tokenizer.add_tokens([AddedToken("bb", normalized=False)])
    return model, tokenizer


def test_the_distribution_is_that_of_enumeration(extended):
    """Also where the next byte would complete the token that is not there."""
    model, tokenizer = extended
    lm = ByteLM(model, tokenizer)
    brute = WithoutRows(lm, tokenizer)
    compared = 0
    for text in texts(0, 3):
        expected = brute.distribution(text) if brute.mass(text) else None
        if expected is None:
            assert b"bb" in text
            with pytest.raises(ArgumentError, match="the added token b'bb' .* its probability is 0"):
                lm.log_prob(text)
            continue
        compared += 1
        assert (lm.next_byte_log_probs(text).exp() - expected).abs().max() < 1e-9, text
        assert not text.endswith(b"b") or lm.next_byte_log_probs(text)[ord("b")] == -math.inf
    assert compared > 25


@pytest.mark.parametrize("options", [{}, {"tokenization": "all", "beam_width": 100}])
def test_special_tokens_without_rows_change_nothing(options):
    tokenizer = tokenizer_of("sentencepiece")
    model = tiny_model(vocab=tokenizer.get_vocab_size(), spread=0.3, layers=1)
    before = ByteLM(model, tokenizer, **options)
    tokenizer.add_special_tokens(["<image>"])
    after = ByteLM(model, tokenizer, **options)
    assert torch.equal(before.next_byte_log_probs([b"", b"ab a"]), after.next_byte_log_probs([b"", b"ab a"]))


def test_markers_without_rows_are_no_markers():
    names = ("<bos>", "<eos>", "<pad>")
    tokenizer = tokenizer_of("byte_level", names)
    model = tiny_model(vocab=tokenizer.get_vocab_size(), spread=0.3, layers=1)
    tokenizer.add_special_tokens(["<fim_prefix>", "<fim_suffix>", "<fim_middle>"])
    with pytest.raises(ArgumentError, match="no special tokens for infilling under a known name"):
        find_fim_ids(ByteLM(model, tokenizer), None)


def test_a_start_without_row_is_refused():
    from tokenizers.processors import TemplateProcessing

    tokenizer = tokenizer_of("byte_level")
    size = tokenizer.get_vocab_size()
    tokenizer.add_special_tokens(["<start>"])
    tokenizer.post_processor = TemplateProcessing(single="<start> $A", special_tokens=[("<start>", size)])
    model = tiny_model(vocab=size, spread=0.3, layers=1)
    with pytest.raises(ArgumentError, match=f"the tokenizer's start.* is {size}, expected .*{size - 1}"):
        ByteLM(model, tokenizer)
    assert ByteLM(model, tokenizer, start_ids=[BOS]).start_ids == [BOS]


def test_a_head_whose_weight_is_no_tensor():
    """Quantised linear layers give their weight by a method, or packed."""

    class Packed(torch.nn.Module):
        def __init__(self, head: torch.nn.Linear) -> None:
            super().__init__()
            self.head = head

        def weight(self):
            return self.head.weight

        def forward(self, hidden):
            return self.head(hidden)

    tokenizer = tokenizer_of("byte_level")
    model = tiny_model(vocab=tokenizer.get_vocab_size(), spread=0.3, layers=1)
    expected = ByteLM(model, tokenizer).next_byte_log_probs(b"ab")
    model.lm_head = Packed(model.lm_head)
    assert torch.equal(ByteLM(model, tokenizer).next_byte_log_probs(b"ab"), expected)
