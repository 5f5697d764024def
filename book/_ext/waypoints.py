"""A line under each page's title: where the reader is, how long it takes, what comes next."""

from __future__ import annotations

from chapters import Part, chapters
from docutils import nodes


def pieces(docname: str, parts: list[Part], caption: str) -> list[str]:
    """What stands before the link to the next page."""
    for number, part in enumerate(parts, start=1):
        if part.docname == docname:
            where = f"part {number} of {len(parts)}: {part.name}"
            return [part.chapter, where, part.time, part.needs]
    return [caption] if caption else []


def next_title(title: str, here: list[Part]) -> str:
    """The next page's title; within a chapter its part is enough."""
    return title.removeprefix(f"{here[0].chapter}: ") if here else title


def captions(app) -> dict[str, str]:
    """The caption of the part of the table of contents that each page belongs to."""
    toc = app.config.external_site_map
    found = {}

    def walk(document, caption: str) -> None:
        found[document.docname] = caption
        for tree in document.subtrees:
            for item in tree.items:
                if item in toc:
                    walk(toc[item], tree.caption or caption)

    walk(toc.root, "")
    return found


def add_waypoints(app, doctree, docname: str) -> None:
    if app.builder.format != "html" or docname == app.config.root_doc:
        return
    here = next((group for group in chapters() if docname in [part.docname for part in group]), [])
    following = app.env.collect_relations().get(docname, [None] * 3)[2]
    words = pieces(docname, here, captions(app).get(docname, ""))
    section = next(doctree.findall(nodes.section), None)
    if section is None or not words:
        return
    line = nodes.paragraph("", " · ".join(words), classes=["waypoints"])
    if following and following in app.env.titles:
        title = next_title(app.env.titles[following].astext(), here)
        line += nodes.Text(" · next: ")
        target = app.builder.get_relative_uri(docname, following)
        line += nodes.reference("", title, refuri=target, internal=True)
    section.insert(section.first_child_matching_class(nodes.title) + 1, line)


def setup(app) -> dict:
    app.connect("doctree-resolved", add_waypoints)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
