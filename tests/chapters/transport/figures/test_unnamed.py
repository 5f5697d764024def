"""The figure of a question has the curves that the question speaks of, and tells nothing else."""

from __future__ import annotations

import pytest

from tests.support.pictures import assert_shows_and_describes_itself
from tokenlab.chapters.transport.figures import unnamed


def test_shows_itself():
    assert_shows_and_describes_itself(unnamed.rates_by_drafts, smallest=10, legible=True)


def test_curves_are_ordered_as_the_chapter_says():
    figure, data = unnamed.rates_by_drafts()
    for naive, recursive, kseq, optimal, biased in list(zip(*(data[c] for c in "CAEBD"), strict=True))[1:]:
        assert naive < recursive < kseq < optimal < biased
    assert {data[letter][0] for letter in "ABCDE"} == {0.5}
    assert data["D"] == pytest.approx([1 - 0.5**k for k in unnamed.NUM_DRAFTS])
    assert len({line.get_color() for line in figure.axes[0].lines}) == 1


@pytest.mark.parametrize("word", ["kseq", "K-SEQ", "naive", "recursive", "optim", "repetition"])
def test_no_name_is_told(word):
    figure, data = unnamed.rates_by_drafts()
    texts = [text.get_text() for text in figure.findobj(match=lambda item: hasattr(item, "get_fontsize"))]
    assert word not in data["alt"] and not any(word in text for text in texts)
