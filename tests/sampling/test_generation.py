"""The loop on a tiny random model: against transformers, against plain forwards, in batches."""

from __future__ import annotations

import math

import pytest
import torch
from transformers import LogitsProcessorList, MinNewTokensLengthLogitsProcessor

from tests.sampling.conftest import VOCAB
from tests.support.tiny_models import EOS, PAD, tiny_model
from tokenlab.errors import ArgumentError, DtypeError, EmptySupportError, ShapeError
from tokenlab.ops import open_uniform
from tokenlab.sampling import RULES, generate, hf_processors, truncation_mask

STEPS = 12


VALUES = {
    "top_k": 5,
    "top_p": 0.8,
    "min_p": 0.1,
    "typical": 0.7,
    "epsilon": 0.03,
    "eta": 0.05,
    "top_h": 0.5,
    "top_h_released": 0.5,
}


class Streamer:
    def __init__(self):
        self.parts, self.ended = [], False

    def put(self, value):
        self.parts.append(value)

    def end(self):
        self.ended = True


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def plain_logits(model, sequence: torch.Tensor, start: int) -> torch.Tensor:
    """Logits for every token from ``start`` on, without cache or padding."""
    with torch.inference_mode():
        return model(input_ids=sequence[None], use_cache=False).logits[0, start - 1 : -1]


def rows_of(output, mask):
    """Each row's own tokens without padding in front or after, and where its prompt ends."""
    width = mask.shape[1]
    for row in range(len(output.sequences)):
        prompt = mask[row].bool()
        text = output.sequences[row, width : width + int(output.lengths[row])]
        yield row, torch.cat([output.sequences[row, :width][prompt], text]), int(prompt.sum())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_greedy_is_transformers_greedy(model, batch, dtype):
    ids, mask = batch
    model = tiny_model(vocab=VOCAB, dtype=dtype)
    ours = generate(model, ids, mask, rule="greedy", max_new_tokens=STEPS)
    theirs = model.generate(input_ids=ids, attention_mask=mask, do_sample=False, max_new_tokens=STEPS)
    assert torch.equal(ours.sequences, theirs)
    assert bool((ours.kept[ours.kept > 0] == 1).all())


@pytest.mark.parametrize("rule", [None, "greedy", *sorted(RULES)])
def test_a_left_padded_batch_is_its_rows(model, batch, rule):
    ids, mask = batch
    noise = open_uniform((3, STEPS), generator=seeded())
    options = {"rule": rule, "value": VALUES.get(rule), "max_new_tokens": STEPS, "eos_token_id": ()}
    together = generate(model, ids, mask, noise=noise, **options)
    for row in range(3):
        prompt = ids[row][mask[row].bool()][None]
        alone = generate(model, prompt, noise=noise[row : row + 1], **options)
        assert torch.equal(alone.sequences[0, -STEPS:], together.sequences[row, -STEPS:])
        assert torch.allclose(alone.entropies[0], together.entropies[row], atol=1e-10)
        assert torch.allclose(alone.log_probs[0], together.log_probs[row], atol=1e-10)
        assert torch.equal(alone.kept[0], together.kept[row])


@pytest.mark.parametrize(("rule", "temperature"), [(None, 1.0), (None, 0.6), ("top_p", 1.0), ("top_h", 1.4)])
def test_what_is_recorded_is_what_a_plain_forward_says(model, batch, rule, temperature):
    ids, mask = batch
    value = VALUES.get(rule)
    output = generate(
        model,
        ids,
        mask,
        rule=rule,
        value=value,
        temperature=temperature,
        max_new_tokens=STEPS,
        generator=seeded(3),
    )
    for row, sequence, start in rows_of(output, mask):
        logits = plain_logits(model, sequence, start)
        log_probs = logits.log_softmax(-1)
        steps = int(output.lengths[row])
        entropy = -(log_probs.exp() * log_probs).sum(-1)
        chosen = log_probs.gather(1, sequence[start:, None])[:, 0]
        assert torch.allclose(output.entropies[row, :steps], entropy, atol=1e-10)
        assert torch.allclose(output.log_probs[row, :steps], chosen, atol=1e-10)
        probs = (logits / temperature).softmax(-1)
        keep = torch.ones_like(probs, dtype=torch.bool)
        if rule:
            keep = truncation_mask(probs, rule, value)
        assert torch.equal(output.kept[row, :steps], keep.sum(-1))
        assert keep.gather(1, sequence[start:, None]).all()


