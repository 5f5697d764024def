"""The kernels compile for a GPU that is not here, without spills and with wide loads.

A process either interprets or compiles, so this one asks another.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata

import pytest

from tests.support.backends import NEEDS_TRITON

pytestmark = NEEDS_TRITON
#: Registers of one multiprocessor of sm_90, and the fewest warps that should fit on it at once.
REGISTERS, RESIDENT_WARPS = 65_536, 16


def compile_in_another_process(root, *command: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, *command], cwd=root, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def launches(root) -> list[dict]:
    return json.loads(compile_in_another_process(root, "-m", "tests.ops.compiled"))


def one(launches, **wanted) -> dict:
    (found,) = [launch for launch in launches if wanted.items() <= launch.items()]
    return found


def test_every_kernel_is_compiled(launches, root):
    files = [root / "tokenlab" / "ops" / name for name in ("kernels.py", "tiles.py")]
    names = {
        line.split("(")[0].removeprefix("def ")
        for file in files
        for line in file.read_text(encoding="utf-8").splitlines()
        if "_kernel(" in line and line.startswith("def ")
    }
    assert {launch["kernel"] for launch in launches} == names


def test_nothing_spills(launches):
    assert [launch for launch in launches if launch["spills"]] == []


def test_enough_warps_fit_on_a_multiprocessor(launches):
    """Of the kernels that read whole rows: their loads hide after one another."""
    for launch in launches:
        if launch["kernel"] in ("_tile_stats_kernel", "_gumbel_kernel"):
            assert launch["registers"] * 32 * RESIDENT_WARPS <= REGISTERS, launch


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_loads_bring_16_bytes(launches, dtype):
    """All of them in an aligned vocabulary; the unmasked body where only the stride is aligned."""
    each = 4096 // 128 * (4 if dtype == "float32" else 2) // 16  # loads of a thread for one tile
    for case in ("all statistics", "Gumbel sample"):
        kernel = "_gumbel_kernel" if case == "Gumbel sample" else "_tile_stats_kernel"
        found = one(launches, case=case, kernel=kernel, dtype=dtype, layout="aligned")
        seed = case == "Gumbel sample"
        assert found["wide_loads"] == 2 * each == found["loads"] - seed  # body and tail
        found = one(launches, case=case, kernel=kernel, dtype=dtype, layout="padded")
        assert found["wide_loads"] == each


def test_rows_that_begin_anywhere_have_no_wide_loads(launches):
    found = one(launches, case="all statistics", kernel="_tile_stats_kernel", layout="odd")
    assert found["wide_loads"] == 0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_unused_statistics_cost_no_instructions(launches, dtype):
    def tile(case):
        return one(launches, case=case, kernel="_tile_stats_kernel", dtype=dtype, layout="aligned")

    assert tile("logsumexp, argmax")["instructions"] < tile("all statistics")["instructions"]
    assert tile("top-k, 1")["instructions"] < tile("logsumexp, argmax")["instructions"] / 2


def test_published_facts_are_these(launches, root):
    """The page of benchmarks shows a file; it says what this compiler says."""
    result = json.loads((root / "tests/benchmarks/results/kernels_sm90.json").read_text(encoding="utf-8"))
    if metadata.version("triton") != result["versions"]["triton"]:
        pytest.skip(f"recorded with triton {result['versions']['triton']}")
    now = [launch for launch in launches if launch["layout"] == "aligned"]
    assert result["launches"] == now, f"run `{result['command']}`"


PLANTED = {
    "break": "for i in range(0, n):\n        if i > 2:\n            break\n        tl.store(x_ptr + i, i)",
    "global": "tl.store(x_ptr, LIMIT)",
    "not a power of two": "tl.store(x_ptr + tl.arange(0, 3), 0)",
}


@pytest.mark.parametrize("fault", PLANTED)
def test_planted_fault_does_not_compile(fault, root, tmp_path):
    """What the interpreter lets pass, or might: the compiler must refuse it."""
    path = tmp_path / "planted.py"
    path.write_text(
        "import torch, triton, triton.language as tl\n"
        "from tests.support.compile_only import compile_launch\n"
        f"LIMIT = 3\n@triton.jit\ndef _planted_kernel(x_ptr, n):\n    {PLANTED[fault]}\n"
        "compile_launch(_planted_kernel, (torch.zeros(8, dtype=torch.int64), 7), {})\n",
        encoding="utf-8",
    )
    with pytest.raises(AssertionError, match="ompilationError|NameError|UnsupportedLanguageConstruct"):
        compile_in_another_process(root, "-c", f"import runpy; runpy.run_path({str(path)!r})")


SPILLING = """
import json, torch, triton, triton.language as tl
from tests.support.compile_only import compile_launch
@triton.jit
def _wide_kernel(x_ptr, n, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + i, mask=i < n, other=0.0)
    tl.store(x_ptr + i, x / tl.sum(tl.exp(x - tl.max(x, 0)), 0), mask=i < n)
launch = compile_launch(_wide_kernel, (torch.zeros(8001), 8001), {"BLOCK": 8192, "num_warps": 1})
print(json.dumps(launch))
"""


def test_planted_spill_and_narrow_loads_are_seen(root, tmp_path):
    path = tmp_path / "spilling.py"
    path.write_text(SPILLING, encoding="utf-8")
    printed = compile_in_another_process(root, "-c", f"import runpy; runpy.run_path({str(path)!r})")
    launch = json.loads(printed)
    assert launch["spills"] > 0 and launch["wide_loads"] == 0
