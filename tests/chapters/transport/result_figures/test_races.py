"""The late program reads the new bracket only where there is one memory."""

from __future__ import annotations

import pytest
import torch

from tests.support.pictures import assert_shows_and_describes_itself
from tokenlab.chapters.transport import result_figures
from tokenlab.errors import ShapeError

BRACKETS = torch.tensor([[1.0, 4.0], [2.5, 2.875]], dtype=torch.float64)


def test_shows_and_describes_itself():
    draw = lambda: result_figures.race_timeline(BRACKETS)  # noqa: E731
    assert_shows_and_describes_itself(draw, smallest=10, legible=True)


def test_who_reads_what():
    data = result_figures.race_timeline(BRACKETS)[1]
    old, new = "1.000 to 4.000", "2.500 to 2.875"
    assert data["read"] == {"one memory": (old, new), "old and new apart": (old, old)}
    assert (
        f"One memory: program 0 reads {old} and writes {new}; program 1 starts later and reads {new}."
        in data["alt"]
    )


def test_bad_input():
    with pytest.raises(ShapeError, match="the old one and the new one"):
        result_figures.race_timeline(BRACKETS[:1])