def test_every_token_is_the_inverse_cdf_of_its_own_noise(model, batch):
    ids, mask = batch
    noise = open_uniform((3, STEPS), generator=seeded(8))
    output = generate(model, ids, mask, noise=noise, max_new_tokens=STEPS, eos_token_id=())
    for row, sequence, start in rows_of(output, mask):
        cdf = plain_logits(model, sequence, start).softmax(-1).cumsum(-1)
        assert torch.equal((cdf <= noise[row, :, None]).sum(-1), sequence[start:])


def test_entropies_are_of_the_model_before_temperature(model, batch):
    """A mutant that measures after temperature or truncation gives other numbers."""
    ids, mask = batch
    outputs = [
        generate(model, ids, mask, max_new_tokens=1, generator=seeded(), **options)
        for options in ({}, {"temperature": 0.5}, {"rule": "top_k", "value": 2}, {"rule": "greedy"})
    ]
    assert all(torch.equal(output.entropies, outputs[0].entropies) for output in outputs)
    assert outputs[0].entropies.max() <= math.log(VOCAB)


def test_samples_follow_the_truncated_distribution(model, batch):
    prompt = batch[0][:1]
    draws = 8_000
    output = generate(
        model,
        prompt,
        rule="top_k",
        value=4,
        max_new_tokens=1,
        num_return_sequences=draws,
        generator=seeded(1),
    )
    probs = plain_logits(model, torch.cat([prompt[0], prompt[0, :1]]), prompt.shape[1])[0].softmax(-1)
    distribution = torch.where(truncation_mask(probs, "top_k", 4), probs, 0.0)
    distribution /= distribution.sum()
    found = torch.bincount(output.sequences[:, -1], minlength=VOCAB) / draws
    spread = 4 * (distribution * (1 - distribution) / draws).sqrt() + 1e-12
    assert bool(((found - distribution).abs() <= spread).all())
    assert not bool(((found - probs).abs() <= spread).all())


@pytest.mark.parametrize("rule", sorted(RULES))
def test_processors_and_rules_write_the_same_text(model, batch, rule):
    ids, mask = batch
    value, noise = VALUES[rule], open_uniform((3, STEPS), generator=seeded(2))
    ours = generate(
        model, ids, mask, rule=rule, value=value, temperature=0.8, noise=noise, max_new_tokens=STEPS
    )
    theirs = generate(
        model, ids, mask, processors=hf_processors(rule, value, 0.8), noise=noise, max_new_tokens=STEPS
    )
    assert torch.equal(ours.sequences, theirs.sequences)
    assert torch.equal(ours.kept, theirs.kept)
    assert torch.allclose(ours.entropies, theirs.entropies, equal_nan=True)


def test_processors_run_in_transformers_generate(model, batch):
    """Everything that transformers draws lies in our kept set; the default top-k must be off."""
    ids, mask = batch
    torch.manual_seed(0)
    theirs = model.generate(
        input_ids=ids,
        attention_mask=mask,
        do_sample=True,
        top_k=0,
        max_new_tokens=STEPS,
        eos_token_id=None,
        logits_processor=hf_processors("top_h", 0.5),
        return_dict_in_generate=True,
        output_scores=True,
        output_logits=True,
    )
    for scores, logits in zip(theirs.scores, theirs.logits, strict=True):
        assert torch.equal(scores.isfinite(), truncation_mask(logits.double().softmax(-1), "top_h", 0.5))


def test_it_stops_at_the_end_of_text(model, batch):
    ids, mask = batch
    free = generate(model, ids, mask, rule="greedy", max_new_tokens=STEPS, eos_token_id=())
    assert free.lengths.tolist() == [STEPS] * 3
    text = free.sequences[0, ids.shape[1] :].tolist()
    end = text[3]
    stopped = generate(model, ids[:1], mask[:1], rule="greedy", max_new_tokens=STEPS, eos_token_id=end)
    length = text.index(end) + 1
    assert stopped.lengths.tolist() == [length]
    assert stopped.sequences.shape[1] == ids.shape[1] + length == ids.shape[1] + stopped.kept.shape[1]
    both = generate(model, ids, mask, rule="greedy", max_new_tokens=STEPS, eos_token_id=[end, EOS])
    lengths = [
        next((n for n, t in enumerate(row, 1) if t in (end, EOS)), STEPS)
        for row in free.sequences[:, ids.shape[1] :].tolist()
    ]
    assert both.lengths.tolist() == lengths and len(set(lengths)) > 1
    for row, length in enumerate(lengths):
        assert (both.sequences[row, ids.shape[1] + length :] == PAD).all()
        assert both.entropies[row, length:].isnan().all() and both.log_probs[row, length:].isnan().all()
        assert both.entropies[row, :length].isfinite().all()
        assert (both.kept[row, length:] == 0).all() and (both.kept[row, :length] == 1).all()


