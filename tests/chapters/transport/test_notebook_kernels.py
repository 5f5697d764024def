"""The kernels that book/transport/kernels.ipynb defines: labels, solutions, and code for a GPU."""

from __future__ import annotations

import pytest
import torch

from tests.support.backends import NEEDS_TRITON
from tests.support.notebook_kernels import KernelNotebook

#: Name of the mistake: what is changed in the notebook's code, which then must not run through.
MUTANTS = {
    "logits of 0 past the end": ("y = tl.load(y_ptr + at, mask=inside, other=-float(\"inf\"))", "y = tl.load(y_ptr + at, mask=inside, other=0.0)"),
    "target of 0 past the end": ("z = tl.load(z_ptr + at, mask=inside, other=-float(\"inf\"))", "z = tl.load(z_ptr + at, mask=inside, other=0.0)"),
    "one normaliser for both": ("tl.load(norm_ptr + 2 * row + 1)", "tl.load(norm_ptr + 2 * row)"),
    "target and draft exchanged": ("h = tl.sum(tl.maximum(p - c * q, 0.0), 0)", "h = tl.sum(tl.maximum(q - c * p, 0.0), 0)"),
    "the same factor for all rows": ("tl.load(factor_ptr + row * N + i)", "tl.load(factor_ptr + i * N + row * 0)"),
    "threshold not moved": ("tl.store(c_ptr + row, c + S / m)", "tl.store(c_ptr + row, c)"),
    "rejected tokens left in the draft": ("        for i in range(removed):\n            q = tl.where(ids == tl.load(token_ptr + row * K + i), 0.0, q)\n", ""),
    "one uniform for all tests": ("u = tl.load(u_ptr + row * (K + 2) + i)", "u = tl.load(u_ptr + row * (K + 2))"),
    "the draft not moved on": ("qx = tl.load(drafted_ptr + (2 * row + 1) * K + i)", "qx = tl.load(drafted_ptr + (2 * row + 1) * K)"),
    "the bracket of before the search": ("c = triton_brackets(z, y, norms, k, block)[-1, :, 1]", "c = triton_brackets(z, y, norms, k, block)[0, :, 1]"),
    "the biased part": ("first = tl.maximum(first, 1)", "first = tl.maximum(first - 1, 1)"),
    "one test too few": ("for _ in range(K - 1):\n        gamma", "for _ in range(K - 2):\n        gamma"),
    "the share forgotten": ("W = s * above + (1.0 - s) * whole", "W = above"),
    "block and token by one uniform": ("+ K + 1))  # (13)", "+ K))  # (13)"),
    "the last test's uniform draws": ("tl.load(u_ptr + row * (K + 2) + K))  # (12)", "tl.load(u_ptr + row * (K + 2) + K - 1))  # (12)"),
    "no block but the first": ("row, b, vocab, TILE)", "row, b * 0, vocab, TILE)"),
}  # fmt: skip


class TestNotebook(KernelNotebook):
    chapter = "transport"
    constants = """
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SEED, K, PASSES, FACTORS, ROUNDING = 0, 4, 5, 9, tl.constexpr(2.0**-19)
generator = torch.Generator().manual_seed(SEED)
"""
    triples = {
        "S(c)": (["torch_hockey_stick"], ["_pair", "_sum_kernel", "triton_hockey_stick"]),
        "thresholds": (["torch_recursive"], ["_pass_kernel", "_test_kernel"]),
        "bracket": (["torch_bracket"], ["_bracket"]),
    }
    #: Of sections 2 to 6.
    checked = (
        "def torch_hockey_stick(",
        "def _pair(",
        "def _sum_kernel(",
        "def triton_hockey_stick(",
        "CASES = {",
        "def torch_recursive(",
        "def _pass_kernel(",
        "def triton_recursive(",
        "def _test_kernel(",
        "exact = torch_recursive(",
        "torch_bracket(low, high, sums, K)",
        "def _bracket(",
        "def _search_kernel(",
        "def _last_kernel(",
        "def triton_brackets(",
        "brackets = triton_brackets(",
        "c, share = 1.0, 0.5",
        "def _pick(",
        "def _draw_kernel(",
        "def triton_draw(",
        "counts = triton_draw(",
        "def notebook_verify(",
        "ours = notebook_verify(",
    )
    mutants = MUTANTS
    wrong_solutions = [
        (0, "(1 + (k - 1) + 1)", "(1 + k + 1)"),
        (1, "1 / w[:, None]", "w[:, None]"),
        (2, "max(56, 12 + 4 * F)", "(12 + 4 * F)"),
        (3, "c = 1 / m.double().sum(-1)", "c = m.double().sum(-1)"),
    ]
    launches = """
x = torch.zeros(2, 50_257)
tokens, noise = torch.zeros(2, 3, dtype=torch.int64), torch.full((2, 5), 0.5, dtype=torch.float64)
norms, few = torch.zeros(2, 2), torch.ones(2, dtype=torch.float64)
with compile_only.recording(notebook) as launches:
    notebook.tile_sums(x, x, norms, torch.ones(2, 2), 1024)
    notebook.tile_sums(x.bfloat16(), x.bfloat16(), norms, torch.ones(2, 1), 4096)
    notebook.triton_recursive(x, x, norms, tokens, noise, False, 1024)
    notebook.triton_brackets(x, x, norms, 3, 1024)
    notebook.triton_draw(x, x, norms, few, few, noise, 1024)
    notebook.normalisers = lambda z, y: norms
    notebook.greedy_sums(x, x, tokens)
"""
    uncompilable = ("_pair", "tl.arange(0, TILE)", "tl.arange(0, 3)")

    def compilable(self, solutions):
        return [solutions[3].partition("\n\n\nz, y = ")[0]]

    @NEEDS_TRITON
    @pytest.mark.parametrize("vocab", [1, 3, 61])
    def test_brackets_hold_the_root(self, vocab, functions, load):
        """The upper end is lossless and near the root; the lower end is not above it."""
        module = load(*functions.values())
        z, y = module.random_pair(3, vocab)
        y[0] = z[0]  # equal distributions
        if vocab > 1:
            z[1, 1:], y[1, :1] = -torch.inf, -torch.inf  # disjoint supports
        brackets = module.triton_brackets(z, y, module.normalisers(z, y), 3, 16)
        exact = module.division_factor(z.double().softmax(-1), y.double().softmax(-1), 3)
        low, high = brackets[-1].unbind(-1)
        assert (brackets[0] == torch.tensor([1.0, 3.0], device=z.device)).all()
        # Where the distributions are equal, the margin for rounding stops the search early, as section 7 says.
        near = torch.where(exact > 1.1, 2 / 2**14, 0.013)
        assert (high >= exact - 1e-12).all() and (high - exact < near).all()
        assert ((low <= exact + 1e-5) | (exact < 1.1)).all()

    def test_ratio_that_the_summary_states(self, notebook, prose):
        """The cell that draws the bytes asserts it, and has run."""
        assert prose.count("more than four times the bytes") == 2
        (cell,) = [cell for cell in notebook.cells if "assert 4 < ratio < 5" in cell.source]
        assert cell.outputs
