"""``{assignment-table}``: the questions of an assignment, read from its master notebook."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml
from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from tables import table

MASTERS = Path(__file__).parents[1] / "assignments"
HEADING = re.compile(r"^## Question (?P<number>\d+): ", re.M)
EFFORT = re.compile(
    r"^\*(?P<difficulty>[A-Z][\w ]+), (?P<minutes>\d+) minutes, (?P<points>\d+) points\.\*$", re.M
)


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


def setup(app) -> dict:
    app.add_directive("assignment-table", AssignmentTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
