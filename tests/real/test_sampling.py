"""Sampling from SmolLM2. ``make real`` runs this."""

from __future__ import annotations

import pytest
import torch

from tests.real.smollm import prompts_alone, prompts_together
from tokenlab.ops import open_uniform
from tokenlab.sampling import generate, truncated_probs

pytestmark = pytest.mark.real

STEPS = 24
RULES = {None: None, "top_p": 0.9, "min_p": 0.1}


def test_greedy_text_is_transformers_own(smollm):
    model, tokenizer = smollm
    ids, mask = prompts_together(tokenizer)
    theirs = model.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=STEPS)
    ours = generate(model, ids, mask, rule="greedy", max_new_tokens=STEPS)
    assert torch.equal(ours.sequences, theirs)


@pytest.mark.parametrize("rule", RULES)
def test_a_left_padded_batch_is_its_prompts(smollm, rule):
    """The same noise draws the same tokens alone and in a batch."""
    model, tokenizer = smollm
    ids, mask = prompts_together(tokenizer)
    noise = open_uniform((len(ids), STEPS), generator=torch.Generator().manual_seed(0))
    options = {"rule": rule, "value": RULES[rule], "max_new_tokens": STEPS, "eos_token_id": ()}
    together = generate(model, ids, mask, noise=noise, **options)
    for row, prompt in enumerate(prompts_alone(tokenizer)):
        alone = generate(model, prompt, noise=noise[row : row + 1], **options)
        assert torch.equal(alone.sequences[0, -STEPS:], together.sequences[row, -STEPS:])
        assert torch.allclose(alone.entropies[0], together.entropies[row], atol=1e-3)
        assert torch.allclose(alone.log_probs[0], together.log_probs[row], atol=1e-3)


@pytest.mark.parametrize("rule", RULES)
def test_every_token_is_the_inverse_cdf_of_its_noise(smollm, rule):
    """By one plain forward of the whole text, without cache, padding or loop."""
    model, tokenizer = smollm
    prompt = prompts_alone(tokenizer)[0]
    noise = open_uniform((1, STEPS), generator=torch.Generator().manual_seed(1))
    options = {"rule": rule, "value": RULES[rule]}
    output = generate(model, prompt, noise=noise, max_new_tokens=STEPS, eos_token_id=(), **options)
    with torch.no_grad():
        logits = model(output.sequences, use_cache=False).logits[0, prompt.shape[1] - 1 : -1]
    cdf = truncated_probs(logits, **options).double().cumsum(-1)
    chosen = output.sequences[0, prompt.shape[1] :, None]
    upper = cdf.gather(1, chosen)[:, 0]
    lower = torch.where(chosen[:, 0] > 0, cdf.gather(1, (chosen - 1).clamp(min=0))[:, 0], 0.0)
    # Float32 sums over 49,152 tokens differ by less.
    assert bool(((lower - 1e-4 <= noise[0]) & (noise[0] <= upper + 1e-4)).all())
    assert output.sequences.unique().numel() > 8
