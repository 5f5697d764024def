"""Under each word of the glossary: the section that explains it, and those that use it.

The lists are made from the links of the notebooks. A word is explained where its link is bold,
``**[coupling](../glossary.md#coupling)**``, else where the book links it first.
"""

from __future__ import annotations

import mentions
from docutils import nodes
from sphinx.util import logging

PAGE = "book/glossary"
log = logging.getLogger(__name__)


def back_links(app, found: list[mentions.Mention]) -> nodes.paragraph:
    """``Explained in ... Used in ...``."""
    explained = next((mention for mention in found if mention.strong), found[0])
    others = [m for m in found if (m.docname, m.anchor) != (explained.docname, explained.anchor)]
    line = nodes.paragraph("", "Explained in ", mentions.link(app, explained, PAGE), classes=["mentions"])
    if others:
        line += [nodes.Text(". Used in "), *mentions.listed(app, others, PAGE)]
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
                section += back_links(app, found[name])
                break


def setup(app) -> dict:
    app.setup_extension("mentions")
    app.connect("doctree-resolved", add_back_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
