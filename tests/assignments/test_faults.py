"""What goes wrong with students' notebooks: it is put into words, and nothing else is lost."""

from __future__ import annotations

import copy
import sys
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from tests.assignments.conftest import MASTERS, code, define
from tokenlab.grading.build import build, grade


@pytest.fixture(scope="module")
def sampling(tmp_path_factory) -> SimpleNamespace:
    """The first chapter's key and autograder."""
    (master,) = (path for path in MASTERS if path.stem == "sampling")
    folder = tmp_path_factory.mktemp("sampling")
    built = build(master, folder)
    return SimpleNamespace(
        key=nbformat.read(built.key, as_version=4), autograder=built.autograder, folder=folder
    )


def cell_with(notebook, text: str) -> int:
    """Number of the one cell of code that holds this text."""
    (number,) = (
        i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code" and text in cell.source
    )
    return number


def graded(sampling, notebook):
    path = sampling.folder / "submission.ipynb"
    nbformat.write(notebook, path)
    return grade(path, sampling.autograder)


def test_battered_notebook(sampling):
    """One notebook with most of what can happen; each question says what happened to it."""
    notebook = copy.deepcopy(sampling.key)
    cells = notebook.cells
    # Question 1: solution and check deleted.
    del cells[cell_with(notebook, 'grader.check("q1")')]
    del cells[cell_with(notebook, "def softmax(")]
    # Question 2: answered a second time, wrongly, and checked again.
    end = cell_with(notebook, 'grader.check("q2")') + 1
    again = new_code_cell(cells[end - 2].source.replace("argmax", "argmin"))
    cells[end:end] = [again, new_code_cell('grader.check("q2")')]
    # Question 3: one of its functions renamed.
    renamed = cells[cell_with(notebook, "def min_p_mask(")]
    renamed.source = renamed.source.replace("def min_p_mask(", "def minp_mask(")
    # Question 4: a loop without end in its second function.
    endless = cells[cell_with(notebook, "def eta_threshold(")]
    endless.source = endless.source.replace(
        "    return (math", "    while True:\n        pass\n    return (math"
    )
    # Question 5: the cell with the names of the curves deleted.
    del cells[cell_with(notebook, "def reading(")]
    # Question 6: right, and it prints megabytes.
    loud = cells[cell_with(notebook, "def row_logsumexp(")]
    loud.source = loud.source.replace("    rows, vocab", "    print('x' * 3_000_000)\n    rows, vocab")
    # And cells of the student's own.
    for source in (
        "print('y' * 5_000_000)",
        "def unfinished(:",
        "exit()",
        "1 / 0",
        "raise KeyboardInterrupt",
    ):
        cells.append(new_code_cell(source))

    results = graded(sampling, notebook)
    summary = {name: results.get_result(name).summary() for name in results.test_files}
    score = {name: results.get_score(name) for name in results.test_files}

    assert sorted(summary) == ["q1", "q2", "q3", "q4", "q5", "q6"]
    assert score["q1"] == 0
    assert "softmax is not defined" in summary["q1"] and "deleted" in summary["q1"]
    assert score["q2"] == 0
    assert "you return the smallest total" in summary["q2"]
    assert 0 < score["q3"] < 18
    assert "There is a function `minp_mask`: did you rename it?" in summary["q3"]
    assert 0 < score["q4"] < 18
    # The last check of all questions counts, and calls it no more.
    for check in ("eta by hand", "hidden eta"):
        assert (
            f"[{check}] eta_threshold was not called again: its last call did not end. Does" in summary["q4"]
        )
    assert score["q5"] == 0
    assert "reading is not defined" in summary["q5"]
    assert score["q6"] == 26

    notes = results.output
    assert "`gumbel_max` is defined 2 times" in notes and "Was a cell duplicated?" in notes
    assert "`def unfinished(:` was stopped by an error: SyntaxError" in notes
    assert "`1 / 0` was stopped by an error: ZeroDivisionError" in notes
    # The flood is cut before it is stored.
    printed = [
        output.get("text", "") for cell in results.notebook.cells for output in cell.get("outputs", [])
    ]
    assert max(map(len, printed)) < 50_000
    assert any("5,000,001 characters were printed, 20,000 are shown" in text for text in printed)
    assert any("3,000,001 characters were printed, 500 are shown" in text for text in printed)


SPIES = {
    "softmax": """
class Told(ValueError):
    pass

def softmax(logits, temperature=1.0):
    raise Told(f"seed={HIDDEN_SEED} {open('tests/q1.py').read()}")
""",
    "reading": """
def reading():
    return dict.fromkeys("ABCD", open("tests/q1.py").read())
""",
}


def test_what_a_submission_reads_is_not_told_to_students(sampling):
    """Hidden tests and their seed, in the words of errors and in choices, where students see them."""
    notebook = copy.deepcopy(sampling.key)
    cells = notebook.cells
    for name, source in SPIES.items():
        cells[cell_with(notebook, f"def {name}(")].source = source
    cells.append(new_code_cell("softmax(None)"))
    results = graded(sampling, notebook)
    cases = results.get_result("q1").test_case_results
    public = [case.message for case in cases if not case.test_case.hidden]
    (private,) = (case.message for case in cases if case.test_case.hidden)
    assert len(public) == 4
    for message in public:
        # Type and line are enough to find it.
        assert 'raised Told, in the line `raise Told(f"seed={HIDDEN_SEED}' in message
    shown = "".join([*public, results.output, results.get_result("q5").test_case_results[0].message])
    assert "seed=2026" not in shown and "hidden_random_rows" not in shown
    assert "`softmax(None)` was stopped by an error: Told\n" in results.output + "\n"
    # The instructor, who has both, is told.
    assert "raised Told: seed=2026" in private and len(private) < 1200


def test_only_the_answers_are_left(sampling):
    """Every other cell deleted, the setup among them: nothing is lost."""
    notebook = copy.deepcopy(sampling.key)
    names = ("softmax", "gumbel_max", "min_p_mask", "entropy", "reading", "row_logsumexp")
    kept = ("import torch", *(f"def {name}(" for name in names))
    notebook.cells = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and any(text in cell.source for text in kept)
    ]
    results = graded(sampling, notebook)
    assert results.total == results.possible == 100, results.summary()


def test_without_triton_only_its_question_is_lost(made, full, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.setitem(sys.modules, "triton.language", None)
    env: dict = {"HIDDEN_SEED": 0}
    _, imports, versions, *cells = code(made.key)
    for source in (imports, versions, *(cell for cell in cells if "grader" not in cell)):
        define(env, source, tmp_path)
    asks_for_a_kernel = any("@triton.jit" in cell for cell in cells)
    for question in made.tests:
        if question != "q6" or not asks_for_a_kernel:
            report = full.report(question, env)
            assert report.passed == report.total, report
    if not asks_for_a_kernel:
        return
    report = full.report("q6", env)
    assert report.passed == 0
    assert all("needs Triton, which is not installed here" in message for message in report.messages)
    assert "pip install triton" in report.messages[0] and "Colab" in report.messages[0]
    # Nor does an answer without a kernel help.
    (without,) = (mistake for mistake in made.wrong.MISTAKES if mistake.name == "no kernel")
    define(env, without.source(made.answers["q6"]), tmp_path)
    found = [message for message in full.report("q6", env).messages if message.startswith("[many tiles]")]
    assert len(found) == 1 and "needs Triton, which is not installed here" in found[0]
