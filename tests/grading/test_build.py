"""Building says what is wrong with a master."""

from __future__ import annotations

import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from tokenlab.errors import GradingError
from tokenlab.grading import build as module
from tokenlab.grading.build import build, configured, main, student_copy, tidy

SOLVED = "def one():\n    # BEGIN SOLUTION\n    return 1\n    # END SOLUTION"
GRADER = "from tokenlab.grading import Grader\ngrader = Grader({})"
TEST = "def test_one(env):\n    assert env['one']() == 1, 'one() is not 1'"


def master(solution: str = SOLVED):
    notebook = new_notebook(
        cells=[
            new_raw_cell("# ASSIGNMENT CONFIG"),
            new_code_cell(GRADER, metadata={"tags": ["public-tests"]}),
            new_raw_cell("# BEGIN QUESTION\nname: q1\npoints: 2"),
            new_raw_cell("# BEGIN SOLUTION"),
            new_code_cell(solution),
            new_raw_cell("# END SOLUTION"),
            new_raw_cell("# BEGIN TESTS"),
            new_code_cell(TEST),
            new_raw_cell("# END TESTS"),
            new_raw_cell("# END QUESTION"),
        ]
    )
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return notebook


@pytest.fixture
def path(tmp_path):
    nbformat.write(master(), tmp_path / "private.ipynb")
    return tmp_path / "private.ipynb"


@pytest.mark.notebook
def test_a_private_master_anywhere(path, tmp_path, capsys):
    main([str(path), "--out", str(tmp_path / "out"), "--seed", "5"])
    assert "private: the key has 2 of 2 points; hidden tests with seed 5" in capsys.readouterr().out
    made = {file.name for file in (tmp_path / "out" / "private").iterdir()}
    assert made == {"assignment.ipynb", "autograder.zip", "key.ipynb"}


@pytest.mark.notebook
def test_a_key_that_fails_is_an_error(tmp_path):
    nbformat.write(master(SOLVED.replace("return 1", "return 2")), tmp_path / "wrong.ipynb")
    with pytest.raises(GradingError, match=r"(?s)the key of .*wrong.ipynb does not pass.*one\(\) is not 1"):
        main([str(tmp_path / "wrong.ipynb"), "--out", str(tmp_path)])


def test_no_such_master(tmp_path):
    with pytest.raises(GradingError, match="there is no master notebook"):
        build(tmp_path / "gone.ipynb", tmp_path)


def test_head_is_missing():
    with pytest.raises(GradingError, match="must be a raw cell that begins with '# ASSIGNMENT CONFIG'"):
        configured(new_notebook(cells=[new_markdown_cell("# Title")]), 0)


def test_cell_for_the_tests_is_missing():
    notebook = new_notebook(cells=[new_code_cell("1")], metadata={"otter": {"tests": {}}})
    with pytest.raises(GradingError, match="0 cells have the tag 'public-tests', expected one"):
        student_copy(notebook)


def test_tests_that_would_end_their_string():
    with pytest.raises(GradingError, match="three single quotes"):
        module.tests_cell({"q1": "'''"})


def test_without_otter(path, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "otter.assign", None)
    with pytest.raises(GradingError, match="run `pip install otter-grader`"):
        build(path, tmp_path)


def test_tidy():
    assert tidy("a  \n\n\n\nb") == "a\n\nb\n"


def test_requirements_name_the_repository_once():
    (last,) = (line for line in module.requirements() if line.startswith("tokenlab"))
    assert last.startswith("tokenlab @ git+https://")
