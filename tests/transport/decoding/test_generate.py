"""Public decoding on tiny models: the target's greedy text, ends, lengths, streams, and refused arguments."""

from __future__ import annotations

import pytest
import torch

from tests.support.tiny_models import ARCHITECTURES, PAD, tiny_model
from tests.transport.decoding.pairs import DRAFTS, STEPS, Streamer, every_kind, pair, seeded
from tokenlab.errors import ArgumentError, DtypeError, ShapeError
from tokenlab.transport import Branching, Chain, DynamicTree, Sequences, generate, multi_draft


@every_kind
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_greedy_is_the_targets_greedy_text(architecture, drafts, batch):
    ids, mask = batch
    for dtype, attention in ((torch.float64, "sdpa"), (torch.float64, "eager"), (torch.float32, "sdpa")):
        target, draft = pair(architecture, dtype=dtype, attention=attention)
        # transformers' own eager attention turns padding into NaN in float64.
        theirs = tiny_model(architecture, dtype=dtype).generate(
            ids, attention_mask=mask, do_sample=False, max_new_tokens=STEPS
        )
        ours = generate(target, draft, ids, mask, drafts=drafts, do_sample=False, max_new_tokens=STEPS)
        assert torch.equal(ours.sequences, theirs)


@every_kind
def test_greedy_with_a_good_draft_takes_fewer_calls(twins, batch, drafts):
    target, draft = twins
    ids, mask = batch
    theirs = target.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=STEPS)
    ours = generate(target, draft, ids, mask, drafts=drafts, temperature=0, max_new_tokens=STEPS)
    assert torch.equal(ours.sequences, theirs)
    assert ours.target_calls.max() < STEPS / 2
    # Rows go on at their own pace.
    assert len({tuple(row) for row in ours.accepted_lengths.tolist()}) > 1


def test_a_draft_that_is_the_target_is_always_right(batch):
    target = tiny_model()
    ids, mask = batch
    ours = generate(
        target, target, ids, mask, drafts=Chain(4), do_sample=False, eos_token_id=(), max_new_tokens=15
    )
    assert ours.accepted_lengths.tolist() == [[4, 4, 4]] * 3
    assert ours.tokens_per_target_call.tolist() == [5.0] * 3
    # In the last round, too, the draft is read only as far as it is needed.
    assert ours.draft_calls == 12


def test_the_tree_of_a_rule_does_not_change_greedy_text(twins, batch):
    target, draft = twins
    ids, mask = batch
    theirs = target.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=STEPS)
    for drafts in DRAFTS:
        for rule in set(drafts.rules) - {"optimal"}:
            ours = generate(
                target,
                draft,
                ids,
                mask,
                drafts=Branching(2, 2) if rule == "spechub" else drafts,
                rule=rule,
                do_sample=False,
                max_new_tokens=STEPS,
            )
            assert torch.equal(ours.sequences, theirs)


def test_the_generator_decides(models, batch):
    ids, mask = batch
    texts = [
        generate(*models, ids, mask, max_new_tokens=STEPS, eos_token_id=(), generator=seeded(seed)).sequences
        for seed in (1, 1, 2)
    ]
    assert torch.equal(texts[0], texts[1]) and not torch.equal(texts[0], texts[2])


@every_kind
@pytest.mark.parametrize("do_sample", [False, True])
def test_rows_that_ended_stay_ended(twins, batch, drafts, do_sample):
    ids, mask = batch
    options = {"drafts": drafts, "do_sample": do_sample, "max_new_tokens": 24}
    ends = list(range(3, 7))
    output = generate(*twins, ids, mask, eos_token_id=ends, generator=seeded(3), **options)
    new = output.sequences[:, ids.shape[1] :].tolist()
    assert len(set(output.lengths.tolist())) > 1
    for row, length in zip(new, output.lengths.tolist(), strict=True):
        is_end = [token in ends for token in row[:length]]
        assert not any(is_end[:-1]) and (is_end[-1] or length == 24)
        assert all(token == PAD for token in row[length:])
    assert output.sequences.shape[1] == ids.shape[1] + int(output.lengths.max())
    if not do_sample:
        free = generate(*twins, ids, mask, eos_token_id=(), **options)
        for row, (length, text) in enumerate(zip(output.lengths, new, strict=True)):
            assert free.sequences[row, ids.shape[1] :].tolist()[:length] == text[:length]


