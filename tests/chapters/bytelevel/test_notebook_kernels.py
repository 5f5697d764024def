"""The kernels that book/bytelevel/kernels.ipynb defines: labels, solutions, and code for a GPU.

As for the chapters before: what the notebook checks is run on mistakes, which it must catch,
and its kernels are compiled in a process that does not interpret.
"""

from __future__ import annotations

import ast
import importlib.util
import itertools
import json
import re
import sys

import nbformat
import numpy as np
import pytest
import torch

from tests.benchmarks.bench_byte_kernels import RESULTS
from tests.ops.test_compiled import compile_in_another_process
from tests.support import interpreter, notebooks
from tests.support.backends import NEEDS_TRITON
from tokenlab.backend import has_triton
from tokenlab.bytelevel import ByteVocabulary

IMPORTS = """
import json, math, random, time, torch, triton, triton.language as tl
import numpy as np
from pathlib import Path
from matplotlib.patches import Rectangle
from torch.nn.functional import pad
from tokenlab.bytelevel import ByteVocabulary, byte_log_masses
from tokenlab.bytelevel.vocabulary import byte_level_string
from tokenlab.figures import BLUE, CYCLE, GREY, INK, ORANGE, new_figure
from tokenlab.lm.load import lab_folder
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SEED, WIDTH = 0, 32
generator = torch.Generator().manual_seed(SEED)
"""


LAB = 'lab = ByteVocabulary(strings_of("lab-target"))'


COMPILE = """
import json, torch
from tests import compile_only
import notebook_kernels as notebook
compile_only.facts = lambda compiled: {}  # that they compile is enough
x = torch.zeros(2, 50_257)
vocabulary = notebook.ByteVocabulary([n.to_bytes(2, "big") for n in range(50_257)])
ranges = notebook.ranges_of(vocabulary, [b"a", b""])
f = torch.zeros(258, dtype=torch.int32)
with compile_only.recording(notebook) as launches:
    notebook.triton_masses(x, *notebook.plan_slots(vocabulary))
    notebook.window_masses(x.bfloat16(), vocabulary)
    notebook.range_masses(x, vocabulary, ranges, x[:, 0])
    notebook._slot_bins_kernel[(1,)](f, f, 7, LANES=8)
    notebook.atomic_masses(x[0], vocabulary, True)
    notebook.allowed_masses(x, vocabulary, x == 0)
    notebook.best_tokens(x, vocabulary)
print(json.dumps([compile_only.compile_launch(*launch) for launch in launches]))
"""


TRIPLES = {
    "slots": (["torch_slots"], ["_slot_stats"]),
    "joining": (["torch_join"], ["_join"]),
    "masses": (["torch_masses"], ["_slots_kernel", "_bins_kernel", "triton_masses"]),
    "children": (["torch_children"], ["_children_kernel"]),
    "bins of slots": (["torch_slot_bins"], ["_slot_bins"]),
}


#: What the notebook runs on its kernels, by words of the cell that does.
CHECKS = {
    "slots": "check_all(lambda",
    "windows": "check_all(window_masses)",
    "children": "check_children(lab",
    "ranges": 'check_ranges("nothing there"',
}


