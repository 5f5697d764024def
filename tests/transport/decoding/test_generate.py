"""Decoding on tiny models: the target's greedy text, the target's distribution, and what the target was told."""

from __future__ import annotations

import copy
from bisect import bisect
from dataclasses import fields
from itertools import accumulate

import pytest
import torch
from scipy.stats import chisquare

from tests.support.tiny_models import ARCHITECTURES, EOS, PAD, plain_logits, sequence_distribution, tiny_model
from tokenlab.errors import ArgumentError, DtypeError, ShapeError
from tokenlab.transport.decoding import loop
from tokenlab.transport.decoding.generate import generate, multi_draft
from tokenlab.transport.decoding.structures import STRUCTURE_RULES, check_structure
from tokenlab.transport.decoding.tree_cache import Reader
from tokenlab.transport.trees.draft_tree import DraftTree
from tokenlab.transport.trees.verify import VerifiedPath, accepted_paths

STEPS = 14


SHAPES = {
    "chain": {"draft_length": 3},
    "iid_sequences": {"num_drafts": 3, "draft_length": 3},
    "without_replacement": {"num_drafts": (3, 2, 1)},
    "dynamic": {"num_drafts": 7, "draft_length": 4},
}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pair(architecture: str = "llama", **options):
    """A target, and a draft of the same family with one layer: close to nothing in common."""
    return tiny_model(architecture, **options), tiny_model(
        architecture, **(options | {"seed": 1, "layers": 1})
    )


@pytest.fixture(scope="module")
def models():
    return pair()


@pytest.fixture(scope="module")
def twins():
    """A draft that is the target but for noise in its last layer: long paths are accepted."""
    target, draft = tiny_model(), tiny_model()
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        weight = draft.lm_head.weight
        weight += 0.05 * torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
    return target, draft


@pytest.fixture(scope="module")
def batch():
    """Three prompts of 6, 4 and 1 tokens, padded on the left."""
    ids = torch.randint(3, 29, (3, 6), generator=torch.Generator().manual_seed(5))
    mask = torch.ones_like(ids)
    for row, length in enumerate((6, 4, 1)):
        ids[row, : 6 - length], mask[row, : 6 - length] = PAD, 0
    return ids, mask


def prompts(ids, mask):
    return [row[kept.bool()].tolist() for row, kept in zip(ids, mask, strict=True)]


@pytest.mark.parametrize("structure", SHAPES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_greedy_is_the_targets_greedy_text(architecture, structure, batch):
    ids, mask = batch
    for dtype, attention in ((torch.float64, "sdpa"), (torch.float64, "eager"), (torch.float32, "sdpa")):
        target, draft = pair(architecture, dtype=dtype, attention=attention)
        # transformers' own eager attention turns padding into NaN in float64.
        theirs = tiny_model(architecture, dtype=dtype).generate(
            ids, attention_mask=mask, do_sample=False, max_new_tokens=STEPS
        )
        ours = generate(
            target,
            draft,
            ids,
            mask,
            structure=structure,
            do_sample=False,
            max_new_tokens=STEPS,
            **SHAPES[structure],
        )
        assert torch.equal(ours.sequences, theirs)


@pytest.mark.parametrize("structure", SHAPES)
def test_greedy_with_a_good_draft_takes_fewer_calls(twins, batch, structure):
    target, draft = twins
    ids, mask = batch
    theirs = target.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=STEPS)
    ours = generate(
        target,
        draft,
        ids,
        mask,
        structure=structure,
        temperature=0,
        max_new_tokens=STEPS,
        **SHAPES[structure],
    )
    assert torch.equal(ours.sequences, theirs)
    assert ours.target_calls.max() < STEPS / 2
    # Rows go on at their own pace.
    assert len({tuple(row) for row in ours.accepted_lengths.tolist()}) > 1