@every_kind
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_no_more_tokens_than_asked_for(twins, batch, drafts, steps):
    ids, mask = batch
    output = generate(
        *twins, ids, mask, drafts=drafts, max_new_tokens=steps, eos_token_id=(), generator=seeded()
    )
    assert output.lengths.tolist() == [steps] * 3 and output.sequences.shape == (3, 6 + steps)


def test_a_text_may_fill_all_positions(batch):
    target, draft = pair("gpt2", positions=16)
    ids, mask = batch
    ours = generate(target, draft, ids, mask, drafts=DynamicTree(6), do_sample=False, max_new_tokens=10)
    theirs = target.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=10)
    assert torch.equal(ours.sequences, theirs)


def test_long_prompts(monkeypatch, twins):
    from tokenlab.transport.decoding import tree_cache

    monkeypatch.setattr(tree_cache, "CHUNK", 5)
    ids = torch.randint(3, 29, (2, 13), generator=seeded(1))
    ours = generate(*twins, ids, do_sample=False, max_new_tokens=STEPS)
    assert torch.equal(ours.sequences, twins[0].generate(ids, do_sample=False, max_new_tokens=STEPS))
    assert ours.target_calls[0] == 2 + len([n for n in ours.accepted_lengths[0] if n >= 0])


@pytest.mark.parametrize(
    ("drafts", "rule"),
    [
        (drafts, rule)
        for drafts in (Chain(4), Sequences(2), Branching(2, 2, 2, 2), DynamicTree(2))
        for rule in drafts.rules
    ],
    ids=str,
)
def test_a_single_token_left_by_truncation_is_no_obstacle(models, drafts, rule):
    """With ``top_k=1`` there is no pair to draw, nor a second token without replacement."""
    if rule in ("optimal", "traversal_optimal"):
        models = tiny_model(vocab=5), tiny_model(vocab=5, seed=1)
    ids = torch.tensor([[3, 4], [4, 3]])
    found = generate(*models, ids, drafts=drafts, rule=rule, top_k=1, max_new_tokens=5, eos_token_id=())
    plain = generate(*models, ids, do_sample=False, max_new_tokens=5, eos_token_id=())
    assert torch.equal(found.sequences, plain.sequences)


def test_the_streamer_gets_every_token_once(twins, batch):
    streamer = Streamer()
    ids = batch[0][:1]
    output = generate(*twins, ids, max_new_tokens=STEPS, generator=seeded(), streamer=streamer)
    assert streamer.ended and torch.equal(streamer.parts[0], ids)
    assert torch.equal(torch.cat(streamer.parts[1:]), output.sequences[0, 6:])
    assert 1 < len(streamer.parts) - 1 == output.target_calls[0]


