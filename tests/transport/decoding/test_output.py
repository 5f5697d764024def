"""What a decoding says about itself: counts that add up, and acceptance as plain forwards have it."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from tests.support.tiny_models import plain_logits
from tests.transport.decoding.pairs import STEPS, seeded
from tokenlab.transport import Branching, Chain, DynamicTree, Sequences, generate


def test_statistics_add_up(twins, batch):
    ids, mask = batch
    output = generate(
        *twins, ids, mask, drafts=DynamicTree(6), max_new_tokens=STEPS, eos_token_id=(), generator=seeded(2)
    )
    for row in range(3):
        accepted = [n for n in output.accepted_lengths[row].tolist() if n >= 0]
        assert len(accepted) == output.target_calls[row]
        # Each round adds its drafts and one token; the last one may be cut.
        assert sum(accepted) + len(accepted) in (STEPS, STEPS + 1)
        assert output.tokens_per_target_call[row] == pytest.approx(STEPS / len(accepted))
    assert {field.name for field in fields(output)} >= set(output.keys())
    assert output["sequences"] is output.sequences and "acceptance" not in output


def test_acceptance_of_a_chain_is_what_plain_forwards_say(models):
    target, draft = models
    prompt = [3, 4, 5]
    output = generate(
        target,
        draft,
        torch.tensor([prompt]),
        drafts=Chain(1),
        rule="recursive",
        max_new_tokens=9,
        eos_token_id=(),
        generator=seeded(),
        track_acceptance=True,
    )
    text = output.sequences[0].tolist()
    assert output.steps[:, 0].tolist() == [0] * len(output.steps) and bool((output.steps[:, 3] == 1).all())
    length = len(prompt)
    for (_, number, depth, _), best in zip(output.steps.tolist(), output.optimal_acceptance, strict=True):
        assert depth == 0
        probs = [plain_logits(model, text[:length]).softmax(-1) for model in models]
        assert best == pytest.approx(torch.minimum(*probs).sum().item(), abs=1e-10)
        length += 1 + int(output.accepted_lengths[0, number])


@pytest.mark.parametrize(
    ("drafts", "rule"),
    [
        (Sequences(3, length=3), "recursive"),
        (Sequences(3, length=3), "kseq"),
        (Branching(2, 2), "greedy"),
        (Chain(3), "target_only"),
    ],
    ids=str,
)
def test_tracked_acceptance_is_how_often_drafts_are_taken(twins, drafts, rule):
    """Mean of the stated probabilities against the share of steps that went on."""
    ids = torch.randint(3, 29, (30 if rule == "kseq" else 60, 2), generator=seeded(9))
    output = generate(
        *twins,
        ids,
        drafts=drafts,
        rule=rule,
        max_new_tokens=12,
        eos_token_id=(),
        generator=seeded(1),
        temperature=1.5,
        track_acceptance=True,
    )
    row, number, depth, drafted = output.steps.unbind(1)
    went_on = (output.accepted_lengths[row, number] > depth).double()
    # A cut at the last token hides what was accepted.
    free = number < (output.accepted_lengths[row] >= 0).sum(1) - 1
    spread = (output.acceptance * (1 - output.acceptance))[free].sum().sqrt() / free.sum()
    assert abs(went_on[free].mean() - output.acceptance[free].mean()) < 4 * spread
    assert bool((drafted >= 1).all()) and int(free.sum()) > 100
    if rule == "greedy":
        mean = (output.acceptance - output.optimal_acceptance)[free]
        assert abs(mean.mean()) < 4 * mean.std() / len(mean) ** 0.5


def test_tracking_changes_no_token(twins, batch):
    ids, mask = batch
    options = {"drafts": Sequences(3), "rule": "kseq", "max_new_tokens": STEPS}
    plain, tracked = (
        generate(*twins, ids, mask, generator=seeded(), track_acceptance=track, **options)
        for track in (False, True)
    )
    assert torch.equal(plain.sequences, tracked.sequences)
    assert len(tracked.acceptance) == len(tracked.optimal_acceptance) == len(tracked.steps) > 0
