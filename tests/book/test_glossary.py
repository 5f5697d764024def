"""The words of the glossary, and the links that lead to them from the notebooks."""

from __future__ import annotations

import json
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from docutils import nodes

from tests.claims import prose
from tests.notebooks.execute import ROOT

PAGE = "book/glossary.md"
REPOSITORY = "https://github.com/token-lab/token-lab/blob/main/"
#: Folders of chapters whose notebooks link a word where they first use it, and once.
CHECKED_CHAPTERS: list[str] = ["sampling", "transport", "bytelevel"]
#: Whether each word must be linked from a notebook.
EVERY_WORD_IS_LINKED = True
#: Words that also have an everyday meaning: their first mention cannot be told from others.
EVERYDAY = {
    "beam", "branching", "chain", "context", "correction", "cover", "draft", "distribution", "kernel", "leak",
    "range", "repetition", "residual", "round", "sequences", "stream", "surprise", "tail",
    "temperature", "tile", "token", "tree", "valid", "vocabulary", "without replacement",
}  # fmt: skip


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub and MyST make it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def words(page: str, level: int = 3) -> list[str]:
    return re.findall(rf"^{'#' * level} (.+)$", page, re.M)


GLOSSARY = (ROOT / PAGE).read_text(encoding="utf-8")
WORDS = {slug(word): word for word in words(GLOSSARY)}
CHAPTERS = {slug(chapter) for chapter in words(GLOSSARY, 2)}
DOCUMENTS = list(prose.documents(ROOT))
#: Copies are not checked: assignments have a master.
NOTEBOOKS = [
    path
    for path in sorted((ROOT / "book").glob("*/*.ipynb"))
    if path.stem != "assignment" and path.parent.name != "assignments"
]


def is_in_glossary(target: str) -> str:
    """The word that a link leads to, or an empty string."""
    path, _, name = target.partition("#")
    return name if posixpath.basename(path) == "glossary.md" else ""


def wrong_links(name: str, markdown: str) -> list[str]:
    """Links to words that the glossary does not have, or to another page of that name."""
    folder = posixpath.dirname(name.partition(",")[0])
    found = []
    for link in prose.links(markdown):
        path, _, word = link.target.partition("#")
        if posixpath.basename(path) != "glossary.md" or not word:
            continue
        if path.startswith(REPOSITORY):  # of an assignment, which is handed out alone
            path = posixpath.relpath(path.removeprefix(REPOSITORY), folder)
        if posixpath.normpath(posixpath.join(folder, path)) != PAGE:
            found.append(f"{link.target} is not the glossary")
        elif word not in WORDS and word not in CHAPTERS:
            found.append(f"{link.target}: no such word")
    return found


def pieces(cell: str) -> Iterator[tuple[str, str]]:
    """The running text of a Markdown cell as (text, target of its link); no headings, code or mathematics."""
    tokens = prose.parser().parse(cell)
    for number, token in enumerate(tokens):
        if token.type != "inline" or tokens[number - 1].type == "heading_open":
            continue
        target = ""
        for child in token.children or ():
            if child.type == "link_open":
                target = str(child.attrs["href"])
            elif child.type == "link_close":
                target = ""
            elif child.type == "text":
                yield child.content, target
        yield "\n", ""


def mention(word: str) -> re.Pattern[str]:
    """The word in a text, in singular or plural."""
    return re.compile(rf"(?<![\w-]){re.escape(word).replace(chr(92) + ' ', r'[ -]')}(?:s|es)?(?![\w-])", re.I)


def first_mention_faults(cells: list[str]) -> list[str]:
    """Words that a notebook links too late, or twice.

    The opening, before the first section, may use a word before it is explained.
    """
    sections = next((n for n, cell in enumerate(cells) if cell.startswith("## ")), len(cells))
    text = [(n < sections, *piece) for n, cell in enumerate(cells) for piece in pieces(cell)]
    targets = [is_in_glossary(target) for _, _, target in text]
    found = [f"{name} is linked twice" for name in sorted(set(targets) - {""}) if targets.count(name) > 1]
    for name in sorted(set(targets) & set(WORDS)):
        if WORDS[name] in EVERYDAY:
            continue
        pattern, linked = mention(WORDS[name]), targets.index(name)
        early = [
            t for opening, t, target in text[:linked] if not opening and not target and pattern.search(t)
        ]
        found += [f"{name} is mentioned before its link: {early[0].strip()!r}"] if early else []
    return found


