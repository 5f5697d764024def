"""Wrapped models are unwrapped, and run as what they wrap, in every function that runs a model."""

from __future__ import annotations

import pytest
import torch

from tests.support.model_families import WRAPPERS, wrapped_model
from tests.support.tiny_models import plain_logits, tiny_model
from tokenlab.bytelevel.model.context_forest import ContextForest
from tokenlab.errors import ArgumentError
from tokenlab.lm.contract import causal_model
from tokenlab.lm.unwrap import input_device, unwrapped
from tokenlab.sampling import generate as sample
from tokenlab.transport import generate as draft_and_verify
from tokenlab.transport import multi_draft

IDS = torch.tensor([[2, 2, 3, 4], [5, 6, 7, 8]])
MASK = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])


@pytest.fixture(scope="module", params=WRAPPERS)
def pair(request):
    return wrapped_model(request.param)


@pytest.mark.parametrize("padded", [True, False])
def test_sampling(pair, padded):
    """Learnt positions, of which a wrapper's signature says nothing."""
    ids, mask = (IDS, MASK) if padded else (IDS[1:], None)
    found, expected = (sample(one, ids, mask, rule="greedy", max_new_tokens=9) for one in pair)
    assert torch.equal(found.sequences, expected.sequences)
    torch.testing.assert_close(found.log_probs, expected.log_probs, equal_nan=True)


def test_drafts(pair):
    model, plain = pair
    draft = tiny_model("gpt2", seed=4)
    options = {"max_new_tokens": 9, "do_sample": False}
    expected = draft_and_verify(plain, draft, IDS, MASK, **options).sequences
    assert torch.equal(draft_and_verify(model, draft, IDS, MASK, **options).sequences, expected)
    assert torch.equal(draft_and_verify(plain, model, IDS, MASK, **options).sequences, expected)
    method = multi_draft(model)
    found = plain.generate(IDS, attention_mask=MASK, custom_generate=method, **options)
    assert torch.equal(found, expected)


def test_contexts(pair):
    model, plain = pair
    forest = ContextForest(model)
    assert forest.cached
    nodes = [forest.root(text) for text in ([3, 4, 5], [3, 4, 6], [3])]
    for node, logits in zip(nodes, forest.logits(nodes), strict=True):
        torch.testing.assert_close(logits, plain_logits(plain, forest.tokens(node)))


def test_layers_of_wrappers():
    model = tiny_model()
    wrapper = torch.nn.DataParallel(torch.compile(model))
    assert unwrapped(wrapper) is model is unwrapped(model)
    assert unwrapped("gpt2") == "gpt2"


def test_ids_go_where_the_embedding_runs():
    model, plain = wrapped_model("offloaded")
    assert model.device.type == "meta" and input_device(model).type == "cpu" == input_device(plain).type


def test_virtual_tokens_are_refused():
    import peft

    adapted = peft.get_peft_model(
        tiny_model(), peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    )
    for model in (adapted.eval(), torch.compile(adapted)):
        with pytest.raises(
            ArgumentError, match="draft is a .* with PROMPT_TUNING, which puts virtual tokens"
        ):
            causal_model("draft", model)


def test_no_weights():
    with pytest.raises(ArgumentError, match="model is on the meta device"):
        causal_model("model", tiny_model().to("meta"))