def test_transformers_streamers_write_the_text(capsys):
    from transformers import TextStreamer

    from tokenlab.lm import load

    (target, tokenizer), (draft, _) = load("lab-target"), load("lab-draft")
    prompt = tokenizer("for name in", return_tensors="pt").input_ids
    output = generate(
        target, draft, prompt, max_new_tokens=8, do_sample=False, streamer=TextStreamer(tokenizer)
    )
    assert capsys.readouterr().out.rstrip("\n") == tokenizer.decode(output.sequences[0]).rstrip("\n")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"input_ids": [[1, 2]]}, DtypeError, "input_ids must be a torch.Tensor"),
        ({"input_ids": torch.ones(1, 0, dtype=torch.long)}, ShapeError, "expected a token in each row"),
        ({"input_ids": torch.tensor([[29]])}, ArgumentError, "outside 0 to 28"),
        ({"attention_mask": torch.tensor([[1, 1, 0]])}, ArgumentError, "pad on the left"),
        ({"max_new_tokens": 0}, ArgumentError, "max_new_tokens is 0"),
        ({"max_new_tokens": 62}, ArgumentError, "target has 64 positions"),
        ({"rule": "spectr"}, ArgumentError, "rule is 'spectr'"),
        ({"rule": 3}, DtypeError, "rule must be a string"),
        ({"drafts": "chain"}, DtypeError, "drafts must be a Chain, Sequences, .* found str 'chain'"),
        ({"drafts": Chain}, DtypeError, "found the class Chain"),
        ({"drafts": None}, DtypeError, "drafts must be a Chain"),
        ({"drafts": Branching(30)}, ArgumentError, "only 29 tokens"),
        ({"drafts": Sequences(4), "rule": "optimal"}, ArgumentError, "smaller vocabulary"),
        ({"drafts": Branching(3, 3), "rule": "optimal"}, ArgumentError, "smaller vocabulary"),
        ({"drafts": Branching(3, 3), "rule": "spechub"}, ArgumentError, "two drafts"),
        ({"drafts": DynamicTree(5), "rule": "kseq"}, ArgumentError, "'kseq' does not go with DynamicTree"),
        ({"streamer": 3}, DtypeError, "streamer must have put and end, found int"),
        ({"temperature": 1e-39}, ArgumentError, "temperature is 1e-39, expected 0"),
        ({"do_sample": 1}, DtypeError, "do_sample must be a bool"),
        ({"temperature": -1}, ArgumentError, "temperature is -1"),
        ({"do_sample": False, "temperature": 0.7}, ArgumentError, "without sampling"),
        ({"temperature": 0, "top_k": 5}, ArgumentError, "without sampling"),
        ({"top_k": 30}, ArgumentError, "top_k is 30"),
        ({"top_p": 0}, ArgumentError, "top_p is 0"),
        ({"generator": 0}, DtypeError, "generator must be"),
        ({"eos_token_id": 29}, ArgumentError, "eos_token_id is 29"),
        ({"pad_token_id": -1}, ArgumentError, "pad_token_id is -1"),
        ({"rule": "block", "track_acceptance": True}, ArgumentError, "no acceptance at a node"),
        ({"track_acceptance": True}, ArgumentError, "expected one of 'recursive'"),
        (
            {"input_ids": torch.tensor([[3], [4]]), "streamer": Streamer()},
            ArgumentError,
            "streamer is given with 2",
        ),
    ],
)
def test_bad_arguments(models, change, error, words):
    good = {"input_ids": torch.tensor([[3, 4, 5]]), "max_new_tokens": 4}
    with pytest.raises(error, match=words):
        generate(*models, **(good | change))


def test_nothing_slow_is_imported():
    import subprocess
    import sys

    code = "import sys, tokenlab.transport.decoding.generate; print([m for m in ('transformers', 'scipy', 'triton') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "old", [{"structure": "chain"}, {"num_drafts": 2}, {"draft_length": 4}], ids=lambda old: next(iter(old))
)
def test_there_is_one_way_to_say_what_is_drafted(models, old):
    ids = torch.tensor([[3, 4, 5]])
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        generate(*models, ids, max_new_tokens=4, **old)
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        multi_draft(models[1], **old)


@every_kind
def test_without_a_rule_the_drafts_say_which(twins, batch, drafts):
    ids, mask = batch
    options = {"drafts": drafts, "max_new_tokens": STEPS, "eos_token_id": ()}
    texts = [
        generate(*twins, ids, mask, rule=rule, generator=seeded(), **options).sequences
        for rule in (None, drafts.default_rule)
    ]
    assert torch.equal(*texts)