def test_a_draft_that_is_the_target_is_always_right(batch):
    target = tiny_model()
    ids, mask = batch
    ours = generate(
        target, target, ids, mask, draft_length=4, do_sample=False, eos_token_id=(), max_new_tokens=15
    )
    assert ours.accepted_lengths.tolist() == [[4, 4, 4]] * 3
    assert ours.tokens_per_target_call.tolist() == [5.0] * 3
    # In the last round, too, the draft is read only as far as it is needed.
    assert ours.draft_calls == 12


def test_the_tree_of_a_rule_does_not_change_greedy_text(twins, batch):
    target, draft = twins
    ids, mask = batch
    theirs = target.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=STEPS)
    for structure, rules in STRUCTURE_RULES.items():
        for rule in set(rules) - {"optimal"}:
            options = SHAPES[structure] | ({"num_drafts": (2, 2)} if rule == "spechub" else {})
            ours = generate(
                target,
                draft,
                ids,
                mask,
                rule=rule,
                structure=structure,
                do_sample=False,
                max_new_tokens=STEPS,
                **options,
            )
            assert torch.equal(ours.sequences, theirs)


def largest_gap(monkeypatch, target, draft, batch, structure, rule="recursive", **options) -> float:
    """Distributions given to verification against plain forwards of text and path."""
    ids, mask = batch
    worst, calls, known = [], [], {}
    keep, verify = loop._Decoding.round, loop.verify_tree

    def round_(self, *arguments):
        known["texts"] = [list(self.texts[row]) for row in self.running]
        known["row"] = 0
        return keep(self, *arguments)

    def check(tree, target_probs, rule, **more):
        text = known["texts"][known["row"]]
        known["row"] += 1
        calls.append(len(tree))
        for node in range(-1, len(tree)):
            tokens = text + tree.tokens[tree.path(node)].tolist()
            found = [(target, target_probs[node + 1])]
            if tree.children(node):
                found.append((draft, tree.draft_probs[node + 1]))
            for model, probs in found:
                worst.append((probs - plain_logits(model, tokens).softmax(-1)).abs().max().item())
        return verify(tree, target_probs, rule, **more)

    monkeypatch.setattr(loop._Decoding, "round", round_)
    monkeypatch.setattr(loop, "verify_tree", check)
    generate(
        target,
        draft,
        ids,
        mask,
        rule=rule,
        structure=structure,
        max_new_tokens=10,
        generator=seeded(),
        eos_token_id=(),
        **(SHAPES[structure] | options),
    )
    assert len(calls) > 6
    return max(worst)


@pytest.mark.parametrize("structure", SHAPES)
def test_both_models_are_asked_about_the_right_texts(monkeypatch, twins, batch, structure):
    assert largest_gap(monkeypatch, *twins, batch, structure) < 1e-10


@pytest.mark.parametrize("architecture", ["gpt2", "qwen2"])
def test_other_architectures_are_asked_about_the_right_texts(monkeypatch, batch, architecture):
    # A draft that is the target: paths are long.
    target = tiny_model(architecture)
    assert largest_gap(monkeypatch, target, target, batch, "without_replacement") < 1e-10


def test_a_cache_of_the_wrong_path_shows(monkeypatch, twins, batch):
    right = Reader.settle
    monkeypatch.setattr(Reader, "settle", lambda self, kept: right(self, [list(range(len(n))) for n in kept]))
    assert largest_gap(monkeypatch, *twins, batch, "without_replacement") > 1e-3


def test_leaking_siblings_show(monkeypatch, twins, batch):
    right = Reader.read

    def leak(self, texts, tokens=None, depths=None, seen=None):
        return right(self, texts, tokens, depths, None if seen is None else torch.ones_like(seen))

    monkeypatch.setattr(Reader, "read", leak)
    assert largest_gap(monkeypatch, *twins, batch, "iid_sequences") > 1e-3


