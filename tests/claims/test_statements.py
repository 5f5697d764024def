"""Statements of the ledger are sentences in words, and say where in the book they belong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.claims import prose
from tests.notebooks.execute import ROOT
from tokenlab import claims
from tokenlab.errors import ClaimError

#: Chapters whose claims must name an existing section, where they stand if the prose quotes them.
CHECKED_CHAPTERS: list[str] = ["transport", "bytelevel", "sampling"]
#: A letter, or a name in capitals and digits, that a reader cannot know.
SYMBOL = re.compile(r"(?<![\w'.-])(?:[A-Zb-z]|[A-Z][A-Z\d]+)(?![\w'-])")
#: Words that the book does not use in this sense; see CONTRIBUTING.md.
OTHER_WORDS = re.compile(r"\b(?:laws?|behind|i\.i\.d\.)(?!\w)")
LONGEST = 200


def defined(page: str) -> set[str]:
    """The names that the page of claims explains in its table."""
    heads = re.findall(r"^\| ([^|]+) \| .+ \|$", page, re.M)
    return {name.strip() for head in heads for name in head.split(",")}


def wording_faults(claim: claims.Claim, names: set[str]) -> list[str]:
    statement = claim.statement
    found = [
        f"{name} is not explained on the page" for name in SYMBOL.findall(statement) if name not in names
    ]
    found += [f"mathematics: {part}" for part in re.findall(r"\$[^$]*\$|\\\w+|[=<>]", statement)]
    found += [f"not the book's word: {word}" for word in OTHER_WORDS.findall(statement)]
    if len(statement) > LONGEST:
        found.append(f"{len(statement)} characters, at most {LONGEST}")
    return found


def sections(notebook: Path) -> dict[int, str]:
    """Number and Markdown of a notebook's sections."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    parts = re.split(r"^## (?:(\d+)\. )?.*$", text, flags=re.M)[1:]
    return {int(number): body for number, body in zip(parts[::2], parts[1::2], strict=True) if number}


def quoting(folder: Path) -> dict[str, set[tuple[str, int]]]:
    """The sections of a chapter that quote a claim with a badge."""
    found: dict[str, set[tuple[str, int]]] = {}
    for path in sorted(folder.glob("*.ipynb")):
        for number, body in sections(path).items():
            for link in prose.links(body):
                page, _, name = link.target.partition("#")
                if page.endswith("claims.md") and name:
                    found.setdefault(name, set()).add((path.stem, number))
    return found


def misplaced(entries: Iterable[claims.Claim], book: Path) -> list[str]:
    """Claims whose section is not there, or is none of those that quote them."""
    found, quoted = [], {}
    for claim in entries:
        folder = book / claim.chapter
        notebook, number = claim.home
        path = folder / f"{notebook}.ipynb"
        if folder not in quoted:
            quoted[folder] = quoting(folder)
        if not path.exists() or number not in sections(path):
            found.append(f"{claim.id}: there is no {notebook}, section {number}")
            continue
        places = quoted[folder].get(claim.id, set())
        if places and (notebook, number) not in places:
            notebook, number = min(places)
            found.append(f"{claim.id}: quoted in {notebook}, section {number}")
    return found


LEDGER = list(claims.load().values())
NAMES = defined((ROOT / "book" / "claims.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("claim", LEDGER, ids=lambda claim: claim.id)
def test_statement_is_in_words(claim: claims.Claim):
    assert wording_faults(claim, NAMES) == []


def test_statements_differ():
    statements = [(claim.chapter, claim.statement) for claim in LEDGER]
    assert sorted({entry for entry in statements if statements.count(entry) > 1}) == []


@pytest.mark.parametrize("chapter", sorted({claim.chapter for claim in LEDGER}))
def test_claims_stand_in_their_section(chapter: str):
    entries = [claim for claim in LEDGER if claim.chapter == chapter]
    assert all(claim.home for claim in entries)
    if chapter not in CHECKED_CHAPTERS:
        pytest.skip(f"{chapter} is not in CHECKED_CHAPTERS yet")
    assert misplaced(entries, ROOT / "book") == []


# --- planted faults ------------------------------------------------------------------


def entry(**changes) -> claims.Claim:
    fields = {
        "id": "planted",
        "chapter": "sampling",
        "statement": "A share of the mass",
        "paper": "this book",
        "where": "derive, section 2",
        "kind": "computed",
        "status": "ours",
        "ours": 0.5,
    }
    return claims.Claim(**{**fields, **changes})


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("Probability that A is followed by A", None),
        ("A share of held-out text at temperature 1", None),
        ("Bits of the middle, order SPM", None),
        ("Total variation with w in place of h", "w is not explained"),
        ("Probability of token b", "b is not explained"),
        ("Accuracy on MMLU", "MMLU is not explained"),
        ("The tail when $c$ is small", "mathematics"),
        ("The tail when the cap = 0.1", "mathematics"),
        ("The law of the next byte", "not the book's word"),
        ("Acceptance with i.i.d. drafts", "not the book's word"),
        ("word " * 50, "250 characters"),
    ],
)
def test_planted_wording_is_found(statement: str, fault: str | None):
    found = wording_faults(entry(statement=statement), {"A", "SPM"})
    assert found == [] if fault is None else any(fault in line for line in found)


@pytest.mark.parametrize(
    ("where", "fault"),
    [
        ("derive, section 2", None),
        ("derive, section 1", "quoted in derive, section 2"),
        ("derive, section 4", "there is no derive, section 4"),
        ("run, section 1", "there is no run, section 1"),
    ],
)
def test_planted_section_is_found(tmp_path: Path, where: str, fault: str | None):
    (tmp_path / "sampling").mkdir()
    text = "## 1. One\n\nNone.\n\n## 2. Two\n\nIt is 0.5 [computed](../claims.md#planted).\n\n## Summary"
    notebook = {"cells": [{"cell_type": "markdown", "source": [text]}]}
    (tmp_path / "sampling" / "derive.ipynb").write_text(json.dumps(notebook))
    found = misplaced([entry(where=where)], tmp_path)
    assert found == [] if fault is None else fault in found[0]


@pytest.mark.parametrize("where", ["derive, equation 8", "derive, sections 1 and 2", "abstract", ""])
def test_planted_place_is_found(where: str):
    assert entry(where=where, section="run, section 11").home == ("run", 11)
    with pytest.raises(ClaimError, match="is no section"):
        _ = entry(where=where).home
