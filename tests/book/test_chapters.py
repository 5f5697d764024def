"""The line under each title and the cards of the index say what the notebooks say."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

OPENING = "# A chapter: derive\n\nFirst words.\nMore.\n\n**Time:** about 20 minutes. **Needs:** a CPU. **Before:** nothing."


@pytest.fixture
def chapters(extension):
    return extension("chapters")


def write(folder: Path, opening: str, tags=("chapter-picture",)) -> None:
    shown = new_output("display_data", data={"text/html": "<figure><svg></svg></figure>"})
    cells = [
        new_markdown_cell(opening),
        new_code_cell("show()", metadata={"tags": list(tags)}, outputs=[shown]),
    ]
    nbformat.write(new_notebook(cells=cells), folder / "page.ipynb")


def test_every_notebook_says_where_it_stands(chapters):
    for group in chapters.chapters():
        assert {part.chapter for part in group} == {group[0].chapter}
        assert len({part.name for part in group}) == len(group)
        for part in group:
            assert 5 <= part.minutes <= 240 and len(part.summary) > 20


def test_every_chapter_has_its_picture_and_the_book_one(chapters):
    for group in chapters.chapters():
        assert "aria-label=" in chapters.picture([part.docname for part in group], chapters.CHAPTER_PICTURE)
    assert "data-player" in chapters.picture(chapters.notebooks(), chapters.BOOK_PICTURE)


def test_opening_is_read(chapters, tmp_path: Path):
    write(tmp_path, OPENING)
    part = chapters.part("page", tmp_path)
    assert (part.chapter, part.name, part.summary) == ("A chapter", "derive", "First words. More.")
    assert (part.time, part.needs, part.minutes) == ("about 20 minutes", "a CPU", 20)
    assert chapters.picture(["page"], "chapter-picture", tmp_path) == "<figure><svg></svg></figure>"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("# A chapter: derive", "# Derive", "the title is '# Derive'"),
        ("# A chapter", "A chapter", "the title is 'A chapter"),
        ("about 20 minutes", "a while", "'a while' after \\*\\*Time"),
        ("**Needs:** a CPU.", "", "nothing after \\*\\*Needs"),
    ],
)
def test_incomplete_opening_is_refused(chapters, tmp_path: Path, old: str, new: str, words: str):
    write(tmp_path, OPENING.replace(old, new))
    with pytest.raises(chapters.OpeningError, match=words):
        chapters.part("page", tmp_path)


def test_missing_picture_is_refused(chapters, tmp_path: Path):
    write(tmp_path, OPENING, tags=())
    with pytest.raises(chapters.OpeningError, match="0 cells tagged 'chapter-picture'"):
        chapters.picture(["page"], "chapter-picture", tmp_path)


def plain(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", "", html).split())


def test_built_pages_show_it(chapters, html: Path):
    index = plain((html / "book" / "index.html").read_text(encoding="utf-8"))
    for group in chapters.chapters():
        assert group[0].summary[:60] in index
        for number, part in enumerate(group, start=1):
            page = (html / f"{part.docname}.html").read_text(encoding="utf-8")
            (line,) = re.findall(r'<p class="waypoints">(.*?)</p>', page, re.S)
            expected = f"{part.chapter} · part {number} of {len(group)}: {part.name} · {part.time} · {part.needs} · next: "
            assert plain(line).startswith(expected) and "<a " in line
            assert f"{part.name} , {part.minutes} minutes".replace(" ,", ",") in index.replace(" ,", ",")
