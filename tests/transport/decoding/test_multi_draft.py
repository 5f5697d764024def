"""Multi-draft decoding as a method of transformers' own ``generate``."""

from __future__ import annotations

import copy

import pytest
import torch
from transformers import TopPLogitsWarper

from tests.support.tiny_models import tiny_model
from tests.transport.decoding.pairs import STEPS, Streamer, every_kind, seeded
from tokenlab.errors import ArgumentError
from tokenlab.sampling import hf_processors
from tokenlab.transport import generate, multi_draft
from tokenlab.transport.decoding.compatibility import check_processors


@every_kind
def test_as_a_decoding_method_of_transformers(twins, batch, drafts):
    target, draft = twins
    ids, mask = batch
    method = multi_draft(draft, drafts=drafts)
    greedy = target.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=STEPS)
    ours = target.generate(
        ids, attention_mask=mask, do_sample=False, max_new_tokens=STEPS, custom_generate=method
    )
    assert torch.equal(ours, greedy)
    sampling = {"temperature": 0.7, "top_k": 9, "top_p": 0.9, "max_new_tokens": STEPS}
    through = target.generate(
        ids,
        attention_mask=mask,
        do_sample=True,
        custom_generate=method,
        generator=seeded(5),
        return_dict_in_generate=True,
        **sampling,
    )
    direct = generate(target, draft, ids, mask, drafts=drafts, generator=seeded(5), **sampling)
    assert torch.equal(through.sequences, direct.sequences)
    assert torch.equal(through.accepted_lengths, direct.accepted_lengths)


def test_transformers_options_are_honoured(twins, batch):
    target, draft = twins
    ids, mask = batch
    streamer = Streamer()
    method = multi_draft(draft, generator=seeded(2), streamer=streamer)
    one = target.generate(ids[:1], max_length=6 + STEPS, do_sample=True, custom_generate=method)
    assert streamer.ended and torch.equal(torch.cat(streamer.parts[1:]), one[0, 6:])
    free = target.generate(ids[:1], max_new_tokens=STEPS, do_sample=False, eos_token_id=None)
    end = free[0, 9].item()
    stopped = target.generate(
        ids[:1], max_new_tokens=STEPS, do_sample=False, eos_token_id=end, custom_generate=multi_draft(draft)
    )
    assert torch.equal(stopped[0], free[0, : free[0].tolist().index(end, 6) + 1])
    three = target.generate(
        ids,
        attention_mask=mask,
        do_sample=True,
        num_return_sequences=3,
        max_new_tokens=4,
        custom_generate=multi_draft(draft, generator=seeded(2)),
    )
    assert torch.equal(three[:, :6], ids.repeat_interleave(3, 0))
    method = multi_draft(draft)
    allowed = target.generate(
        ids[:1],
        do_sample=False,
        max_new_tokens=STEPS,
        suppress_tokens=[end],
        eos_token_id=(),
        custom_generate=method,
    )
    theirs = target.generate(
        ids[:1], do_sample=False, max_new_tokens=STEPS, suppress_tokens=[end], eos_token_id=None
    )
    assert torch.equal(allowed, theirs)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_beams": 2}, "num_beams is 2"),
        ({"repetition_penalty": 1.2}, "RepetitionPenaltyLogitsProcessor, which may look at the text"),
        ({"min_new_tokens": 3}, "MinLengthLogitsProcessor"),
        ({"max_time": 1.0}, "MaxTimeCriteria"),
        ({"cache_implementation": "static"}, "StaticCache"),
        ({"output_scores": True, "return_dict_in_generate": True}, "output_scores is True"),
        ({"use_cache": False}, "use_cache is False"),
    ],
)
def test_transformers_options_that_are_refused(twins, options, words):
    target, draft = twins
    with pytest.raises(ArgumentError, match=words):
        target.generate(
            torch.tensor([[3, 4]]), max_new_tokens=4, custom_generate=multi_draft(draft), **options
        )


def test_a_cache_that_is_filled_is_refused(twins):
    target, draft = twins
    ids = torch.tensor([[3, 4, 5]])
    with torch.no_grad():
        filled = target(ids[:, :2], use_cache=True).past_key_values
    with pytest.raises(ArgumentError, match="(past_key_values|cache) is a DynamicCache with 2 tokens"):
        target.generate(ids, past_key_values=filled, max_new_tokens=4, custom_generate=multi_draft(draft))


