"""``{chapter-parts}`` and ``{book-picture}``, made from the notebooks."""

from __future__ import annotations

from chapters import BOOK_PICTURE, CHAPTER_PICTURE, ROOT, Part, chapters, hours, notebooks, picture
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.addnodes import pending_xref
from sphinx.util.docutils import SphinxDirective


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


class FromNotebooks(SphinxDirective):
    """The page is made again when a notebook changes."""

    def note_notebooks(self) -> None:
        for name in notebooks():
            self.env.note_dependency(str(ROOT / f"{name}.ipynb"))


class BookPicture(FromNotebooks):
    def run(self) -> list[nodes.Node]:
        self.note_notebooks()
        return [raw(picture(notebooks(), BOOK_PICTURE))]


class ChapterParts(FromNotebooks):
    """The chapter that this page is the landing page of: picture, parts, times."""

    def described(self, part: Part) -> nodes.list_item:
        """One part: its question, and on a line of its own each thing to know before."""
        head = nodes.paragraph("", "", nodes.strong("", "", link(part.name, part.docname, self.env.docname)))
        head += nodes.inline("", f" · {part.time}", classes=["minutes"])
        item = nodes.list_item("", head)
        self.state.nested_parse(StringList([part.summary]), self.content_offset, item)
        facts = (("Short path", part.short_path), ("Needs", part.needs), ("Before", part.before))
        text = "  \n".join(f"{name}: {value}." for name, value in facts if value)
        known = nodes.container(classes=["known"])
        self.state.nested_parse(StringList(text.split("\n")), self.content_offset, known)
        item += known
        return item

    def run(self) -> list[nodes.Node]:
        self.note_notebooks()
        chapter = next(found for found in chapters() if found.docname == self.env.docname)
        figure = raw(picture(chapter.docnames, CHAPTER_PICTURE))
        parts = nodes.enumerated_list("", *map(self.described, chapter.parts), classes=["chapter-parts"])
        total = f"In all: reading {hours(chapter.reading)}, exercises {hours(chapter.exercises)}."
        return [figure, parts, nodes.paragraph("", total)]


def setup(app) -> dict:
    app.add_directive("chapter-parts", ChapterParts)
    app.add_directive("book-picture", BookPicture)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
