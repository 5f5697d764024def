"""What the notebooks say about themselves: chapter, part, minutes, hardware, first words, picture.

Nothing of this is typed twice: the line on top of a page, the landing page of a chapter and the
index are made from the openings that readers of the notebooks see.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import nbformat
import yaml
from nbformat import NotebookNode
from published import within

ROOT = Path(__file__).parents[2]
#: ``**Short path:** sections 1 and 2, 30 minutes.``
FIELD = re.compile(
    r"\*\*(?P<name>[A-Z][\w ]*):\*\*\s+(?P<value>.*?)\.?(?=\s*(?:\*\*[A-Z][\w ]*:\*\*|\n\n|\Z))", re.S
)
#: What the parts of a chapter are, by the first word of their file's name.
KINDS = {
    "derive": "The mathematics, checked by enumeration",
    "run": "The methods on real models",
    "kernels": "The methods on a GPU",
    "assignment": "Questions that are graded",
}
#: ``## 1. One draft`` and ``## Question 1: Softmax``
NUMBERED = re.compile(r"^## (?:(\d+)\. |Question (\d+): )(.+)$", re.M)
#: The cell whose picture stands for the book.
BOOK_PICTURE = "book-picture"


@dataclass(frozen=True)
class Part:
    """One notebook of a chapter; summary and what follows it as its opening words them, sections by number."""

    docname: str
    chapter: str
    name: str
    reading: int
    exercises: int
    summary: str
    needs: str
    before: str = ""
    short_path: str = ""
    sections: tuple[tuple[int, str], ...] = ()

    @property
    def kind(self) -> str:
        """``derive``, also of a part of its own name, such as ``derive: one position``."""
        return self.name.partition(":")[0]

    @property
    def time(self) -> str:
        return spoken(self.reading, self.exercises)


@dataclass(frozen=True)
class Chapter:
    """The notebooks of one folder, and the page that they stand below."""

    docname: str
    title: str
    parts: tuple[Part, ...]

    @property
    def reading(self) -> int:
        return sum(part.reading for part in self.parts)

    @property
    def exercises(self) -> int:
        return sum(part.exercises for part in self.parts)

    @property
    def minutes(self) -> int:
        return self.reading + self.exercises

    @property
    def docnames(self) -> list[str]:
        return [part.docname for part in self.parts]


class OpeningError(ValueError):
    """A notebook does not say what the reader has to know first."""


def spoken(reading: int, exercises: int) -> str:
    """``reading 45 min, exercises 60 min``; what takes no time is left out."""
    if not reading:
        return f"{exercises} min"
    return f"reading {reading} min" + (f", exercises {exercises} min" if exercises else "")


def hours(minutes: int) -> str:
    """Hours to the half, for sums that are nobody's promise to the minute."""
    halves = max(1, round(minutes / 30))
    return f"{halves / 2:g} hour{'s' if halves != 2 else ''}"


def opening(notebook: NotebookNode) -> str:
    """The prose before the first section, whatever cells it stands in."""
    prose = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.split(r"^## ", prose, maxsplit=1, flags=re.M)[0].strip()


def stated(time: str, is_assignment: bool) -> tuple[int, int] | None:
    """Minutes of reading and of exercises, as an opening states them.

    ``reading 45 minutes, exercises 60 minutes`` or ``about 60 minutes``, which is
    the work of an assignment and else the reading.
    """
    named = re.match(r"reading (\d+) minutes(?:, exercises (\d+) minutes)?$", time)
    plain = re.match(r"about (\d+) minutes(?:, and (\d+) for the exercises)?$", time)
    found = named or plain
    if found is None:
        return None
    first, second = int(found[1]), int(found[2] or 0)
    return (0, first) if is_assignment else (first, second)


def full_name(docname: str, name: str) -> str:
    """The name of a part in lists of parts: its kind, and what sets it apart from others of the kind."""
    kind, name = docname.rpartition("/")[2].partition("-")[0], name.strip()
    return name if kind not in KINDS or name == kind else f"{kind}: {name}"


def sections(notebook: NotebookNode) -> tuple[tuple[int, str], ...]:
    """Number and title of the numbered sections, or of the questions."""
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return tuple((int(a or b), title.strip()) for a, b, title in NUMBERED.findall(prose))


def part(docname: str, root: Path = ROOT) -> Part:
    """Read the opening of one notebook.

    It holds the title ``# Chapter: part``, a paragraph, and before the first section the fields
    ``**Time:** reading N minutes, exercises M minutes.`` and ``**Needs:** hardware.``
    """
    notebook = nbformat.read(root / f"{docname}.ipynb", as_version=4)
    text = within(opening(notebook))
    title, _, rest = text.partition("\n")
    chapter, colon, name = title.removeprefix("# ").partition(": ")
    fields = {match["name"]: " ".join(match["value"].split()) for match in FIELD.finditer(text)}
    if not title.startswith("# ") or not colon:
        raise OpeningError(f"{docname}: the title is {title!r}, expected '# Chapter: part'")
    times = stated(fields.get("Time", ""), name.strip() == "assignment")
    for field, good in (("Time", times), ("Needs", fields.get("Needs"))):
        if not good:
            found = repr(fields[field]) if field in fields else "nothing"
            raise OpeningError(f"{docname}: the opening says {found} after **{field}:**")
    summary = " ".join(rest.strip().split("\n\n")[0].split())
    more = fields.get("Before", ""), fields.get("Short path", "")
    return Part(
        docname,
        chapter.strip(),
        full_name(docname, name),
        *times,
        summary,
        fields["Needs"],
        *more,
        sections(notebook),
    )


def entries(nodes: Iterable[dict]) -> Iterable[str]:
    """The files of a part of the table of contents, each before those below it."""
    for node in nodes:
        yield node["file"]
        yield from entries(node.get("sections", ()))


def listed(root: Path = ROOT) -> list[str]:
    """The pages of the table of contents, in its order."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    return [name for section in toc["parts"] for name in entries(section["chapters"])]


def notebooks(root: Path = ROOT) -> list[str]:
    """The notebooks of the table of contents, in its order."""
    return [name for name in listed(root) if (root / f"{name}.ipynb").is_file()]


def chapters(root: Path = ROOT) -> list[Chapter]:
    """The book's chapters: the notebooks of one folder below its landing page ``index.md``."""
    found = []
    for folder, names in groupby(notebooks(root), key=lambda name: name.rpartition("/")[0]):
        landing = (root / folder / "index.md").read_text(encoding="utf-8")
        title = re.match(r"# (.+)", landing)[1].strip()
        found.append(Chapter(f"{folder}/index", title, tuple(part(name, root) for name in names)))
    return found


def book_minutes(root: Path = ROOT) -> tuple[int, int]:
    """Minutes of reading and of exercises of the whole book."""
    found = chapters(root)
    return sum(chapter.reading for chapter in found), sum(chapter.exercises for chapter in found)


def picture(docnames: list[str], tag: str, root: Path = ROOT) -> str:
    """The HTML that the one cell tagged so shows: a figure with its caption."""
    found = [
        output.data["text/html"]
        for name in docnames
        for cell in nbformat.read(root / f"{name}.ipynb", as_version=4).cells
        if tag in cell.metadata.get("tags", [])
        for output in cell.outputs
        if "text/html" in output.get("data", {})
    ]
    if len(found) != 1:
        raise OpeningError(
            f"{', '.join(docnames)}: {len(found)} cells tagged {tag!r} show a figure, expected one"
        )
    return "".join(found[0])