def markdown_cells(path: Path) -> list[str]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


def test_words_are_unique_and_defined():
    assert len(WORDS) == len(words(GLOSSARY)), "two headings have one anchor"
    assert not CHAPTERS & set(WORDS), "a word and a chapter have one anchor"
    bodies = re.split(r"^#{2,3} .+$", GLOSSARY, flags=re.M)[1:]
    heads = re.findall(r"^(#{2,3}) (.+)$", GLOSSARY, re.M)
    short = [h for (level, h), body in zip(heads, bodies, strict=True) if level == "###" and len(body) < 20]
    assert short == []
    assert set(WORDS.values()) >= EVERYDAY, "an exception is not needed any more"


@pytest.mark.parametrize(("name", "markdown"), DOCUMENTS, ids=[name for name, _ in DOCUMENTS])
def test_links_lead_to_words(name: str, markdown: str):
    assert wrong_links(name, markdown) == []


def test_every_word_is_linked_from_a_notebook():
    if not EVERY_WORD_IS_LINKED:
        pytest.skip("not all chapters link the glossary yet")
    cells = [cell for path in NOTEBOOKS for cell in markdown_cells(path)]
    linked = {is_in_glossary(link.target) for cell in cells for link in prose.links(cell)}
    assert sorted(set(WORDS) - linked) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_words_are_linked_where_they_are_first_used(path: Path):
    if path.parent.name not in CHECKED_CHAPTERS:
        pytest.skip(f"{path.parent.name} is not in CHECKED_CHAPTERS yet")
    assert first_mention_faults(markdown_cells(path)) == []


def test_page_links_back(html: Path):
    page = (html / "book" / "glossary.html").read_text(encoding="utf-8")
    cells = [cell for path in NOTEBOOKS for cell in markdown_cells(path)]
    linked = {is_in_glossary(link.target) for cell in cells for link in prose.links(cell)} & set(WORDS)
    assert page.count('class="mentions"') >= len(linked)


def test_back_links_say_whether_a_word_is_explained(extension, monkeypatch):
    glossary, mentions = extension("glossary"), extension("mentions")
    monkeypatch.setattr(
        mentions, "names", lambda: {"book/x/derive": ("X", "derive"), "book/y/run": ("Y", "run")}
    )

    class App:
        class builder:
            get_relative_uri = staticmethod(lambda here, there: there)

        class env:
            titles = defaultdict(lambda: nodes.title("", "A page"))

    used = mentions.Mention("book/x/derive", "2. Two", "two", False)
    explained = mentions.Mention("book/y/run", "1. One", "one", True)
    line = glossary.back_links(App, [used], "X").astext()
    assert line == "First used in derive §2."
    line = glossary.back_links(App, [used, explained], "X").astext()
    assert line == "Explained in Y, run §1. Used in derive §2."


# --- planted faults ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("markdown", "fault"),
    [
        ("a [coupling](../glossary.md#coupling)", None),
        ("[drafting](../glossary.md#speculative-decoding)", None),
        ("all [words](../glossary.md)", None),
        ("a [coupling](../glossary.md#couplings)", "no such word"),
        ("a [coupling](glossary.md#coupling)", "is not the glossary"),
    ],
)
def test_planted_link_is_found(markdown: str, fault: str | None):
    found = wrong_links("book/transport/derive.ipynb, cell 3", markdown)
    assert found == [] if fault is None else fault in found[0]


OPENING = "# Speculative decoding: derive\n\nCouplings are the subject."


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("A [coupling](../glossary.md#coupling). Couplings are plans.", None),
        ("### A coupling\n\n`coupling` is a [coupling](../glossary.md#coupling).", None),
        ("A coupling. A [coupling](../glossary.md#coupling).", "mentioned before"),
        ("The acceptance rates. [It](../glossary.md#acceptance-rate)", "mentioned before"),
        ("A [coupling](../glossary.md#coupling), a [plan](../glossary.md#coupling).", "linked twice"),
        ("A tree. A [tree](../glossary.md#tree).", None),
    ],
)
def test_planted_first_mention_is_found(body: str, fault: str | None):
    found = first_mention_faults([OPENING, f"## 1. One\n\n{body}"])
    assert found == [] if fault is None else fault in found[0]
