"""Multi-draft decoding as a method of transformers' own ``generate``."""

from __future__ import annotations

import copy

import pytest
import torch

from tests.transport.decoding.pairs import STEPS, Streamer, every_kind, seeded
from tokenlab.errors import ArgumentError
from tokenlab.transport import generate, multi_draft


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
    with pytest.raises(ArgumentError, match="past_key_values is a DynamicCache with 2 tokens"):
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
