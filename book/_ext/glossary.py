"""Under each word of the glossary: the section that explains it, and those that use it.

The lists are made from the links of the notebooks. A word is explained where its link is bold,
``**[coupling](../glossary.md#coupling)**``; a word without such a link is used without being explained.
"""

from __future__ import annotations

import mentions
from docutils import nodes

PAGE = "book/glossary"


def back_links(app, found: list[mentions.Mention], chapter: str = "") -> nodes.paragraph:
    """``Explained in ... Used in ...``, or ``First used in ...``; links of ``chapter`` do not name it."""
    first = next((mention for mention in found if mention.strong), found[0])
    others = [m for m in found if (m.docname, m.anchor) != (first.docname, first.anchor)]
    words = "Explained in " if first.strong else "First used in "
    line = nodes.paragraph("", words, mentions.link(app, first, PAGE, chapter), classes=["mentions"])
    if others:
        then = ". Used in " if first.strong else ". Then in "
        line += [nodes.Text(then), *mentions.listed(app, others, PAGE, chapter)]
    line += nodes.Text(".")
    return line


def add_back_links(app, doctree: nodes.document, docname: str) -> None:
    if docname != PAGE:
        return
    found = mentions.of_page(app, PAGE)
    # The slug is what Markdown links; docutils may give a section another identifier.
    slugs = {entry[1]: slug for slug, entry in app.env.metadata[docname]["myst_slugs"].items()}
    for section in doctree.findall(nodes.section):
        if isinstance(section.parent.parent, nodes.section):  # Page, chapter, word.
            section["classes"].append("term")
        names = [slugs.get(name, name) for name in section["ids"]]
        for name in names:
            if name in found:
                chapter = section.parent.next_node(nodes.title).astext()
                section += back_links(app, found[name], chapter)
                break


def on_page(app, pagename, templatename, context, doctree) -> None:
    """A filter; and the list at the side names the words of the chapter that is read, not all at once."""
    if pagename == PAGE:
        app.add_js_file("glossary.js", loading_method="defer")
        context["theme_show_toc_level"] = 1


def setup(app) -> dict:
    app.setup_extension("mentions")
    app.connect("doctree-resolved", add_back_links)
    app.connect("html-page-context", on_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
