"""Tables of the pages that are made from results files."""

from __future__ import annotations

from collections.abc import Sequence

from docutils import nodes

#: What stands in a cell: text, or inline nodes such as links.
Cell = str | Sequence[nodes.Node]


def table(rows: Sequence[Sequence[Cell]]) -> nodes.table:
    """A table whose first row is its head."""
    group = nodes.tgroup(cols=len(rows[0]))
    group += [nodes.colspec(colwidth=1) for _ in rows[0]]
    head, *body = [nodes.row("", *map(_entry, cells)) for cells in rows]
    group += [nodes.thead("", head), nodes.tbody("", *body)]
    return nodes.table("", group, classes=["facts"])


def _entry(cell: Cell) -> nodes.entry:
    content = [nodes.Text(cell)] if isinstance(cell, str) else cell
    return nodes.entry("", nodes.paragraph("", "", *content))
