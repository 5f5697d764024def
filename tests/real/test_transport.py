"""Speculative decoding on SmolLM2, with its own first layers as draft. ``make real`` runs this."""

from __future__ import annotations

import pytest
import torch

from tests.real.smollm import first_layers, prompts_alone, prompts_together
from tests.transport.decoding.asked import largest_gap
from tokenlab import transport
from tokenlab.transport import Branching, Chain, DynamicTree, Sequences

pytestmark = pytest.mark.real

STEPS = 24
DRAFTS = (Chain(3), Sequences(3, length=3), Branching(3, 2, 1), DynamicTree(7, depth=4))
#: Equal texts are claimed in float32 where the two largest logits are further apart.
MARGIN = 1e-4


@pytest.fixture(scope="module")
def greedy(smollm):
    """Each prompt's text by transformers alone, and how clear its closest choice was."""
    model, tokenizer = smollm
    texts, margins = [], []
    for ids in prompts_alone(tokenizer):
        plain = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=STEPS,
            return_dict_in_generate=True,
            output_scores=True,
        )
        best = torch.stack(plain.scores).topk(2).values
        texts.append(plain.sequences[0])
        margins.append(float((best[..., 0] - best[..., 1]).min()))
    return texts, margins


@pytest.fixture(scope="module")
def draft(smollm):
    return first_layers(smollm[0], 28)


def test_first_layers_share_every_weight(smollm, draft):
    model, tokenizer = smollm
    assert {id(weight) for weight in draft.parameters()} < {id(weight) for weight in model.parameters()}
    ids = prompts_alone(tokenizer)[0]
    with torch.no_grad():
        hidden = model.model(ids, output_hidden_states=True).hidden_states[28]
        assert torch.allclose(draft(ids).logits, model.lm_head(model.model.norm(hidden)), atol=1e-4)
    assert model.config.num_hidden_layers == 30


@pytest.mark.parametrize("drafts", DRAFTS, ids=repr)
def test_greedy_text_is_transformers_own(smollm, draft, greedy, drafts):
    """Of each prompt alone; the draft is right often enough that whole paths are kept."""
    model, tokenizer = smollm
    texts, margins = greedy
    assert min(margins) > MARGIN
    for ids, text in zip(prompts_alone(tokenizer), texts, strict=True):
        ours = transport.generate(model, draft, ids, drafts=drafts, do_sample=False, max_new_tokens=STEPS)
        assert torch.equal(ours.sequences[0], text)
        assert int(ours.target_calls[0]) < 0.8 * (len(text) - ids.shape[1])


@pytest.mark.parametrize("layers", [4, 28])
def test_greedy_batch_is_its_prompts(smollm, greedy, layers):
    """Padded on the left, rows at their own pace; a bad draft changes no token either."""
    model, tokenizer = smollm
    texts, margins = greedy
    assert min(margins) > MARGIN
    ids, mask = prompts_together(tokenizer)
    assert mask.sum(-1).unique().numel() > 1
    ours = transport.generate(
        model,
        first_layers(model, layers),
        ids,
        mask,
        drafts=Branching(2, 1, 1),
        do_sample=False,
        max_new_tokens=STEPS,
    )
    for row, text in enumerate(texts):
        start = int(mask.shape[1] - mask[row].sum())
        length = int(mask[row].sum() + ours.lengths[row])
        assert torch.equal(ours.sequences[row, start : start + length], text)


def test_sampling_in_a_batch_asks_what_each_prompt_alone_would(monkeypatch, smollm, draft):
    """One generator serves all rows, so that a row alone draws others: its distributions are compared.

    Those of every node that is verified, of target and draft, against a forward of that row's text alone.
    """
    model, tokenizer = smollm
    batch = prompts_together(tokenizer)
    assert largest_gap(monkeypatch, model, draft, batch, Branching(2, 1)) < 1e-4


def test_sampled_text_is_the_same_with_the_same_seed(smollm, draft):
    model, tokenizer = smollm
    ids, mask = prompts_together(tokenizer)

    def text(seed: int):
        generator = torch.Generator().manual_seed(seed)
        return transport.generate(
            model, draft, ids, mask, drafts=Chain(3), max_new_tokens=6, generator=generator
        ).sequences

    first = text(1)
    assert torch.equal(first, text(1)) and not torch.equal(first, text(2))