def test_defaults_come_from_the_model(model, batch):
    ids, mask = batch
    options = {"noise": open_uniform((3, 40), generator=seeded(4)), "max_new_tokens": 40}
    default = generate(model, ids, mask, **options)
    named = generate(model, ids, mask, eos_token_id=EOS, pad_token_id=PAD, **options)
    assert torch.equal(default.sequences, named.sequences)
    assert not bool((default.sequences[:, ids.shape[1] : -1] == EOS).all())


def test_several_sequences_stand_next_to_each_other(model, batch):
    ids, mask = batch
    noise = open_uniform((6, 4), generator=seeded(5))
    output = generate(
        model, ids, mask, max_new_tokens=4, num_return_sequences=2, noise=noise, eos_token_id=()
    )
    assert torch.equal(output.sequences[:, : ids.shape[1]], ids.repeat_interleave(2, 0))
    single = generate(model, ids[1:2], mask[1:2], max_new_tokens=4, noise=noise[3:4], eos_token_id=())
    assert torch.equal(output.sequences[3], single.sequences[0])


def test_the_generator_decides(model, batch):
    ids, mask = batch
    texts = [
        generate(model, ids, mask, max_new_tokens=STEPS, generator=seeded(seed)).sequences
        for seed in (1, 1, 2)
    ]
    assert torch.equal(texts[0], texts[1]) and not torch.equal(texts[0], texts[2])


def test_transformers_processors_see_the_text(model, batch):
    ids, mask = batch
    longer = LogitsProcessorList([MinNewTokensLengthLogitsProcessor(ids.shape[1], 8, [EOS])])
    end = generate(model, ids, mask, rule="greedy", max_new_tokens=1).sequences[0, -1].item()
    longer[0].eos_token_id = torch.tensor([end])
    output = generate(
        model, ids, mask, rule="greedy", processors=longer, max_new_tokens=STEPS, eos_token_id=end
    )
    assert output.lengths.min() >= 8


def test_the_streamer_gets_everything(model, batch):
    ids, mask = (part[:1] for part in batch)
    streamer = Streamer()
    output = generate(model, ids, mask, max_new_tokens=5, generator=seeded(), streamer=streamer)
    assert streamer.ended and torch.equal(streamer.parts[0], ids)
    assert torch.equal(torch.stack(streamer.parts[1:], 1), output.sequences[:, ids.shape[1] :])


