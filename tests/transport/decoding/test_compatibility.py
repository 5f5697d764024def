"""Models that cannot work together, or are none, are refused by name."""

from __future__ import annotations

import pytest
import torch

from tests.support.tiny_models import EOS, tiny_model
from tokenlab.errors import ArgumentError, DtypeError
from tokenlab.transport import generate, multi_draft


def test_models_that_do_not_fit_are_refused():
    target = tiny_model()
    ids = torch.tensor([[3, 4]])
    with pytest.raises(ArgumentError, match="a vocabulary of 31 tokens, expected 29"):
        generate(target, tiny_model(vocab=31), ids, max_new_tokens=2)
    other = tiny_model(seed=1)
    other.config.eos_token_id = 7
    with pytest.raises(ArgumentError, match=r"eos_token_id \[7\], target has \[1\]"):
        generate(target, other, ids, max_new_tokens=2)
    other.config.eos_token_id = [7, EOS]
    generate(target, other, ids, max_new_tokens=2)
    with pytest.raises(ArgumentError, match="draft is in training mode"):
        generate(target, other.train(), ids, max_new_tokens=2)
    with pytest.raises(ArgumentError, match="draft has 8 positions"):
        generate(target, tiny_model("gpt2", positions=8), ids, max_new_tokens=20)


@pytest.mark.parametrize("wrong", ["gpt2", None, (tiny_model(), "its tokenizer")])
def test_what_is_no_model_is_refused(models, wrong):
    ids = torch.tensor([[3, 4]])
    with pytest.raises(DtypeError, match="target must be a transformers model, found"):
        generate(wrong, models[1], ids, max_new_tokens=2)
    with pytest.raises(DtypeError, match="draft must be a transformers model, found"):
        generate(models[0], wrong, ids, max_new_tokens=2)
    with pytest.raises(DtypeError, match="draft must be a transformers model, found"):
        multi_draft(wrong)


def test_broken_weights_are_no_text(models):
    broken = tiny_model(seed=5)
    with torch.no_grad():
        broken.model.norm.weight[0] = torch.nan
    ids = torch.tensor([[3, 4]])
    for do_sample in (True, False):
        with pytest.raises(ArgumentError, match="target returns logits that are NaN"):
            generate(broken, models[1], ids, max_new_tokens=4, do_sample=do_sample)
        with pytest.raises(ArgumentError, match="draft returns logits that are NaN"):
            generate(models[0], broken, ids, max_new_tokens=4, do_sample=do_sample)
