"""Players that need neither kernel nor library: what they carry, and what they are without scripts."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from tokenlab.errors import ArgumentError, DtypeError, ShapeError
from tokenlab.figures import INK, new_figure, player

ALT = "A line that rises from 0 to {}."


def frame(height: float, width: float = 3.0):
    figure, axes = new_figure(width, 2.0)
    axes.plot([0, 1], [0, height])
    axes.set_ylim(0, 3)
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


def frames_of(made) -> list[str]:
    """The frames as the script puts them together."""
    data = json.loads(Elements(made._repr_html_()).scripts[0])
    return ["\n".join(data["parts"][part] for part in frame) for frame in data["frames"]]


def test_player_carries_every_frame_and_shows_the_last():
    made = make(captions=[f"The slope is {k} here." for k in range(3)])
    page = Elements(made._repr_html_())
    assert page.tags.count("svg") == 1 and page.tags.count("figcaption") == 1
    data = json.loads(page.scripts[0])
    assert data["labels"] == ["0", "1", "2"] and data["control"] == "slope"
    assert data["captions"][1] == "The slope is 1 here."
    for k, picture in enumerate(frames_of(made)):
        assert picture.startswith("<svg") and picture.rstrip().endswith("</svg>")
        assert f"aria-label='{ALT.format(k)}'" in picture and INK not in picture
    # Without scripts the last frame stands there, with its sentence.
    static = made._repr_html_().split("<script")[0]
    # Kinds of quotes differ, and Matplotlib before 3.9 quotes the name of a font.
    assert frames_of(made)[-1].rstrip().replace("'", '"') in static.replace("'", '"')
    assert "The slope is 2 here." in static


def test_caption_stands_above_the_picture_and_the_sentence_below():
    html = make(captions=[f"The slope is {k} here." for k in range(3)])._repr_html_()
    order = ["<figcaption", "A line gets steeper.", "data-stage", "<svg", "data-told", "The slope is 2 here."]
    places = [html.index(part) for part in order]
    assert places == sorted(places)


def test_wide_player_has_a_narrow_form_of_each_frame():
    made = make(figures=[frame(k, width=6.4) for k in range(3)])
    for picture in frames_of(made):
        assert picture.count("<svg") == 2 and picture.count("display:none") == 1
    assert "picture-narrow" not in made._repr_svg_()
    # What stands without scripts is one drawing, which no width hides.
    static = made._repr_html_().split("<script")[0]
    assert static.count("<svg") == 1 and "picture-wide" not in static


def test_frames_differ_in_what_the_data_changes():
    """Same artists, same elements and names: the page can move one frame into the next."""
    first, second, _ = frames_of(make())
    assert re.findall(r"</?[\w:]+|\bid=\S+|clip-path=\S+|href=\S+", first) == re.findall(
        r"</?[\w:]+|\bid=\S+|clip-path=\S+|href=\S+", second
    )
    shared = set(first.splitlines()) & set(second.splitlines())
    assert len(shared) > 0.7 * len(set(first.splitlines()))
    # What has not changed is carried once.
    data = json.loads(Elements(make()._repr_html_()).scripts[0])
    assert len(data["parts"]) == len(set(data["parts"])) < 0.6 * sum(map(len, data["frames"]))


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
    made = make()
    alone = made._repr_svg_()
    assert alone.startswith("<svg") and alone.endswith("</svg>") and ALT.format(2) in alone
    assert "currentColor" not in alone
    text = repr(make(captions=[f"Slope {k}, as one sees." for k in range(3)]))
    assert "A line gets steeper." in text
    assert all(f"slope {k}: Slope {k}, as one sees. {ALT.format(k)}" in text for k in range(3))


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
        ({"captions": ["A first sentence."]}, ShapeError, "captions has 1 entries"),
        ({"captions": ["A first sentence."] * 2 + [""]}, ArgumentError, "captions is ''"),
        ({"figures": [frame(1), frame(2), frame(3, width=4.0)]}, ArgumentError, "different sizes"),
    ],
)
def test_bad_input(changes, error, words):
    with pytest.raises(error, match=words):
        make(**changes)
