"""Tokens and calls of texts, small; recorded ones are read and computed again."""

from __future__ import annotations

import math

import pytest

from tests.chapters.transport.experiments.conftest import Tokenizer
from tokenlab.chapters.transport import experiments
from tokenlab.chapters.transport.experiments import Setting, decoding
from tokenlab.transport import Chain


def test_counts_of_texts_are_those_of_generate(pair):
    way = decoding.WAYS["3 sequences of 4, K-SEQ"]
    counts = experiments.measure_texts(*pair, Tokenizer(), way, Setting(), 4, new_tokens=9)
    assert len(counts["tokens"]) == len(counts["calls"]) == 8
    for tokens, calls in zip(counts["tokens"], counts["calls"], strict=True):
        assert 1 <= tokens <= 9 and math.ceil(tokens / 5) <= calls <= tokens
    again = experiments.measure_texts(*pair, Tokenizer(), way, Setting(), 4, new_tokens=9)
    other = experiments.measure_texts(*pair, Tokenizer(), way, Setting(), 4, new_tokens=9, seed=1)
    assert again == counts != other


def test_equal_models_accept_everything(pair):
    """A count that forgot the target's own token, or a round, would show here."""
    way = {"drafts": Chain(3)}
    counts = experiments.measure_texts(pair[0], pair[0], Tokenizer(), way, Setting(), 0, new_tokens=8)
    full = [calls for tokens, calls in zip(counts["tokens"], counts["calls"], strict=True) if tokens == 8]
    assert full and set(full) == {2}


def test_every_way_runs_and_drafts_what_its_name_says(pair):
    for name, way in decoding.WAYS.items():
        budget = 4 if name.startswith("chain of 4") else 32 if name.startswith("8") else 12
        assert way["drafts"].num_nodes == budget, name
        counts = experiments.measure_texts(*pair, Tokenizer(), way, Setting(), 0, new_tokens=4)
        assert max(counts["tokens"]) <= 4


def test_advantages_are_compared_prompt_by_prompt():
    texts = {"T = 1": {"a": {"tokens": [6, 12], "calls": [2, 3]}, "b": {"tokens": [4, 9], "calls": [2, 3]}}}
    results = {"texts": texts}
    assert experiments.efficiency(results, "T = 1", "a").mean == 3.5
    assert experiments.advantage(results, "T = 1", "a", "b") == pytest.approx((1, 1, 1))


def test_recorded_texts_hold_for_one_batch(lab):
    recorded = experiments.load_results("decoding")
    for way in ("chain of 4", "tree 3-1-1-1, recursive"):
        again = experiments.recompute_texts(*lab, "T = 1", way, 2)
        assert again == {name: counts[16:24] for name, counts in recorded["texts"]["T = 1"][way].items()}
