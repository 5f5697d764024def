"""Folded cells are named by what they hold: imports, versions, a check; else code.

Cells of which nothing but the name is seen stand in one line where they follow each other.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

#: The first that fits names a cell.
NAMES = (
    ("install", re.compile(r"\A# On Colab only")),
    ("public tests", re.compile(r"\A# @title Public tests")),
    ("versions", re.compile(r"\Afrom importlib\.metadata import version\b")),
)
IMPORTS = re.compile(r"\A(?:import|from) \w")
ASSERTS = re.compile(r"^\s*assert\b|\bcheck_\w+\(", re.M)


def is_folded(node: nodes.Node) -> bool:
    is_cell = isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"
    return is_cell and bool(node.get("hide_mode")) and bool(node.children)


def is_bare(node: nodes.Node) -> bool:
    """Whether nothing of a cell is seen but its name."""
    return is_folded(node) and (node["hide_mode"] == "all" or len(node.children) == 1)


def name(source: str, *, bare: bool, opening: bool) -> str:
    """What stands for a folded cell; ``opening`` if it stands before the first section."""
    for words, pattern in NAMES:
        if pattern.search(source):
            return words
    if opening and bare and IMPORTS.search(source):
        return "imports"
    return "the check" if bare and ASSERTS.search(source) else "code"


class Folded(SphinxPostTransform):
    """Before MyST-NB puts what it hides into ``details`` (priority 199)."""

    default_priority = 198
    formats = ("html",)

    def run(self, **kwargs) -> None:
        cells = [node for node in self.document.findall(nodes.container) if is_folded(node)]
        for cell in cells:
            source = cell.next_node(nodes.literal_block)
            opening = not isinstance(cell.parent.parent, nodes.section)
            text = source.astext() if source else ""
            words = name(text, bare=is_bare(cell), opening=opening)
            cell["prompt_show"], cell["prompt_hide"] = words, f"hide {words}"
        for cell in cells:
            if is_bare(cell) and "folded-cells" not in cell.parent.get("classes", ()):
                gather(cell)


def gather(first: nodes.Element) -> None:
    """Put bare cells that follow each other into one line."""
    parent, start = first.parent, first.parent.index(first)
    end = start
    while end < len(parent) and is_bare(parent[end]):
        end += 1
    if end > start + 1:
        parent[start:end] = [nodes.container("", *parent[start:end], classes=["folded-cells"])]


def setup(app) -> dict:
    app.add_post_transform(Folded)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
