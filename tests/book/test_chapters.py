"""The line under each title, the landing pages and the index say what the notebooks say."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.notebooks.execute import ROOT

OLD = (
    "# A chapter: derive\n\nFirst words.\nMore.\n\n**Time:** about 20 minutes, and 30 for the exercises. "
    "**Needs:** a CPU. **Before:** nothing."
)
FIELDS = (
    "**After it you will be able to**\n\n- add.\n\n"
    "**Time:** reading 20 minutes, exercises 30 minutes. **Short path:** sections 1 and 2,\n10 minutes.\n"
    "**Needs:** a CPU. Or a GPU. **Before:** [derive](derive.ipynb), section 1.\n\n"
    "**Run it:** [in Colab](https://example.org)."
)
NEW = ("# A chapter: derive\n\nFirst words.\nMore.", FIELDS)


@pytest.fixture
def chapters(extension):
    return extension("chapters")


def write(folder: Path, *opening: str, tags=("book-picture",), name: str = "page") -> None:
    """A notebook whose opening stands in several cells, with a figure behind the first."""
    shown = new_output("display_data", data={"text/html": "<figure><svg></svg></figure>"})
    first, *others = map(new_markdown_cell, opening)
    figure = new_code_cell("show()", metadata={"tags": list(tags)}, outputs=[shown])
    section = new_markdown_cell("## 1. A section\n\n**Time:** flies.")
    nbformat.write(new_notebook(cells=[first, figure, *others, section]), folder / f"{name}.ipynb")


def test_every_notebook_says_where_it_stands(chapters):
    for chapter in chapters.chapters():
        assert len({part.name for part in chapter.parts}) == len(chapter.parts)
        assert {part.kind for part in chapter.parts} <= set(chapters.KINDS)
        assert chapter.docnames == sorted(chapter.docnames, key=chapters.listed().index)
        for part in chapter.parts:
            assert 5 <= part.reading + part.exercises <= 240 and len(part.summary) > 20


def test_the_book_has_one_picture(chapters):
    assert "data-player" in chapters.picture(chapters.notebooks(), chapters.BOOK_PICTURE)


def test_part_has_one_name_and_names_its_sections(chapters, tmp_path: Path):
    assert chapters.full_name("x/run", "run") == "run"
    assert chapters.full_name("x/derive-trees", "trees") == "derive: trees"
    write(tmp_path, *NEW, "## 1. One draft\n\n## 2. Two\n\n### 3. No\n\n## Summary")
    assert chapters.part("page", tmp_path).sections[:2] == ((1, "One draft"), (2, "Two"))
    listed = [part for chapter in chapters.chapters() for part in chapter.parts]
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    titles = {
        entry["file"]: entry["title"]
        for chapter in toc["parts"][0]["chapters"]
        for entry in chapter["sections"]
    }
    assert {part.docname: part.name for part in listed} == titles
    assert all(len(part.sections) > 3 for part in listed)


def test_drawings_are_a_few_marks_of_known_pages(chapters, extension):
    drawings = extension("drawings").DRAWINGS
    parts = {part.docname: part for chapter in chapters.chapters() for part in chapter.parts}
    assert {name for name in drawings if "/" in name} <= parts.keys()
    assert all(name in drawings for name, part in parts.items() if part.kind != "assignment")
    for marks in drawings.values():
        assert marks.count("<") <= 24 and "NaN" not in marks
        # Words in them are as large as the text beside them, or not there.
        assert all(int(size) >= 13 for size in re.findall(r'font-size="(\d+)"', marks))


def test_sums_are_of_the_parts(chapters):
    found = chapters.chapters()
    parts = [part for chapter in found for part in chapter.parts]
    reading, exercises = sum(part.reading for part in parts), sum(part.exercises for part in parts)
    assert chapters.book_minutes() == (reading, exercises)
    assert sum(chapter.minutes for chapter in found) == reading + exercises
    assert [chapters.hours(minutes) for minutes in (10, 60, 100, 105)] == [
        "0.5 hours",
        "1 hour",
        "1.5 hours",
        "2 hours",
    ]


def test_landing_page_leads_to_its_notebooks_in_order(chapters):
    pages = chapters.listed()
    for chapter in chapters.chapters():
        start = pages.index(chapter.docname)
        assert pages[start + 1 :][: len(chapter.parts)] == chapter.docnames
        names = [name.rpartition("/")[2] for name in chapter.docnames]
        assert names[0].startswith("derive") and names[-1] == "assignment"


@pytest.mark.parametrize("opening", [(OLD,), NEW, ("\n\n".join(NEW),)], ids=["old", "two cells", "one cell"])
def test_opening_is_read(chapters, tmp_path: Path, opening):
    write(tmp_path, *opening)
    part = chapters.part("page", tmp_path)
    assert (part.chapter, part.name, part.summary) == ("A chapter", "derive", "First words. More.")
    assert (part.reading, part.exercises, part.time) == (20, 30, "reading 20 min, exercises 30 min")
    assert part.needs.startswith("a CPU")
    if opening != (OLD,):
        assert (part.needs, part.short_path) == ("a CPU. Or a GPU", "sections 1 and 2, 10 minutes")
        assert part.before == "[derive](derive.ipynb), section 1"
    assert chapters.picture(["page"], "book-picture", tmp_path) == "<figure><svg></svg></figure>"


def test_work_of_an_assignment_is_no_reading(chapters, tmp_path: Path):
    write(
        tmp_path, "# A chapter: assignment\n\nSix questions.\n\n**Time:** about 90 minutes. **Needs:** a CPU."
    )
    part = chapters.part("page", tmp_path)
    assert (part.reading, part.exercises, part.time) == (0, 90, "90 min")


def test_chapter_takes_any_number_of_parts_and_its_name_from_the_landing_page(chapters, tmp_path: Path):
    names = ["derive", "derive-more", "run"]
    for name in names:
        write(tmp_path, *NEW, name=name)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "index.md").write_text("# The name\n\nA question?\n")
    for name in names:
        (tmp_path / f"{name}.ipynb").rename(tmp_path / "x" / f"{name}.ipynb")
    sections = "".join(f"          - file: x/{name}\n            title: {name}\n" for name in names)
    (tmp_path / "_toc.yml").write_text(
        f"parts:\n  - chapters:\n      - file: x/index\n        sections:\n{sections}"
    )
    (chapter,) = chapters.chapters(tmp_path)
    assert (chapter.title, chapter.docname) == ("The name", "x/index")
    assert chapter.docnames == [f"x/{name}" for name in names]
    assert (chapter.reading, chapter.exercises) == (60, 90)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("# A chapter: derive", "# Derive", "the title is '# Derive'"),
        ("# A chapter", "A chapter", "the title is 'A chapter"),
        ("reading 20 minutes", "a while", "'a while, exercises 30 minutes' after \\*\\*Time"),
        ("**Needs:** a CPU. Or a GPU.", "", "nothing after \\*\\*Needs"),
        ("**Time:** reading 20 minutes, exercises 30 minutes.", "", "nothing after \\*\\*Time"),
    ],
)
def test_incomplete_opening_is_refused(chapters, tmp_path: Path, old: str, new: str, words: str):
    write(tmp_path, *(text.replace(old, new) for text in NEW))
    with pytest.raises(chapters.OpeningError, match=words):
        chapters.part("page", tmp_path)


def test_missing_picture_is_refused(chapters, tmp_path: Path):
    write(tmp_path, *NEW, tags=())
    with pytest.raises(chapters.OpeningError, match="0 cells tagged 'book-picture'"):
        chapters.picture(["page"], "book-picture", tmp_path)


def plain(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", "", html).split())


def waypoints(html: Path, docname: str) -> str:
    page = (html / f"{docname}.html").read_text(encoding="utf-8")
    (line,) = re.findall(r'<p class="waypoints">(.*?)</p>', page, re.S)
    return line


def test_built_pages_show_it(chapters, html: Path):
    index = (html / "book" / "index.html").read_text(encoding="utf-8")
    for chapter in chapters.chapters():
        address = chapter.docname.removeprefix("book/")
        assert f'href="{address}.html"' in index and chapter.title in plain(index)
        landing = plain((html / f"{chapter.docname}.html").read_text(encoding="utf-8"))
        steps = [chapter, *chapter.parts]
        for number, (here, following) in enumerate(zip(steps, [*chapter.parts, None], strict=True)):
            line = waypoints(html, here.docname)
            if number:
                where = f"{chapter.title} · part {number} of {len(chapter.parts)} · {here.time} · next: "
                assert plain(line).startswith(where) and 'href="index.html"' in line
                assert f"{here.name} · {here.time}" in landing
                assert re.sub("[*`]", "", plain(here.summary))[:40] in landing
            if following:
                assert f"next: {following.name}" in plain(line)


def test_sidebar_folds_notebooks_below_their_chapter(chapters, html: Path):
    page = (html / "book" / "index.html").read_text(encoding="utf-8")
    sidebar = re.search(r'<nav class="bd-links.*?</nav>', page, re.S)[0]
    for chapter in chapters.chapters():
        address = chapter.docname.removeprefix("book/")
        entry = re.search(
            rf'<li class="toctree-l1[^>]*><a [^>]*href="{address}\.html">.*?</ul>', sidebar, re.S
        )
        names = re.findall(r'<li class="toctree-l2"><a [^>]*>(.*?)</a>', entry[0])
        assert len(names) == len(chapter.parts) and names[-1] == "assignment"
        assert max(map(len, names)) < 30, "a short name: the chapter stands above it"


def test_titles_of_the_chapters_are_the_landing_pages(chapters):
    for chapter in chapters.chapters():
        landing = (ROOT / f"{chapter.docname}.md").read_text(encoding="utf-8")
        assert landing.startswith(f"# {chapter.title}\n") and "{chapter-parts}" in landing
