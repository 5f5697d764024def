"""Pictures of the kernels, on their data."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from tests.support.pictures import assert_shows_and_describes_itself
from tokenlab.bytelevel import ByteLM, ByteVocabulary, baselines
from tokenlab.chapters.bytelevel import figures
from tokenlab.errors import ShapeError
from tokenlab.lm import load

PROMPT = b"This statement raises an excep"
ERRORS = {"lossy": np.array([1e-8, 2.0]), "double": np.array([1e-9, 1e-6]), "own": np.array([0, 1e-7])}
#: Ids of a window, and where two slots of three find theirs.
FEW, SOURCES = [b"re", b"a", None, b"red"], torch.tensor([[0, 3, -1], [1, 2, -1]])


@cache
def byte_lm() -> ByteLM:
    return ByteLM(*load("lab-draft"))


DRAWN = {
    "byte_masses": lambda: figures.byte_masses(byte_lm(), PROMPT, b" \xff"),
    "sum_errors": lambda: figures.sum_errors(np.array([0.5, 1e-9]), ERRORS),
    "window": lambda: figures.window(ByteVocabulary(FEW), SOURCES, torch.tensor([1, 0]), 4),
}


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_every_figure_shows_and_describes_itself(name):
    assert_shows_and_describes_itself(DRAWN[name], smallest=10)


def test_byte_masses_are_of_the_encoded_prompt():
    data = figures.byte_masses(byte_lm(), PROMPT)[1]
    expected = baselines.plain_next_byte_log_probs(byte_lm(), PROMPT).log_probs[:256].exp()
    assert data["masses"].tolist() == expected.tolist()
    assert data["lost"] == int((expected < 2.0**-25).sum()) and f"; {data['lost']} lie below" in data["alt"]
    assert data["sizes"][ord(" ")] == sum(string.startswith(b" ") for string in byte_lm().vocabulary.strings)


def test_kernels_open_with_bytes_that_a_sum_cannot_hold():
    """What the opening of kernels says: there are such bytes, and all begin one token only."""
    data = figures.byte_masses(ByteLM(*load("lab-target")), b"This statement raises an exception")[1]
    assert data["lost"] > 50 and set(data["sizes"][data["masses"] < 2.0**-25]) == {1}


def test_sum_errors_and_the_line_of_two_rounding_errors():
    figure, data = figures.sum_errors(np.array([0.5, 1e-9]), ERRORS)
    assert (
        data["worst"] == {"lossy": 2.0, "double": 1e-6, "own": 1e-7}
        and "lossy: at most 2e+00." in data["alt"]
    )
    drawn = [line.get_ydata().tolist() for line in figure.axes[0].lines]
    assert drawn[0] == [1e-8, 2.0] and drawn[3] == [2.0**-24 / 1e-9, 2.0**-24 / 0.5]


def test_window_moves_ids_into_slots():
    data = figures.window(ByteVocabulary(FEW), SOURCES, torch.tensor([1, 0]), 4)[1]
    assert data["moved"] == {0: ["re", "red"], 1: ["a", ""]}
    assert "slot 1 holds a and a token without bytes" in data["alt"]


@pytest.mark.parametrize(
    ("call", "error", "words"), [(lambda: figures.sum_errors(np.ones(2), {}), ShapeError, "0 ways")]
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()
