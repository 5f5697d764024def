"""``{claims-table}``: the claims ledger, a row for each claim below the section that it belongs to.

A row is a ``details`` element, so that source, command and test open on click, by key, and when a
link leads to them, without a script. ``claims.js`` adds the filter.
"""

from __future__ import annotations

import re
from collections import Counter
from html import escape
from itertools import groupby
from pathlib import Path

import mentions
from badges import LEDGER, PAGE, anchor, plain
from chapters import ROOT, chapters, notebooks
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from tokenlab import claims

ARXIV = re.compile(r"(?:arXiv:? ?)?\b(\d{4}\.\d{4,5})(?:v\d+)?\b")
COLUMNS = ("what", "ours", "stated", "kind", "status")
HEADS = ("Claim", "ours", "paper", "kind", "status")
#: A column has the name "ours": what has nothing to be compared with says so.
STATUSES = {"ours": "no paper value"}
#: What a line break would spoil: probabilities in a row, names with a hyphen.
WHOLE = re.compile(r"(\(\d[^()]*\)|\bK-SEQ\b|\d-1-\d\S*|1 - \d/\w)")
NOTHING = "\N{EM DASH}"

Inline = list[nodes.Node]


def raw(text: str) -> nodes.raw:
    return nodes.raw("", text, format="html")


def docname(claim: claims.Claim) -> str:
    return f"book/{claim.chapter}/{claim.home[0]}"


def status(claim: claims.Claim) -> str:
    """The status as the page words it."""
    return STATUSES.get(claim.status, claim.status)


def arranged(entries: list[claims.Claim]) -> list[claims.Claim]:
    """By chapter and notebook as the book has them, then by section, then as in the ledger."""
    order = {name: number for number, name in enumerate(notebooks())}
    folders = [name.split("/")[1] for name in order]

    def key(claim: claims.Claim) -> tuple:
        return folders.index(claim.chapter), order.get(docname(claim), len(order)), claim.home[1]

    return sorted(entries, key=key)


# One row.


def cells(claim: claims.Claim) -> list[str]:
    """The texts of the columns; the paper's value, which few have, stands below ours."""
    ours = NOTHING if claim.ours is None else claim.text
    stated = "" if claim.stated is None else str(claim.stated)
    return [plain(claim.statement), ours, stated, claim.badge, status(claim)]


def unbroken(text: str) -> Inline:
    """The text, with tuples and names that stay on one line."""
    parts = WHOLE.split(text)
    return [
        nodes.inline("", part, classes=["stated"]) if odd % 2 else nodes.Text(part)
        for odd, part in enumerate(parts)
        if part
    ]


def column(name: str, head: str, text: str) -> nodes.inline:
    """One cell; its head is read aloud, and shown where columns do not fit beside each other."""
    shown = nodes.inline("", "", *unbroken(text))
    if name == "kind":
        shown["classes"] += ["claim", f"claim-{text}"]
    label = nodes.inline("", f"{head}: ", classes=["claim-label"])
    return nodes.inline("", "", *([] if name == "what" else [label]), shown, classes=[f"claim-{name}"])


def source(claim: claims.Claim) -> Inline:
    """Paper and place in it, with a link where an arXiv number stands."""
    found = ARXIV.search(claim.paper)
    where = [] if claim.paper == "this book" or not claim.where else [nodes.Text(f", {claim.where}")]
    if not found:
        return [nodes.Text(claim.paper), *where]
    url = f"https://arxiv.org/abs/{found[1]}"
    return [nodes.reference("", claim.paper, refuri=url, internal=False), *where]


def details(claim: claims.Claim) -> nodes.field_list:
    """What opens below a row."""
    fields: dict[str, Inline] = {"Source": source(claim)}
    if claim.note:
        fields["Note"] = [nodes.Text(claim.note)]
    if claim.kind != "beyond this hardware":
        within = f" by more than {claim.tolerance:g}" if claim.tolerance else ""
        fields["Test"] = [nodes.literal("", claim.test), nodes.Text(f" fails if our value moves{within}")]
    if claim.command:
        fields["Command"] = [nodes.literal("", claim.command)]
    fields["Name"] = [nodes.literal("", claim.id)]
    result = nodes.field_list()
    for name, content in fields.items():
        body = nodes.field_body("", nodes.paragraph("", "", *content))
        result += nodes.field("", nodes.field_name("", name), body)
    return result


