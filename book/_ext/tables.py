"""Tables of the pages that are made from results files and from the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from docutils import nodes

#: What stands in a cell: text, or inline nodes such as links.
Cell = str | Sequence[nodes.Node]


def table(
    rows: Sequence[Sequence[Cell]], *, widths: Sequence[int] = (), ids: Sequence[str] = ()
) -> nodes.table:
    """A table whose first row is its head; ``widths`` of the columns, ``ids`` of the other rows."""
    group = nodes.tgroup(cols=len(rows[0]))
    group += [nodes.colspec(colwidth=width) for width in widths or [1] * len(rows[0])]
    head, *body = [nodes.row("", *map(_entry, cells)) for cells in rows]
    for row, name in zip(body, ids, strict=False):
        row["ids"] = [name]
    group += [nodes.thead("", head), nodes.tbody("", *body)]
    return nodes.table("", group, classes=["facts"])


def _entry(cell: Cell) -> nodes.entry:
    content = [nodes.Text(cell)] if isinstance(cell, str) else cell
    return nodes.entry("", nodes.paragraph("", "", *content))