#: Name of the mistake: what is changed in the notebook's code, and whose check must then fail.
MUTANTS = {
    "empty positions hold a logit of 0": ('mask=ids >= 0, other=-float("inf"))', "mask=ids >= 0, other=0.0)", "slots"),
    "-inf minus -inf": ('return tl.where(top == -float("inf"), 0.0, top)', "return top", "slots"),
    "-inf minus -inf in PyTorch": ("(x - finite(m)[..., None]).exp().sum(-1)  # (4)", "(x - m[..., None]).exp().sum(-1)  # (4)", "slots"),
    "one maximum for all slots": ("m = tl.max(x, 1)  # (3)", "m = tl.full((x.shape[0],), 0.0, tl.float32) + tl.max(tl.max(x, 1), 0)", "slots"),
    "sums at their own maxima": ("S = tl.sum(s * tl.exp(m - _finite(M)), AXIS)", "S = tl.sum(s, AXIS)", "slots"),
    "the first row for all": ("x_ptr + row * vocab + ids, mask=ids >= 0", "x_ptr + ids, mask=ids >= 0", "slots"),
    "a slot not written": ("tl.store(s_ptr + row * slots + k, s, mask=k < slots)", "tl.store(s_ptr + row * slots + k, s, mask=k < slots - 1)", "slots"),
    "tokens without bytes do not count": ("M, S = _join(m, s, 0)\n    part = row * tl.num_programs(1) + block", "M, S = _join(m, tl.where(k < slots - 1, s, 0.0), 0)\n    part = row * tl.num_programs(1) + block", "slots"),
    "the first part only": ("at = row * parts + part\n", "at = row * parts + part * 0\n", "slots"),
    "the first slots only": ("range(0, tl.max(after - first, 0), STEP)", "range(0, 1, STEP)", "slots"),
    "sums not moved to the new maximum": ("S = S * tl.exp(M - _finite(both)) +", "S = S +", "slots"),
    "slots of the next bin": ("inside = k < after[:, None]", "inside = k < slots", "slots"),
    "single precision at the end": ("M.to(tl.float64) + log_S - L,", "(M + log_S.to(tl.float32) - L.to(tl.float32)).to(tl.float64),", "slots"),
    "what has ended comes first": ("position = tl.where(b == 0, 257, b) - 1", "position = b", "slots"),
    "empty positions hold the first token": ('x = tl.where(source < 0, -float("inf"), x)', "", "windows"),
    "the plan of the first window": ("source_ptr + window * SLOTS * WIDTH + tl", "source_ptr + tl", "windows"),
    "the slots of the first window": ("target_ptr + window * SLOTS + tl", "target_ptr + tl", "windows"),
    "slots in the order of windows": ("by_bin = slot_bin.argsort(stable=True)", "by_bin = torch.arange(len(slot_bin))", "windows"),
    "all windows write one part": ("part = row * tl.num_programs(1) + window", "part = row * tl.num_programs(1)", "windows"),
    "the same ids in each window": ("ids = window * WINDOW + tl.arange(0, WINDOW)", "ids = tl.arange(0, WINDOW)", "windows"),
    "the border of the bin before": ("tl.where(longer, byte + 1, 0) < b", "tl.where(longer, byte + 1, 0) <= b", "children"),
    "what has ended is byte 0": ("tl.where(longer, byte + 1, 0)", "tl.where(longer, byte, 0)", "children"),
    "the first byte at every depth": ("mask=left, other=0) + depth", "mask=left, other=0)", "children"),
    "bisection too short": ("len(vocabulary).bit_length()", "len(vocabulary).bit_length() - 2", "children"),
    "slots rounded down": ("- e + WIDTH - 1) // WIDTH", "- e) // WIDTH", "children"),
    "slots begin after themselves": ("f = tl.cumsum(n, 0) - n", "f = tl.cumsum(n, 0)", "children"),
    "slots run on into the next bin": ("tl.load(e_ptr + b + 1)[:, None]", "tl.load(e_ptr + b * 0 + 257)[:, None]", "ranges"),
    "every slot begins its bin": (" + (k - tl.load(f_ptr + b)) * WIDTH", "", "ranges"),
    "positions taken for ids": ("token = tl.load(order_ptr + position, mask=inside, other=0)", "token = position", "ranges"),
    "one plan for all rows": ("join_bins(m, s, f, parts, 258)", "join_bins(m, s, f, parts, 0)", "ranges"),
    "slots of even bins only": ("tl.static_range(9)", "tl.static_range(8)", "ranges"),
    "no normaliser": ("parts = L.double()[:, None].contiguous()", "parts = 0 * L.double()[:, None].contiguous()", "ranges"),
}  # fmt: skip


