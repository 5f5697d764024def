"""Pages teach first: each rule on the notebooks, and on a notebook in which a fault is planted."""

from __future__ import annotations

from collections.abc import Callable

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.notebooks import rules
from tests.notebooks.execute import ROOT, notebooks
from tests.notebooks.rewritten import REWRITTEN

PATHS = {path.relative_to(ROOT / "book").with_suffix("").as_posix(): path for path in notebooks()}


@pytest.mark.parametrize("name", PATHS)
def test_notebook(name: str):
    found = rules.faults(nbformat.read(PATHS[name], as_version=4))
    assert found == [] or name not in REWRITTEN


def test_rewritten_notebooks_are_there():
    assert set(REWRITTEN) <= set(PATHS)


# --- planted faults ------------------------------------------------------------------


PICTURE = new_output("execute_result", data={"text/html": "<figure><svg></svg></figure>"}, execution_count=1)
TABLE = new_output("execute_result", data={"text/html": "<div><table></table></div>"}, execution_count=1)
INSTALL = """import sys
if "google.colab" in sys.modules:
    %pip install -q tokenlab
from tokenlab.figures import show
show(figure, caption="It repeats.", alt="Bars.")"""
TERMS = """**After it you will be able to**

- say why it repeats;
- draw a token.

**Time:** reading 20 minutes, exercises 30 minutes. **Short path:** sections 1 and 2, 15 minutes.

**Needs:** any computer; no GPU, no download. **Before:** sums.

**Run it:** [in Colab](https://colab.research.google.com/x) or [on Binder](https://mybinder.org/x)."""
PROSE = (
    "## 1. Words\n\n"
    + "Where $x_i$, and then $y$, differ. " * 60
    + "\n\n$$a ,$$\n\n- `x .` is code\n- $z$ .5"
)
EXERCISES = (
    "## Exercises\n\n**1. One** (easy, 10 minutes). Do it.\n\n**2. Two** (hard, 20 minutes). Prove it."
)
#: The cells of a good notebook.
TITLE, INSTALLED, SAID, IMPORTED, VERSIONS, BODY, COMPUTED, SHOWN, TABLED, TASKS = range(10)


def code(source: str, *tags: str, outputs=()):
    return new_code_cell(source, metadata={"tags": list(tags)}, outputs=list(outputs))


def good():
    cells = [
        new_markdown_cell("# Sampling: derive\n\nWhy does a model repeat itself? And how is a token chosen?"),
        code(INSTALL, "remove-input", outputs=[PICTURE]),
        new_markdown_cell(TERMS),
        code("import torch", "hide-input"),
        code(
            'print("version", "seed", "device")',
            "hide-cell", "nbval-ignore-output",
            outputs=[new_output("stream", name="stdout", text="version\n")],
        ),
        new_markdown_cell(PROSE),
        code("rates = f(3)\nassert rates"),
        code('show(figure, caption="x", alt="y")', "hide-input", outputs=[PICTURE]),
        code("from tokenlab import tables\n\ntables.table(rows)", "hide-input", outputs=[TABLE]),
        new_markdown_cell(EXERCISES),
    ]  # fmt: skip
    return new_notebook(cells=cells)


def test_good_notebook_passes():
    assert rules.faults(good()) == []


def source(number: int, old: str, new: str) -> Callable:
    """Plants other words in a cell."""

    def plant(notebook) -> None:
        assert old in notebook.cells[number].source
        notebook.cells[number].source = notebook.cells[number].source.replace(old, new)

    return plant


def tagged(number: int, *names: str) -> Callable:
    return lambda notebook: notebook.cells[number].metadata.update(tags=list(names))


def silent(number: int) -> Callable:
    return lambda notebook: notebook.cells[number].update(outputs=[])


def says(stream: str) -> Callable:
    output = new_output("stream", name=stream, text="0.5\n")
    return lambda notebook: notebook.cells[COMPUTED].update(outputs=[output])


def without(number: int) -> Callable:
    return lambda notebook: notebook.cells.pop(number)


