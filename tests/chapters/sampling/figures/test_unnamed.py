"""The figure of a question has the curves that the question speaks of, and tells nothing else."""

from __future__ import annotations

import pytest

from tests.support.pictures import assert_shows_and_describes_itself
from tokenlab.chapters.sampling.figures import unnamed


def test_shows_itself():
    assert_shows_and_describes_itself(unnamed.kept_by_temperature, smallest=10, legible=True)


def test_curves_can_be_told_apart():
    figure, data = unnamed.kept_by_temperature()
    assert set(data["D"]) == {50}
    # Min-p comes to keep all, top-p never does, epsilon keeps fewer in the end.
    assert data["C"][-1] == unnamed.VOCAB > data["A"][-1]
    assert max(data["B"]) > data["B"][0] > data["B"][-1] == 1
    assert sorted(data["A"]) == data["A"] and sorted(data["C"]) == data["C"]
    colours = {line.get_color() for line in figure.axes[0].lines}
    assert len(colours) == 1


@pytest.mark.parametrize("word", ["top", "min", "epsilon"])
def test_no_name_is_told(word):
    figure, data = unnamed.kept_by_temperature()
    texts = [text.get_text() for text in figure.findobj(match=lambda item: hasattr(item, "get_fontsize"))]
    assert word not in data["alt"] and not any(word in text for text in texts)