#: Exercise and what is changed in its solution, which then must not satisfy what it asserts.
WRONG_SOLUTIONS = [
    (0, "2.0**-54 / 1e-5", "2.0**-25 / 1e-5"),
    (1, "p[:-reach].where(together, 0.0)", "p[:-reach]"),
    (
        2,
        "whole_m, whole_s = _slot_stats(x)",
        'whole_m, whole_s = _slot_stats(tl.where(allowed, x, -float("inf")))',
    ),
    (3, "tl.where(m > top, k, best)", "tl.where(m > 0, k, best)"),
]


@pytest.fixture(autouse=True)
def fast_interpreter(monkeypatch):
    if has_triton():
        interpreter.replace_once(monkeypatch)


@pytest.fixture(scope="module")
def notebook(root) -> nbformat.NotebookNode:
    return nbformat.read(root / "book" / "bytelevel" / "kernels.ipynb", as_version=4)


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
    load(tmp_path, *functions.values(), LAB, solutions[exercise])


@NEEDS_TRITON
@pytest.mark.parametrize(("exercise", "old", "new"), WRONG_SOLUTIONS)
def test_a_wrong_solution_fails_its_assertion(exercise, old, new, functions, solutions, tmp_path):
    assert solutions[exercise].count(old) == 1
    with pytest.raises(AssertionError):
        load(tmp_path, *functions.values(), LAB, solutions[exercise].replace(old, new))


def checks(notebook, words: str) -> str:
    """What a cell does besides defining functions."""
    (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and words in cell.source]
    body = [node for node in ast.parse(cell.source).body if not isinstance(node, ast.FunctionDef)]
    return "\n".join(ast.unparse(node) for node in body)


@NEEDS_TRITON
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("mistake", MUTANTS)
def test_checks_of_the_notebook_catch(mistake, notebook, functions, tmp_path):
    old, new, check = MUTANTS[mistake]
    source = "\n\n\n".join(functions.values())
    assert source.count(old) == 1, f"the notebook has changed: {old!r}"
    # That the unchanged code runs through, the notebook's own run shows.
    with pytest.raises(AssertionError):
        load(tmp_path, source.replace(old, new), LAB, checks(notebook, CHECKS[check]))


@NEEDS_TRITON
def test_a_check_without_a_mistake_runs_through(notebook, functions, tmp_path):
    load(tmp_path, *functions.values(), LAB, checks(notebook, CHECKS["children"]))


def compile_launches(root, folder, *source: str) -> set[str]:
    """Names of the kernels that another process compiled for sm_90."""
    path = folder / "notebook_kernels.py"
    path.write_text("\n\n\n".join([IMPORTS, *source]), encoding="utf-8")
    script = f"import sys; sys.path.insert(0, {str(folder)!r})\n{COMPILE}"
    return {launch["kernel"] for launch in json.loads(compile_in_another_process(root, "-c", script))}


@pytest.fixture
def compilable(solutions) -> list[str]:
    """Exercises 3 and 4 without what a process that compiles cannot run."""
    found = [re.split(r"\n\n\n(?=small = |x = )", solution)[0] for solution in solutions[2:]]
    assert all("_kernel[" in source and "assert" not in source for source in found)
    return found


@NEEDS_TRITON
def test_kernels_compile_for_a_gpu(functions, compilable, root, tmp_path):
    compiled = compile_launches(root, tmp_path, *functions.values(), *compilable)
    source = (tmp_path / "notebook_kernels.py").read_text(encoding="utf-8")
    assert compiled == set(re.findall(r"^def (_\w+_kernel)\(", source, re.M))


