"""The page on the reader's own model: its table is what was recorded, and its sentences hold for it."""

from __future__ import annotations

import json

import pytest


@pytest.fixture(scope="module")
def page(extension):
    return extension("model_families")


def test_every_family_stands_once(page):
    named = [name for group in page.groups() for name in group.families] + page.not_tried()
    recorded = json.loads(page.RECORD.read_text(encoding="utf-8"))["families"]
    assert sorted(named) == sorted(recorded)


def test_every_outcome_has_a_word(page):
    """An outcome without one is a wrong text or a raw error."""
    head, *rows = page.overview()
    assert all(len(row) == len(head) and all(row) for row in rows)
    assert sum(int(row[0]) for row in rows) > 150
