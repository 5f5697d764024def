"""The live box of the byte-level chapter appears where there is a kernel."""

from __future__ import annotations

import copy

import nbformat
import pytest
from nbclient import NotebookClient

from tests.notebooks.execute import ROOT

PATH = ROOT / "book" / "bytelevel" / "run.ipynb"
VIEW = "application/vnd.jupyter.widget-view+json"


def widgets(notebook: nbformat.NotebookNode) -> list[dict]:
    """The states of the widgets that outputs of this executed notebook show."""
    state = notebook.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    shown = [
        output["data"][VIEW]["model_id"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if VIEW in output.get("data", {})
    ]
    return [state[model] for model in shown]


@pytest.fixture(scope="module")
def until_widget() -> nbformat.NotebookNode:
    """The notebook up to the cell with the box, its code alone, with the small model."""
    notebook = nbformat.read(PATH, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    (last,) = (number for number, cell in enumerate(code) if "typing_widget(" in cell.source)
    notebook.cells = code[: last + 1]
    return notebook


def executed(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    notebook = copy.deepcopy(notebook)
    client = NotebookClient(
        notebook, kernel_name="python3", timeout=120, resources={"metadata": {"path": str(PATH.parent)}}
    )
    client.execute()
    return notebook


@pytest.mark.notebook
@pytest.mark.model
def test_the_box_and_its_picture_appear(until_widget):
    notebook = executed(until_widget)
    (box,) = widgets(notebook)
    every = notebook.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    field, picture = (every[child.removeprefix("IPY_MODEL_")]["state"] for child in box["state"]["children"])
    assert field["value"] == "def __ini" and "<svg" in picture["value"]


@pytest.mark.notebook
@pytest.mark.model
def test_planted_semicolon_is_found():
    """With it IPython shows nothing."""
    small = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(f"import ipywidgets\nipywidgets.Text('a'){end}") for end in ("", ";")
        ]
    )
    small.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    notebook = executed(small)
    assert len(widgets(notebook)) == 1 and notebook.cells[1].outputs == []
