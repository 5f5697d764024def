"""``{chapter-parts}`` and ``{book-picture}``, made from the notebooks."""

from __future__ import annotations

from chapters import BOOK_PICTURE, KINDS, ROOT, Part, chapters, hours, notebooks, picture
from docutils import nodes
from docutils.statemachine import StringList
from drawings import drawing
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


#: Of the sections of a part, so many are named.
NAMED = 4


class ChapterParts(FromNotebooks):
    """The chapter that this page is the landing page of: times, and a card for each part."""

    def described(self, part: Part) -> nodes.list_item:
        """A card: picture, name and time, what kind of part it is, its question, sections, what to know before."""
        text = nodes.container(classes=["text"])
        head = nodes.paragraph("", "", nodes.strong("", "", link(part.name, part.docname, self.env.docname)))
        head += nodes.inline("", f" · {part.time}", classes=["minutes"])
        text += [head, nodes.paragraph("", f"{KINDS[part.kind]}.", classes=["kind"])]
        self.state.nested_parse(StringList([part.summary]), self.content_offset, text)
        text += nodes.paragraph("", contents(part), classes=["contents"])
        facts = (("Short path", part.short_path), ("Needs", part.needs), ("Before", part.before))
        lines = "  \n".join(f"{name}: {value}." for name, value in facts if value)
        known = nodes.container(classes=["known"])
        self.state.nested_parse(StringList(lines.split("\n")), self.content_offset, known)
        text += known
        drawn = drawing(part.docname)
        picture = [raw(f'<div class="picture">{drawn}</div>')] if drawn else []
        return nodes.list_item("", *picture, text)

    def run(self) -> list[nodes.Node]:
        self.note_notebooks()
        chapter = next(found for found in chapters() if found.docname == self.env.docname)
        total = (
            f"In all: reading {hours(chapter.reading)}, exercises and assignment {hours(chapter.exercises)}."
        )
        parts = nodes.bullet_list("", *map(self.described, chapter.parts), classes=["chapter-parts"])
        return [nodes.paragraph("", total, classes=["total"]), parts]


def contents(part: Part) -> str:
    """The names of the first sections, and how many more there are."""
    names = [title for _, title in part.sections[:NAMED]]
    more = len(part.sections) - len(names)
    what = "Questions" if part.kind == "assignment" else "Sections"
    return f"{what}: {' · '.join(names)}" + (f" · and {more} more." if more else ".")


def setup(app) -> dict:
    app.add_directive("chapter-parts", ChapterParts)
    app.add_directive("book-picture", BookPicture)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