def test_other_architectures(batch):
    """GPT-2 has learnt positions: a wrong position under left padding would show."""
    model = tiny_model("gpt2", vocab=VOCAB, spread=0.5, bos_token_id=EOS)
    ids, mask = batch
    ours = generate(model, ids, mask, rule="greedy", max_new_tokens=STEPS)
    theirs = model.generate(input_ids=ids, attention_mask=mask, do_sample=False, max_new_tokens=STEPS)
    assert torch.equal(ours.sequences, theirs)
    unaware = generate(model, ids, rule="greedy", max_new_tokens=STEPS)
    assert not torch.equal(unaware.sequences[2], ours.sequences[2])


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"input_ids": [[1, 2]]}, DtypeError, "input_ids must be a torch.Tensor"),
        ({"input_ids": torch.ones(1, 2)}, DtypeError, "input_ids has dtype float32"),
        ({"input_ids": torch.ones(2, dtype=torch.long)}, ShapeError, "input_ids has shape"),
        ({"input_ids": torch.ones(1, 0, dtype=torch.long)}, ShapeError, "expected a token in each row"),
        ({"input_ids": torch.tensor([[VOCAB]])}, ArgumentError, "outside 0 to 60"),
        ({"attention_mask": torch.ones(1, 2)}, DtypeError, "attention_mask has dtype"),
        ({"attention_mask": torch.ones(1, 2, dtype=torch.long)}, ShapeError, "attention_mask has shape"),
        ({"attention_mask": torch.tensor([[1, 1, 0]])}, ArgumentError, "pad on the left"),
        ({"attention_mask": torch.tensor([[1, 0, 1]])}, ArgumentError, "pad on the left"),
        ({"attention_mask": torch.tensor([[0, 0, 0]])}, ArgumentError, "padding only"),
        ({"attention_mask": torch.tensor([[0, 1, 2]])}, ArgumentError, "zeros and ones"),
        ({"max_new_tokens": 0}, ArgumentError, "max_new_tokens is 0"),
        ({"max_new_tokens": 62}, ArgumentError, "the model has 64 positions"),
        ({"max_new_tokens": 2.0}, DtypeError, "max_new_tokens must be an int"),
        ({"num_return_sequences": 0}, ArgumentError, "num_return_sequences is 0"),
        ({"temperature": 0}, ArgumentError, "argmax"),
        ({"temperature": math.nan}, ArgumentError, "temperature is nan"),
        ({"rule": "nucleus", "value": 0.9}, ArgumentError, "'nucleus'"),
        ({"rule": "top_p"}, ArgumentError, "without value"),
        ({"value": 0.9}, ArgumentError, "without rule"),
        ({"rule": "top_k", "value": VOCAB + 1}, ArgumentError, "k is 62"),
        ({"rule": "greedy", "value": 1.0}, ArgumentError, "neither value nor temperature"),
        ({"rule": "greedy", "temperature": 0.5}, ArgumentError, "neither value nor temperature"),
        ({"generator": 0}, DtypeError, "generator must be"),
        ({"noise": torch.rand(1, 4)}, DtypeError, "noise has dtype float32"),
        ({"noise": torch.rand(1, 3, dtype=torch.float64)}, ShapeError, "noise has shape"),
        ({"noise": torch.zeros(1, 4, dtype=torch.float64)}, ArgumentError, "strictly between 0 and 1"),
        (
            {"noise": open_uniform((1, 4)), "generator": seeded()},
            ArgumentError,
            "noise and generator are both given",
        ),
        ({"eos_token_id": VOCAB}, ArgumentError, "eos_token_id is 61"),
        ({"eos_token_id": "</s>"}, DtypeError, "eos_token_id"),
        ({"pad_token_id": -1}, ArgumentError, "pad_token_id is -1"),
        ({"eos_token_id": 1.0}, DtypeError, "eos_token_id must be an int or several, found float"),
        ({"processors": 3}, DtypeError, "processors must be callable, or a list of such, found int"),
        ({"processors": [print, 3]}, DtypeError, "processors must be callable"),
        ({"processors": lambda ids, z: None}, DtypeError, "<lambda> of processors returned NoneType"),
        (
            {"processors": [lambda ids, z: z[:, :5]]},
            ShapeError,
            r"returned shape \(1, 5\), expected \(1, 61\)",
        ),
        ({"streamer": print}, DtypeError, "streamer must have put and end"),
        (
            {"streamer": Streamer(), "num_return_sequences": 2},
            ArgumentError,
            "streamer is given with 2 sequences",
        ),
        (
            {"rule": "greedy", "noise": open_uniform((1, 4)), "generator": seeded()},
            ArgumentError,
            "noise and generator are both given",
        ),
    ],
)
def test_bad_arguments(model, change, error, words):
    good = {"input_ids": torch.tensor([[3, 4, 5]]), "max_new_tokens": 4}
    with pytest.raises(error, match=words):
        generate(model, **(good | change))


@pytest.mark.parametrize("rule", [None, "greedy"])
def test_processors_that_leave_nothing_are_found(model, rule):
    with pytest.raises(EmptySupportError, match="logits is -inf everywhere"):
        generate(
            model,
            torch.tensor([[3]]),
            max_new_tokens=1,
            rule=rule,
            processors=lambda ids, z: torch.full_like(z, -torch.inf),
        )


def test_processors_are_one_function_or_a_list(model, batch):
    ids, mask = batch
    options = {"noise": open_uniform((3, STEPS), generator=seeded()), "max_new_tokens": STEPS}
    whole = hf_processors("top_p", 0.7, 0.5)
    outputs = [
        generate(model, ids, mask, processors=form, **options) for form in (whole, list(whole), tuple(whole))
    ]
    assert all(torch.equal(output.sequences, outputs[0].sequences) for output in outputs)


def test_greedy_consumes_no_random_numbers(model, batch):
    ids, mask = batch
    own = seeded(3)
    before, everywhere = own.get_state(), torch.get_rng_state()
    generate(model, ids, mask, rule="greedy", max_new_tokens=3, generator=own)
    generate(model, ids, mask, rule="greedy", max_new_tokens=3)
    assert torch.equal(own.get_state(), before) and torch.equal(torch.get_rng_state(), everywhere)
