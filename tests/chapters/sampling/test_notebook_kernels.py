"""The kernels that book/sampling/kernels.ipynb defines: labels, solutions, and code for a GPU.

The notebook runs interpreted where there is no GPU. So its kernels are compiled here as
well, as they would be launched, in a process that does not interpret.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys

import nbformat
import pytest
import torch

from tests.ops.test_compiled import compile_in_another_process
from tests.support import notebooks
from tests.support.backends import NEEDS_TRITON

IMPORTS = """
import math, torch, triton, triton.language as tl
from torch.nn.functional import pad
from tokenlab.ops.traffic import memory_traffic
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
generator = torch.Generator().manual_seed(0)
"""


COMPILE = """
import json, torch
from tests import compile_only
import notebook_kernels as notebook
compile_only.facts = lambda compiled: {{}}  # that they compile is enough
x = torch.zeros(2, 50_257)
with compile_only.recording(notebook) as launches:
    notebook.tile_max(x, 1024)
{further}
print(json.dumps([compile_only.compile_launch(*launch) for launch in launches]))
"""


FURTHER = """
    notebook.triton_logsumexp(x.bfloat16(), 1024)
    notebook.triton_entropy(x, 1024)
    notebook.argmax(x[0, :5], True)
    notebook.argmax(x[0, :5], False)
    notebook.gumbel_draws(x[0, :5], 2, 0)
    notebook.count_min_p(x, 0.1)
    notebook.softmax(x)
    notebook.bugs(x[0, :4], x[0, :4], 0.5)
    notebook._no_mask_kernel[(1,)](x[0, :8], torch.zeros(1), TILE=8)
    sums = torch.zeros(2)
    notebook._bfloat16_sum_kernel[(1,)](torch.ones(8, dtype=torch.bfloat16), sums, N=8)
    for kernel in (notebook._masked_kernel, notebook._split_kernel):
        kernel[(2, 50)](x, torch.zeros(2, 50), 50_257, 50_257, TILE=1024)
    notebook._count_kernel[(50,)](torch.zeros(1, dtype=torch.int64))
