"""A line under each page's title: where the reader is, how long it takes, what comes next."""

from __future__ import annotations

from chapters import Chapter, chapters
from docutils import nodes


def pieces(docname: str, here: Chapter | None, caption: str) -> list[str]:
    """What stands between the chapter and the link to the next page."""
    if here is None:
        return [caption] if caption else []
    if docname == here.docname:
        return [f"chapter in {len(here.parts)} parts"]
    number = here.docnames.index(docname)
    return [f"part {number + 1} of {len(here.parts)}", here.parts[number].time]


def next_title(docname: str, title: str, here: Chapter | None) -> str:
    """The next page's title; within a chapter the part's name is enough."""
    names = {part.docname: part.name for part in here.parts} if here else {}
    return names.get(docname, title)


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


def link(app, here: str, there: str, title: str) -> nodes.reference:
    target = app.builder.get_relative_uri(here, there)
    return nodes.reference("", title, refuri=target, internal=True)


def add_waypoints(app, doctree, docname: str) -> None:
    if app.builder.format != "html" or docname == app.config.root_doc:
        return
    here = next((found for found in chapters() if docname in (found.docname, *found.docnames)), None)
    words = pieces(docname, here, captions(app).get(docname, ""))
    section = next(doctree.findall(nodes.section), None)
    if section is None or not words:
        return
    steps = [nodes.Text(word) for word in words]
    if here and docname != here.docname:
        steps.insert(0, link(app, docname, here.docname, here.title))
    following = app.env.collect_relations().get(docname, [None] * 3)[2]
    if following and following in app.env.titles:
        title = next_title(following, app.env.titles[following].astext(), here)
        steps.append(nodes.inline("", "next: ", link(app, docname, following, title)))
    line = nodes.paragraph(classes=["waypoints"])
    for number, step in enumerate(steps):
        line += [nodes.Text(" · "), step] if number else step
    section.insert(section.first_child_matching_class(nodes.title) + 1, line)


def setup(app) -> dict:
    app.connect("doctree-resolved", add_waypoints)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
