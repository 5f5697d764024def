"""Times on the pages are the times that the notebooks take."""

from __future__ import annotations

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.notebooks.execute import ROOT
from tests.notebooks.rewritten import REWRITTEN

FIGURE = new_output("display_data", data={"text/html": "<figure><svg></svg></figure>"})
TABLE = new_output("display_data", data={"text/html": "<table></table>"})


@pytest.fixture
def times(extension):
    return extension("reading_time")


@pytest.fixture
def chapters(extension):
    return extension("chapters")


def faults(docname: str, chapters, times, root=ROOT) -> list[str]:
    """Where the times that a notebook states are not its own."""
    notebook, part = nbformat.read(root / f"{docname}.ipynb", as_version=4), chapters.part(docname, root)
    reading, exercises = times.reading_minutes(notebook), times.exercise_minutes(notebook)
    found = []
    if part.name != "assignment" and abs(part.reading - reading) > 5:
        found.append(f"{docname}: reading {part.reading} minutes is stated, {reading} are estimated")
    if part.exercises != exercises:
        found.append(f"{docname}: exercises {part.exercises} minutes is stated, their sum is {exercises}")
    return found


def test_stated_times_are_true(chapters, times):
    assert [fault for name in REWRITTEN for fault in faults(f"book/{name}", chapters, times)] == []


def test_assignments_take_what_their_questions_take(chapters, times):
    for chapter in chapters.chapters():
        for docname in chapter.docnames:
            if docname.endswith("/assignment"):
                assert faults(docname, chapters, times) == []


def notebook(reading: int = 10, exercises: int = 25) -> nbformat.NotebookNode:
    """Ten minutes: 450 words, two equations, a figure and a table, and 48 lines of visible code."""
    time = f"**Time:** reading {reading} minutes, exercises {exercises} minutes. **Needs:** a CPU."
    code = "\n".join(["x = 1"] * 48)
    exercise = "**1. One** (easy, 10 minutes). Do.\n\n**2. Two** (medium to hard, 15 minutes). Do more."
    return new_notebook(
        cells=[
            new_markdown_cell(f"# A chapter: derive\n\n{time}"),
            new_markdown_cell("## 1. First\n\n" + "word " * 400 + "\n\n$$x = 1$$\n\n$$y\n= 2$$"),
            new_code_cell(code, outputs=[FIGURE, TABLE]),
            new_code_cell("y = 2\n" * 500, metadata={"tags": ["hide-input"]}),
            new_markdown_cell("<details><summary>Why</summary>" + "word " * 900 + "</details>"),
            new_code_cell("", metadata={"tags": ["hide-cell"]}, outputs=[FIGURE] * 90),
            new_markdown_cell("## Exercises\n\n" + exercise + " word" * 900),
            new_code_cell("z = 3\n" * 500),
            new_markdown_cell("## References\n\n" + "word " * 900),
        ]
    )


def test_estimate_counts_what_is_read(times):
    assert times.reading_minutes(notebook()) == 10
    assert times.exercise_minutes(notebook()) == 25


@pytest.mark.parametrize(
    ("number", "source"),
    [
        (1, "## 1. First\n\n" + "word " * 1200),
        (1, "## 1. First\n\n" + "word " * 400 + "\n\n$$x$$" * 7),
        (2, "x = 1\n" * 110),
    ],
    ids=["words", "equations", "code"],
)
def test_more_to_read_takes_longer(times, number: int, source: str):
    longer = notebook()
    longer.cells[number].source = source
    assert times.reading_minutes(longer) > 10


def test_pictures_take_time(times):
    longer = notebook()
    longer.cells[2].outputs = [FIGURE, TABLE] * 7
    assert times.reading_minutes(longer) > 10


def test_questions_count(times):
    assignment = new_notebook(
        cells=[new_markdown_cell("## Question 1: One\n\n*Medium to hard, 20 minutes, 5 points.*")]
    )
    assert times.exercise_minutes(assignment) == 20


@pytest.mark.parametrize(
    ("reading", "exercises", "words"), [(30, 25, "reading 30"), (10, 60, "exercises 60"), (10, 25, "")]
)
def test_untrue_times_are_found(chapters, times, tmp_path, reading: int, exercises: int, words: str):
    nbformat.write(notebook(reading, exercises), tmp_path / "page.ipynb")
    found = faults("page", chapters, times, tmp_path)
    assert (words in found[0]) if words else found == []
