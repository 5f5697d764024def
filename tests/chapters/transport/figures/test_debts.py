"""The debt of a block is carried, and paid."""

from __future__ import annotations

import math

import pytest

from tests.support.pictures import assert_shows_and_describes_itself
from tokenlab.chapters.transport import figures
from tokenlab.errors import ArgumentError


def test_shows_and_describes_itself():
    def draw():
        frames, data = figures.block_debts()
        return frames[-1], data | {"alt": data["alt"][-1]}

    assert_shows_and_describes_itself(draw, smallest=10, legible=True)


def test_weights_and_debts():
    data = figures.block_debts((0.5, 4.0, 0.5))[1]
    assert data["token"] == [1, 0.5, 0.5, 0.25] and data["block"] == [1, 0.5, 1, 0.5]
    assert data["debt"] == [0, 0.5, 0, 0.5]


def test_captions_say_what_happens_to_the_debt():
    captions = figures.block_debts((0.5, 1.0, 1.6, 0.5, 10.0))[1]["captions"]
    assert ["grows" in text for text in captions] == [False, True, False, False, True, False]
    assert "stays" in captions[2] and "shrinks from 0.50 to 0.20" in captions[3]
    assert "paid in full" in captions[5]


def test_the_chain_of_the_notebook_pays():
    """As a block a chain survives at least as probably as token by token, here more from the second word on."""
    frames, data = figures.block_debts()
    assert len(frames) == len(data["block"]) == len(data["captions"])
    assert all(block > token for block, token in zip(data["block"][2:], data["token"][2:]))
    assert min(data["debt"][1:]) == 0, "one ratio pays all"


@pytest.mark.parametrize(
    ("ratios", "words"),
    [((), "1 to 12 finite"), ((0.5, math.inf), "1 to 12 finite"), ((-1.0,), "none negative")],
)
def test_bad_input(ratios, words):
    with pytest.raises(ArgumentError, match=words):
        figures.block_debts(ratios)
