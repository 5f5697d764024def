"""Each field of a generation_config is applied, refused by name, or known to change no text."""

from __future__ import annotations

import pytest
import torch

from tests.support.tiny_models import tiny_model
from tokenlab.errors import ArgumentError, DtypeError
from tokenlab.lm.generation_settings import APPLIED, ARGUMENTS, REFUSED, WITHOUT_EFFECT, score_rules
from tokenlab.sampling import generate as sample
from tokenlab.transport import DynamicTree
from tokenlab.transport import generate as draft_and_verify

IDS = torch.tensor([[3, 4, 5]])


def run_sampling(model, **options):
    return sample(model, IDS, max_new_tokens=8, rule="greedy", eos_token_id=(), **options).sequences


def run_drafts(model, **options):
    draft = tiny_model(seed=1)
    return draft_and_verify(
        model, draft, IDS, max_new_tokens=8, do_sample=False, eos_token_id=(), **options
    ).sequences


every_entry = pytest.mark.parametrize("run", [run_sampling, run_drafts], ids=lambda run: run.__name__)


def test_every_field_is_known():
    from transformers import GenerationConfig

    fields = {name for name in vars(GenerationConfig()) if not name.startswith("_")}
    assert fields <= {*APPLIED, *REFUSED, *ARGUMENTS, *WITHOUT_EFFECT}


@every_entry
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("repetition_penalty", 1.2),
        ("no_repeat_ngram_size", 2),
        ("sequence_bias", [[[3], 2.0], [[4, 5], 1.0]]),
        ("stop_strings", ["end"]),
        ("bad_words_ids", [[3], [4, 5]]),
        ("num_beams", 4),
    ],
)
def test_rules_that_look_at_the_text(run, field, value):
    model = tiny_model()
    plain = run(model)
    setattr(model.generation_config, field, value)
    with pytest.raises(ArgumentError, match=rf"generation_config has {field}=.* ignore_generation_config=\["):
        run(model)
    assert torch.equal(run(model, ignore_generation_config=[field]), plain)


@every_entry
@pytest.mark.parametrize("field", ["suppress_tokens", "bad_words_ids"])
def test_tokens_that_may_not_come(run, field):
    model = tiny_model()
    plain = run(model)
    never = plain[0, 3].item()
    setattr(model.generation_config, field, [never] if field == "suppress_tokens" else [[never]])
    found = run(model)
    theirs = model.generate(IDS, max_new_tokens=8, do_sample=False, eos_token_id=None)
    assert torch.equal(found, theirs) and never not in found[0, 3:].tolist()
    assert torch.equal(run(model, ignore_generation_config=[field]), plain)


def test_what_is_measured_is_the_model_before_suppression():
    model = tiny_model()
    plain = sample(model, IDS, max_new_tokens=1, rule="greedy")
    model.generation_config.suppress_tokens = [plain.sequences[0, 3].item()]
    assert torch.equal(sample(model, IDS, max_new_tokens=1, rule="greedy").entropies, plain.entropies)


def test_values_at_which_nothing_happens():
    model = tiny_model()
    idle = {field: values[0] for field, values in (REFUSED | APPLIED).items() if values}
    for field, value in idle.items():
        setattr(model.generation_config, field, value)
    model.generation_config.temperature, model.generation_config.top_p = 0.6, 0.9
    assert not score_rules("model", model, ends=[1], prompt_width=3, max_new_tokens=8)


PROMPTS = {
    "one token": (torch.tensor([[3]]), None),
    "padded": (torch.tensor([[2, 2, 2, 5], [3, 4, 5, 6]]), torch.tensor([[0, 0, 0, 1], [1, 1, 1, 1]])),
}
LENGTHS = {
    "min_length": 7,
    "min_new_tokens": 5,
    "forced_bos_token_id": 9,
    "forced_eos_token_id": [4, 1],
    "exponential_decay_length_penalty": (2, 1.7),
    "begin_suppress_tokens": list(range(6, 29)),
    "sequence_bias": [[[7], 5.0], [[8], -3.0]],
    "bad_words_ids": [[7], [1]],  # an end is no bad word
}


