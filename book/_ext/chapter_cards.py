"""``{chapter-cards}`` and ``{book-picture}``: the index, made from the notebooks."""

from __future__ import annotations

import re

from chapters import BOOK_PICTURE, CHAPTER_PICTURE, ROOT, Part, chapters, notebooks, picture
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.util.docutils import SphinxDirective

#: A card shows the drawing alone; its caption belongs to the notebook.
DRAWING = re.compile(r"<svg\b.*?</svg>", re.S)


def raw(text: str) -> nodes.raw:
    return nodes.raw("", text, format="html")


def link(text: str, docname: str, here: str) -> pending_xref:
    """A link to a page of the book, resolved and checked by Sphinx."""
    node = pending_xref(
        "",
        nodes.inline("", text),
        refdomain="std",
        reftype="doc",
        reftarget=f"/{docname}",
        refdoc=here,
        refexplicit=True,
        refwarn=True,
    )
    return node


def card(parts: list[Part], here: str) -> nodes.container:
    """Picture, chapter, one line, and its notebooks with their minutes."""
    result = nodes.container(classes=["chapter-card"])
    result += raw(DRAWING.search(picture([part.docname for part in parts], CHAPTER_PICTURE))[0])
    words = nodes.container()
    words += nodes.rubric("", "", link(parts[0].chapter, parts[0].docname, here))
    words += nodes.paragraph("", parts[0].summary)
    steps = nodes.enumerated_list()
    for part in parts:
        line = nodes.paragraph("", "", link(part.name, part.docname, here))
        line += nodes.Text(f", {part.minutes} minutes")
        steps += nodes.list_item("", line)
    words += steps
    result += words
    return result


class FromNotebooks(SphinxDirective):
    """The page is made again when a notebook changes."""

    def note_notebooks(self) -> None:
        for name in notebooks():
            self.env.note_dependency(str(ROOT / f"{name}.ipynb"))


class ChapterCards(FromNotebooks):
    def run(self) -> list[nodes.Node]:
        self.note_notebooks()
        return [card(parts, self.env.docname) for parts in chapters()]


class BookPicture(FromNotebooks):
    def run(self) -> list[nodes.Node]:
        self.note_notebooks()
        return [raw(picture(notebooks(), BOOK_PICTURE))]


def setup(app) -> dict:
    app.add_directive("chapter-cards", ChapterCards)
    app.add_directive("book-picture", BookPicture)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
