"""Showing figures: alternative text, captions, and players that need neither kernel nor library."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from tokenlab.errors import ArgumentError, DtypeError, ShapeError
from tokenlab.figures import INK, new_figure, player, show

ALT = "A line that rises from 0 to {}."


def frame(height: float, width: float = 3.0):
    figure, axes = new_figure(width, 2.0)
    axes.plot([0, 1], [0, height])
    return figure


def make(count: int = 3, **changes):
    options = {
        "caption": "A line gets steeper.",
        "alt": [ALT.format(k) for k in range(count)],
        "control": "slope",
    }
    labels = changes.pop("labels", [str(k) for k in range(count)])
    figures = changes.pop("figures", [frame(k) for k in range(count)])
    return player(figures, labels, **{**options, **changes})


class Elements(HTMLParser):
    """Elements by name, and what scripts hold."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.scripts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs) -> None:
        self.tags.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "script" and self.scripts:
            self.scripts[-1] += data


def test_player_carries_every_frame_and_shows_one():
    made = make(start=1)
    page = Elements(made._repr_html_())
    assert page.tags.count("svg") == 1 and page.tags.count("figcaption") == 1
    data = json.loads(page.scripts[0])
    assert data["labels"] == ["0", "1", "2"] and data["start"] == 1 and data["control"] == "slope"
    for k, picture in enumerate(data["frames"]):
        assert picture.startswith("<svg") and picture.endswith("</svg>")
        assert f'aria-label="{ALT.format(k)}"' in picture and INK not in picture
    # Before any script has run, the frame that it starts with stands there.
    assert data["frames"][1] in made._repr_html_()


def test_player_needs_nobody():
    html = make()._repr_html_()
    assert not re.search(
        r"(?:src|import|fetch|require)\W{0,3}[('\"=]", re.sub(r"<svg.*?</svg>", "", html, flags=re.S)
    )
    assert not re.search(r"https?://(?!www\.w3\.org/)", html)


def test_text_cannot_end_the_script():
    made = make(labels=["</script>", "1", "2"], caption="A caption with <b>tags</b> & more.")
    page = Elements(made._repr_html_())
    assert json.loads(page.scripts[0])["labels"][0] == "</script>"
    assert len(page.scripts) == 2 and "b" not in page.tags


def test_player_without_html_is_a_picture_or_words():
    made = make(start=2)
    assert made._repr_svg_() == show(frame(2), caption="A line gets steeper.", alt=ALT.format(2))._repr_svg_()
    text = repr(made)
    assert "A line gets steeper." in text
    assert all(f"slope {k}: {ALT.format(k)}" in text for k in range(3))


def test_player_is_the_same_every_time():
    assert make()._repr_html_() == make()._repr_html_()


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"figures": [frame(1)]}, ArgumentError, "1 frames, expected two or more"),
        ({"labels": ["a", "b"]}, ShapeError, "labels has 2 entries, expected one for each of 3"),
        ({"labels": ["a", "", "c"]}, ArgumentError, "expected words"),
        ({"alt": [ALT, ALT]}, ShapeError, "alt has 2 entries"),
        ({"alt": "A line that rises."}, DtypeError, "alt is one string"),
        ({"alt": [ALT, ALT, "short"]}, ArgumentError, "alt is 'short'"),
        ({"caption": ""}, ArgumentError, "caption is ''"),
        ({"control": " "}, ArgumentError, "control"),
        ({"start": 3}, ArgumentError, "start is 3, expected 0 to 2"),
        ({"figures": [frame(1), frame(2), frame(3, width=4.0)]}, ArgumentError, "different sizes"),
    ],
)
def test_bad_input(changes, error, words):
    with pytest.raises(error, match=words):
        make(**changes)


@pytest.mark.parametrize("name", ["caption", "alt"])
def test_figure_without_words_is_refused(name):
    options = {"caption": "A line that rises.", "alt": "A line that rises from 0 to 1."} | {name: "  "}
    with pytest.raises(ArgumentError, match=f"{name} is '  '"):
        show(frame(1), **options)
