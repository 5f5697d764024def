"""The player of covers while a word is typed."""

from __future__ import annotations

from functools import cache

import pytest

from tests.support.pictures import assert_shows_and_describes_itself
from tokenlab.bytelevel import ByteLM
from tokenlab.bytelevel.tasks.explain import explain
from tokenlab.chapters.bytelevel import figures
from tokenlab.errors import ArgumentError
from tokenlab.lm import load

PROMPT = b"This statement raises an excep"


@cache
def byte_lm() -> ByteLM:
    return ByteLM(*load("lab-draft"))


@cache
def walk():
    return figures.cover_walk(byte_lm(), PROMPT, PROMPT.rindex(b" "))


DRAWN = {
    "leaks": lambda: figures.leaks([b"import", b" os"], [0, 0.5, *[0.01] * 7]),
    "broken_word": lambda: figures.broken_word(byte_lm(), PROMPT),
    "spellings": lambda: figures.spellings(load("lab-draft")[1], b"it\n\n"),
    "cover_walk": lambda: (walk()[0][5], walk()[1] | {"alt": walk()[1]["alt"][5]}),
}


def test_it_shows_and_describes_itself():
    assert_shows_and_describes_itself(
        lambda: (walk()[0][5], walk()[1] | {"alt": walk()[1]["alt"][5]}), smallest=10
    )


def test_walk_shows_the_best_covers_and_the_encoded_prompt():
    data = walk()[1]
    assert data["labels"] == ["␣", "␣e", "␣ex", "␣exc", "␣exce", "␣excep"]
    for length, rows, encoded, count, caption in zip(
        range(len(PROMPT) - 5, len(PROMPT) + 1), data["rows"], data["encoded"], data["counts"], data["captions"], strict=True
    ):  # fmt: skip
        explanation = explain(byte_lm(), PROMPT[:length], top=10_000)
        assert count == explanation.num_covers and f"{count:,} covers" in caption
        by_text = {
            cover.strings: share for cover, share in zip(explanation.covers, explanation.shares, strict=True)
        }
        (mine,) = [share for strings, share in by_text.items() if strings[-len(encoded[0]) :] == encoded[0]]
        assert mine == encoded[1] and b"".join(encoded[0]) == PROMPT[len(PROMPT) - 6 : length]
        others = sorted((share for share in by_text.values() if share != encoded[1]), reverse=True)
        assert [share for _, share in rows] == others[:4]
    assert data["rows"][-1][0][0] == (b" exception",) and data["encoded"][-1][0] == (b" exce", b"p")
    assert len({tuple(frame.get_size_inches()) for frame in walk()[0]}) == 1


@pytest.mark.parametrize(("start", "words"), [(len(PROMPT), "start is 30"), (25, "inside the token")])
def test_bad_input(start, words):
    with pytest.raises(ArgumentError, match=words):
        figures.cover_walk(byte_lm(), PROMPT, start)
