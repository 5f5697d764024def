"""The token *back* beside the words: the longer target, what is accepted, what is left."""

from __future__ import annotations

import pytest

from tests.support.pictures import assert_shows_and_describes_itself, overlapping_texts
from tokenlab.chapters.transport import figures
from tokenlab.errors import ArgumentError


def test_shows_and_describes_itself():
    def draw():
        frames, data = figures.back_bars()
        assert [overlapping_texts(frame) for frame in frames] == [[]] * 3
        return frames[-1], data | {"alt": data["alt"][-1]}

    assert_shows_and_describes_itself(draw, smallest=10, legible=True)


def test_the_numbers_are_those_of_the_text():
    data = figures.back_bars()[1]
    p, q = figures.FIVE_TOKENS
    assert data["tokens"][-1] == "back" and data["target"] == pytest.approx([v / 2 for v in p] + [0.5])
    assert data["taken"] == pytest.approx([*(min(a / 2, b) for a, b in zip(p, q)), 0])
    assert sum(data["rest"][:-1]) == pytest.approx(0.2) and data["rest"][-1] == pytest.approx(0.5)
    assert data["ends"] == pytest.approx(2 / 7)
    assert "0.20 is left on words and 0.50 on back" in data["captions"][2] and "0.286" in data["captions"][2]


def test_bad_input():
    with pytest.raises(ArgumentError, match="weight is 1, expected"):
        figures.back_bars(weight=1)
