"""``{book-map}``: the way from a model's numbers to a text, each station a link with its question.

The stations are listed in the page, as YAML: ``draw`` names a drawing of this file, ``name``,
``question``, ``page`` where the station leads, and a ``note`` where it is no chapter, whose hours come
from its notebooks.
"""

from __future__ import annotations

import html

import yaml
from chapter_parts import FromNotebooks
from chapters import book_minutes, chapters, hours
from docutils import nodes

from tokenlab.figures import BLUE, GREY, ORANGE


def bars(heights: list[int], colours: list[str]) -> str:
    """Bars on a line, from the left."""
    return "".join(
        f'<rect x="{6 + 11 * i}" y="{42 - h}" width="8" height="{h}" fill="{colour}"/>'
        for i, (h, colour) in enumerate(zip(heights, colours, strict=True))
    )


HEIGHTS = [12, 30, 20, 9, 5]
TREE = {"root": (8, 24), "a": (30, 12), "b": (30, 36), "c": (54, 6), "d": (54, 20), "e": (54, 36)}


def branch(start: str, end: str, colour: str) -> str:
    (x, y), (u, v) = TREE[start], TREE[end]
    node = f'<circle cx="{u}" cy="{v}" r="5" fill="{colour}"/>'
    return f'<path d="M{x} {y}L{u} {v}" stroke="{colour}" stroke-width="2.5"/>{node}'


def boxes(letters: str, known: int) -> str:
    """A byte in each box; those after the first ``known`` are still to be said."""
    return "".join(
        f'<rect x="{3 + 15 * i}" y="14" width="13" height="20" fill="none" stroke="{BLUE if i >= known else GREY}" '
        f'stroke-width="2"{"" if i < known else " stroke-dasharray=" + chr(34) + "3 2" + chr(34)}/>'
        f'<text x="{9.5 + 15 * i}" y="29" text-anchor="middle" font-size="13" fill="currentColor">{letter}</text>'
        for i, letter in enumerate(letters)
    )


DRAWINGS = {
    "logits": bars(HEIGHTS, [GREY] * 5),
    "choose": bars(HEIGHTS, [GREY, BLUE, GREY, GREY, GREY])
    + f'<path d="M21 3v5m-3-3 3 4 3-4" stroke="{BLUE}" stroke-width="2" fill="none"/>',
    "drafts": branch("root", "b", ORANGE)
    + branch("b", "e", GREY)
    + branch("root", "a", BLUE)
    + branch("a", "c", GREY)
    + branch("a", "d", BLUE)
    + f'<circle cx="8" cy="24" r="5" fill="{BLUE}"/>',
    "bytes": boxes("Pari", 3),
    "coming": "".join(f'<circle cx="{14 + 18 * i}" cy="24" r="3.5" fill="{GREY}"/>' for i in range(3)),
}


def drawing(name: str) -> str:
    return f'<svg viewBox="0 0 64 48" aria-hidden="true" focusable="false">{DRAWINGS[name]}</svg>'


class BookMap(FromNotebooks):
    """Stations as a list of links, drawn as a line from one to the next by the style sheet."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        self.note_notebooks()
        stations = yaml.safe_load("\n".join(self.content))
        minutes = {chapter.docname: chapter.minutes for chapter in chapters()}
        items = "".join(self.station(entry, minutes) for entry in stations)
        reading, exercises = book_minutes()
        total = f"In all: reading {hours(reading)}, exercises and assignments {hours(exercises)}."
        return [
            nodes.raw("", f'<ol class="book-map">{items}</ol>', format="html"),
            nodes.paragraph("", f"{total} Each notebook names a short path."),
        ]

    def station(self, entry: dict, minutes: dict[str, int]) -> str:
        page = entry.get("page")
        small = f"{hours(minutes[page])} with its exercises" if page in minutes else entry["note"]
        words = (
            f"{drawing(entry['draw'])}<strong>{html.escape(entry['name'])}</strong>"
            f"<span>{html.escape(entry['question'])}</span><small>{html.escape(small)}</small>"
        )
        if page is None:
            return f'<li class="coming"><div>{words}</div></li>'
        address = self.env.app.builder.get_relative_uri(self.env.docname, page)
        return f'<li><a href="{address}">{words}</a></li>'


def setup(app) -> dict:
    app.add_directive("book-map", BookMap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
