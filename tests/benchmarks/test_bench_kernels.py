"""The benchmark measures what it says: same results on both sides, right bytes, honest rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

from tests.benchmarks import bench_kernels, gpu
from tests.benchmarks.timing import Time, copy_bandwidth
from tests.support.backends import DEVICE, NEEDS_TRITON

pytestmark = NEEDS_TRITON


@pytest.fixture
def run(monkeypatch):
    """A measurement with a clock of its own: every call takes 2 ms, cold, and 1 ms in a graph."""
    monkeypatch.setattr(bench_kernels, "COMPILED_SHAPES", ())
    monkeypatch.setattr(bench_kernels, "flashinfer_calls", dict)

    def measure(timer=None, graph_timer=lambda call: 1.0):
        def clock(call):
            call()
            return Time(2.0, 1.5, 3.0)

        lines = []
        result = bench_kernels.measure(
            shapes=((2, 1000),),
            dtypes=(torch.float32,),
            device=DEVICE,
            timer=timer or clock,
            graph_timer=graph_timer,
            report=lines.append,
        )
        return result, lines

    return measure


def test_rows_and_provenance(run):
    result, lines = run()
    assert {row["provider"] for row in result["rows"]} == {"kernel", "eager"}
    assert len(result["rows"]) == 2 * len(bench_kernels.operations())
    assert len(lines) == 1 + len(result["rows"])
    for row in result["rows"]:
        assert row["bytes"] == 2 * 1000 * 4
        assert row["share_of_copy"] == round(8000 / 2e-3 / result["copy_bandwidth"], 4)
        assert row["ratio"] == 1 and row["graph_ms"] == 1 and row["ms_low"] < row["ms"] < row["ms_high"]
    assert {"command", "date", "device", "driver", "versions", "seed"} <= result.keys()
    json.dumps(result)


def test_a_slower_peer_has_a_ratio_above_one(run):
    times = iter([1.0] + [2.0, 5.0] * 5)
    result, _ = run(timer=lambda call: Time(next(times), 1, 9))
    assert [row["ratio"] for row in result["rows"]] == [1, 2.5] * 5


def test_a_peer_that_fails_is_a_row(run, monkeypatch):
    def fail(logits):
        raise RuntimeError("no such device")

    monkeypatch.setattr(bench_kernels, "flashinfer_calls", lambda: {"Gumbel sample": fail})
    result, lines = run()
    (row,) = [row for row in result["rows"] if row["provider"] == "flashinfer"]
    assert row["error"] == "RuntimeError: no such device" and "failed" in "".join(lines)


def test_a_kernel_that_fails_is_an_error(run, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("launch failed")

    monkeypatch.setattr(bench_kernels, "row_stats", fail)
    with pytest.raises(RuntimeError, match="launch failed"):
        run()


def test_copy_counts_reading_and_writing():
    found = copy_bandwidth(lambda call: Time(1.0, 1.0, 1.0), device="cpu")
    assert found == 2 * 2**20 / 1e-3


@pytest.mark.parametrize("name", bench_kernels.operations())
def test_both_sides_compute_the_same(name):
    """A benchmark of two different things is none."""
    operation = bench_kernels.operations()[name]
    logits = torch.randn(3, 700, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    if "sample" in name:
        # Random: compared on rows where only one token can be drawn.
        logits = torch.full_like(logits, -torch.inf).scatter_(1, logits.argmax(-1, keepdim=True), 0.0)
    found, expected = operation.kernel(logits), operation.eager(logits)
    if isinstance(found, torch.Tensor):
        found, expected = (found.flatten(),), (expected.flatten(),)
    found = [value for value in found if value is not None]
    for value, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(value, wanted, rtol=1e-5, atol=1e-5)


def result_with(**shares) -> dict:
    rows = [
        {
            "operation": name,
            "dtype": dtype,
            "shape": [256, 128_256],
            "provider": "kernel",
            "ms": ms,
            "share_of_copy": share,
        }
        for (name, dtype), (ms, share) in shares.pop("rows").items()
    ]
    return {"rows": rows}


def test_goals_are_judged():
    found = bench_kernels.goals(
        result_with(
            rows={
                ("logsumexp, argmax", "float32"): (0.040, 0.76),
                ("all statistics", "float32"): (0.060, 0.59),
                ("two-level sample", "float32"): (0.050, 0.5),
            }
        )
    )
    assert [goal["met"] for goal in found] == [True, False, True]
    assert found[0]["found"] == "76%" and found[2]["found"] == "1.25 times"


def test_goals_that_were_not_measured_are_left_out():
    assert bench_kernels.goals({"rows": []}) == []


RUN_ALL = """
import runpy, sys
modules, sys.argv = sys.argv[1:], sys.argv[:1]
for module in modules:
    try:
        runpy.run_module(f"tests.benchmarks.{module}", run_name="__main__")
    except SystemExit as stop:
        print(stop)
"""


@pytest.mark.skipif(DEVICE == "cuda", reason="a CUDA device is here")
def test_without_a_gpu_it_says_so(root):
    modules = ("gpu", "bench_kernels", "bench_transport_kernels", "bench_byte_kernels")
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", RUN_ALL, *modules]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
    # What each says as it exits, and nothing else.
    lines = done.stdout.splitlines()
    assert len(lines) == len(modules) and all("CUDA device" in line for line in lines)


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(
        gpu.importlib.util, "find_spec", lambda name: None if name in ("triton", "pytest") else 1
    )
    assert "lacks triton, pytest" in gpu.missing()
