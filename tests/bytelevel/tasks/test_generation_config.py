"""Whatever a model's generation_config says, completions draw from the model's own distribution."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch

from tests.bytelevel.brute import BOS, tiny_lm
from tests.bytelevel.tasks.test_completion import greedy
from tests.support.planting import plant
from tokenlab.bytelevel import ByteLM, baselines, complete
from tokenlab.bytelevel.tasks.completion import continue_tokens
from tokenlab.bytelevel.tasks.infilling import fill_in_middle_tokens
from tokenlab.errors import ArgumentError
from tokenlab.lm import load

#: A value of each kind of rule that moves a text of the lab model.
RULES = {
    "do_sample": True,
    "temperature": 0.2,
    "top_k": 2,
    "top_p": 0.1,
    "min_p": 0.9,
    "top_h": 0.1,
    "typical_p": 0.1,
    "epsilon_cutoff": 0.3,
    "eta_cutoff": 0.9,
    "repetition_penalty": 5.0,
    "no_repeat_ngram_size": 1,
    "bad_words_ids": [[token] for token in range(10, 300)],
    "suppress_tokens": list(range(10, 300)),
    "begin_suppress_tokens": list(range(10, 300)),
    "sequence_bias": [[[11], 50.0]],
    "forced_eos_token_id": 11,
    "min_new_tokens": 6,
    "exponential_decay_length_penalty": (1, 9.0),
    "guidance_scale": 3.0,
    "num_beams": 3,
    "prompt_lookup_num_tokens": 3,
    "stop_strings": ["e"],
    "max_time": 1e-9,
    "watermarking_config": {"bias": 20.0},
}
SMALL = {"bad_words_ids": [[6], [7]], "suppress_tokens": [6, 7], "begin_suppress_tokens": [6, 7]}
SMALL |= {"sequence_bias": [[[8], 50.0]], "forced_eos_token_id": 8}

CALLS = {
    "exact": lambda lm, **options: complete(lm, b"b a", 6, **options),
    "plain": lambda lm, **options: baselines.plain_complete(lm, b"b a", 6, **options),
    "longest match": lambda lm, **options: baselines.longest_match_complete(lm, b"b a", 6, **options),
    "infilling": lambda lm, **options: fill_in_middle_tokens(lm, b"b a", b"ab", max_new_tokens=6, **options),
}


def drawn(call, *arguments) -> list:
    """The most probable text, and some that are drawn."""
    found = [call(*arguments, temperature=0)]
    for seed in range(2):
        found.append(call(*arguments, generator=torch.Generator().manual_seed(seed)))
    return found


@pytest.mark.parametrize("field", RULES)
def test_completions_are_the_models(field):
    plain = tiny_lm()
    model = deepcopy(plain.model)
    setattr(model.generation_config, field, SMALL.get(field, RULES[field]))
    ruled = deepcopy(plain)
    ruled.model = model
    for call in CALLS.values():
        assert drawn(call, ruled) == drawn(call, plain)
    assert continue_tokens(ruled, [BOS, 6, 7], 6, temperature=0) == greedy(plain, [BOS, 6, 7], 6)


@pytest.mark.parametrize("field", RULES)
def test_healing_of_transformers_heals_alone(monkeypatch, field):
    model, tokenizer = load("lab-draft")

    def call(**options):
        return baselines.transformers_complete(model, tokenizer, b"import o", 4, **options)

    expected = drawn(call)
    changed = deepcopy(model.generation_config)
    setattr(changed, field, RULES[field])
    monkeypatch.setattr(model, "generation_config", changed)
    assert drawn(call) == expected
    assert model.generation_config is changed


def test_a_configuration_that_reaches_healing_is_found(monkeypatch):
    plant(monkeypatch, baselines, "neutral = copy(model)", "return model")
    with pytest.raises(AssertionError):
        test_healing_of_transformers_heals_alone(monkeypatch, "repetition_penalty")


def test_ends_are_the_configurations():
    """They are what the model means by an end, and no rule about its distribution."""
    plain = tiny_lm()
    model = deepcopy(plain.model)
    model.generation_config.eos_token_id = None
    endless = ByteLM(model, deepcopy(plain.description.plain), start_ids=[BOS])
    ids, ended = continue_tokens(endless, [BOS, 6], 40)
    assert len(ids) == 40 and not ended


def test_healing_needs_a_padding_token(monkeypatch):
    model, tokenizer = load("lab-draft")
    tokenizer = deepcopy(tokenizer)
    tokenizer.pad_token = None
    with pytest.raises(
        ArgumentError, match="tokenizer has no pad_token.*tokenizer.pad_token = tokenizer.eos_token"
    ):
        baselines.transformers_complete(model, tokenizer, b"a", 2)
    tokenizer.pad_token = tokenizer.eos_token
    assert baselines.transformers_complete(model, tokenizer, b"def __ini", 2, temperature=0).kept


def test_healing_looks_at_its_model():
    model, tokenizer = load("lab-draft")
    with pytest.raises(ArgumentError, match="max_new_tokens is 600 after a prompt .* positions"):
        baselines.transformers_complete(model, tokenizer, b"a", 600)
    model = deepcopy(model).train()
    with pytest.raises(ArgumentError, match="training mode"):
        baselines.transformers_complete(model, tokenizer, b"a", 2)
