"""The picture of leaks."""

from __future__ import annotations

import pytest

from tests.support.pictures import assert_shows_and_describes_itself
from tokenlab.chapters.bytelevel import figures
from tokenlab.errors import ArgumentError, ShapeError


def test_it_shows_and_describes_itself():
    assert_shows_and_describes_itself(
        lambda: figures.leaks([b"import", b" os"], [0, 0.5, *[0.01] * 7]), smallest=10
    )


def test_leaks_stand_over_their_bytes():
    figure, data = figures.leaks([b"import", b" os", b"\n"], [0, 0.5, *[0.02] * 8])
    assert [bar.get_height() for bar in figure.axes[0].patches] == [0, 50, *[2] * 8]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["import", "␣os", "\\n"]
    assert figure.axes[0].get_xticks().tolist() == [2.5, 7, 9]
    assert "“import␣os\\n”" in data["alt"] and "at most 50 % before byte 2, m." in data["alt"]


@pytest.mark.parametrize(
    ("tokens", "shares", "error", "words"),
    [([b"ab"], [0.5], ShapeError, "1 entries.* 2 bytes"), ([], [], ArgumentError, "0 bytes")],
)
def test_bad_input(tokens, shares, error, words):
    with pytest.raises(error, match=words):
        figures.leaks(tokens, shares)
