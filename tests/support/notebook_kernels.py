"""What every kernels notebook must do: labels, solutions, checks that catch mistakes, code for a GPU.

The notebook runs interpreted where there is no GPU. So its kernels are compiled here as well, as
they would be launched, in a process that does not interpret.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

from tests.support import notebooks
from tests.support.backends import NEEDS_TRITON
from tests.support.compiled import KERNEL, compile_in_another_process

COMPILE = """
import json, sys, torch
sys.path.insert(0, {folder!r})
from tests.support import compile_only
import notebook_kernels as notebook
compile_only.facts = lambda compiled: {{}}  # that they compile is enough
{launches}
print(json.dumps([compile_only.compile_launch(*launch) for launch in launches]))
"""
#: What numpy says about rows without a finite logit, under the interpreter.
QUIET = pytest.mark.filterwarnings("ignore::RuntimeWarning")


class KernelNotebook:
    """Tests of one notebook; a test class says what stands in it, and adds its own."""

    chapter: str
    #: Constants that its functions need besides what the notebook imports.
    constants: str
    #: Functions that carry equal labels of equations: in PyTorch, and in Triton.
    triples: dict[str, tuple[Sequence[str], Sequence[str]]]
    #: Cells that define kernels and check them, by something that each of them says.
    checked: Sequence[str] = ()
    #: Name of the mistake: old and new code, and the words of the check that must fail, where one is run alone.
    mutants: dict[str, tuple[str, ...]]
    #: Exercise, old and new code of its solution, which then must not satisfy what it asserts.
    wrong_solutions: Sequence[tuple[int, str, str]]
    #: Code that launches every kernel, as ``launches``.
    launches: str
    #: A function, and old and new code that makes it one that no compiler takes.
    uncompilable: tuple[str, str, str]
    #: Kernels that are there to be refused.
    refused: Iterable[str] = ()

    def pytest_generate_tests(self, metafunc):
        for name, values in (
            ("triple", self.triples),
            ("exercise", range(4)),
            ("wrong_solution", self.wrong_solutions),
            ("mistake", self.mutants),
        ):
            if name in metafunc.fixturenames:
                metafunc.parametrize(
                    name, list(values), ids=lambda value: None if isinstance(value, tuple) else str(value)
                )

    @pytest.fixture(scope="class")
    def notebook(self, root) -> nbformat.NotebookNode:
        return nbformat.read(root / "book" / self.chapter / "kernels.ipynb", as_version=4)

    @pytest.fixture(scope="class")
    def prose(self, notebook) -> str:
        return notebooks.prose(notebook)

    @pytest.fixture(scope="class")
    def functions(self, notebook) -> dict[str, str]:
        return notebooks.functions(notebook)

    @pytest.fixture(scope="class")
    def solutions(self, notebook) -> list[str]:
        found = notebooks.solutions(notebook)
        assert len(found) == 4
        return found

    @pytest.fixture(scope="class")
    def equations(self, notebook) -> set[str]:
        return notebooks.equations(notebook)

    @pytest.fixture(autouse=True)
    def quick(self, fast_interpreter):
        """All kernels of notebooks run in the quicker interpreter."""

    @pytest.fixture(scope="class")
    def imports(self, notebook) -> str:
        """What the notebook imports, without its switch to the interpreter."""
        _, cell, *_ = (cell for cell in notebook.cells if cell.cell_type == "code")
        body = ast.parse(cell.source).body
        imports = [ast.unparse(node) for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
        return "\n".join([*imports, self.constants.strip()])

    @pytest.fixture
    def write(self, imports, tmp_path) -> Callable[..., Path]:
        """``write(*source)``: a module with the notebook's imports."""

        def write(*source: str) -> Path:
            path = tmp_path / "notebook_kernels.py"
            path.write_text("\n\n\n".join([imports, *source]), encoding="utf-8")
            return path

        return write

    @pytest.fixture
    def load(self, write) -> Callable[..., ModuleType]:
        """``load(*source)``: the same, run."""

        def load(*source: str) -> ModuleType:
            spec = importlib.util.spec_from_file_location("notebook_kernels", write(*source))
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module

        return load

    @pytest.fixture
    def compiled(self, write, root) -> Callable[..., set[str]]:
        """``compiled(*source)``: names of the kernels that another process compiled for sm_90."""

        def compiled(*source: str) -> set[str]:
            script = COMPILE.format(folder=str(write(*source).parent), launches=self.launches)
            return {launch["kernel"] for launch in json.loads(compile_in_another_process(root, "-c", script))}

        return compiled

    def before_solutions(self) -> list[str]:
        """What an exercise needs besides the notebook's functions."""
        return []

    def compilable(self, solutions: list[str]) -> list[str]:
        """What the solutions define, without what a process that compiles cannot run."""
        raise NotImplementedError

    def mutable(self, notebook, functions: dict[str, str]) -> str:
        """The code that mistakes are planted in: the cells that define kernels and check them."""
        cells = [
            cell.source
            for cell in notebook.cells
            if cell.cell_type == "code" and any(words in cell.source for words in self.checked)
        ]
        assert len(cells) == len(self.checked)
        return "\n\n\n".join(cells)

    def check(self, notebook, *words: str) -> list[str]:
        """Code to run after the planted one; the cells check themselves."""
        return []

    def test_equation_torch_and_triton_carry_equal_labels(self, triple, functions, equations):
        by_torch, by_triton = ("\n".join(functions[part] for part in parts) for parts in self.triples[triple])
        notebooks.assert_equal_labels(equations, by_torch, by_triton)

    @NEEDS_TRITON
    @QUIET
    def test_solutions_satisfy_what_they_assert(self, exercise, functions, solutions, load):
        load(*functions.values(), *self.before_solutions(), solutions[exercise])

    @NEEDS_TRITON
    @QUIET
    @pytest.mark.mutant
    def test_a_wrong_solution_fails_its_assertion(self, wrong_solution, functions, solutions, load):
        exercise, old, new = wrong_solution
        assert solutions[exercise].count(old) == 1
        wrong = solutions[exercise].replace(old, new)
        with pytest.raises(AssertionError):
            load(*functions.values(), *self.before_solutions(), wrong)

    @NEEDS_TRITON
    @QUIET
    @pytest.mark.mutant
    def test_checks_of_the_notebook_catch(self, mistake, notebook, functions, load):
        old, new, *words = self.mutants[mistake]
        source = self.mutable(notebook, functions)
        assert source.count(old) == 1, f"the notebook has changed: {old!r}"
        # That the unchanged code runs through, the notebook's own run shows.
        with pytest.raises(AssertionError):
            load(source.replace(old, new), *self.check(notebook, *words))

    @NEEDS_TRITON
    def test_kernels_compile_for_a_gpu(self, functions, solutions, compiled):
        source = [*functions.values(), *self.compilable(solutions)]
        found, defined = compiled(*source), KERNEL.findall("\n".join(source))
        assert set(defined) - found == set(self.refused)

    @NEEDS_TRITON
    @pytest.mark.mutant
    def test_planted_kernel_does_not_compile(self, functions, solutions, compiled):
        name, old, new = self.uncompilable
        assert functions[name].count(old) == 1
        planted = functions | {name: functions[name].replace(old, new)}
        with pytest.raises(AssertionError, match="power of 2"):
            compiled(*planted.values(), *self.compilable(solutions))

    def test_without_triton_the_notebook_says_what_is_missing(self, notebook, monkeypatch):
        monkeypatch.setitem(sys.modules, "triton", None)
        imports = [cell for cell in notebook.cells if cell.cell_type == "code"][1]
        with pytest.raises(
            ImportError, match=r"Triton is not installed.*pip install triton.*Colab.*stored below"
        ):
            exec(imports.source, {})


def ratios(notebook) -> list[float]:
    """What a notebook's cell about bytes prints, as ``... times as many bytes``."""
    (cell,) = [c for c in notebook.cells if c.cell_type == "code" and "times as many bytes" in c.source]
    return [float(ratio) for ratio in re.findall(r"([\d.]+) times", cell.outputs[0]["text"])]


def assert_reads_recorded_times(module: ModuleType, notebook, results: Path, folder: Path) -> None:
    """The notebook's ``recorded`` finds what a benchmark wrote, without rows that failed."""
    path = folder / results.name
    assert module.recorded(path) == []
    row = {"operation": "some", "provider": "kernel", "ms": 0.5}
    failed = {"operation": "some", "provider": "x", "error": "not installed"}
    path.write_text(json.dumps({"rows": [row, failed]}), encoding="utf-8")
    assert module.recorded(path) == [row]
    # The notebook looks where the benchmark writes.
    assert any(f"results/{results.name}" in cell.source for cell in notebook.cells)
