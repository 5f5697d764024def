"""Where pages link a single word of the glossary or a single claim, so that these pages can link back."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache
from typing import NamedTuple

from chapters import chapters
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.environment.collectors import EnvironmentCollector

#: The pages that link back.
TARGETS = ("book/glossary", "book/claims")
NUMBER = re.compile(r"(\d+)\. ")


class Mention(NamedTuple):
    """One link; ``strong`` if it is set in bold, which is where a word is explained."""

    docname: str
    section: str
    anchor: str
    strong: bool


def linked(node: nodes.Node) -> tuple[str, str] | None:
    """Page and name on it that an unresolved link of Markdown leads to."""
    page, name = node.get("reftarget"), node.get("reftargetid")
    return (page, name) if node.get("refdomain") == "doc" and page in TARGETS and name else None


def place(node: nodes.Node) -> tuple[str, str]:
    """Title and anchor of the section of second level that a node stands in; empty in a page's opening."""
    above = []
    while (node := node.parent) is not None:
        if isinstance(node, nodes.section):
            above.append(node)
    if len(above) < 2:
        return "", ""
    section = above[-2]
    return section.next_node(nodes.title).astext(), section["ids"][0]


class Mentions(EnvironmentCollector):
    """``env.mentions``: for each page, what it links as (target page, name, mention)."""

    def clear_doc(self, app, env, docname: str) -> None:
        _all(env).pop(docname, None)

    def merge_other(self, app, env, docnames, other) -> None:
        _all(env).update({name: _all(other)[name] for name in docnames if name in _all(other)})

    def process_doc(self, app, doctree: nodes.document) -> None:
        found = _all(app.env)[app.env.docname] = []
        for node in doctree.findall(pending_xref):
            if target := linked(node):
                strong = isinstance(node.parent, nodes.strong)
                found.append((*target, Mention(app.env.docname, *place(node), strong)))

    def get_updated_docs(self, app, env) -> list[str]:
        """The pages that link back are written again in every build."""
        return [name for name in TARGETS if name in env.all_docs]


def _all(env) -> dict[str, list[tuple[str, str, Mention]]]:
    if not hasattr(env, "mentions"):
        env.mentions = {}
    return env.mentions


def of_page(app, page: str) -> dict[str, list[Mention]]:
    """For each name on a page, the sections that link it, in the book's order."""
    order = {docname: number for number, docname in enumerate(app.env.toctree_order)}
    found = defaultdict(list)
    for docname in sorted(_all(app.env), key=lambda name: order.get(name, len(order))):
        for target, name, mention in _all(app.env)[docname]:
            if target == page:
                found[name].append(mention)
    return found


def note_order(app, env) -> None:
    """Pages in the order of the table of contents."""
    toc, order = app.config.external_site_map, []

    def walk(document) -> None:
        order.append(document.docname)
        for tree in document.subtrees:
            for item in tree.items:
                if item in toc:
                    walk(toc[item])

    walk(toc.root)
    env.toctree_order = order


@cache
def names() -> dict[str, tuple[str, str]]:
    """Chapter and part of each notebook."""
    return {part.docname: (chapter.title, part.name) for chapter in chapters() for part in chapter.parts}


def label(app, mention: Mention, chapter: str = "") -> str:
    """``derive §2``, with the chapter before it where that is not ``chapter``."""
    title = app.env.titles[mention.docname].astext()
    there, page = names().get(mention.docname, ("", title))
    page = page if there in ("", chapter) else f"{there}, {page}"
    number = NUMBER.match(mention.section)
    if number:
        return f"{page} §{number[1]}"
    return f"{page}, {mention.section}" if mention.section else page


def link(app, mention: Mention, here: str, chapter: str = "") -> nodes.reference:
    """A link from a page back to the section of a mention; ``chapter`` is what need not be said."""
    uri = app.builder.get_relative_uri(here, mention.docname)
    anchor = f"#{mention.anchor}" if mention.anchor else ""
    return nodes.reference("", label(app, mention, chapter), refuri=uri + anchor, internal=True)


def listed(app, mentions: list[Mention], here: str, chapter: str = "") -> list[nodes.Node]:
    """Links to the sections, each once, with commas between them."""
    unique = {(m.docname, m.anchor): m for m in mentions}
    result: list[nodes.Node] = []
    for mention in unique.values():
        result += [nodes.Text(", ")] if result else []
        result.append(link(app, mention, here, chapter))
    return result


def setup(app) -> dict:
    app.add_env_collector(Mentions)
    app.connect("env-check-consistency", note_order)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
