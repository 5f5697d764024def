"""Plugin of the autograders: what otter-grader should know about a whole submission."""

from __future__ import annotations

import ast
from collections import Counter
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from otter.plugins import AbstractOtterPlugin

#: How long one cell of a submission may run, unless ``otter_config.json`` says otherwise.
CELL_SECONDS = 60
GUARD = "from tokenlab.grading.limits import guard_cells\nguard_cells({seconds!r})"


class Submission(AbstractOtterPlugin):
    """Limits every cell of a submission, and reports what is odd about the notebook.

    A cell that loops for ever or floods its output ends with an error; later questions are graded.
    Functions defined more than once and cells that raised are named, at no cost of points.
    ``{"tokenlab.grading.plugin.Submission": {"cell_seconds": 300}}`` sets another limit.
    """

    def before_execution(self, submission: NotebookNode) -> NotebookNode:
        self.notes = [
            f"`{name}` is defined {count} times in this notebook. Each check used the last definition "
            "above it, and the last check counts. Was a cell duplicated?"
            for name, count in definitions(submission).items()
            if count > 1
        ]
        seconds = self.plugin_config.get("cell_seconds", CELL_SECONDS)
        submission.cells.insert(0, new_code_cell(GUARD.format(seconds=seconds)))
        return submission

    def after_grading(self, results: Any) -> None:
        # Students see the output, where an error could say what it has read of the hidden tests.
        if notes := [*self.notes, *errors(results.notebook, quoted=False)]:
            results.set_output(listed(notes))
        self.notes += errors(results.notebook)

    def generate_report(self) -> str:
        return listed(self.notes) if self.notes else ""


def listed(notes: list[str]) -> str:
    return "\n".join(["About this notebook:", *(f"- {note}" for note in notes)])


def definitions(notebook: NotebookNode) -> Counter[str]:
    """How often each function is defined at the top level of a cell."""
    found: Counter[str] = Counter()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            try:
                body = ast.parse(cell.source).body
            except SyntaxError:  # Magics, or a cell that the student did not finish.
                continue
            found.update(node.name for node in body if isinstance(node, ast.FunctionDef))
    return found


def errors(notebook: NotebookNode, quoted: bool = True) -> list[str]:
    """Which cells raised what; its words, which are the student's, only if they may be ``quoted``."""
    notes = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                words = f": {output.evalue}" if quoted else ""
                what = f"{output.ename[:40]}{words}"[:200].rstrip(": ")
                if output.ename == "TimeLimitExceeded":
                    what = "it did not end within the time limit"
                first = next((line for line in cell.source.splitlines() if not _added(line)), "")
                notes.append(f"The cell that begins with `{first[:60]}` was stopped by an error: {what}")
    return notes


def _added(line: str) -> bool:
    """Not the student's: blank lines, and otter-grader's seed."""
    return not line.strip() or line.startswith("HIDDEN_SEED")
