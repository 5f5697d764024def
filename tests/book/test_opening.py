"""The pictures on README and index are the figures that the package draws now."""

from __future__ import annotations

import re
from pathlib import Path

from tests.notebooks.execute import OPENING, opening_picture


def label(svg: str) -> str:
    return re.search(r'aria-label="([^"]*)"', svg).group(1)


def test_opening_picture_shows_current_data():
    stored = OPENING.read_text(encoding="utf-8")
    assert label(stored) == label(opening_picture())
    # A file of its own has no page to take its ink from.
    assert "currentColor" not in stored


def test_readme_and_index_show_it(root: Path):
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert "book/_static/opening.svg" in readme
    # The index shows it as a player, from the notebook.
    assert "```{book-picture}" in (root / "book" / "index.md").read_text(encoding="utf-8")