def test_distributions_are_those_of_transformers(monkeypatch, models, batch):
    """Temperature, top-k and top-p as ``model.generate`` applies them, to both models."""
    target, draft = models
    seen = []
    right = loop.verify_tree

    def verify(tree, target_probs, rule, **options):
        seen.append((tree, target_probs))
        return right(tree, target_probs, rule, **options)

    monkeypatch.setattr(loop, "verify_tree", verify)
    options = {"temperature": 0.7, "top_k": 12, "top_p": 0.8}
    ids, mask = batch
    generate(target, draft, ids, mask, generator=seeded(), max_new_tokens=2, draft_length=1, **options)
    for model, found in ((target, [p[0] for _, p in seen]), (draft, [t.draft_probs[0] for t, _ in seen])):
        theirs = model.generate(
            ids,
            attention_mask=mask,
            do_sample=True,
            max_new_tokens=1,
            output_scores=True,
            return_dict_in_generate=True,
            **options,
        ).scores[0]
        # transformers keeps scores in float32.
        assert (torch.stack(found[:3]) - theirs.softmax(-1)).abs().max() < 1e-6
        assert ((theirs.softmax(-1) > 0).sum(-1) < 12).any()


ROWS = 20_000


DISTRIBUTION_SHAPES = {
    "chain": {"rule": "block", "draft_length": 2},
    "iid_sequences": {"rule": "kseq", "num_drafts": 2, "draft_length": 2},
    "without_replacement": {"rule": "recursive", "num_drafts": (2, 1)},
    "dynamic": {"rule": "traversal", "num_drafts": 3, "draft_length": 2},
}


class Remembering:
    """Verification that computes the distribution of each tree once, and then draws from it.

    The same distribution as ``verify_tree``, by its own ``accepted_paths``; tiny models ask for the same few
    trees again and again.
    """

    def __init__(self, mistake: str | None = None):
        self.distributions, self.mistake = {}, mistake

    def __call__(self, tree, target_probs, rule, *, generator, validate):
        key = b"".join(
            part.numpy().tobytes()
            for part in (
                tree.tokens,
                tree.parents,
                target_probs.round(decimals=9),
                tree.draft_probs.round(decimals=9),
            )
        )
        if key not in self.distributions:
            self.distributions[key] = self.distribution(tree, target_probs, rule)
        outcomes, cdf = self.distributions[key]
        uniform = torch.rand((), generator=generator, dtype=torch.float64).item()
        return outcomes[min(bisect(cdf, uniform * cdf[-1]), len(cdf) - 1)]

    def distribution(self, tree, target_probs, rule):
        told = tree.draft_probs
        if self.mistake == "temperature of the draft":
            # The drafts were drawn at another temperature than verification is told.
            told = told**0.8 / (told**0.8).sum(-1, keepdim=True)
        elif self.mistake == "distribution of the root":
            told = told[:1].expand_as(told)
        elif self.mistake == "bonus of the draft":
            target_probs = torch.cat([target_probs[:-1], told[:1]])
        tree = DraftTree(tree.tokens, tree.parents, told, tree.sampling, validate=False)
        outcomes, masses = [], []
        for nodes, probability, next_probs in accepted_paths(tree, target_probs, rule, validate=False):
            path = torch.tensor(nodes, dtype=torch.long)
            for token, share in enumerate(next_probs.tolist()):
                outcomes.append(VerifiedPath(torch.cat([tree.tokens[path], torch.tensor([token])]), path))
                masses.append(probability * share)
        return outcomes, list(accumulate(masses))


