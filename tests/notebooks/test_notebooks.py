"""Each notebook: executed in order, readable in four renderers, complete."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest
import yaml

from tests.notebooks.execute import ROOT, notebooks

PATHS = notebooks()
MYST = re.compile(r"^\s*(?:`{3,}|:{3,})\{[\w:-]+\}|\{[\w:-]+\}`[^`]*`|^\([\w-]+\)=\s*$", re.M)
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:tmp|home|root|work|Users|content|private)/\w|[A-Z]:\\\\?Users")
COMPARED = ("text/plain", "text/html", "text/markdown", "image/svg+xml")


def name(path: Path) -> str:
    return path.relative_to(ROOT / "book").as_posix()


@pytest.fixture(params=PATHS, ids=name)
def notebook(request) -> nbformat.NotebookNode:
    return nbformat.read(request.param, as_version=4)


def markdown(notebook) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_table_of_contents_lists_every_notebook(root: Path):
    entries = json.dumps(yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8")))
    listed = {file for file in re.findall(r'"file": "([^"]+)"', entries) if (root / f"{file}.ipynb").exists()}
    assert {path.relative_to(root).with_suffix("").as_posix() for path in PATHS} == listed


def test_executed_top_to_bottom(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook) if cell.source.strip()]
    assert counts == list(range(1, len(counts) + 1)), "run `make notebooks`"


def test_no_error_is_stored(notebook):
    for cell in code_cells(notebook):
        if "raises-exception" not in cell.metadata.get("tags", []):
            assert [output for output in cell.outputs if output.output_type == "error"] == []


def test_metadata_is_portable(notebook):
    assert notebook.metadata.kernelspec.name == "python3"
    assert "version" not in notebook.metadata.get("language_info", {}), "run `make notebooks`"
    assert not [cell for cell in notebook.cells if "execution" in cell.metadata]


def test_no_myst(notebook):
    assert MYST.findall(markdown(notebook)) == [], "directives and roles show raw in Jupyter and Colab"


@pytest.mark.parametrize(
    "text", ["```{note}\nx\n```", ":::{tip}\n:::", "see {cite}`fan2018`", "(label)=\n# Title"]
)
def test_planted_myst_is_caught(text):
    assert MYST.search(text)


def test_opens_with_objectives_minutes_and_hardware(notebook):
    first = notebook.cells[0]
    assert first.cell_type == "markdown" and first.source.startswith("# ")
    opening = re.split(r"^## ", markdown(notebook), flags=re.M)
    opening = "\n".join(opening[:2])
    assert re.search(r"(?i)you will be able to", opening)
    assert re.search(r"(?i)\d+ minutes", opening)
    assert re.search(r"\b(?:CPU|GPU)\b", opening)


def is_assignment(notebook) -> bool:
    return any("otter_answer_cell" in cell.metadata.get("tags", []) for cell in notebook.cells)


@pytest.mark.parametrize("section", ["Summary", "Exercises", "References"])
def test_closing_section(notebook, section):
    if is_assignment(notebook):
        section = section.replace("Exercises", "Hand in")
    assert re.search(rf"^## {section}\b", markdown(notebook), re.M)


def test_questions_of_an_assignment_have_hint_and_check(notebook):
    if is_assignment(notebook):
        questions = len(re.findall(r"^## Question \d", markdown(notebook), re.M))
        checks = [cell for cell in code_cells(notebook) if cell.source.startswith("grader.check(")]
        hints = re.findall(r"(?i)<summary>[^<]*hint", markdown(notebook))
        assert questions == len(checks) == len(hints) >= 5
        assert not re.search(r"(?i)<summary>[^<]*solution", markdown(notebook))


def test_exercises_have_hint_and_solution(notebook):
    if is_assignment(notebook):
        return
    exercises = re.split(r"^## Exercises\b", markdown(notebook), flags=re.M)[1]
    exercises = re.split(r"^## ", exercises, flags=re.M)[0]
    opened, closed = len(re.findall("<details", exercises)), len(re.findall("</details>", exercises))
    assert opened == closed >= 2
    assert re.search(r"(?i)<summary>[^<]*hint", exercises)
    assert re.search(r"(?i)<summary>[^<]*solution", exercises)


def test_first_cells(notebook):
    install, imports, versions = code_cells(notebook)[:3]
    assert "google.colab" in install.source and "pip install" in install.source
    assert re.search(r"^(?:import|from) ", imports.source, re.M)
    for word in ("version", "seed", "device"):
        assert word in versions.source, f"the third code cell prints versions, seed and device, not {word}"


def outputs(notebook):
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            yield number, output.get("text", "")
            for kind, content in output.get("data", {}).items():
                if kind in COMPARED:
                    yield number, content


def test_no_path_of_a_machine(notebook):
    found = [
        (number, MACHINE_PATH.search(text)[0])
        for number, text in outputs(notebook)
        if MACHINE_PATH.search(text)
    ]
    assert found == []


def test_no_raster_pictures(notebook):
    # Pictures come from tokenlab.figures.show; nbval would not compare a PNG at all.
    kinds = {
        kind for cell in code_cells(notebook) for output in cell.outputs for kind in output.get("data", {})
    }
    assert not {"image/png", "image/jpeg"} & kinds


def test_every_figure_has_alternative_text(notebook):
    for number, text in outputs(notebook):
        for head in re.findall(r"<svg\b[^>]*>", text):
            if 'aria-hidden="true"' in head:  # the sign on a player's button, which has a name
                continue
            # The frames of a player stand in a script, their quotes escaped.
            assert re.search(r"""aria-label=(?:\\?"[^"]{10,}"|'[^']{10,}')""", head), (
                f"cell {number}: figure without alternative text"
            )
        for image in re.findall(r"<img\b[^>]*>", text):
            assert re.search(r'alt="[^"]{10,}"', image), f"cell {number}: image without alternative text"
