"""What the page for instructors says is so."""

from __future__ import annotations

import re
import subprocess
import sys

import nbformat
import pytest
from docutils import nodes
from docutils.utils import new_document

from tests.assignments.conftest import MASTERS, ROOT
from tokenlab.grading import plugin

PAGE = ROOT / "book" / "instructors.md"


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def assignments(extension):
    return extension("assignments")


def test_table_is_the_masters(made, assignments):
    found = assignments.questions(made.path)
    assert len(found) == len(made.tests) >= 5
    for question in found:
        points = float(re.search(r"^points = ([\d.]+)", made.tests[f"q{question.number}"], re.M)[1])
        assert question.points == points and question.minutes > 0 and question.outcome
    head, *body, last = assignments.rows(found)
    assert len(head) == len(last) == 4 and len(body) == len(found)
    assert last[2:] == [str(sum(int(row[2]) for row in body)), str(sum(int(row[3]) for row in body))]
    assert [row[0] for row in body] == [f"{question.number}. {question.outcome}" for question in found]


def test_page_has_a_table_for_every_master(page):
    assert sorted(re.findall(r"```\{assignment-table\} (\w+)", page)) == [path.stem for path in MASTERS]


@pytest.mark.parametrize(
    ("command", "options"),
    [("run", ["--autograder", "-a"]), ("grade", ["-n", "-a", "--timeout", "--no-network"])],
)
def test_options_of_otter_exist(page, command, options):
    done = subprocess.run(
        [sys.executable, "-m", "otter", command, "--help"], capture_output=True, text=True, check=True
    )
    assert f"otter {command} " in page
    for option in options:
        assert re.search(rf"(?<![\w-]){option}\b", done.stdout), option


def test_containers_come_first(page):
    grading = page[page.index("## Grade it") :]
    assert grading.index("otter grade -n") < grading.index("otter run -a")
    assert grading.index("grade them in containers") < grading.index("`otter run`")


def test_hidden_results_are_off_unless_asked_for(page):
    from otter.run import AutograderConfig

    assert "`show_hidden` is off" in page and AutograderConfig({}).show_hidden is False


def test_limits_that_the_page_states(page):
    assert "stopped after a minute" in page and plugin.CELL_SECONDS == 60
    assert "`cell_seconds`" in page


def test_rules_for_assistants_can_be_pasted(page):
    (rules,) = re.findall(r"```text\n(# Rules for AI assistants.*?)```", page, re.S)
    assert "You may" in rules and "You must not" in rules


# --- the page of an assignment -------------------------------------------------------------


def quiet(assignments, report: str) -> str:
    """What a page shows in place of a report."""
    output = nodes.container("", nodes.literal_block(report, report), classes=["cell_output"])
    page = new_document("page")
    page += nodes.container("", output, classes=["cell"])
    assignments.quiet_checks(None, page)
    return output.astext()


def test_reports_of_stubs_are_a_quiet_line_on_the_page(made, assignments):
    reports = [
        output["data"]["text/plain"]
        for cell in nbformat.read(made.published, as_version=4).cells
        if cell.cell_type == "code" and cell.source.startswith("grader.check(")
        for output in cell.outputs
    ]
    assert len(reports) == len(made.tests)
    for report in reports:
        source = made.tests[report.partition(":")[0]]
        line = quiet(assignments, report)
        assert line.startswith("Not answered yet.") and "None" not in line
        for name in re.findall(r"hidden=False\)\ndef test_(\w+)", source):
            assert name.replace("_", " ") in line


@pytest.mark.parametrize(
    "report",
    [
        "q1: 1 of 4 checks passed\n  [large logits] softmax overflows",
        "q1: 4 of 4 checks passed",
        "9 of 23 public checks passed",
        "0 of 4 is printed by something else",
    ],
)
def test_reports_of_answers_stay(assignments, report):
    assert quiet(assignments, report) == report
