"""Tables for the pages that are made from results files."""

from __future__ import annotations

from docutils import nodes


def table(rows: list[list[str]]) -> nodes.table:
    """A table whose first row is its head."""
    group = nodes.tgroup(cols=len(rows[0]))
    group += [nodes.colspec(colwidth=1) for _ in rows[0]]
    built = []
    for cells in rows:
        row = nodes.row()
        row += [nodes.entry("", nodes.paragraph("", text)) for text in cells]
        built.append(row)
    group += [nodes.thead("", built[0]), nodes.tbody("", *built[1:])]
    return nodes.table("", group, classes=["claims"])
