"""Pictures of tokens for a call of the target are tested on their data."""

from __future__ import annotations

import pytest

from tests.support.pictures import assert_shows_and_describes_itself, overlapping_texts
from tokenlab.chapters.transport import result_figures
from tokenlab.errors import ArgumentError

DECODING = {
    "texts": {
        label: {
            way: {"tokens": [20 + i, 30 + i, 40], "calls": [10, 10, 10 - i]}
            for i, way in enumerate(
                ("chain of 4", "3 sequences of 4, K-SEQ", "dynamic tree of 12, recursive")
            )
        }
        for label in ("T = 0.5", "T = 1")
    }
}


def test_it_shows_and_describes_itself():
    draw = lambda: result_figures.texts_by_way(DECODING)  # noqa: E731
    assert_shows_and_describes_itself(draw, smallest=10)
    assert overlapping_texts(draw()[0]) == []


def test_texts_by_way_data():
    figure, data = result_figures.texts_by_way(DECODING, ["T = 1"])
    assert list(data["values"]) == ["T = 1"]
    assert data["groups"]["3 sequences of 4"] == ["kseq"]
    assert data["values"]["T = 1"]["chain of 4", "recursive"]["mean"] == pytest.approx(3.0)
    dynamic = data["values"]["T = 1"]["dynamic tree of 12", "recursive"]
    assert dynamic["mean"] == pytest.approx((2.2 + 3.2 + 5) / 3, abs=1e-5)
    assert "chain of 4, recursive 3.00 (0.52 to 5.48)" in data["alt"]
    written = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert written[:4] == ["chain of 4", "recursive", "3 sequences of 4", "K-SEQ"]


def test_bad_input():
    with pytest.raises(ArgumentError, match="temperature is 'T = 9'"):
        result_figures.texts_by_way(DECODING, ["T = 9"])
