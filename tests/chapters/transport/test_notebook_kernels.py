"""The kernels that book/transport/kernels.ipynb defines: labels, solutions, and code for a GPU.

As for the chapter before: what the notebook checks is run on mistakes, which it must catch,
and its kernels are compiled in a process that does not interpret.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys

import nbformat
import pytest
import torch

from tests.benchmarks.bench_transport_kernels import RESULTS
from tests.ops.test_compiled import compile_in_another_process
from tests.support import notebooks
from tests.support.backends import NEEDS_TRITON

IMPORTS = """
import json, math, torch, triton, triton.language as tl
from pathlib import Path
from torch.nn.functional import pad
from tokenlab.figures import BLUE, GREY, INK, ORANGE, new_figure
from tokenlab.ops import open_uniform, row_stats
from tokenlab.ops.traffic import memory_traffic
from tokenlab.transport import division_factor, draw_drafts, hockey_stick_divergence, verify_logits
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SEED, K, PASSES, FACTORS, ROUNDING = 0, 4, 5, 9, tl.constexpr(2.0**-19)
generator = torch.Generator().manual_seed(SEED)
"""


COMPILE = """
import json, torch
from tests import compile_only
import notebook_kernels as notebook
compile_only.facts = lambda compiled: {}  # that they compile is enough
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
print(json.dumps([compile_only.compile_launch(*launch) for launch in launches]))
"""


TRIPLES = {
    "S(c)": (["torch_hockey_stick"], ["_pair", "_sum_kernel", "triton_hockey_stick"]),
    "thresholds": (["torch_recursive"], ["_pass_kernel", "_test_kernel"]),
    "bracket": (["torch_bracket"], ["_bracket"]),
}


#: Cells that define kernels and check them, by something that each of them says.
CHECKED = (
    "def torch_hockey_stick(",
    "def _sum_kernel(",
    "def check(",
    "def torch_recursive(",
    "def random_tests(",
    "def torch_bracket(",
    "torch_bracket(low, high, sums, K)",
    "def _draw_kernel(",
    "counts = triton_draw(",
    "def notebook_verify(",
)


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


#: Exercise and what is changed in its solution, which then must not satisfy what it asserts.
WRONG_SOLUTIONS = [
    (0, "(1 + (k - 1) + 1)", "(1 + k + 1)"),
    (1, "1 / w[:, None]", "w[:, None]"),
    (2, "max(56, 12 + 4 * F)", "(12 + 4 * F)"),
    (3, "c = 1 / m.double().sum(-1)", "c = m.double().sum(-1)"),
]


@pytest.fixture(scope="module")
def notebook(root) -> nbformat.NotebookNode:
    return nbformat.read(root / "book" / "transport" / "kernels.ipynb", as_version=4)


@pytest.fixture(scope="module")
def prose(notebook) -> str:
    return notebooks.prose(notebook)


@pytest.fixture(scope="module")
def functions(notebook) -> dict[str, str]:
    return notebooks.functions(notebook)


@pytest.fixture(scope="module")
def solutions(notebook) -> list[str]:
    found = notebooks.solutions(notebook)
    assert len(found) == 4
    return found


@pytest.fixture(scope="module")
def equations(notebook) -> set[str]:
    return notebooks.equations(notebook)


@pytest.mark.parametrize("name", TRIPLES)
def test_equation_torch_and_triton_carry_equal_labels(name, functions, equations):
    by_torch, by_triton = ("\n".join(functions[part] for part in parts) for parts in TRIPLES[name])
    notebooks.assert_equal_labels(equations, by_torch, by_triton)


def load(folder, *source: str):
    path = folder / "notebook_kernels.py"
    path.write_text("\n\n\n".join([IMPORTS, *source]), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("notebook_kernels", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@NEEDS_TRITON
@pytest.mark.parametrize("exercise", range(4))
def test_solutions_satisfy_what_they_assert(exercise, functions, solutions, tmp_path):
    load(tmp_path, *functions.values(), solutions[exercise])


@NEEDS_TRITON
@pytest.mark.parametrize(("exercise", "old", "new"), WRONG_SOLUTIONS)
def test_a_wrong_solution_fails_its_assertion(exercise, old, new, functions, solutions, tmp_path):
    assert solutions[exercise].count(old) == 1
    with pytest.raises(AssertionError):
        load(tmp_path, *functions.values(), solutions[exercise].replace(old, new))


def compile_launches(root, folder, *source: str) -> set[str]:
    """Names of the kernels that another process compiled for sm_90."""
    path = folder / "notebook_kernels.py"
    path.write_text("\n\n\n".join([IMPORTS, *source]), encoding="utf-8")
    script = f"import sys; sys.path.insert(0, {str(folder)!r})\n{COMPILE}"
    return {launch["kernel"] for launch in json.loads(compile_in_another_process(root, "-c", script))}


@NEEDS_TRITON
def test_kernels_compile_for_a_gpu(functions, solutions, root, tmp_path):
    greedy = solutions[3].partition("\n\n\nz, y = ")[0]  # Without what this process can only compile.
    compiled = compile_launches(root, tmp_path, *functions.values(), greedy)
    source = (tmp_path / "notebook_kernels.py").read_text(encoding="utf-8")
    assert compiled == set(re.findall(r"^def (_\w+_kernel)\(", source, re.M))


@NEEDS_TRITON
def test_planted_kernel_does_not_compile(functions, solutions, root, tmp_path):
    greedy = solutions[3].partition("\n\n\nz, y = ")[0]
    planted = functions["_pair"].replace("tl.arange(0, TILE)", "tl.arange(0, 3)")
    assert planted != functions["_pair"]
    with pytest.raises(AssertionError, match="power of 2"):
        compile_launches(root, tmp_path, *(functions | {"_pair": planted}).values(), greedy)


@pytest.fixture(scope="module")
def checks(notebook) -> list[str]:
    """The cells of sections 2 to 6 that define kernels and check them."""
    cells = [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and any(words in cell.source for words in CHECKED)
    ]
    assert len(cells) == len(CHECKED)
    return cells


@NEEDS_TRITON
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("mistake", MUTANTS)
def test_checks_of_the_notebook_catch(mistake, checks, tmp_path):
    old, new = MUTANTS[mistake]
    source = "\n\n\n".join(checks)
    assert source.count(old) == 1, f"the notebook has changed: {old!r}"
    # That the unchanged cells run through, the notebook's own run shows.
    with pytest.raises(AssertionError):
        load(tmp_path, source.replace(old, new))


@NEEDS_TRITON
@pytest.mark.parametrize("vocab", [1, 3, 61])
def test_brackets_hold_the_root(vocab, functions, tmp_path):
    """The upper end is lossless and near the root; the lower end is not above it."""
    module = load(tmp_path, *functions.values())
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


@NEEDS_TRITON
def test_picture_of_the_brackets(functions, tmp_path):
    module = load(tmp_path, *functions.values())
    _, data = module.draw_brackets(torch.tensor([[1.0, 3.0], [1.5, 1.75], [1.53125, 1.5625]]), 1.54)
    assert data["kept"] == [[0.25, 0.375], [0.125, 0.25]]
    assert data["brackets"][-1] == (1.53125, 1.5625) and "root 1.540000" in data["alt"]


@NEEDS_TRITON
def test_recorded_times(notebook, functions, tmp_path):
    module = load(tmp_path, *functions.values())
    path = tmp_path / RESULTS.name
    assert module.recorded(path) == []
    row = {"operation": "chain", "provider": "kernel", "ms": 0.5}
    failed = {"operation": "chain", "provider": "x", "error": "not installed"}
    path.write_text(json.dumps({"rows": [row, failed]}), encoding="utf-8")
    assert module.recorded(path) == [row]
    # The notebook looks where the benchmark writes.
    assert any(f"results/{RESULTS.name}" in cell.source for cell in notebook.cells)


def test_without_triton_the_notebook_says_what_is_missing(notebook, monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    imports = [cell for cell in notebook.cells if cell.cell_type == "code"][1]
    with pytest.raises(ImportError, match="Triton is not installed.*pip install triton.*Colab.*stored below"):
        exec(imports.source, {})


def test_ratio_that_the_summary_states(notebook, prose):
    (cell,) = [
        cell for cell in notebook.cells if cell.cell_type == "code" and "times as many bytes" in cell.source
    ]
    ratio = float(re.match(r"([\d.]+) times", cell.outputs[0]["text"])[1])
    assert "more than four times the bytes" in prose and ratio > 4