def test_an_end_of_text_of_id_0_ends(twins):
    target, draft = twins
    ids = torch.tensor([[3, 4, 5]])
    free = target.generate(ids, max_new_tokens=STEPS, do_sample=False, eos_token_id=None)
    first = free[0, 3].item()
    # Rename the token that comes first: 0 and it change places in all weights.
    swap = torch.arange(target.config.vocab_size)
    swap[0], swap[first] = first, 0
    target, draft = (copy.deepcopy(model) for model in (target, draft))
    for model in (target, draft):
        model.get_input_embeddings().weight.data = model.get_input_embeddings().weight.data[swap]
        model.get_output_embeddings().weight.data = model.get_output_embeddings().weight.data[swap]
    found = target.generate(
        swap[ids], max_new_tokens=STEPS, do_sample=False, eos_token_id=0, custom_generate=multi_draft(draft)
    )
    assert found[0, 3:].tolist() == [0]


def test_a_streamer_of_generate_gets_everything_and_ends(twins):
    """Without an end, a thread that reads from it waits for ever."""
    target, draft = twins
    streamer = Streamer()
    found = target.generate(
        torch.tensor([[3, 4]]), max_new_tokens=STEPS, custom_generate=multi_draft(draft), streamer=streamer
    )
    assert streamer.ended and torch.equal(torch.cat([part.flatten() for part in streamer.parts]), found[0])


@pytest.mark.parametrize("name", ["token_type_ids", "position_ids", "inputs_embeds"])
def test_what_a_model_would_read_beside_tokens_is_refused(name):
    """GPT-2 adds an embedding for types: without them its text is another."""
    target, draft = tiny_model("gpt2"), tiny_model("gpt2", seed=1)
    ids = torch.tensor([[3, 4]])
    value = {
        "token_type_ids": torch.tensor([[5, 6]]),
        "position_ids": torch.tensor([[3, 4]]),
        "inputs_embeds": target.get_input_embeddings()(ids),
    }[name]
    with pytest.raises(ArgumentError, match=f"{name} is given to model.generate, expected input_ids and"):
        target.generate(ids, max_new_tokens=4, custom_generate=multi_draft(draft), **{name: value})


def test_nothing_else_is_dropped(twins):
    """Images, encoder states, masks of heads: whatever comes is refused by its name."""
    method = multi_draft(twins[1])
    given = {
        "input_ids": torch.tensor([[3, 4]]),
        "logits_processor": [],
        "stopping_criteria": [],
        "generation_config": twins[0].generation_config,
    }
    for name in ("pixel_values", "encoder_outputs", "head_mask", "anything"):
        with pytest.raises(ArgumentError, match=f"{name} is given to model.generate"):
            method(twins[0], **given, **{name: torch.ones(1)})


def test_an_assistant_model_is_refused(twins):
    target, draft = twins
    with pytest.raises(ArgumentError, match="assistant_model is given to model.generate"):
        target.generate(
            torch.tensor([[3, 4]]),
            max_new_tokens=4,
            custom_generate=multi_draft(draft),
            assistant_model=draft,
        )


@pytest.mark.parametrize("rule", ["top_h", "top_p"])
def test_processors_of_this_package(twins, rule):
    target, draft = twins
    options = {
        "do_sample": True,
        "top_k": 0,
        "max_new_tokens": STEPS,
        "logits_processor": hf_processors(rule, 0.5),
    }
    ids = target.generate(
        torch.tensor([[3, 4]]), custom_generate=multi_draft(draft, generator=seeded(1)), **options
    )
    logits = target(ids).logits[0, 1:-1]
    for processor in options["logits_processor"]:
        logits = processor(None, logits)
    assert bool(logits.gather(1, ids[0, 2:, None]).isfinite().all())


def test_processors_that_may_look_at_the_text():
    class Looks(TopPLogitsWarper):
        def __call__(self, input_ids, scores):
            return super().__call__(input_ids, scores) * input_ids.shape[1]

    class Stated(type(hf_processors("top_h", 0.5)[0])):
        pass

    for processor in (Looks(0.5), Stated(0.5)):
        with pytest.raises(
            ArgumentError, match=f"has a {type(processor).__name__}, which may look at the text"
        ):
            check_processors([processor])
    check_processors([TopPLogitsWarper(0.5)])