PLANTED = [
    # What a cell shows.
    ("cell 6: writes to stdout", says("stdout")),
    ("cell 6: writes to stderr", says("stderr")),
    ("cell 6: prints", source(COMPUTED, "assert rates", "print(rates)")),
    ("cell 7: prints", source(SHOWN, "show(", "print(1)\nshow(")),
    ("cell 4: writes to stdout", tagged(VERSIONS, "hide-input", "nbval-ignore-output")),
    ("cell 7: show() is not its last expression", source(SHOWN, "show(", "assert show(")),
    ("cell 7: show() is not its last expression", source(SHOWN, 'alt="y")', 'alt="y")\nassert data')),
    ("cell 7: show() is not its last expression", source(SHOWN, "show(", "if data:\n    show(")),
    ("cell 8: table() is not its last expression", source(TABLED, "tables.table(", "made = tables.table(")),
    ("cell 7: texts() is not its last expression", source(SHOWN, "show(", "texts({}), show(")),
    ("cell 7: show() left no output", silent(SHOWN)),
    ("cell 8: table() left no output", silent(TABLED)),
    ("cell 6: player() left no output", source(COMPUTED, "assert rates", "player(rates)")),
    ("cell 1: show() left no output", silent(INSTALLED)),
    ("cell 6: drawn() is not", source(COMPUTED, "rates = f(3)", "def drawn():\n    return show(1)\n\n\ndrawn()")),
    ("cell 7: show() is not folded", tagged(SHOWN)),
    ("cell 8: table() is not folded", tagged(TABLED, "nbval-ignore-output")),
    ("cell 6: lists claims", source(COMPUTED, "assert rates", 'claims.show("x")')),
    # How a page begins.
    ("cell 0: expected", source(TITLE, "chosen?", "chosen?\n\nOne more paragraph.")),
    ("cell 0: expected", source(TITLE, "# Sampling: derive", "# Sampling")),
    ("cell 0: expected", source(TITLE, "Why does", "- Why does")),
    ("cell 0: more than two sentences", source(TITLE, "chosen?", "chosen? By whom?")),
    ("cell 1: does not install", source(INSTALLED, "%pip install", "%pip list")),
    ("cell 1: is not tagged", tagged(INSTALLED, "hide-input")),
    ("cell 1: shows no picture", lambda notebook: notebook.cells[INSTALLED].update(outputs=[TABLE])),
    ("cell 2: lacks what the reader", source(SAID, "\n- say", "\nSay")),
    ("cell 2: lacks **Time:**", source(SAID, "reading 20 minutes", "20 minutes")),
    ("cell 2: lacks the short path", source(SAID, "**Short path:** sections 1 and 2, 15 minutes", "")),
    ("cell 2: lacks **Needs:**", source(SAID, "Needs", "Takes")),
    ("cell 2: lacks the link to Colab", source(SAID, "colab.research", "example")),
    ("cell 2: lacks the link to Binder", source(SAID, "mybinder", "example")),
    ("cell 2: has a heading", source(SAID, "**After it", "## First\n\n**After it")),
    ("cell 3: expected imports", tagged(IMPORTED)),
    ("cell 3: expected imports", source(IMPORTED, "import torch", "x = 1")),
    ("cell 4: is not tagged", tagged(VERSIONS, "hide-cell")),
    ("cell 4: does not print the seed", source(VERSIONS, "seed", "sum")),
    ("the opening is markdown, code, code", without(SAID)),
    ("the opening has fewer", lambda notebook: notebook.update(cells=notebook.cells[:4])),
    ("exercises 30 minutes, their sum is 40", source(TASKS, "easy, 10", "easy, 20")),
    ("the opening states no minutes of the exercises", source(SAID, ", exercises 30 minutes", "")),
    # How text and code are set.
    ("cell 5: begins with punctuation", source(BODY, "## 1. Words", "## , and words")),
    ("cell 5: begins with punctuation", source(BODY, "- `x", "- . `x")),
    ("cell 9: begins with punctuation", source(TASKS, "Prove it.", "Prove it.\n\n1. **: first**")),
    ("cell 5: space between $y$ and ','", source(BODY, "$y$, differ", "$y$ , differ")),
    ("cell 5: space between $x_i$ and '.'", source(BODY, "$x_i$, and", "$x_i$\n. And")),
    ("cell 6: a line of 89 characters", source(COMPUTED, "assert rates", "assert rates  #".ljust(89, "x"))),
    ("visible code is", source(COMPUTED, "assert rates", "assert rates\n" * 30)),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "plant"), PLANTED, ids=[fault for fault, _ in PLANTED])
def test_planted_fault_is_found(fault: str, plant: Callable):
    notebook = good()
    plant(notebook)
    assert any(found.startswith(fault) for found in rules.faults(notebook)), rules.faults(notebook)


def test_every_rule_has_a_planted_fault():
    silent_rules = set(rules.RULES)
    for _, plant in PLANTED:
        notebook = good()
        plant(notebook)
        silent_rules -= {rule for rule in silent_rules if rule(notebook)}
    assert silent_rules == set()


ALLOWED = [
    source(SHOWN, "show(", "from IPython.display import display\n\ndisplay(table(rows))\nshow("),
    source(SHOWN, "show(", "def frame(k):\n    return new_figure(k)\n\n\nshow("),
    source(COMPUTED, "assert rates", "widget.show()\nassert rates"),
    source(BODY, "## 1. Words", "## `row_stats`, in *words*"),
    source(BODY, "- $z$ .5", "- (in brackets) $a$ and $b$ ... or $c$: `$d$ ,`"),
    source(TITLE, "derive", "kernels"),
]


@pytest.mark.parametrize("plant", ALLOWED)
def test_what_is_no_fault(plant: Callable):
    notebook = good()
    plant(notebook)
    assert rules.faults(notebook) == []


def test_kernels_and_assignments_may_be_code():
    long = source(COMPUTED, "assert rates", "assert rates\n" * 30)
    for plant in (source(TITLE, "derive", "kernels"), tagged(COMPUTED, "otter_answer_cell")):
        notebook = good()
        long(notebook)
        plant(notebook)
        assert rules.much_code(notebook) == []
