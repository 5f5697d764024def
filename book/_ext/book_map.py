"""``{book-map}``: the way from a model's numbers to a text, each station a link with its question.

The stations are listed in the page, as YAML: ``draw`` names a drawing of ``drawings.py``, ``name``,
``question``, ``page`` where the station leads, and a ``note`` where it is no chapter, whose hours come
from its notebooks.
"""

from __future__ import annotations

import html

import yaml
from chapter_parts import FromNotebooks
from chapters import book_minutes, chapters, hours
from docutils import nodes
from drawings import drawing


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
