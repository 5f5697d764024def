"""Texts of every family, in a padded batch and alone, against forwards without cache or padding."""

from __future__ import annotations

import warnings

import pytest
import torch

from tests.support.model_families import CONFIGS, RECURRENT, all_logits, family_model, greedy_text
from tests.support.tiny_models import tiny_model
from tokenlab.errors import ArgumentError, SlowPathWarning
from tokenlab.lm.text_reader import TextReader
from tokenlab.sampling import generate

IDS = torch.tensor([[2, 2, 2, 3, 4], [3, 4, 5, 6, 7]])
MASK = torch.tensor([[0, 0, 0, 1, 1], [1, 1, 1, 1, 1]])
PADDED = [name for name in CONFIGS if name != "gemma2"]  # transformers gives it NaN under padding


def dtype_of(name: str) -> torch.dtype:
    """Parts of some know float32 only."""
    return torch.float32 if name == "jamba" else torch.float64


@pytest.mark.model
@pytest.mark.parametrize("name", PADDED)
def test_a_padded_batch(name):
    model = family_model(name, dtype=dtype_of(name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SlowPathWarning)
        found = generate(model, IDS, MASK, rule="greedy", max_new_tokens=6, eos_token_id=())
    expected = [greedy_text(model, [3, 4], 6), greedy_text(model, [3, 4, 5, 6, 7], 6)]
    assert found.sequences[:, 5:].tolist() == expected


@pytest.mark.model
@pytest.mark.parametrize("name", CONFIGS)
def test_one_text(name):
    """Longer than the sliding windows."""
    model = family_model(name, dtype=dtype_of(name))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        reader = TextReader(model, padded=False)
    assert (
        (reader.why is not None)
        == (name in (*RECURRENT, "roberta"))
        == any("without a cache" in str(w.message) for w in caught)
    )
    text = torch.tensor([[3, 9, 4, 8, 5, 7, 6, 3, 10, 11, 12, 13]])
    with torch.no_grad():
        for end in (3, 4, 5, 9, 10, 11, 12):
            logits = reader.next_logits(text[:, :end], torch.ones(1, end, dtype=torch.long))
            expected = all_logits(model, text[0, :end].tolist())[-1]
            torch.testing.assert_close(logits[0], expected.to(logits), rtol=1e-4, atol=1e-5)


@pytest.mark.model
def test_a_cache_without_attention():
    """transformers cannot say how many tokens stand in it."""
    model = family_model("lfm2", layer_types=["conv", "conv"])
    with pytest.warns(SlowPathWarning, match="has a cache that counts no tokens"):
        found = generate(model, IDS[1:], rule="greedy", max_new_tokens=4, eos_token_id=())
    assert found.sequences[0, 5:].tolist() == greedy_text(model, IDS[1].tolist(), 4)


def test_what_looks_ahead_is_not_read_afresh():
    """Without a cache a text is padded on the right, at which no token may look."""
    model = tiny_model("gpt2", spread=0.5)
    right = model.forward
    model.forward = lambda input_ids, use_cache=None: right(input_ids, position_ids=_from_the_end(input_ids))
    with pytest.raises(ArgumentError, match="whose logits change with the tokens that follow"):
        generate(model, IDS, max_new_tokens=2)


def _from_the_end(ids: torch.Tensor) -> torch.Tensor:
    return torch.arange(ids.shape[1]).flip(0).expand_as(ids) * 3


@pytest.mark.model
def test_padding_is_kept_from_models_that_take_no_mask():
    model, plain = tiny_model(), tiny_model()
    right = model.forward
    model.forward = lambda input_ids, past_key_values=None, use_cache=None: right(
        input_ids, past_key_values=past_key_values, use_cache=use_cache
    )
    with pytest.warns(SlowPathWarning, match="takes no attention_mask, and the prompts have padding"):
        found = generate(model, IDS, MASK, rule="greedy", max_new_tokens=6, eos_token_id=())
    assert torch.equal(
        found.sequences,
        generate(plain, IDS, MASK, rule="greedy", max_new_tokens=6, eos_token_id=()).sequences,
    )
