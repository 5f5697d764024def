"""The picture of a broken word: the encoded prompt is wrong in it, and the exact answer right."""

from __future__ import annotations

from functools import cache

import pytest
from matplotlib.colors import to_hex

from tests.support.pictures import assert_shows_and_describes_itself
from tokenlab.bytelevel import ByteLM, baselines
from tokenlab.chapters.bytelevel import figures
from tokenlab.errors import ArgumentError
from tokenlab.figures import BLUE, ORANGE
from tokenlab.lm import load

PROMPT = b"This statement raises an excep"


@cache
def byte_lm() -> ByteLM:
    return ByteLM(*load("lab-draft"))


def test_it_shows_and_describes_itself():
    assert_shows_and_describes_itself(lambda: figures.broken_word(byte_lm(), PROMPT), smallest=10)


def test_the_broken_word_is_answered_wrongly_and_then_rightly():
    """What the opening of derive says: the encoded prompt has another byte first, the exact answer has t."""
    data = figures.broken_word(ByteLM(*load("lab-target")), PROMPT)[1]
    assert data["answers"] == {"plain": "able exception", "exact": "tion."}
    assert data["best"] == {"plain": "a", "exact": "t"} and data["bytes"][0] == ord("t")
    assert data["probs"]["exact"][0] > 0.99 and data["probs"]["plain"][0] < 0.05
    assert "encoded prompt: excep|able exception" in data["alt"]


def test_answers_are_those_of_the_methods():
    data = figures.broken_word(byte_lm(), b"The functio", top=2)[1]
    for method in ("plain", "exact"):
        (log_probs,) = baselines.prompted_streams(byte_lm(), [b"The functio"], method).log_probs
        assert data["probs"][method] == pytest.approx(log_probs.exp()[data["bytes"]].tolist())
        assert data["best"][method] == figures.byte_label(int(log_probs.argmax()))


def test_wrong_bytes_are_orange():
    figure, data = figures.broken_word(byte_lm(), PROMPT)
    for axes in figure.axes:
        colours = [to_hex(bar.get_facecolor()) for bar in axes.patches]
        assert colours == [BLUE] + [ORANGE] * (len(data["bytes"]) - 1)


def test_bad_input():
    with pytest.raises(ArgumentError, match="top is 0"):
        figures.broken_word(byte_lm(), PROMPT, top=0)
