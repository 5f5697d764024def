"""Typing a word, with and without a kernel."""

from __future__ import annotations

import json
import re
from functools import cache

import pytest

from tests.support.planting import plant
from tokenlab.bytelevel import ByteLM, baselines
from tokenlab.chapters.bytelevel import figures
from tokenlab.errors import ArgumentError, DtypeError
from tokenlab.lm import load

WORDS = ("import os", "in x", "  re")


@cache
def byte_lm() -> ByteLM:
    return ByteLM(*load("lab-draft"))


@cache
def made():
    return figures.typing(byte_lm(), WORDS, caption="The next byte, while one types.", top=4)


def carried(page) -> dict:
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', page._repr_html_())[1])


def test_every_beginning_of_every_text_is_there():
    page, data = made()
    beginnings = {word[:length] for word in WORDS for length in range(len(word) + 1)}
    assert set(page.texts) == set(data["probs"]) == beginnings
    for text in ("", "impor", "in x", " "):
        exact = byte_lm().next_byte_log_probs(text.encode()).exp()
        plain = baselines.plain_next_byte_log_probs(byte_lm(), text.encode()).log_probs.exp()
        for label, key, one, other in page.texts[text][:-1]:
            assert label == figures.byte_label(ord(key))
            assert one == pytest.approx(float(exact[ord(key)]), abs=1e-4)
            assert other == pytest.approx(float(plain[ord(key)]), abs=1e-4)
        assert sum(row[2] for row in page.texts[text]) == pytest.approx(1, abs=1e-3)


def missing_letters(page) -> list[str]:
    """Letters that a text goes on with and that have no bar."""
    return [
        word[: length + 1]
        for word in WORDS
        for length in range(len(word))
        if word[length] not in [row[1] for row in page.texts[word[:length]]]
    ]


def test_the_letters_of_the_texts_have_bars():
    assert missing_letters(made()[0]) == []


def test_a_text_that_cannot_be_gone_on_with_is_found(monkeypatch):
    plant(
        monkeypatch,
        figures,
        "probable_bytes(both, top, _following(text, words))",
        "probable_bytes(both, top)",
    )
    assert missing_letters(figures.typing(byte_lm(), WORDS, caption="The next byte.", top=4)[0]) != []


def test_the_page_carries_what_it_shows_and_needs_nobody():
    page, data = made()
    html = page._repr_html_()
    assert carried(page)["words"] == list(WORDS) and carried(page)["texts"] == page.texts
    assert [method["name"] for method in carried(page)["methods"]] == ["exact", "encoded prompt"]
    # Without scripts there is the picture after the last text.
    assert (
        "<svg" in html.split("<script")[0]
        and "After “␣␣re”" in data["alt"]
        and data["alt"] in page._repr_svg_()
    )
    assert not re.search(r"https?://(?!www\.w3\.org/)", html)
    assert "after import␣os: exact " in repr(page) and html == made()[0]._repr_html_()


def test_the_widget_follows_what_is_typed():
    box, picture = figures.typing_widget(byte_lm(), "impor").children
    assert "t 0.99" in picture.value and "after impor" in picture.value and "encoded prompt" in picture.value
    (first,) = set(picture.value.split("The next byte")[1:])
    box.value = "import"
    assert "␣" in picture.value and "after import." in picture.value and first not in picture.value
    box.value = "impor"
    assert first in picture.value
    box.value = ""
    assert "at the beginning of a text" in picture.value
    # What cannot be written is said where the picture stands, and typing goes on.
    box.value = "\ud800"
    assert "surrogates not allowed" in picture.value and "<svg" not in picture.value
    box.value = "impor"
    assert first in picture.value


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: figures.typing(byte_lm(), "import", caption="A caption."),
            DtypeError,
            "sequence of strings",
        ),
        (lambda: figures.typing(byte_lm(), [b"import"], caption="A caption."), DtypeError, "strings"),
        (lambda: figures.typing(byte_lm(), [], caption="A caption."), ArgumentError, "expected one or more"),
        (lambda: figures.typing(byte_lm(), ["a\n"], caption="A caption."), ArgumentError, "can be typed"),
        (lambda: figures.typing(byte_lm(), ["a"], caption="A"), ArgumentError, "caption"),
        (
            lambda: figures.typing(byte_lm(), ["a"], caption="A caption.", start="b"),
            ArgumentError,
            "start is 'b'",
        ),
        (lambda: figures.typing_widget(byte_lm(), b"ab"), DtypeError, "text must be a str"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()
