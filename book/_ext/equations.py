"""Equations keep their number in sight, and inline formulas what is written against them.

Our notebooks number with ``\\tag``, as Jupyter, Colab and GitHub want it. MathJax sets such a number
at the far end of the equation, where it scrolls out of sight on a phone, and refuses it in several
lines, around which Sphinx puts ``split``. So the page takes the number out and sets it beside what
scrolls.

A formula within a line is a box to the browser, which may break the line before a full stop or
after an opening bracket. What touches a formula without a space is kept on its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from docutils import nodes

TAG = re.compile(r"\s*\\tag\{([^{}]*)\}")


def number_beside(equation: nodes.math_block) -> None:
    """Put an equation that has a tag, and its number, into a container."""
    text = equation.astext()
    if not (tag := TAG.search(text)):
        return
    text = TAG.sub("", text)
    if r"\\" in text and not equation["nowrap"]:
        equation["nowrap"] = True
        text = rf"\[{text}\]"
    equation[:] = [nodes.Text(text)]
    frame = nodes.container(classes=["equation"])
    equation.replace_self(frame)
    frame += [equation, nodes.paragraph("", f"({tag[1]})", classes=["number"])]


def pieces(children: list[nodes.Node]) -> Iterator[nodes.Node]:
    """The children of a line, its text cut at spaces."""
    for child in children:
        if isinstance(child, nodes.Text):
            yield from (nodes.Text(piece) for piece in re.split(r"([ \t\n]+)", child) if piece)
        else:
            yield child


def touches(piece: nodes.Node) -> bool:
    """Whether a piece keeps what stands against it on its line: a formula or a word."""
    return isinstance(piece, nodes.math) or (isinstance(piece, nodes.Text) and not piece.isspace())


def glued(children: list[nodes.Node]) -> list[nodes.Node]:
    """The children of a line, each formula in a box with what touches it."""
    result: list[nodes.Node] = []
    for _, group in groupby(pieces(children), key=touches):
        group = list(group)
        if len(group) > 1 and any(isinstance(piece, nodes.math) for piece in group):
            result.append(nodes.inline("", "", *group, classes=["glued"]))
            continue
        for piece in group:
            if isinstance(piece, nodes.Text) and result and isinstance(result[-1], nodes.Text):
                result[-1] = nodes.Text(result[-1] + piece)
            else:
                result.append(piece)
    return result


def set_equations(app, doctree) -> None:
    for equation in list(doctree.findall(nodes.math_block)):
        number_beside(equation)
    for line in {id(formula.parent): formula.parent for formula in doctree.findall(nodes.math)}.values():
        line[:] = glued(line.children)


def setup(app) -> dict:
    app.connect("doctree-read", set_equations)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
