"""The traversal of the opening tree follows equation (6) of the notebook."""

from __future__ import annotations

import dataclasses

import pytest

from tests.support.pictures import assert_shows_and_describes_itself, overlapping_texts
from tokenlab.chapters.transport import figures
from tokenlab.errors import ArgumentError


def test_shows_and_describes_itself():
    def draw():
        frames, data = figures.traversal_walk()
        assert [overlapping_texts(frame) for frame in frames] == [[]] * len(frames)
        return frames[-1], data | {"alt": data["alt"][-1]}

    assert_shows_and_describes_itself(draw, smallest=10, legible=True)


def test_weights_are_those_of_the_equation():
    """Root, table, and (a leaf that fails), table again, with (a leaf that pays the debt)."""
    data = figures.traversal_walk()[1]
    assert data["path"] == ["", "table", "table and", "table", "table with", "table with"]
    entered = 0.05 / 0.45
    rest = entered * 0.9 - 0.05
    again = rest / (rest + 1 - entered)
    weights = [1, entered, entered * 0.05 / 0.7, again, min(1, again / 0.05), 1]
    assert data["weights"] == pytest.approx(weights) and again / 0.05 > 1


def test_the_branch_that_the_walk_from_the_root_drops_is_kept():
    story, other = figures.TRAVERSED, figures.TREE
    assert story.drafts == other.drafts, "it is the same tree"
    assert figures.verification_walk(other)[1]["states"][-1]["table"] == "rejected"
    assert figures.traversal_walk()[1]["states"][-1] == {
        "table and": "rejected",
        "table": "accepted",
        "table with": "accepted",
    }


def test_a_word_that_cannot_come_is_refused():
    with pytest.raises(ArgumentError, match="'barked', which cannot come"):
        figures.traversal_walk(dataclasses.replace(figures.TRAVERSED, final="barked"))
