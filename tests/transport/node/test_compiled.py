"""The transport kernels compile for a GPU that is not here, without spills and with wide loads."""

from __future__ import annotations

import json
from importlib import metadata

import pytest

from tests.ops.test_compiled import REGISTERS, RESIDENT_WARPS, compile_in_another_process
from tests.support.backends import NEEDS_TRITON

pytestmark = NEEDS_TRITON


#: Their programs read whole rows.
READING = (
    "_stats_kernel",
    "_factors_kernel",
    "_recursive_kernel",
    "_hockey_stick_kernel",
    "_residual_kernel",
)


@pytest.fixture(scope="module")
def launches(root) -> list[dict]:
    return json.loads(compile_in_another_process(root, "-m", "tests.transport.node.compiled"))


def test_every_kernel_is_compiled(launches, root):
    source = (root / "tokenlab" / "transport" / "kernels.py").read_text(encoding="utf-8")
    names = {
        line.split("(")[0].removeprefix("def ")
        for line in source.splitlines()
        if "_kernel(" in line and line.startswith("def ")
    }
    assert {launch["kernel"] for launch in launches} == names


def test_nothing_spills(launches):
    assert [launch for launch in launches if launch["spills"]] == []


def test_enough_warps_fit_on_a_multiprocessor(launches):
    """Of the kernels that read whole rows: their loads hide after one another."""
    for launch in launches:
        if launch["kernel"] in READING:
            assert launch["registers"] * 32 * RESIDENT_WARPS <= REGISTERS, launch


def test_rows_are_read_16_bytes_at_once(launches):
    """Two rows, with and without a mask: all of it where the vocabulary is aligned."""
    for launch in launches:
        if launch["kernel"] in READING:
            size = 4 if launch["dtype"] == "float32" else 2
            body = 2 * launch["tokens_per_thread"] * size // 16
            expected = {"aligned": 2 * body, "padded": body, "odd": 0}[launch["layout"]]
            # The sums of a pass may be read 16 bytes at once, too.
            assert (
                expected
                <= launch["wide_loads"]
                <= expected + 4 * (launch["kernel"] != "_hockey_stick_kernel")
            ), launch


def test_published_facts_are_these(launches, root):
    """The page of benchmarks shows a file; it says what this compiler says."""
    path = root / "tests/benchmarks/results/transport_sm90.json"
    result = json.loads(path.read_text(encoding="utf-8"))
    if metadata.version("triton") != result["versions"]["triton"]:
        pytest.skip(f"recorded with triton {result['versions']['triton']}")
    now = [launch for launch in launches if launch["layout"] == "aligned"]
    assert result["launches"] == now, f"run `{result['command']}`"