def row(claim: claims.Claim) -> Inline:
    names = f'data-kind="{claim.badge}" data-status="{escape(status(claim))}"'
    shown = [column(*parts) for parts in zip(COLUMNS, HEADS, cells(claim), strict=True) if parts[2]]
    more = nodes.container("", details(claim), classes=["claim-more"], ids=[anchor(claim.id)])
    opening, closing = f'<details class="claim-row" {names}><summary>', "</summary>"
    return [raw(opening), *shown, raw(closing), more, raw("</details>")]


# The page.


def section(title: str, name: str, *content: nodes.Node, classes: tuple[str, ...] = ()) -> nodes.section:
    return nodes.section(
        "", nodes.title("", title), *content, ids=[nodes.make_id(name)], classes=list(classes)
    )


def chapter_title(chapter: str) -> str:
    landing = ROOT / "book" / chapter / "index.md"
    return landing.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ").strip()


def heads() -> nodes.container:
    """The heads of the columns, for the eye: each cell has its own for those who hear the page."""
    shown = {"what": "Claim", "ours": "Ours, paper", "kind": "Kind, status"}
    cells = [nodes.inline("", head, classes=[f"claim-{name}"]) for name, head in shown.items()]
    return nodes.container("", *cells, classes=["claim-heads"])


def counts(entries: list[claims.Claim]) -> nodes.paragraph:
    """How many claims there are of each kind and each status."""

    def listed(names: list[str]) -> str:
        return ", ".join(f"{number} {name}" for name, number in Counter(names).most_common())

    kinds, statuses = ([f(claim) for claim in entries] for f in (lambda claim: claim.badge, status))
    text = f"{len(entries)} claims. By kind: {listed(kinds)}. By status: {listed(statuses)}."
    return nodes.paragraph("", text, classes=["claims-counts"])


def section_titles() -> dict[tuple[str, int], str]:
    """``derive: one position · 1. One draft`` for each numbered section of each notebook."""
    return {
        (part.docname, number): f"{part.name} · {number}. {title}"
        for chapter in chapters()
        for part in chapter.parts
        for number, title in part.sections
    }


def chapter_section(
    chapter: str, entries: list[claims.Claim], titles: dict[tuple[str, int], str]
) -> nodes.section:
    result = section(chapter_title(chapter), f"claims of {chapter}", heads(), classes=("claims-chapter",))
    for (notebook, number), group in groupby(entries, key=lambda claim: claim.home):
        rows = [node for claim in group for node in row(claim)]
        home = f"book/{chapter}/{notebook}", number
        title = titles.get(home, f"{notebook}, section {number}")
        part = section(title, f"{chapter} {notebook} {number}", *rows)
        part["home"] = home
        part["classes"].append("claims-section")
        result += part
    return result


class ClaimsTable(SphinxDirective):
    """Render ``book/claims.yml``."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(LEDGER))
        for name in notebooks():
            self.env.note_dependency(str(Path(ROOT, f"{name}.ipynb")))
        entries = arranged(list(claims.load(LEDGER).values()))
        titles = section_titles()
        return [counts(entries)] + [
            chapter_section(chapter, list(group), titles)
            for chapter, group in groupby(entries, key=lambda claim: claim.chapter)
        ]


def headings(env, page: str) -> dict[int, tuple[str, str]]:
    """Title and anchor of a page's numbered sections."""
    found = {}
    for link in env.tocs[page].findall(nodes.reference) if page in env.tocs else ():
        number = mentions.NUMBER.match(link.astext())
        if number:
            found.setdefault(int(number[1]), (link.astext(), link["anchorname"]))
    return found


def link_pages(app, doctree: nodes.document, docname: str) -> None:
    """Titles lead to the sections of the book; a claim names the other sections that quote it."""
    if docname != PAGE:
        return
    for part in list(doctree.findall(nodes.section)):
        if "home" not in part:
            continue
        page, number = part["home"]
        title, name = headings(app.env, page).get(number, (None, ""))
        if title:
            uri = app.builder.get_relative_uri(PAGE, page) + name
            part[0][:] = [nodes.reference("", part[0].astext(), refuri=uri, internal=True)]
    quoted = {anchor(name): found for name, found in mentions.of_page(app, PAGE).items()}
    for more in doctree.findall(nodes.container):
        for name in more["ids"]:
            if name in quoted:
                body = nodes.paragraph("", "", *mentions.listed(app, quoted[name], PAGE))
                more[0] += nodes.field("", nodes.field_name("", "Quoted in"), nodes.field_body("", body))


def add_script(app, pagename, templatename, context, doctree) -> None:
    if pagename == PAGE:
        app.add_js_file("claims.js", loading_method="defer")


def setup(app) -> dict:
    app.setup_extension("mentions")
    app.add_directive("claims-table", ClaimsTable)
    app.connect("doctree-resolved", link_pages)
    app.connect("html-page-context", add_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
