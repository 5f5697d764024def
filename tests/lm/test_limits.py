"""Texts are refused from the length on at which a model reads differently, and are exact below it."""

from __future__ import annotations

import pytest
import torch

from tests.support.model_families import SLIDING, family_model, greedy_text
from tests.support.tiny_models import tiny_model
from tokenlab.errors import ArgumentError
from tokenlab.lm.limits import longrope_limit, sliding_window
from tokenlab.sampling import generate as sample
from tokenlab.transport import Branching
from tokenlab.transport import generate as draft_and_verify

PROMPT = [3, 9, 4, 8]
TREE = Branching(2, 1, 1)


def ids_of(*rows: list[int]) -> torch.Tensor:
    return torch.tensor(rows)


@pytest.mark.model
@pytest.mark.parametrize("name", SLIDING)
def test_drafts_run_where_the_window_cannot_bind(name):
    model, draft = family_model(name), family_model(name, seed=1)
    assert sliding_window(model) == 8 and sliding_window(tiny_model()) is None
    found = draft_and_verify(
        model, draft, ids_of(PROMPT), drafts=TREE, max_new_tokens=4, do_sample=False, eos_token_id=()
    )
    assert found.sequences[0, 4:].tolist() == greedy_text(model, PROMPT, 4)
    for target, other, words in ((model, tiny_model(), "target"), (tiny_model(), draft, "draft")):
        with pytest.raises(
            ArgumentError, match=f"but {words} has a sliding window of 8 tokens: from there on"
        ):
            draft_and_verify(target, other, ids_of(PROMPT), max_new_tokens=5)


@pytest.mark.model
def test_longrope():
    model, draft = family_model("phi3"), family_model("phi3", seed=1)
    assert longrope_limit(model) == 16 and longrope_limit(tiny_model()) is None
    for new in (12, 13):
        options = {"max_new_tokens": new, "eos_token_id": ()}
        runs = (
            lambda options=options: sample(model, ids_of(PROMPT), rule="greedy", **options),
            lambda options=options: draft_and_verify(
                model, draft, ids_of(PROMPT), drafts=TREE, do_sample=False, **options
            ),
        )
        for run in runs:
            if new == 12:
                assert run().sequences[0, 4:].tolist() == greedy_text(model, PROMPT, 12)
            else:
                with pytest.raises(ArgumentError, match="has 16 positions of its first training: after them"):
                    run()


@pytest.mark.model
def test_longrope_beyond_its_switch():
    """A text that is long from its first forward on has one set of factors; drafts may not be read so."""
    model = family_model("phi3")
    long = [3 + index % 20 for index in range(17)]
    found = sample(model, ids_of(long), rule="greedy", max_new_tokens=6, eos_token_id=())
    assert found.sequences[0, 17:].tolist() == greedy_text(model, long, 6)
    with pytest.raises(ArgumentError, match="but target has 16 positions of its first training"):
        draft_and_verify(model, model, ids_of(long), max_new_tokens=6)
    # Rows of both kinds would share the factors of the longest.
    mask = torch.ones(2, 17, dtype=torch.long)
    mask[1, :8] = 0
    with pytest.raises(ArgumentError, match="16 positions of its first training"):
        sample(model, ids_of(long, long), mask, max_new_tokens=2)


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_padding_is_no_text(architecture):
    """A mask that is wider than every text takes no positions."""
    model = tiny_model(architecture, positions=8, spread=0.5)
    ids = ids_of([2, 2, 2, 2, 2, 3, 4], [2, 2, 2, 2, 3, 4, 5])
    mask = torch.tensor([[0, 0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 1, 1, 1]])
    options = {"max_new_tokens": 5, "eos_token_id": ()}
    expected = [greedy_text(model, [3, 4], 5), greedy_text(model, [3, 4, 5], 5)]
    assert sample(model, ids, mask, rule="greedy", **options).sequences[:, 7:].tolist() == expected
    found = draft_and_verify(model, model, ids, mask, do_sample=False, **options)
    assert found.sequences[:, 7:].tolist() == expected
    with pytest.raises(ArgumentError, match="is 6 after a prompt of 3 tokens, but the model has 8 positions"):
        sample(model, ids, mask, max_new_tokens=6)
