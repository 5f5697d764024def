"""The benchmark of byte masses measures what it says: equal results, right bytes, honest rows."""

from __future__ import annotations

import json

import pytest
import torch

from tests.benchmarks import bench_byte_kernels as bench
from tests.benchmarks.timing import Time
from tests.support.backends import DEVICE, NEEDS_TRITON

pytestmark = NEEDS_TRITON
SHAPE = (2, 900)


@pytest.fixture
def run():
    """A measurement with a clock of its own: every call takes 2 ms, cold, and 1 ms in a graph."""

    def measure(**options):
        def clock(call):
            call()
            return Time(2.0, 1.5, 3.0)

        lines = []
        result = bench.measure(
            shapes=((1, 600), SHAPE),
            whole_table=SHAPE,
            dtypes=(torch.float32,),
            device=DEVICE,
            compiled=False,
            timer=clock,
            graph_timer=lambda call: 1.0,
            report=lines.append,
            **options,
        )
        return result, lines

    return measure


def test_rows_and_provenance(run):
    result, lines = run()
    assert [row["operation"] for row in result["rows"][::5]] == ["first byte", *bench.OPERATIONS]
    providers = ["kernel", "eager", "index_add", "two scatters", "sparse product"]
    assert [row["provider"] for row in result["rows"][:5]] == providers
    assert len(lines) == 1 + len(result["rows"]) == 26
    for row in result["rows"]:
        assert row["bytes"] == row["shape"][0] * row["tokens"] * 4
        assert (row["tokens"] == row["shape"][1]) == row["operation"].startswith("first byte")
        assert row["ratio"] == 1 and row["graph_ms"] == 1
    assert {"command", "date", "device", "driver", "versions", "seed"} <= result.keys()
    json.dumps(result)


@pytest.mark.parametrize("name", bench.OPERATIONS)
def test_everyone_computes_the_same(name):
    """A benchmark of different things is none."""
    case = bench.make_case(*SHAPE, *bench.OPERATIONS[name], torch.float32, DEVICE)
    providers = dict(bench.calls(case, compiled=False))
    expected = providers.pop("kernel")()
    assert int((expected > -torch.inf).sum()) > 10
    for provider, call in providers.items():
        torch.testing.assert_close(call().double(), expected, rtol=0, atol=2e-5, msg=provider)


def measured(**ratios) -> list[dict]:
    where = {
        "operation": "first byte",
        "dtype": "float32",
        "shape": list(bench.WHOLE_TABLE),
        "share_of_copy": 0.44,
    }
    return [where | {"provider": name, "ratio": ratio} for name, ratio in ratios.items()]


def test_goals_are_judged():
    found = bench.goals({"rows": measured(kernel=1.0, eager=3.5)})
    assert [goal["met"] for goal in found] == [True, False]
    assert found[0]["found"] == "3.50 times" and found[1]["found"] == "44%"
    assert [goal["met"] for goal in bench.goals({"rows": measured(kernel=1.0, eager=2.5)})] == [False, False]
    assert bench.goals({"rows": []}) == []
