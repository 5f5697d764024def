"""What the notebooks say about themselves: chapter, part, minutes, hardware, first words, picture.

Nothing of this is typed twice: the line on top of a page and the cards of the index are made
from the openings that readers of the notebooks see.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import nbformat
import yaml

ROOT = Path(__file__).parents[2]
#: ``**Time:** about 60 minutes. **Needs:** any computer.``
FIELD = re.compile(r"\*\*(?P<name>[A-Z]\w+):\*\*\s+(?P<value>.*?)\.?(?=\s*(?:\*\*[A-Z]|\n\n|\Z))", re.S)
#: Cells whose picture stands for the chapter, and for the book.
CHAPTER_PICTURE, BOOK_PICTURE = "chapter-picture", "book-picture"


@dataclass(frozen=True)
class Part:
    """One notebook of a chapter."""

    docname: str
    chapter: str
    name: str
    summary: str
    time: str
    needs: str

    @property
    def minutes(self) -> int:
        return int(re.search(r"\d+", self.time)[0])


class OpeningError(ValueError):
    """A notebook does not say what the reader has to know first."""


def part(docname: str, root: Path = ROOT) -> Part:
    """Read the opening of one notebook.

    The first cell holds the title ``# Chapter: part``, a paragraph, and the fields
    ``**Time:** about N minutes.`` and ``**Needs:** hardware.``
    """
    opening = nbformat.read(root / f"{docname}.ipynb", as_version=4).cells[0].source
    title, _, rest = opening.partition("\n")
    chapter, colon, name = title.removeprefix("# ").partition(": ")
    fields = {match["name"]: " ".join(match["value"].split()) for match in FIELD.finditer(opening)}
    if not title.startswith("# ") or not colon:
        raise OpeningError(f"{docname}: the title is {title!r}, expected '# Chapter: part'")
    for field, form in (("Time", r"\d+ minutes"), ("Needs", r"\w")):
        if not re.search(form, fields.get(field, "")):
            found = repr(fields[field]) if field in fields else "nothing"
            raise OpeningError(f"{docname}: the first cell says {found} after **{field}:**")
    summary = " ".join(rest.strip().split("\n\n")[0].split())
    return Part(docname, chapter.strip(), name.strip(), summary, fields["Time"], fields["Needs"])


def notebooks(root: Path = ROOT) -> list[str]:
    """The notebooks of the table of contents, in its order."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    files = [entry["file"] for section in toc["parts"] for entry in section["chapters"]]
    return [name for name in files if (root / f"{name}.ipynb").is_file()]


def chapters(root: Path = ROOT) -> list[list[Part]]:
    """The book's chapters: the notebooks of one folder are one chapter's parts."""
    folders = groupby(notebooks(root), key=lambda name: name.rpartition("/")[0])
    return [[part(name, root) for name in group] for _, group in folders]


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
