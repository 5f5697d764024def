"""``{assignment-table}``: the questions of an assignment, read from its master notebook.

On an assignment's page nobody has answered anything yet. In the notebook a check then says in full what it
misses; the page has one quiet line instead, which names the checks. Its links lead to the pages of this build.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml
from docutils import nodes
from published import within
from sphinx.util.docutils import SphinxDirective
from tables import table

MASTERS = Path(__file__).parents[1] / "assignments"
HEADING = re.compile(r"^## Question (?P<number>\d+): ", re.M)
EFFORT = re.compile(
    r"^\*(?P<difficulty>[A-Z][\w ]+), (?P<minutes>\d+) minutes, (?P<points>\d+) points\.\*$", re.M
)


#: What the report of a check begins with, and the names in it.
REPORT = re.compile(r"^q\d+: (?P<passed>\d+) of (?P<total>\d+) checks passed$", re.M)
NAMES = re.compile(r"^  \[(?P<names>[^\]]*)\]", re.M)
ALL_CHECKS = re.compile(r"^(?P<passed>\d+) of (?P<total>\d+) public checks passed$", re.M)


@dataclass(frozen=True)
class Question:
    """What an instructor wants to know of a question before it is handed out."""

    number: int
    outcome: str
    difficulty: str
    minutes: int
    points: int


def questions(master: Path) -> list[Question]:
    """The questions of a master: headings from the text, points and outcomes as they are graded."""
    found, text = [], ""
    for cell in nbformat.read(master, as_version=4).cells:
        if cell.cell_type == "markdown":
            text = cell.source
        elif cell.cell_type == "raw" and cell.source.startswith("# BEGIN QUESTION"):
            config = yaml.safe_load(cell.source)
            heading, effort = HEADING.search(text), EFFORT.search(text)
            found.append(
                Question(
                    int(heading["number"]),
                    config["outcome"],
                    effort["difficulty"].lower(),
                    int(effort["minutes"]),
                    int(config["points"]),
                )
            )
    return found


def rows(found: list[Question]) -> list[list[str]]:
    """Head, one row for each question, and the sums."""
    minutes, points = sum(question.minutes for question in found), sum(question.points for question in found)
    return [
        ["After it, students can", "Difficulty", "Min.", "Points"],
        *([f"{q.number}. {q.outcome}", q.difficulty, str(q.minutes), str(q.points)] for q in found),
        [f"All {len(found)}", "", str(minutes), str(points)],
    ]


class AssignmentTable(SphinxDirective):
    """The table of ``book/assignments/<name>.ipynb``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        master = MASTERS / f"{self.arguments[0]}.ipynb"
        self.env.note_dependency(str(master))
        return [table(rows(questions(master)))]


def not_answered(report: str) -> str | None:
    """A line for the report of a check that nothing has passed; None for any other text."""
    if (found := ALL_CHECKS.search(report)) and found["passed"] == "0":
        return f"{found['total']} public checks in all; no question is answered yet."
    if not (found := REPORT.search(report)) or found["passed"] != "0":
        return None
    names = [" ".join(names.split()) for names in NAMES.findall(report)]
    return f"Not answered yet. The check looks at: {', '.join(names)}."


def quiet_checks(app, doctree: nodes.document) -> None:
    """Put a line in place of each report that nothing has passed, and name the folded public tests."""
    for cell in doctree.findall(lambda node: isinstance(node, nodes.container) and "cell" in node["classes"]):
        if "tag_public-tests" in cell["classes"]:
            for hidden in cell.findall(lambda node: "prompt_show" in getattr(node, "attributes", {})):
                hidden["prompt_show"] = "the public checks"
        for output in cell.children:
            if "cell_output" in output["classes"] and (line := not_answered(output.astext())):
                output[:] = [nodes.paragraph("", line, classes=["unanswered"])]


def own_links(app, docname: str, source: list[str]) -> None:
    if docname.endswith("/assignment"):
        source[0] = within(source[0])


def setup(app) -> dict:
    app.add_directive("assignment-table", AssignmentTable)
    app.connect("doctree-read", quiet_checks)
    app.connect("source-read", own_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
