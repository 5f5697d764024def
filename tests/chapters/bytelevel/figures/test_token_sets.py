"""The picture of all spellings of a text."""

from __future__ import annotations

import pytest

from tests.support.pictures import assert_shows_and_describes_itself
from tokenlab.chapters.bytelevel import figures
from tokenlab.errors import ArgumentError
from tokenlab.lm import load


def test_it_shows_and_describes_itself():
    assert_shows_and_describes_itself(lambda: figures.spellings(load("lab-draft")[1], b"it\n\n"), smallest=10)


def test_spellings_are_all_and_each_in_its_set():
    tokenizer, text = load("lab-draft")[1], b"it\n\n"
    data = figures.spellings(tokenizer, text)[1]
    assert data["valid"] == [(b"it", b"\n\n")] and data["viable"] == [(b"it", b"\n", b"\n")]
    assert sorted(data["any"]) == [(b"i", b"t", b"\n", b"\n"), (b"i", b"t", b"\n\n")]
    # Viable: the encoding of a longer text begins so.
    ids = tokenizer.encode("it\n\nif", add_special_tokens=False)
    assert [tokenizer.decode([token]) for token in ids] == ["it", "\n", "\n", "if"]
    assert "All 4 spellings" in data["alt"]


def test_bad_input():
    with pytest.raises(ArgumentError, match="spellings, expected 1 to 12"):
        figures.spellings(load("lab-draft")[1], b"statement")
