"""The kernels that book/sampling/kernels.ipynb defines: labels, solutions, and code for a GPU."""

from __future__ import annotations

import json
import re

import pytest
import torch

from tests.support.backends import NEEDS_TRITON
from tests.support.notebook_kernels import QUIET, KernelNotebook

#: Name of the mistake: what is changed in the notebook's code, which then must not run through.
MUTANTS = {
    "the mask fills with 0": ("other=-float(\"inf\")).to(tl.float32)\n    m = tl.max(x, 0)  # (1)", "other=0.0).to(tl.float32)\n    m = tl.max(x, 0)  # (1)"),
    "-inf minus -inf": ("    below = x - tl.where(m == -float(\"inf\"), 0.0, m)\n    s", "    below = x - m\n    s"),
    "sums at their own maxima": ("S = tl.sum(s * tl.exp(m - M), 0)", "S = tl.sum(s, 0)"),
    "the same tile for all": ("at, inside = row * tiles + tile, tile < tiles\n    m = tl.load(m_ptr + at, mask=inside, other=-float(\"inf\"))\n    s = tl.load(s_ptr + at, mask=inside, other=0.0)\n    M", "at, inside = row * tiles + 0 * tile, tile < tiles\n    m = tl.load(m_ptr + at, mask=inside, other=-float(\"inf\"))\n    s = tl.load(s_ptr + at, mask=inside, other=0.0)\n    M"),
    "a result not written": ("    tl.store(s_ptr + out, s)\n", ""),
    "tile entropies not moved": ("tl.sum(tl.exp(shift) * (d + s * shift), 0)", "tl.sum(tl.exp(shift) * d, 0)"),
    "the same noise for all tokens": ("tl.philox(tl.load(seed_ptr), i, r, 0 * i, 0 * i)", "tl.philox(tl.load(seed_ptr), 0 * i, r, 0 * i, 0 * i)"),
    "the same noise for all draws": ("tl.philox(tl.load(seed_ptr), i, r, 0 * i, 0 * i)", "tl.philox(tl.load(seed_ptr), i, 0 * r, 0 * i, 0 * i)"),
}  # fmt: skip

#: A sentence of the notebook, and the launch whose compiled instructions it counts.
COUNTS = {
    r"kernel has about (\d+) instructions for a logit in single precision": ("logsumexp, argmax", "float32"),
    r"time for \d+ instructions, and the kernel has about (\d+)": ("logsumexp, argmax", "bfloat16"),
    r"it has about (\d+) instructions for a token": ("Gumbel sample", "float32"),
}


class TestNotebook(KernelNotebook):
    chapter = "sampling"
    constants = """
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SEED, generator = 0, torch.Generator().manual_seed(0)
"""
    triples = {
        "logsumexp": (["torch_logsumexp"], ["_tile_kernel", "_row_kernel"]),
        "entropy": (["torch_entropy"], ["_tile_entropy_kernel", "_row_entropy_kernel"]),
    }
    #: Of sections 3, 6 and 7.
    checked = (
        "def torch_logsumexp(", "def _tile_kernel(", "def check(", "def torch_entropy(", "def _tile_entropy_kernel(",
        "entropies = {}", "def _gumbel_kernel(",
    )  # fmt: skip
    mutants = MUTANTS
    wrong_solutions = [
        (1, "tl.store(out_ptr, row * vocab)", "tl.store(out_ptr, row.to(tl.int64) * vocab)"),
        (1, "x - tl.max(x, 0)", "x"),
        (1, "cdf <= u * tl.max(cdf, 0)", "cdf < 0.9"),
        (2, "tl.load(lse_ptr + row)", "tl.load(lse_ptr)"),
        (3, "x >= M + log_min_p", "x >= M"),
    ]
    launches = """
x, sums = torch.zeros(2, 50_257), torch.zeros(2)
with compile_only.recording(notebook) as launches:
    notebook.tile_max(x, 1024)
    notebook.triton_logsumexp(x.bfloat16(), 1024)
    notebook.triton_entropy(x, 1024)
    notebook.argmax(x[0, :5], True)
    notebook.argmax(x[0, :5], False)
    notebook.gumbel_draws(x[0, :5], 2, 0)
    notebook.count_min_p(x, 0.1)
    notebook.softmax(x)
    notebook.bugs(x[0, :4], x[0, :4], 0.5)
    notebook._no_mask_kernel[(1,)](x[0, :8], torch.zeros(1), TILE=8)
    notebook._bfloat16_sum_kernel[(1,)](torch.ones(8, dtype=torch.bfloat16), sums, N=8)
    for kernel in (notebook._masked_kernel, notebook._split_kernel):
        kernel[(2, 50)](x, torch.zeros(2, 50), 50_257, 50_257, TILE=1024)
    notebook._count_kernel[(50,)](torch.zeros(1, dtype=torch.int64))
"""
    uncompilable = ("_tile_max_kernel", "tl.arange(0, TILE)", "tl.arange(0, 3)")
    #: By the cell below it.
    refused = ("_break_kernel",)

    def compilable(self, solutions):
        return [code.partition("\n\n\nx = ")[0] for code in solutions[1:]]

    @NEEDS_TRITON
    def test_checks_pass(self, notebook, functions, load):
        load(self.mutable(notebook, functions))

    @NEEDS_TRITON
    @QUIET
    def test_rows_that_the_kernels_refuse_or_answer_with_nan(self, functions, load):
        module = load(*functions.values())
        narrow = module.random_rows(4, 32)[:, :20]
        for function in (module.tile_max, module.triton_logsumexp, module.triton_entropy):
            with pytest.raises(AssertionError):
                function(narrow, 16)
            assert function(narrow.contiguous(), 16).isfinite().all()
        assert module.triton_logsumexp(narrow.new_full((1, 20), -torch.inf), 16).isnan().all()

    @pytest.fixture(scope="class")
    def instructions(self, root) -> dict[tuple[str, str], float]:
        """Instructions for a token, as on the page of benchmarks, by operation and dtype."""
        path = root / "tests" / "benchmarks" / "results" / "kernels_sm90.json"
        launches = json.loads(path.read_text(encoding="utf-8"))["launches"]
        return {
            (launch["case"], launch["dtype"]): launch["instructions"] / launch["tokens_per_thread"]
            for launch in launches
            if launch["tokens_per_thread"] and launch["layout"] == "aligned"
        }

    def test_instructions_that_the_prose_counts(self, notebook, prose, instructions):
        for sentence, launch in COUNTS.items():
            assert abs(stated(prose, sentence) - instructions[launch]) <= 0.5, launch
            # Planted: another number.
            number = stated(prose, sentence)
            planted = re.sub(sentence, lambda match: match[0].replace(str(number), str(number + 1)), prose)
            assert abs(stated(planted, sentence) - instructions[launch]) > 0.5
        # What section 1 computes from the data sheet, and what follows.
        (time_for,) = [
            cell for cell in notebook.cells if cell.cell_type == "code" and "1.98e9" in cell.source
        ]
        values: dict = {}
        exec(time_for.source, values)
        budget = values["instructions"] / values["arriving"]
        assert stated(prose, r"leaves time for (\d+) \(section 1\)") == round(budget)
        assert stated(prose, r"there is time for (\d+) instructions") == round(budget / 2)
        assert instructions["two-level sample", "float32"] < budget < instructions["Gumbel sample", "float32"]
        assert instructions["two-level sample", "float32"] < instructions["Gumbel sample", "float32"] / 3


def stated(prose: str, sentence: str) -> int:
    (number,) = re.findall(sentence, prose)
    return int(number)
