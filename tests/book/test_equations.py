"""Numbers of equations, and what stands against a formula."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docutils import nodes


@pytest.fixture
def equations(extension):
    return extension("equations")


def section(*children: nodes.Node) -> nodes.section:
    return nodes.section("", *children)


@pytest.mark.parametrize(
    ("source", "left"),
    [(r"x = 1. \tag{3}", "x = 1."), (r"\begin{aligned} x &= 1 \\ y &= 2 \end{aligned} \tag{3}", r"\[")],
)
def test_number_is_taken_out_of_the_equation(equations, source: str, left: str):
    page = section(nodes.math_block("", source, nowrap=False))
    equations.number_beside(page[0])
    (frame,) = page.children
    equation, number = frame.children
    assert frame["classes"] == ["equation"] and number.astext() == "(3)"
    assert equation.astext().startswith(left) and "tag" not in equation.astext()
    # Sphinx puts `split` around several lines, unless it is told that they bring their own.
    assert equation["nowrap"] == (r"\\" in source)


def test_equation_without_a_number_is_left_alone(equations):
    page = section(nodes.math_block("", "x = 1", nowrap=False))
    equations.number_beside(page[0])
    assert page[0].astext() == "x = 1"


def line(text: str) -> nodes.paragraph:
    """A paragraph from ``where $x$ is``."""
    parts = re.split(r"\$([^$]+)\$", text)
    made = [nodes.math("", part) if number % 2 else nodes.Text(part) for number, part in enumerate(parts)]
    return nodes.paragraph("", "", *(node for node in made if node.astext()))


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        ("where $x$ is", []),
        ("a sum $x$.", ["x."]),
        ("the set ($x$), and", ["(x),"]),
        ("$a$, $b$; $c$", ["a,", "b;"]),
        ("the $k$-th of $a$/$b$ words", ["k-th", "a/b"]),
        ("$x$", []),
        ("one $x$ two", []),
    ],
)
def test_what_touches_a_formula_stays_with_it(equations, text: str, boxes: list[str]):
    paragraph = line(text)
    children = equations.glued(paragraph.children)
    found = [
        child.astext() for child in children if "glued" in getattr(child, "attributes", {}).get("classes", [])
    ]
    assert found == boxes
    assert "".join(child.astext() for child in children) == paragraph.astext()


def test_other_elements_are_kept(equations):
    children = equations.glued(
        [nodes.strong("", "so"), nodes.Text(" is "), nodes.math("", "x"), nodes.emphasis("", "y")]
    )
    assert [child.tagname for child in children] == ["strong", "#text", "math", "emphasis"]


def test_built_pages_show_numbers_beside(html: Path):
    page = (html / "book" / "sampling" / "derive.html").read_text(encoding="utf-8")
    assert page.count('<p class="number">') > 5
    assert re.search(r'<span class="glued"><span class="math[^>]*>[^<]*</span>[.,;:]', page)
