"""The picture of the search for a division factor is tested on its data."""

from __future__ import annotations

import pytest
import torch

from tests.support.pictures import assert_shows_and_describes_itself, overlapping_texts
from tokenlab.chapters.transport import result_figures
from tokenlab.errors import ArgumentError, ShapeError
from tokenlab.figures import BLUE, ORANGE

BRACKETS = torch.tensor([[1.0, 3.0], [1.5, 1.75], [1.53125, 1.5625]])


def draw():
    return result_figures.search_brackets(BRACKETS, 1.54, 9)


def test_it_shows_and_describes_itself():
    assert_shows_and_describes_itself(draw, smallest=10)
    assert overlapping_texts(draw()[0]) == []


def test_data():
    figure, data = draw()
    assert data["kept"] == [[0.25, 0.375], [0.125, 0.25]]
    assert data["brackets"][-1] == (1.53125, 1.5625) and "root 1.540000" in data["alt"]
    # Factors of the first bracket from 1 to 3: the first three lie below the root.
    points = [line for line in figure.axes[0].lines if line.get_marker() in ("o", "X")][:9]
    assert [line.get_color() for line in points] == [ORANGE] * 3 + [BLUE] * 6
    assert [line.get_marker() for line in points] == ["X"] * 3 + ["o"] * 6


def test_bad_input():
    with pytest.raises(ArgumentError, match="factors is 1"):
        result_figures.search_brackets(BRACKETS, 1.54, 1)
    with pytest.raises(ShapeError, match="brackets has 0 steps"):
        result_figures.search_brackets(BRACKETS[:0], 1.54, 9)
