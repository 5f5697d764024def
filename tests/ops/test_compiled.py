"""The kernels compile for a GPU that is not here, without spills and with wide loads."""

from __future__ import annotations

import json

import pytest

from tests.support.backends import NEEDS_TRITON
from tests.support.compiled import CompiledKernels, compile_in_another_process

pytestmark = [NEEDS_TRITON, pytest.mark.interpreter]


def one(launches, **wanted) -> dict:
    (found,) = [launch for launch in launches if wanted.items() <= launch.items()]
    return found


class TestCompiled(CompiledKernels):
    command, folder, results = "tests.ops.compiled", "tokenlab/ops", "kernels_sm90.json"
    reading = ("_tile_stats_kernel", "_gumbel_kernel")

    @pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
    def test_loads_bring_16_bytes(self, launches, dtype):
        """All of them in an aligned vocabulary; the unmasked body where only the stride is aligned."""
        each = 4096 // 128 * (4 if dtype == "float32" else 2) // 16  # loads of a thread for one tile
        for case in ("all statistics", "Gumbel sample"):
            kernel = "_gumbel_kernel" if case == "Gumbel sample" else "_tile_stats_kernel"
            found = one(launches, case=case, kernel=kernel, dtype=dtype, layout="aligned")
            seed = case == "Gumbel sample"
            assert found["wide_loads"] == 2 * each == found["loads"] - seed  # body and tail
            found = one(launches, case=case, kernel=kernel, dtype=dtype, layout="padded")
            assert found["wide_loads"] == each

    def test_rows_that_begin_anywhere_have_no_wide_loads(self, launches):
        found = one(launches, case="all statistics", kernel="_tile_stats_kernel", layout="odd")
        assert found["wide_loads"] == 0

    @pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
    def test_unused_statistics_cost_no_instructions(self, launches, dtype):
        def tile(case):
            return one(launches, case=case, kernel="_tile_stats_kernel", dtype=dtype, layout="aligned")

        assert tile("logsumexp, argmax")["instructions"] < tile("all statistics")["instructions"]
        assert tile("top-k, 1")["instructions"] < tile("logsumexp, argmax")["instructions"] / 2


PLANTED = {
    "break": "for i in range(0, n):\n        if i > 2:\n            break\n        tl.store(x_ptr + i, i)",
    "global": "tl.store(x_ptr, LIMIT)",
    "not a power of two": "tl.store(x_ptr + tl.arange(0, 3), 0)",
}


@pytest.mark.mutant
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


@pytest.mark.mutant
def test_planted_spill_and_narrow_loads_are_seen(root, tmp_path):
    path = tmp_path / "spilling.py"
    path.write_text(SPILLING, encoding="utf-8")
    printed = compile_in_another_process(root, "-c", f"import runpy; runpy.run_path({str(path)!r})")
    launch = json.loads(printed)
    assert launch["spills"] > 0 and launch["wide_loads"] == 0