@NEEDS_TRITON
def test_planted_kernel_does_not_compile(functions, compilable, root, tmp_path):
    planted = functions["_bins_kernel"].replace("tl.arange(0, BINS)", "tl.arange(0, 257)")
    assert planted != functions["_bins_kernel"]
    with pytest.raises(AssertionError, match="power of 2"):
        compile_launches(root, tmp_path, *(functions | {"_bins_kernel": planted}).values(), *compilable)


# Plans, counts and pictures.
@pytest.fixture
def module(functions, tmp_path):
    pytest.importorskip("triton", reason="triton is not installed (pip install triton)")
    return load(tmp_path, *functions.values())


FEW = [b"re", b"a", b"r", b"at", b"read", b"t", None, b"red", b"to", b"rea"]


def test_slots_hold_every_id_once_and_one_bin_each(module):
    vocabulary = module.random_vocabulary(300, b"ab\xff")
    bins = module.bins_of(vocabulary).tolist()
    slots, firsts = (x.tolist() for x in module.plan_slots(vocabulary))
    assert sorted(token for slot in slots for token in slot if token >= 0) == list(range(300))
    for bin_, (first, after) in enumerate(itertools.pairwise(firsts)):
        assert {bins[token] for slot in slots[first:after] for token in slot if token >= 0} <= {bin_}
        assert after - first == -(-bins.count(bin_) // module.WIDTH)


def test_sectors_are_counted(module):
    ids = torch.tensor([[0, 7, 8, -1], [16, 3, 17, 100], [-1, -1, -1, -1]])
    assert module.sectors(ids) == sum(len({i // 8 for i in slot if i >= 0}) for slot in ids.tolist()) == 5


def test_picture_of_a_window(module):
    _, data = module.draw_window(ByteVocabulary(FEW), 10, 4)
    texts = [["a", "at"], ["re", "r", "read", "red"], ["rea"], ["t", "to"], [""]]
    assert list(data["moved"].values()) == texts
    assert "slot 2 holds rea" in data["alt"] and "a token without bytes" in data["alt"]


def test_picture_of_the_errors(module):
    exact = np.array([0.5, 1e-9])
    names = ("a", "b", "c", "d")
    errors = {
        name: np.array([1e-8, worst]) for name, worst in zip(names, (1.0, 2.0, 1e-6, 1e-7), strict=True)
    }
    figure, data = module.draw_errors(exact, errors)
    assert data["worst"] == {"a": 1.0, "b": 2.0, "c": 1e-6, "d": 1e-7} and "b: at most 2e+00." in data["alt"]
    drawn = [line.get_ydata().tolist() for line in figure.axes[0].lines]
    assert drawn[1] == [1e-8, 2.0] and drawn[4] == [2.0**-25 / 1e-9, 2.0**-25 / 0.5]


def test_recorded_times(module, notebook, tmp_path):
    path = tmp_path / RESULTS.name
    assert module.recorded(path) == []
    row = {"operation": "first byte", "provider": "kernel", "ms": 0.5}
    failed = {"operation": "first byte", "provider": "x", "error": "not installed"}
    path.write_text(json.dumps({"rows": [row, failed]}), encoding="utf-8")
    assert module.recorded(path) == [row]
    # The notebook looks where the benchmark writes.
    assert any(f"results/{RESULTS.name}" in cell.source for cell in notebook.cells)


def test_without_triton_the_notebook_says_what_is_missing(notebook, monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    imports = [cell for cell in notebook.cells if cell.cell_type == "code"][1]
    with pytest.raises(ImportError, match="Triton is not installed.*pip install triton.*Colab.*stored below"):
        exec(imports.source, {})


def test_ratios_that_the_summary_states(notebook, prose):
    (cell,) = [
        cell for cell in notebook.cells if cell.cell_type == "code" and "times as many bytes" in cell.source
    ]
    plain, accurate = (float(ratio) for ratio in re.findall(r"([\d.]+) times", cell.outputs[0]["text"]))
    assert "more than twice the bytes" in prose and plain > 2
    assert "more than seven times" in prose and accurate > 7