def p_values(structure: str, rows: int = ROWS, temperature: float = 0.8, **options) -> list[float]:
    """Three tokens after two prompts of different lengths, against all 27 texts."""
    target, draft = pair(vocab=3, layers=1)
    texts = [[0, 2, 1], [2]]
    ids = torch.tensor([[0, 2, 1], [PAD, PAD, 2]]).repeat(rows // 2, 1)
    mask = torch.tensor([[1, 1, 1], [0, 0, 1]]).repeat(rows // 2, 1)
    output = generate(
        target,
        draft,
        ids,
        mask,
        structure=structure,
        temperature=temperature,
        max_new_tokens=3,
        eos_token_id=(),
        generator=seeded(7),
        **(DISTRIBUTION_SHAPES[structure] | options),
    )
    codes = (output.sequences[:, 3:] * torch.tensor([9, 3, 1])).sum(-1)
    found = []
    for row, text in enumerate(texts):
        distribution = sequence_distribution(
            target, text, 3, lambda logits: (logits / temperature).softmax(-1)
        ).flatten()
        counts = torch.bincount(codes[row::2], minlength=27).double()
        # Texts that are expected fewer than five times are counted as one.
        rare = distribution * rows / 2 < 5
        distribution, counts = (torch.cat([x[~rare], x[rare].sum()[None]]) for x in (distribution, counts))
        distribution, counts = distribution[distribution > 0], counts[distribution > 0]
        found.append(chisquare(counts.numpy(), (distribution / distribution.sum() * rows / 2).numpy()).pvalue)
    return found


@pytest.mark.parametrize("structure", SHAPES)
def test_texts_follow_the_targets_distribution(monkeypatch, structure):
    monkeypatch.setattr(loop, "verify_tree", Remembering())
    assert min(p_values(structure)) > 1e-3


@pytest.mark.parametrize("structure", SHAPES)
def test_so_they_do_with_verification_as_it_is(structure):
    assert min(p_values(structure, rows=1500, rule="recursive")) > 1e-3


@pytest.mark.parametrize(
    ("structure", "mistake"),
    [
        ("chain", "temperature of the draft"),
        ("chain", "bonus of the draft"),
        ("without_replacement", "distribution of the root"),
    ],
)
def test_planted_mistakes_change_the_distribution(monkeypatch, structure, mistake):
    monkeypatch.setattr(loop, "verify_tree", Remembering(mistake))
    assert min(p_values(structure)) < 1e-6


def test_the_generator_decides(models, batch):
    ids, mask = batch
    texts = [
        generate(*models, ids, mask, max_new_tokens=STEPS, eos_token_id=(), generator=seeded(seed)).sequences
        for seed in (1, 1, 2)
    ]
    assert torch.equal(texts[0], texts[1]) and not torch.equal(texts[0], texts[2])


@pytest.mark.parametrize("structure", SHAPES)
@pytest.mark.parametrize("do_sample", [False, True])
def test_rows_that_ended_stay_ended(twins, batch, structure, do_sample):
    ids, mask = batch
    options = {"structure": structure, "do_sample": do_sample, "max_new_tokens": 24, **SHAPES[structure]}
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


@pytest.mark.parametrize("structure", SHAPES)
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_no_more_tokens_than_asked_for(twins, batch, structure, steps):
    ids, mask = batch
    output = generate(
        *twins,
        ids,
        mask,
        structure=structure,
        max_new_tokens=steps,
        eos_token_id=(),
        generator=seeded(),
        **SHAPES[structure],
    )
    assert output.lengths.tolist() == [steps] * 3 and output.sequences.shape == (3, 6 + steps)


def test_a_text_may_fill_all_positions(batch):
    target, draft = pair("gpt2", positions=16)
    ids, mask = batch
    ours = generate(
        target, draft, ids, mask, structure="dynamic", num_drafts=6, do_sample=False, max_new_tokens=10
    )
    theirs = target.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=10)
    assert torch.equal(ours.sequences, theirs)


def test_statistics_add_up(twins, batch):
    ids, mask = batch
    output = generate(
        *twins,
        ids,
        mask,
        structure="dynamic",
        num_drafts=6,
        max_new_tokens=STEPS,
        eos_token_id=(),
        generator=seeded(2),
    )
    for row in range(3):
        accepted = [n for n in output.accepted_lengths[row].tolist() if n >= 0]
        assert len(accepted) == output.target_calls[row]
        # Each round adds its drafts and one token; the last one may be cut.
        assert sum(accepted) + len(accepted) in (STEPS, STEPS + 1)
        assert output.tokens_per_target_call[row] == pytest.approx(STEPS / len(accepted))
    assert {field.name for field in fields(output)} >= set(output.keys())
    assert output["sequences"] is output.sequences and "acceptance" not in output


def test_long_prompts(monkeypatch, twins):
    from tokenlab.transport.decoding import tree_cache

    monkeypatch.setattr(tree_cache, "CHUNK", 5)
    ids = torch.randint(3, 29, (2, 13), generator=seeded(1))
    ours = generate(*twins, ids, do_sample=False, max_new_tokens=STEPS)
    assert torch.equal(ours.sequences, twins[0].generate(ids, do_sample=False, max_new_tokens=STEPS))
    assert ours.target_calls[0] == 2 + len([n for n in ours.accepted_lengths[0] if n >= 0])


class Streamer:
    def __init__(self):
        self.parts, self.ended = [], False

    def put(self, value):
        assert not self.ended
        self.parts.append(value)

    def end(self):
        self.ended = True


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


def test_acceptance_of_a_chain_is_what_plain_forwards_say(models):
    target, draft = models
    prompt = [3, 4, 5]
    output = generate(
        target,
        draft,
        torch.tensor([prompt]),
        draft_length=1,
        max_new_tokens=9,
        eos_token_id=(),
        generator=seeded(),
        track_acceptance=True,
    )
    text = output.sequences[0].tolist()
    assert output.steps[:, 0].tolist() == [0] * len(output.steps) and bool((output.steps[:, 3] == 1).all())
    place = len(prompt)
    for (_, number, depth, _), best in zip(output.steps.tolist(), output.optimal_acceptance, strict=True):
        assert depth == 0
        probs = [plain_logits(model, text[:place]).softmax(-1) for model in models]
        assert best == pytest.approx(torch.minimum(*probs).sum().item(), abs=1e-10)
        place += 1 + int(output.accepted_lengths[0, number])


@pytest.mark.parametrize(
    ("structure", "rule"),
    [
        ("iid_sequences", "recursive"),
        ("iid_sequences", "kseq"),
        ("without_replacement", "greedy"),
        ("chain", "target_only"),
    ],
)
def test_tracked_acceptance_is_how_often_drafts_are_taken(twins, structure, rule):
    """Mean of the stated probabilities against the share of steps that went on."""
    ids = torch.randint(3, 29, (30 if rule == "kseq" else 60, 2), generator=seeded(9))
    output = generate(
        *twins,
        ids,
        structure=structure,
        rule=rule,
        max_new_tokens=12,
        eos_token_id=(),
        generator=seeded(1),
        temperature=1.5,
        track_acceptance=True,
        **(SHAPES[structure] | ({"num_drafts": (2, 2)} if rule == "greedy" else {})),
    )
    row, number, depth, drafts = output.steps.unbind(1)
    went_on = (output.accepted_lengths[row, number] > depth).double()
    # A cut at the last token hides what was accepted.
    free = number < (output.accepted_lengths[row] >= 0).sum(1) - 1
    spread = (output.acceptance * (1 - output.acceptance))[free].sum().sqrt() / free.sum()
    assert abs(went_on[free].mean() - output.acceptance[free].mean()) < 4 * spread
    assert bool((drafts >= 1).all()) and int(free.sum()) > 100
    if rule == "greedy":
        mean = (output.acceptance - output.optimal_acceptance)[free]
        assert abs(mean.mean()) < 4 * mean.std() / len(mean) ** 0.5


def test_tracking_changes_no_token(twins, batch):
    ids, mask = batch
    options = {"structure": "iid_sequences", "num_drafts": 3, "rule": "kseq", "max_new_tokens": STEPS}
    plain, tracked = (
        generate(*twins, ids, mask, generator=seeded(), track_acceptance=track, **options)
        for track in (False, True)
    )
    assert torch.equal(plain.sequences, tracked.sequences)
    assert len(tracked.acceptance) == len(tracked.optimal_acceptance) == len(tracked.steps) > 0


@pytest.mark.parametrize("structure", SHAPES)
def test_as_a_decoding_method_of_transformers(twins, batch, structure):
    target, draft = twins
    ids, mask = batch
    method = multi_draft(draft, structure=structure, **SHAPES[structure])
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
    direct = generate(
        target, draft, ids, mask, structure=structure, generator=seeded(5), **(SHAPES[structure] | sampling)
    )
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
        ({"rule": None}, DtypeError, "rule must be a string"),
        ({"structure": "tree"}, ArgumentError, "structure is 'tree'"),
        ({"num_drafts": 0}, ArgumentError, "num_drafts is 0"),
        ({"num_drafts": 2}, ArgumentError, "num_drafts is 2 with structure 'chain'"),
        ({"num_drafts": 1.5}, DtypeError, "num_drafts must be an int"),
        ({"draft_length": 0}, ArgumentError, "draft_length is 0"),
        ({"structure": "iid_sequences"}, ArgumentError, "num_drafts is not given"),
        ({"structure": "iid_sequences", "num_drafts": 0}, ArgumentError, "num_drafts is 0"),
        ({"structure": "iid_sequences", "num_drafts": (2, 2)}, ArgumentError, "expected an int"),
        ({"structure": "without_replacement", "num_drafts": (2, 0)}, ArgumentError, "num_drafts is 0"),
        (
            {"structure": "without_replacement", "num_drafts": (2, 2), "draft_length": 3},
            ArgumentError,
            "2 levels",
        ),
        ({"structure": "without_replacement", "num_drafts": 30}, ArgumentError, "only 29 tokens"),
        (
            {"structure": "without_replacement", "num_drafts": 9, "draft_length": 9},
            ArgumentError,
            "at most 1024",
        ),
        ({"structure": "dynamic", "num_drafts": 5000}, ArgumentError, "at most 1024"),
        (
            {"structure": "iid_sequences", "num_drafts": 4, "rule": "optimal"},
            ArgumentError,
            "smaller vocabulary",
        ),
        (
            {"structure": "without_replacement", "num_drafts": 3, "rule": "spechub"},
            ArgumentError,
            "two drafts",
        ),
        ({"structure": "without_replacement", "num_drafts": ()}, ArgumentError, "num_drafts is empty"),
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


@pytest.mark.parametrize(
    ("structure", "rule", "words"),
    [
        ("iid_sequences", "block", "one sequence"),
        ("iid_sequences", "greedy", "drafts of its own"),
        ("without_replacement", "kseq", "i.i.d. drafts only"),
        ("dynamic", "kseq", "how many drafts"),
        ("dynamic", "greedy", "drafts of its own"),
        ("dynamic", "optimal", "how many drafts"),
        ("chain", "spechub", "drafts of its own"),
    ],
)
def test_rules_that_are_not_lossless_with_a_structure_are_refused(structure, rule, words):
    with pytest.raises(ArgumentError, match=words):
        check_structure(rule, structure, 2, None, 29)


def test_the_table_in_the_docstring_is_the_table():
    text = " ".join(generate.__doc__.split("iid_sequences          k sequences")[0].split("=\n")[-1].split())
    for rule in STRUCTURE_RULES["chain"]:
        assert rule in text
    for rules in STRUCTURE_RULES.values():
        assert len(set(rules)) == len(rules)


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


@pytest.mark.parametrize(
    ("structure", "rule"), [(s, r) for s, rules in STRUCTURE_RULES.items() for r in rules]
)
def test_a_single_token_left_by_truncation_is_no_obstacle(models, structure, rule):
    """With ``top_k=1`` there is no pair to draw, nor a second token without replacement."""
    if rule in ("optimal", "traversal_optimal"):
        models = tiny_model(vocab=5), tiny_model(vocab=5, seed=1)
    ids = torch.tensor([[3, 4], [4, 3]])
    number = None if structure == "chain" else 2
    found = generate(
        *models,
        ids,
        structure=structure,
        rule=rule,
        num_drafts=number,
        top_k=1,
        max_new_tokens=5,
        eos_token_id=(),
    )
    plain = generate(*models, ids, do_sample=False, max_new_tokens=5, eos_token_id=())
    assert torch.equal(found.sequences, plain.sequences)


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


def test_nothing_slow_is_imported():
    import subprocess
    import sys

    code = "import sys, tokenlab.transport.decoding.generate; print([m for m in ('transformers', 'scipy', 'triton') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
