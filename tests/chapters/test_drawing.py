"""Drawing that chapters share: rows of differences."""

from __future__ import annotations

import pytest

from tests.support.pictures import assert_shows_and_describes_itself, overlapping_texts
from tokenlab.chapters.drawing import forest_plot
from tokenlab.chapters.intervals import Interval
from tokenlab.errors import ArgumentError
from tokenlab.figures import BLUE, GREY, ORANGE

ROWS = {
    "traversal minus recursive, 3 sequences of 4": Interval(0.12, 0.051, 0.189),
    "block": Interval(-0.03, -0.11, 0.05),
    "SpecHub minus target-only": Interval(-0.3, -0.41, -0.19),
}


def test_forest_plot_says_what_it_shows():
    figure, data = forest_plot(ROWS, unit="accepted tokens per round", better="right")
    assert data["labels"] == list(ROWS)
    assert list(data["excludes_zero"].values()) == [True, False, True]
    assert data["intervals"]["block"] == (-0.03, -0.11, 0.05)
    assert "block -0.03 [-0.11, 0.05]" in data["alt"] and "accepted tokens per round" in data["alt"]
    (axes,) = figure.axes
    words = [text.get_text() for text in axes.texts]
    assert "block" in words and "−0.03 [−0.11, 0.05]" in words and "better →" in words
    # A line at zero, a dot on each mean, and the interval around it.
    spans = [tuple(map(float, line.get_xdata())) for line in axes.lines]
    assert (0.0, 0.0) in spans
    assert (-0.11, 0.05) in spans and (-0.03,) in spans
    assert axes.lines[2].get_color() == GREY and axes.lines[0].get_color() == BLUE


def test_forest_plot_is_legible_in_both_forms():
    assert overlapping_texts(forest_plot(ROWS, unit="accepted tokens per round", better="left")[0]) == []
    assert_shows_and_describes_itself(
        lambda: forest_plot(ROWS, unit="accepted tokens"), smallest=10, legible=True
    )


def test_colours_are_those_asked_for():
    colours = dict.fromkeys(ROWS, ORANGE)
    assert forest_plot(ROWS, unit="tokens", colours=colours)[0].axes[0].lines[0].get_color() == ORANGE
    assert forest_plot(ROWS, unit="tokens", colours=[ORANGE] * 3)[0].axes[0].lines[0].get_color() == ORANGE


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"differences": {}}, "differences is empty"),
        ({"colours": [GREY]}, "colours has 1 entries, expected one for each of 3"),
        ({"better": "up"}, "better"),
    ],
)
def test_bad_forest_plot(changes, words):
    options = {"differences": ROWS, "unit": "tokens"} | changes
    with pytest.raises(ArgumentError, match=words):
        forest_plot(options.pop("differences"), **options)
