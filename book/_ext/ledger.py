"""``{claims-table}``: the claims ledger as a table, one per chapter."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from tables import Cell, table

from tokenlab import claims

HEADINGS = ("Statement", "Source", "Stated", "Ours", "Kind and status", "Id")
WIDTHS = (32, 18, 8, 10, 12, 20)
ARXIV = re.compile(r"(?:arXiv:? ?)?\b(\d{4}\.\d{4,5})\b")


def cells(claim: claims.Claim) -> list[Cell]:
    """What stands in the columns of one entry."""
    statement = [nodes.Text(claim.statement)]
    if claim.note:
        statement.append(nodes.emphasis("", f" {claim.note}"))
    stated = "—" if claim.stated is None else str(claim.stated)
    kind = f"{claim.kind}, {claim.status}"
    name: list[nodes.Node] = [nodes.literal("", claim.id)]
    if claim.command:
        name += [nodes.Text(", from "), nodes.literal("", claim.command)]
    return [statement, source(claim), stated, [nodes.strong("", claim.text)], kind, name]


def source(claim: claims.Claim) -> list[nodes.Node]:
    """Paper and section, with a link where an arXiv number stands."""
    found = ARXIV.search(claim.paper)
    where = nodes.Text(f", {claim.where}" if claim.where else "")
    if not found:
        return [nodes.Text(claim.paper), where]
    url = f"https://arxiv.org/abs/{found[1]}"
    return [nodes.reference("", claim.paper, refuri=url, internal=False), where]


def claims_table(rows: list[claims.Claim]) -> nodes.table:
    """A table with one row and one anchor for each claim."""
    return table(
        [HEADINGS, *map(cells, rows)],
        widths=WIDTHS,
        ids=[f"claim-{nodes.make_id(claim.id)}" for claim in rows],
    )


class ClaimsTable(SphinxDirective):
    """Render ``book/claims.yml``."""

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir) / "book" / "claims.yml"
        self.env.note_dependency(str(path))
        entries = list(claims.load(path).values())
        if not entries:
            return [nodes.paragraph("", "The ledger has no entries yet.")]
        result: list[nodes.Node] = []
        for chapter, group in groupby(sorted(entries, key=lambda c: c.chapter), lambda c: c.chapter):
            result += [nodes.rubric("", chapter.capitalize()), claims_table(list(group))]
        return result


def setup(app) -> dict:
    app.add_directive("claims-table", ClaimsTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
