"""Folded cells say what they hold, and those of which nothing else is seen share a line."""

from __future__ import annotations

from pathlib import Path

import pytest
from docutils import nodes

VERSIONS = 'from importlib.metadata import version\n\nprint(version("torch"))'


@pytest.fixture
def folded(extension):
    return extension("folded")


@pytest.mark.parametrize(
    ("source", "bare", "opening", "words"),
    [
        ("import math\n\nimport torch", True, True, "imports"),
        ("from fractions import Fraction", True, True, "imports"),
        ("import math\n\nassert math.pi > 3", True, False, "the check"),
        (VERSIONS, True, True, "versions"),
        ("# On Colab only: install the package.", True, True, "install"),
        ("# @title Public tests: run this cell", True, False, "public tests"),
        ("for x in (1, 2):\n    assert x", True, False, "the check"),
        ("check_all(by_hand)", True, False, "the check"),
        ("assert x\ntable(rows)", False, False, "code"),
        ("rows = []\ntable(rows)", True, False, "code"),
    ],
)
def test_name_says_what_a_cell_holds(folded, source: str, bare: bool, opening: bool, words: str):
    assert folded.name(source, bare=bare, opening=opening) == words


def cell(mode: str = "all", *, output: bool = False) -> nodes.container:
    parts = [nodes.container(nb_element="cell_code_source")]
    parts += [nodes.container(nb_element="cell_code_output")] if output else []
    return nodes.container("", *parts, nb_element="cell_code", hide_mode=mode)


def test_bare_cells_that_follow_each_other_share_a_line(folded):
    section = nodes.section(
        "", cell("input"), cell(output=True), nodes.paragraph(), cell("input", output=True), cell()
    )
    shown = [folded.is_bare(child) for child in section]
    assert shown == [True, True, False, False, True]
    folded.gather(section[0])
    assert [len(child) for child in section if child.get("classes") == ["folded-cells"]] == [2]
    folded.gather(section[-1])
    assert len(section) == 4


def test_opening_of_a_page_names_its_cells(html: Path):
    page = (html / "book" / "sampling" / "derive.html").read_text(encoding="utf-8")
    line = page.partition('class="folded-cells')[2].partition("<h2")[0]
    assert ">imports<" in line and ">versions<" in line and ">the check<" in page
