"""``{model-families}``: which families of models run, as tests/lm/families.py found and recorded it."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from tables import table

RECORD = Path(__file__).parents[2] / "tests" / "lm" / "families.json"
#: Key of the record -> head of the column.
TRIALS = {
    "text": "One text",
    "batch": "Batch with padding",
    "drafts": "Speculative decoding",
    "bytes": "Bytes",
}
#: Outcome in the record -> what stands in a cell.
WORDS = {"cache": "exact", "afresh": "exact, slow", "refused": "refused"}


class Group(NamedTuple):
    """Families with the same outcomes."""

    outcomes: tuple[str, ...]
    families: list[str]


def groups() -> list[Group]:
    """The largest first; model types in alphabetical order."""
    found = defaultdict(list)
    for name, entry in _tried().items():
        found[tuple(entry[trial].partition(":")[0] for trial in TRIALS)].append(name)
    return sorted((Group(*each) for each in found.items()), key=lambda group: -len(group.families))


def not_tried() -> list[str]:
    """Model types of which no small model could be made from the configuration."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))["families"]
    return [name for name in record if name not in _tried()]


def _tried() -> dict[str, dict[str, str]]:
    record = json.loads(RECORD.read_text(encoding="utf-8"))["families"]
    return {name: entry for name, entry in record.items() if "not tried" not in entry}


def overview() -> list[list[str]]:
    """A row for each group: how many families, and how each function fares."""
    rows = [["Families", *TRIALS.values()]]
    rows += [[str(len(group.families)), *map(WORDS.get, group.outcomes)] for group in groups()]
    return rows


class ModelFamilies(SphinxDirective):
    """The overview, and after it a line with the names of each group."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(RECORD))
        named = [(_summary(group), group.families) for group in groups()]
        named.append(("not tried", not_tried()))
        return [table(overview()), *(_names(summary, names) for summary, names in named)]


def _summary(group: Group) -> str:
    words = [WORDS[outcome] for outcome in group.outcomes]
    if len(set(words)) == 1:
        return f"{words[0]} everywhere"
    return ", ".join(f"{head.lower()} {word}" for head, word in zip(TRIALS.values(), words, strict=True))


def _names(summary: str, names: list[str]) -> nodes.paragraph:
    return nodes.paragraph(
        "", "", nodes.strong("", f"{len(names)}: {summary}. "), nodes.Text(", ".join(names))
    )


def setup(app) -> dict:
    app.add_directive("model-families", ModelFamilies)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
