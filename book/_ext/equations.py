"""Equations of several lines keep their number.

Sphinx puts ``split`` around an equation that holds a line break, and MathJax refuses ``\\tag``
inside of it. Our notebooks bring their own ``aligned``, with the tag after it, as Jupyter,
Colab and GitHub want it; such an equation is handed on as it is.
"""

from __future__ import annotations

from docutils import nodes


def keep_tags(app, doctree) -> None:
    for equation in doctree.findall(nodes.math_block):
        text = equation.astext()
        if r"\tag" in text and r"\\" in text and not equation["nowrap"]:
            equation["nowrap"] = True
            equation[:] = [nodes.Text(rf"\[{text}\]")]


def setup(app) -> dict:
    app.connect("doctree-read", keep_tags)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
