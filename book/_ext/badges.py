"""Links to claims become small badges: ``0.625 [computed](../claims.md#repetition-two-tokens)``.

In Jupyter, Colab and GitHub they stay links to the page of claims. Here a badge leads to the
claim's own row, says what is claimed when it is pointed at, and never leaves its number alone
at the end of a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

from tokenlab import claims

PAGE = "book/claims"
LEDGER = claims.LOCATIONS[0]
#: The last word before a badge, with the sign of percent or a unit that a thin space ties to it.
LAST_WORD = re.compile(r"(?P<before>.*?)(?P<word>\S+(?:[ \u00a0\u202f]%)?)[ \u00a0]?\Z", re.S)
log = logging.getLogger(__name__)


def anchor(claim: str) -> str:
    """The id of a claim's row on the page of claims."""
    return f"claim-{nodes.make_id(claim)}"


def plain(text: str) -> str:
    """A statement without marks of mathematics and code."""
    return text.replace("$", "").replace("`", "")


def links(doctree: nodes.document) -> Iterator[pending_xref]:
    """The links of a page to single claims."""
    for node in list(doctree.findall(pending_xref)):
        target = (node.get("refdomain"), node.get("reftarget"))
        if target == ("doc", PAGE) and node.get("reftargetid"):
            yield node


def description(claim: claims.Claim) -> str:
    """What a badge says when it is pointed at."""
    source = "" if claim.paper == "this book" else f" ({claim.paper})"
    check = "not checked here" if claim.kind == "beyond this hardware" else f"checked by {claim.test}"
    return f"{plain(claim.statement)}{source}: {check}"


def badge(claim: claims.Claim, text: str, page: str) -> nodes.reference:
    return nodes.reference(
        "",
        text,
        refuri=f"{page}#{anchor(claim.id)}",
        internal=True,
        reftitle=description(claim),
        classes=["claim", f"claim-{claim.badge}"],
    )


def tie(reference: nodes.reference) -> None:
    """Put the number before a badge, and the badge, into one piece that no line break divides."""
    parent, index = reference.parent, reference.parent.index(reference)
    piece = nodes.inline(classes=["stated"])
    number: list[nodes.Node] = []
    start = index
    if start and isinstance(parent[start - 1], nodes.Text):
        found = LAST_WORD.match(parent[start - 1].astext())
        if found:
            number, start = [nodes.Text(found["word"])], start - 1
            parent[start] = nodes.Text(found["before"])
            start += 1
        elif start > 1:  # One space after emphasis or mathematics.
            number, start = [parent[start - 2]], start - 2
    elif start:
        number, start = [parent[start - 1]], start - 1
    piece += [*number, nodes.Text("\N{NO-BREAK SPACE}"), reference]
    parent[start : index + 1] = [piece]


class Badges(SphinxPostTransform):
    """Before MyST looks for a heading of that name (priority 9)."""

    default_priority = 8

    def run(self, **kwargs) -> None:
        ledger = claims.load(LEDGER)
        page = self.app.builder.get_relative_uri(self.env.docname, PAGE)
        for link in links(self.document):
            claim = ledger.get(link["reftargetid"])
            if claim is None:
                log.warning("no claim %r in book/claims.yml", link["reftargetid"], location=link)
                link.replace_self(nodes.inline("", link.astext()))
                continue
            reference = badge(claim, link.astext(), page)
            link.replace_self(reference)
            tie(reference)


def note_ledger(app, doctree: nodes.document) -> None:
    """A page with badges is made again when the ledger changes."""
    if next(links(doctree), None) is not None:
        app.env.note_dependency(str(LEDGER))


def setup(app) -> dict:
    app.connect("doctree-read", note_ledger)
    app.add_post_transform(Badges)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
