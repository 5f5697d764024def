"""The benchmark counts what it says: tokens, calls of the target model, time by the given clock."""

from __future__ import annotations

import json
from itertools import count

import pytest
import torch

from tests.benchmarks import bench_generate
from tests.support.tiny_models import tiny_model

TOKENS = 4


@pytest.fixture(scope="module")
def rows():
    models = tiny_model(), tiny_model(seed=1, layers=1)
    prompts = [torch.tensor([[3, 4, 5]])]
    ticks, lines = count(), []
    # Every reading of the clock is a second after the one before.
    found = bench_generate.measure(
        models, prompts, range(2), TOKENS, clock=lambda: float(next(ticks)), report=lines.append
    )
    assert len(lines) == len(found)
    return found


def test_every_method_writes_as_many_tokens(rows):
    for row in rows:
        runs = 2 if row["do_sample"] else 1
        assert row["runs"] == runs and row["tokens"] == runs * TOKENS
        assert row["tokens_per_second"] == row["low"] == row["high"] == TOKENS
    assert len({(row["method"], row["do_sample"]) for row in rows}) == len(rows)
    json.dumps(rows)


def test_calls_are_the_target_models(rows):
    per_call = {(row["method"], row["do_sample"]): row["tokens_per_target_call"] for row in rows}
    for do_sample in (True, False):
        assert per_call["plain loop", do_sample] == per_call["transformers", do_sample] == 1
    for (method, _), found in per_call.items():
        assert 1 <= found <= TOKENS, method


def test_the_hook_is_gone(rows):
    target = tiny_model()
    bench_generate.measure((target, tiny_model(seed=1)), [torch.tensor([[3]])], range(1), 1, report=str)
    assert not target._forward_hooks


def test_the_verdict_names_the_fastest():
    def row(method, speed, do_sample):
        return {"method": method, "tokens_per_second": speed, "do_sample": do_sample}

    rows = [
        row(method, speed, do_sample)
        for do_sample in (True, False)
        for method, speed in (
            ("plain loop", 2.0),
            ("transformers assisted, default", 1.0),
            ("transformers assisted, 2", 4.0),
            ("chain 2, block", 6.0),
            ("chain 3, recursive", 5.0),
            ("dynamic 6, recursive", 9.0),
        )
    ]
    lines = bench_generate.verdict(rows)
    assert lines[:3] == [
        "sampled: chain 2, block is 3.00 times plain loop",
        "sampled: chain 2, block is 6.00 times transformers assisted, default",
        "sampled: chain 2, block is 1.50 times transformers assisted, 2",
    ]
    assert len(lines) == 6
