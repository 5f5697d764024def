"""A tokenizer of another model is refused where the model's files tell; one that was changed in part is not."""

from __future__ import annotations

import copy

import pytest
import torch

from tests.support.tiny_models import tiny_model
from tokenlab.bytelevel import ByteLM
from tokenlab.errors import ArgumentError
from tokenlab.lm import load

WORDS = (
    r"tokenizer is not the model's: \d+ of 4\d\d\d ids stand for other pieces in .*lab-draft.*tokenizer\.json"
)


@pytest.fixture(scope="module")
def draft():
    return load("lab-draft")


@pytest.fixture(scope="module")
def other_tokenizer():
    return load("lab-other")[1]


@pytest.mark.parametrize("bare", [False, True], ids=["transformers", "tokenizers"])
def test_another_models_tokenizer_is_refused(draft, other_tokenizer, bare):
    with pytest.raises(ArgumentError, match=WORDS):
        ByteLM(draft[0], other_tokenizer.backend_tokenizer if bare else other_tokenizer)


def test_it_can_be_said_on_purpose(draft, other_tokenizer):
    model = copy.deepcopy(draft[0])
    model.config.name_or_path = ""
    assert ByteLM(model, other_tokenizer).end_ids


def test_the_same_tokenizer_passes_from_elsewhere_and_extended(draft, tmp_path):
    model, tokenizer = draft
    expected = ByteLM(model, tokenizer).next_byte_log_probs(b"impor")
    saved = copy.deepcopy(tokenizer)
    saved.add_special_tokens({"additional_special_tokens": ["<image>"]})
    saved.save_pretrained(tmp_path)
    again = type(tokenizer).from_pretrained(tmp_path)
    assert again.name_or_path != model.config.name_or_path
    for given in (again, tokenizer.backend_tokenizer, load("lab-target")[1]):
        assert torch.equal(ByteLM(model, given).next_byte_log_probs(b"impor"), expected)


@pytest.mark.parametrize("name", ["", "no/such-model", "a folder that was deleted", "/no/such/folder"])
def test_models_without_files_take_any(draft, name):
    model = tiny_model(vocab=len(draft[1]), layers=1)
    model.config.name_or_path = name
    assert ByteLM(model, draft[1]).end_ids
