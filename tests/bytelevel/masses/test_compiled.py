"""The byte kernels compile for a GPU that is not here, without spills and with wide loads."""

from __future__ import annotations

import json
from importlib import metadata

import pytest

from tests.ops.test_compiled import REGISTERS, RESIDENT_WARPS, compile_in_another_process
from tests.support.backends import NEEDS_TRITON

pytestmark = NEEDS_TRITON


@pytest.fixture(scope="module")
def launches(root) -> list[dict]:
    return json.loads(compile_in_another_process(root, "-m", "tests.bytelevel.masses.compiled"))


def test_every_kernel_is_compiled(launches, root):
    source = (root / "tokenlab" / "bytelevel" / "masses" / "kernels.py").read_text(encoding="utf-8")
    names = {
        line.split("(")[0].removeprefix("def ")
        for line in source.splitlines()
        if "_kernel(" in line and line.startswith("def ")
    }
    assert {launch["kernel"] for launch in launches} == names


def test_nothing_spills(launches):
    assert [launch for launch in launches if launch["spills"]] == []


def test_enough_warps_fit_on_a_multiprocessor(launches):
    for launch in launches:
        assert launch["registers"] * 32 * RESIDENT_WARPS <= REGISTERS, launch


def test_windows_are_read_16_bytes_at_once(launches):
    """With and without a mask, where the vocabulary is aligned; their plan always is."""
    seen = set()
    for launch in launches:
        if launch["kernel"] == "_window_kernel":
            body = launch["tokens_per_thread"] * (4 if launch["dtype"] == "float32" else 2) // 16
            plan = launch["tokens_per_thread"] * 2 // 16
            assert (
                launch["wide_loads"]
                == {"aligned": 2 * body, "padded": body, "odd": 0}[launch["layout"]] + plan
            )
            seen.add((launch["layout"], launch["dtype"]))
    assert len(seen) == 4


def test_windows_fit_beside_each_other(launches):
    """A program exchanges its window in shared memory: four of them take less than a multiprocessor has."""
    assert {launch["shared"] for launch in launches if launch["kernel"] == "_window_kernel"} == {32_768}


def test_published_facts_are_these(launches, root):
    """The page of benchmarks shows a file; it says what this compiler says."""
    path = root / "tests/benchmarks/results/bytes_sm90.json"
    result = json.loads(path.read_text(encoding="utf-8"))
    if metadata.version("triton") != result["versions"]["triton"]:
        pytest.skip(f"recorded with triton {result['versions']['triton']}")
    now = [launch for launch in launches if launch["layout"] == "aligned"]
    assert result["launches"] == now, f"run `{result['command']}`"
