"""Building says what is wrong with a master."""

from __future__ import annotations

import sys

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from tokenlab.errors import ArgumentError, GradingError, MissingPackageError
from tokenlab.grading import build as module
from tokenlab.grading.build import build, configured, main, tidy, with_tests

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
        main([str(tmp_path / "wrong.ipynb"), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists(), "an autograder that its own key fails was written"


@pytest.mark.notebook
def test_the_key_runs_in_jupyter(path, tmp_path):
    key = nbformat.read(build(path, tmp_path / "out").key, as_version=4)
    key.cells.append(new_code_cell("report = grader.check('q1'); report"))
    NotebookClient(key, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert key.cells[-1].outputs[0]["data"]["text/plain"] == "q1: 1 of 1 checks passed"
    assert "otter" not in key.metadata, "the hidden tests stand in the metadata"


def test_no_such_master(tmp_path):
    with pytest.raises(GradingError, match="there is no master notebook"):
        build(tmp_path / "gone.ipynb", tmp_path)


def test_head_is_missing():
    with pytest.raises(GradingError, match="must be a raw cell that begins with '# ASSIGNMENT CONFIG'"):
        configured(new_notebook(cells=[new_markdown_cell("# Title")]), 0)


def test_cell_for_the_tests_is_missing():
    notebook = new_notebook(cells=[new_code_cell("1")], metadata={"otter": {"tests": {}}})
    with pytest.raises(GradingError, match="0 cells have the tag 'public-tests', expected one"):
        with_tests(notebook, {})


def test_tests_that_would_end_their_string():
    with pytest.raises(GradingError, match="three single quotes"):
        module.tests_cell({"q1": "'''"})


@pytest.mark.parametrize("package", ["otter", "ipykernel"])
def test_without_the_extra_it_is_named(path, tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=rf'{package} .* `pip install "tokenlab\[teach\]"`'):
        build(path, tmp_path)


def test_what_is_there_is_not_written_over(path, tmp_path, monkeypatch):
    """Nor is anything graded before that is known."""
    monkeypatch.setattr(module, "build_and_grade", lambda *arguments, **options: pytest.fail("it went on"))
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path / "runs/assignments/private", tmp_path / "book/private"):
        folder.mkdir(parents=True)
        (folder / "assignment.ipynb").write_text("{}")
    with pytest.raises(ArgumentError, match="runs/assignments/private is there already"):
        main([str(path)])
    with pytest.raises(ArgumentError, match=r"^book/private/assignment.ipynb is there already"):
        main([str(path), "--output", "elsewhere", "--book", "book"])


def test_tidy():
    assert tidy("a  \n\n\n\nb") == "a\n\nb\n"


def linking(text: str, head: str = "links: https://a.org/book/sampling/assignment.ipynb"):
    return new_notebook(cells=[new_raw_cell(f"# ASSIGNMENT CONFIG\n{head}"), new_markdown_cell(text)])


def test_relative_links_become_absolute():
    made = configured(linking("see [rules](derive.ipynb) of [top-p](../glossary.md#top-p)"), 0)
    assert made.cells[1].source == (
        "see [rules](https://a.org/book/sampling/derive.ipynb) of [top-p](https://a.org/book/glossary.md#top-p)"
    )
    assert "links" not in made.cells[0].source  # otter-grader knows no such setting


def test_a_relative_link_that_would_lead_nowhere():
    with pytest.raises(GradingError, match=r"the link 'derive.ipynb' leads nowhere .* `links: https://...`"):
        configured(linking("[rules](derive.ipynb)", head=""), 0)
