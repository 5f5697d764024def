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


def padded_model(vocab: int, beyond: float, seed: int):
    """The tiny model with rows of padding, which all have one logit."""
    model, wide = tiny_model(seed=seed), tiny_model(vocab=vocab, seed=seed)
    wide.model.load_state_dict(
        model.model.state_dict() | {"embed_tokens.weight": wide.model.embed_tokens.weight}
    )
    with torch.no_grad():
        wide.model.embed_tokens.weight[:29] = model.model.embed_tokens.weight
        wide.lm_head.weight[:29] = model.lm_head.weight
    wide.lm_head.register_forward_hook(
        lambda module, args, output: output.index_fill(-1, torch.arange(29, vocab), beyond)
    )
    return wide


@pytest.mark.parametrize("do_sample", [True, False])
def test_vocabularies_that_differ_by_padding(do_sample):
    ids = torch.tensor([[3, 4], [5, 6]])
    target, draft = padded_model(32, -90.0, 0), padded_model(35, 3.0, 1)
    options = {"max_new_tokens": 9, "do_sample": do_sample}

    def seeded():
        return torch.Generator().manual_seed(3)

    expected = generate(tiny_model(), tiny_model(seed=1), ids, generator=seeded(), **options)
    found = generate(target, draft, ids, vocab_size=29, generator=seeded(), **options)
    assert torch.equal(found.sequences, expected.sequences)
    method = multi_draft(draft, vocab_size=29, generator=seeded())
    through = target.generate(ids, custom_generate=method, top_k=0, **options)
    assert torch.equal(through, expected.sequences)
    with pytest.raises(
        ArgumentError, match="differ by padding alone, give the tokenizer's size as vocab_size"
    ):
        generate(target, draft, ids, **options)
    with pytest.raises(ArgumentError, match="target gives a probability of .* to ids from there on"):
        generate(padded_model(35, 0.0, 0), draft, ids, vocab_size=29, **options)
    with pytest.raises(ArgumentError, match="vocab_size is 33, expected 1 to 32"):
        generate(target, draft, ids, vocab_size=33, **options)
    with pytest.raises(ArgumentError, match="input_ids holds ids outside 0 to 28"):
        generate(target, draft, torch.tensor([[30]]), vocab_size=29, **options)
    with pytest.raises(ArgumentError, match="eos_token_id is 30, expected 0 to 28"):
        generate(target, draft, ids, vocab_size=29, eos_token_id=30, **options)


def test_greedy_consumes_no_random_numbers(models):
    own = torch.Generator().manual_seed(3)
    before, everywhere = own.get_state(), torch.get_rng_state()
    for generator in (own, None):
        generate(*models, torch.tensor([[3, 4]]), max_new_tokens=6, do_sample=False, generator=generator)
    assert torch.equal(own.get_state(), before) and torch.equal(torch.get_rng_state(), everywhere)
