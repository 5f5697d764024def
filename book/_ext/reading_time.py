"""How long a notebook takes: estimated from what stands in it, not from what it says."""

from __future__ import annotations

import re

from nbformat import NotebookNode

#: Of a reader who follows an argument, not of one who skims.
WORDS_PER_MINUTE, CODE_LINES_PER_MINUTE = 150, 12
MINUTES_PER_EQUATION, MINUTES_PER_PICTURE = 1.0, 0.5
#: Sections that are not read through, and what a page folds away.
NOT_READ = ("Exercises", "References")
FOLDED_INPUT = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
FOLDED_OUTPUT = {"hide-output", "hide-cell", "remove-output", "remove-cell"}
#: ``(easy, 10 minutes)`` of an exercise, ``*Easy, 10 minutes, 2 points.*`` of a question.
EXERCISE = re.compile(r"(?:\(|^\*)[A-Za-z][a-z ]*, (\d+) minutes(?:\)|, )", re.M)


def sections(notebook: NotebookNode) -> list[tuple[str, list]]:
    """The cells below each heading of the second level, and those before the first."""
    found = [("", [])]
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (heading := re.match(r"## (?:\d+\. )?(.*)", cell.source)):
            found.append((heading[1].strip(), []))
        found[-1][1].append(cell)
    return found


def effort(text: str) -> float:
    """Minutes for one cell of prose, what it folds away left out."""
    text = re.sub(r"<!--.*?-->|<details\b.*?</details>", " ", text, flags=re.S)
    text, fences = re.subn(r"^```.*?^```", " ", text, flags=re.S | re.M)
    text, equations = re.subn(r"\$\$.+?\$\$", " ", text, flags=re.S)
    # A formula within a line is read as a word, a link is read as its text.
    text = re.sub(r"\$[^$]+\$", " formula ", text)
    text = re.sub(r"\]\([^)]*\)", "] ", text)
    words = len(re.findall(r"[^\W_][\w'’-]*", re.sub(r"<[^>]+>", " ", text)))
    return words / WORDS_PER_MINUTE + equations * MINUTES_PER_EQUATION + fences * MINUTES_PER_PICTURE


def pictures(cell: NotebookNode) -> int:
    """Figures and tables that a cell shows; a player counts once."""
    shown = [output.get("data", {}).get("text/html", "") for output in cell.outputs]
    return sum(bool(re.search(r"<(?:figure|table|svg)\b", html)) for html in shown)


def reading_minutes(notebook: NotebookNode) -> int:
    """Minutes to read a notebook without its exercises, rounded up to five."""
    minutes = 0.0
    for heading, cells in sections(notebook):
        for cell in cells if heading not in NOT_READ else ():
            tags = set(cell.metadata.get("tags", []))
            if cell.cell_type == "markdown":
                minutes += effort(cell.source)
            if cell.cell_type == "code" and not tags & FOLDED_INPUT:
                lines = [line for line in cell.source.splitlines() if line.strip()]
                minutes += len(lines) / CODE_LINES_PER_MINUTE
            if cell.cell_type == "code" and not tags & FOLDED_OUTPUT:
                minutes += pictures(cell) * MINUTES_PER_PICTURE
    return max(5, -5 * int(-minutes // 5))


def exercise_minutes(notebook: NotebookNode) -> int:
    """Minutes of all exercises, or questions, as each of them states them."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return sum(map(int, EXERCISE.findall(text)))