"""


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


#: Exercise and what is changed in its solution, which then must not satisfy what it asserts.
WRONG_SOLUTIONS = [
    (1, "tl.store(out_ptr, row * vocab)", "tl.store(out_ptr, row.to(tl.int64) * vocab)"),
    (1, "x - tl.max(x, 0)", "x"),
    (1, "cdf <= u * tl.max(cdf, 0)", "cdf < 0.9"),
    (2, "tl.load(lse_ptr + row)", "tl.load(lse_ptr)"),
    (3, "x >= M + log_min_p", "x >= M"),
]


#: A sentence of the notebook, and the launch whose compiled instructions it counts.
COUNTS = {
    r"kernel has about (\d+) instructions for a logit in single precision": ("logsumexp, argmax", "float32"),
    r"time for \d+ instructions, and the kernel has about (\d+)": ("logsumexp, argmax", "bfloat16"),
    r"it has about (\d+) instructions for a token": ("Gumbel sample", "float32"),
}


@pytest.fixture(scope="module")
def notebook(root) -> nbformat.NotebookNode:
    return nbformat.read(root / "book" / "sampling" / "kernels.ipynb", as_version=4)


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


TRIPLES = {
    "logsumexp": ("torch_logsumexp", ["_tile_kernel", "_row_kernel"]),
    "entropy": ("torch_entropy", ["_tile_entropy_kernel", "_row_entropy_kernel"]),
}


@pytest.mark.parametrize("name", TRIPLES)
def test_equation_torch_and_triton_carry_equal_labels(name, functions, equations):
    torch_name, kernels = TRIPLES[name]
    by_torch, by_triton = functions[torch_name], "\n".join(functions[kernel] for kernel in kernels)
    notebooks.assert_equal_labels(equations, by_torch, by_triton)


def write_module(folder, functions: dict[str, str], *further: str):
    path = folder / "notebook_kernels.py"
    path.write_text("\n\n\n".join([IMPORTS, *functions.values(), *further]), encoding="utf-8")
    return path


@NEEDS_TRITON
@pytest.mark.filterwarnings("ignore:invalid value encountered")
@pytest.mark.parametrize("exercise", [0, 1, 2, 3])
def test_solutions_satisfy_what_they_assert(exercise, functions, solutions, tmp_path):
    path = write_module(tmp_path, functions, solutions[exercise])
    spec = importlib.util.spec_from_file_location("notebook_kernels", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


@NEEDS_TRITON
@pytest.mark.filterwarnings("ignore:invalid value encountered")
@pytest.mark.parametrize(("exercise", "old", "new"), WRONG_SOLUTIONS)
def test_a_wrong_solution_fails_its_assertion(exercise, old, new, functions, solutions, tmp_path):
    assert solutions[exercise].count(old) == 1
    path = write_module(tmp_path, functions, solutions[exercise].replace(old, new))
    spec = importlib.util.spec_from_file_location("notebook_kernels", path)
    with pytest.raises(AssertionError):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def compile_launches(root, path, further: str = "") -> set[str]:
    """Names of the kernels that another process compiled for sm_90."""
    script = f"import sys; sys.path.insert(0, {str(path.parent)!r})\n{COMPILE.format(further=further)}"
    return {launch["kernel"] for launch in json.loads(compile_in_another_process(root, "-c", script))}


@NEEDS_TRITON
def test_kernels_compile_for_a_gpu(functions, solutions, root, tmp_path):
    # Without the solutions' last lines, which run what this process can only compile.
    definitions = [code.partition("\n\n\nx = ")[0] for code in solutions[1:]]
    path = write_module(tmp_path, functions, *definitions)
    compiled = compile_launches(root, path, FURTHER)
    defined = set(re.findall(r"^def (_\w+_kernel)\(", path.read_text(encoding="utf-8"), re.M))
    # The one that is there to be refused, by the cell below it.
    assert defined - compiled == {"_break_kernel"}


@NEEDS_TRITON
def test_planted_kernel_does_not_compile(functions, root, tmp_path):
    kernel = functions["_tile_max_kernel"]
    assert kernel.count("tl.arange(0, TILE)") == 1
    planted = kernel.replace("tl.arange(0, TILE)", "tl.arange(0, 3)")
    path = write_module(tmp_path, functions | {"_tile_max_kernel": planted})
    with pytest.raises(AssertionError, match="power of 2"):
        compile_launches(root, path)


@pytest.fixture(scope="module")
def instructions(root) -> dict[tuple[str, str], float]:
    """Instructions for a token, as on the page of benchmarks, by operation and dtype."""
    path = root / "tests" / "benchmarks" / "results" / "kernels_sm90.json"
    launches = json.loads(path.read_text(encoding="utf-8"))["launches"]
    return {
        (launch["case"], launch["dtype"]): launch["instructions"] / launch["tokens_per_thread"]
        for launch in launches
        if launch["tokens_per_thread"] and launch["layout"] == "aligned"
    }


def stated(prose: str, sentence: str) -> int:
    (number,) = re.findall(sentence, prose)
    return int(number)


def test_instructions_that_the_prose_counts(notebook, instructions):
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for sentence, launch in COUNTS.items():
        assert abs(stated(prose, sentence) - instructions[launch]) <= 0.5, launch
        # Planted: another number.
        number = stated(prose, sentence)
        planted = re.sub(sentence, lambda match: match[0].replace(str(number), str(number + 1)), prose)
        assert abs(stated(planted, sentence) - instructions[launch]) > 0.5
    # What section 1 computes from the data sheet, and what follows.
    (time_for,) = [cell for cell in notebook.cells if cell.cell_type == "code" and "1.98e9" in cell.source]
    values: dict = {}
    exec(time_for.source, values)
    budget = values["instructions"] / values["arriving"]
    assert stated(prose, r"leaves time for (\d+) \(section 1\)") == round(budget)
    assert stated(prose, r"there is time for (\d+) instructions") == round(budget / 2)
    assert instructions["two-level sample", "float32"] < budget < instructions["Gumbel sample", "float32"]
    assert instructions["two-level sample", "float32"] < instructions["Gumbel sample", "float32"] / 3


@NEEDS_TRITON
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_rows_that_the_kernels_refuse_or_answer_with_nan(functions, tmp_path):
    path = write_module(tmp_path, functions)
    spec = importlib.util.spec_from_file_location("notebook_kernels", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    narrow = module.random_rows(4, 32)[:, :20]
    for function in (module.tile_max, module.triton_logsumexp, module.triton_entropy):
        with pytest.raises(AssertionError):
            function(narrow, 16)
        assert function(narrow.contiguous(), 16).isfinite().all()
    assert module.triton_logsumexp(narrow.new_full((1, 20), -torch.inf), 16).isnan().all()


@pytest.fixture(scope="module")
def checks(notebook) -> str:
    """The cells of sections 3, 6 and 7 that define kernels and check them."""
    names = ("torch_logsumexp", "_tile_kernel", "check", "_tile_entropy_kernel", "_gumbel_kernel")
    cells = [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and any(f"def {name}(" in cell.source for name in names)
    ]
    assert len(cells) == len(names)
    return "\n\n\n".join([IMPORTS, "SEED = 0", *cells])


def run_checks(source: str, folder) -> None:
    path = folder / "notebook_checks.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("notebook_checks", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


@NEEDS_TRITON
def test_checks_pass(checks, tmp_path):
    run_checks(checks, tmp_path)


@NEEDS_TRITON
@pytest.mark.filterwarnings("ignore:invalid value encountered")
@pytest.mark.parametrize("mistake", MUTANTS)
def test_checks_of_the_notebook_catch(mistake, checks, tmp_path):
    old, new = MUTANTS[mistake]
    assert checks.count(old) == 1, f"the notebook has changed: {old!r}"
    with pytest.raises(AssertionError):
        run_checks(checks.replace(old, new), tmp_path)


def test_without_triton_the_notebook_says_what_is_missing(notebook, monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    imports = [cell for cell in notebook.cells if cell.cell_type == "code"][1]
    with pytest.raises(ImportError, match="Triton is not installed.*pip install triton.*Colab.*stored below"):
        exec(imports.source, {})
