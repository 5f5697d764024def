"""What is odd about a submission."""

from __future__ import annotations

from types import SimpleNamespace

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tokenlab.grading.plugin import Submission, definitions, errors


def notebook(*sources: str):
    return new_notebook(cells=[new_code_cell(source) for source in sources])


def test_definitions():
    found = definitions(notebook("def a(): ...", "%pip install x", "def b(): ...\ndef a(): ...", "a = 1"))
    assert found == {"a": 2, "b": 1}


def test_errors_name_the_students_first_line():
    cell = new_code_cell("HIDDEN_SEED = 3\n\nx = 1 / 0")
    cell.outputs = [new_output("error", ename="ZeroDivisionError", evalue="division by zero")]
    (note,) = errors(new_notebook(cells=[new_markdown_cell("a"), cell]))
    assert note.startswith("The cell that begins with `x = 1 / 0` was stopped by an error: ")
    assert note.endswith("ZeroDivisionError: division by zero")


def test_words_of_errors_are_for_the_instructor():
    cell = new_code_cell("1 / 0")
    cell.outputs = [new_output("error", ename="ZeroDivisionError", evalue="the seed is 4711")]
    plugin, results = Submission("submission.ipynb", {}, {}), SimpleNamespace()
    plugin.before_execution(notebook())
    shown: list[str] = []
    results.notebook, results.set_output = new_notebook(cells=[cell]), shown.append
    plugin.after_grading(results)
    assert shown == [
        "About this notebook:\n- The cell that begins with `1 / 0` was stopped by an error: ZeroDivisionError"
    ]
    assert "ZeroDivisionError: the seed is 4711" in plugin.generate_report()


def test_endless_cells_are_named():
    cell = new_code_cell("while True:\n    pass")
    cell.outputs = [new_output("error", ename="TimeLimitExceeded", evalue="")]
    (note,) = errors(new_notebook(cells=[cell]))
    assert note.endswith("`while True:` was stopped by an error: it did not end within the time limit")


def test_guard_comes_first_and_a_clean_notebook_needs_no_report():
    plugin = Submission("submission.ipynb", {}, {"cell_seconds": 9})
    guarded = plugin.before_execution(notebook("def a(): ..."))
    assert "guard_cells(9)" in guarded.cells[0].source and len(guarded.cells) == 2
    assert plugin.generate_report() == ""


def test_duplicates_are_reported():
    plugin = Submission("submission.ipynb", {}, {})
    plugin.before_execution(notebook("def a(): ...", "def a(): ..."))
    assert "`a` is defined 2 times" in plugin.generate_report()