def sampled(model, ids, mask, ends):
    return sample(model, ids, mask, max_new_tokens=8, rule="greedy", eos_token_id=ends).sequences


def drafted(model, ids, mask, ends):
    options = {"max_new_tokens": 8, "do_sample": False, "eos_token_id": ends}
    chain = draft_and_verify(model, tiny_model(seed=1), ids, mask, **options).sequences
    tree = draft_and_verify(model, model, ids, mask, drafts=DynamicTree(4, 3), **options).sequences
    assert torch.equal(chain, tree)
    return chain


@pytest.mark.model
@pytest.mark.parametrize("ends", [[1], list(range(1, 20))], ids=["one end", "many ends"])
@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("field", [*LENGTHS, "all"])
@pytest.mark.parametrize("run", [sampled, drafted], ids=lambda run: run.__name__)
def test_rules_on_scores_and_lengths_are_those_of_transformers(run, field, prompt, ends):
    model = tiny_model(seed=3)
    ids, mask = PROMPTS[prompt]
    plain = run(model, ids, mask, ends)
    for name, value in LENGTHS.items():
        # A token that is forced and suppressed leaves none.
        if field == name or (field == "all" and name != "begin_suppress_tokens"):
            setattr(model.generation_config, name, value)
    theirs = model.generate(
        ids, attention_mask=mask, max_new_tokens=8, do_sample=False, eos_token_id=ends, pad_token_id=2
    )
    assert torch.equal(run(model, ids, mask, ends), theirs)
    # These change this text, whatever the prompt and the ends.
    if field in ("sequence_bias", "begin_suppress_tokens", "all"):
        assert not torch.equal(plain, theirs)


def test_forced_ends_keep_the_distribution_of_drafts():
    """Sampled with drafts, the last token is the forced one, whatever the draft model proposes."""
    model = tiny_model(seed=3)
    model.generation_config.forced_eos_token_id = 4
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        options = {"max_new_tokens": 6, "eos_token_id": (), "generator": generator}
        found = draft_and_verify(model, tiny_model(seed=1), IDS, **options)
        assert found.sequences[0, -1] == 4


@every_entry
@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        (
            "min_new_tokens",
            -2,
            "min_new_tokens of (model|target)'s generation_config is -2, expected at least 0",
        ),
        ("forced_eos_token_id", 29, "forced_eos_token_id of (model|target)'s generation_config is 29"),
        ("sequence_bias", [[[3], "much"]], "sequence_bias"),
        (
            "suppress_tokens",
            list(range(29)),
            "what the generation_config leaves of logits is -inf everywhere",
        ),
    ],
)
def test_bad_rules(run, field, value, words):
    model = tiny_model()
    setattr(model.generation_config, field, value)
    with pytest.raises(ArgumentError, match=words):
        run(model)


@every_entry
@pytest.mark.parametrize(
    ("change", "ignore", "error", "words"),
    [
        (
            {},
            "num_beams",
            DtypeError,
            "ignore_generation_config must be a list of names of fields, found str",
        ),
        (
            {},
            ["temprature"],
            ArgumentError,
            "ignore_generation_config holds 'temprature', expected names out of",
        ),
        (
            {"suppress_tokens": [29]},
            (),
            ArgumentError,
            "suppress_tokens of (model|target)'s generation_config is 29",
        ),
        ({"pad_token_id": -1}, (), ArgumentError, "pad_token_id of the model's generation_config is -1"),
    ],
)
def test_bad_values(run, change, ignore, error, words):
    model = tiny_model()
    for field, value in change.items():
        setattr(model.generation_config, field, value)
    with pytest.raises(error, match=words):
        run(model, ignore_generation_config=ignore)


def test_an_end_of_the_configuration_is_named_so():
    model = tiny_model()
    model.generation_config.eos_token_id = 29
    with pytest.raises(ArgumentError, match="eos_token_id of the model's generation_config is 29"):
        sample(model, IDS, max_new_tokens=2)
