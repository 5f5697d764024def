"""Public tests inside a notebook, wherever it runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import metadata

import nbformat
import pytest
import torch

from tests.support.fresh import canonical, closure
from tokenlab.errors import ArgumentError, GradingError
from tokenlab.grading import Grader

TEST = """
from otter.test_files import test_case

OK_FORMAT = False
name = "q1"
points = 2


@test_case(points=None, hidden=False)
def test_one(env):
    from tokenlab.grading import Answer

    Answer(env, "one")(1)


@test_case(points=None, hidden=False)
def test_again(env):
    from tokenlab.grading import Answer

    Answer(env, "one")(1)
"""


def one(x):
    return x


def unwritten(x): ...


def test_passes_and_fails():
    grader = Grader({"q1": TEST})
    assert repr(grader.report("q1", {"one": one})) == "q1: 2 of 2 checks passed"
    report = grader.report("q1", {"one": unwritten})
    assert (report.passed, report.total) == (0, 2)
    assert repr(report).splitlines() == [
        "q1: 0 of 2 checks passed",
        "  [one, again] one returned None: is `...` still there, or a `return`",
        "    missing?",
    ]


def test_names_come_from_the_calling_cell():
    env = {"grader": Grader({"q1": TEST}), "one": one}
    exec("report = grader.check('q1')", env)
    assert env["report"].passed == 2


def test_check_all_adds_up(capsys):
    env = {"grader": Grader({"q1": TEST, "q2": TEST.replace('"q1"', '"q2"')}), "one": one}
    exec("grader.check_all()", env)
    assert capsys.readouterr().out.splitlines()[-1] == "4 of 4 public checks passed"


def test_unknown_question():
    with pytest.raises(ArgumentError, match="question is 'q9', expected one of q1"):
        Grader({"q1": TEST}).check("q9")


def test_a_fault_of_the_test_itself_is_shown():
    broken = TEST.replace('Answer(env, "one")(1)', "1 / 0")
    assert "ZeroDivisionError" in repr(Grader({"q1": broken}).report("q1", {}))


def test_without_otter(monkeypatch):
    monkeypatch.setitem(sys.modules, "otter", None)
    with pytest.raises(GradingError, match="not installed: run `%pip install otter-grader`"):
        Grader({"q1": TEST})


def test_without_time_limits_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr("tokenlab.grading.grader.time_limits_work", lambda: False)
    Grader({"q1": TEST})
    assert "must be interrupted by hand" in capsys.readouterr().out


class Colab:
    def __str__(self) -> str:
        return "<google.colab._shell.Shell object>"


def test_on_colab_where_the_notebook_is_no_file(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("otter.check.utils.get_ipython", Colab)
    import otter

    with pytest.raises(ValueError, match="does not exist"):
        otter.Notebook()
    assert Grader({"q1": TEST}).report("q1", {"one": one}).passed == 2


def test_renamed_copy_beside_a_folder_of_other_tests(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests").mkdir()
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "Copy of assignment (1).ipynb")
    assert Grader({"q1": TEST}).report("q1", {"one": one}).passed == 2
    assert len(list(tmp_path.iterdir())) == 2


LATE = """
import os
import torch, triton, triton.language as tl
from tokenlab.grading import Answer, Wrong

os.environ["TRITON_INTERPRET"] = "0"

@triton.jit
def kernel(x_ptr):
    tl.store(x_ptr, 1.0)

def fill(x):
    kernel[(1,)](x)
    return x

try:
    Answer(globals(), "fill")(torch.zeros(1))
except Wrong as wrong:
    print(wrong)
"""


@pytest.mark.interpreter
def test_triton_without_gpu_and_interpreter(tmp_path):
    """Triton's own error, and the words that replace it."""
    if torch.cuda.is_available():
        pytest.skip("with a GPU the kernel is compiled, and nothing is too late")
    pytest.importorskip("triton", reason="Triton is not installed")
    (tmp_path / "late.py").write_text(LATE)
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, tmp_path / "late.py"], capture_output=True, text=True, check=True, env=environment
    )
    assert "Triton was imported before TRITON_INTERPRET was set: restart the kernel" in done.stdout


#: What every Jupyter installation, and so Colab, has.
JUPYTER = {"ipykernel", "ipywidgets", "nbconvert", "nbformat", "pandas", "pyyaml", "requests", "setuptools"}


def test_colab_installs_what_the_checks_import(root):
    """Without its dependencies, otter-grader still finds all that a check imports."""
    done = subprocess.run(
        [sys.executable, "-c", "import otter, sys; print(*{name.split('.')[0] for name in sys.modules})"],
        capture_output=True,
        text=True,
        check=True,
    )
    distributions = metadata.packages_distributions()
    loaded = {canonical(name) for top in done.stdout.split() for name in distributions.get(top, ())}
    there = closure(JUPYTER)
    for path in (root / "book").glob("*/assignment.ipynb"):
        install = next(
            cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"
        ).source
        names = set(re.search(r"--no-deps (.+)", install)[1].split())
        assert "otter-grader" in names
        assert loaded - there <= names, "the install cell lacks a package"
        assert names <= loaded, "the install cell names a package that is not needed"
