"""What pages load: of the theme's style sheet what they can use, and the script of players once."""

from __future__ import annotations

from pathlib import Path

import pytest
import tinycss2

from tokenlab.figures.playing import player_script


@pytest.fixture
def styles(extension):
    return extension("used_styles")


def kept(styles, text: str, known: set[str]) -> str:
    return styles.kept(tinycss2.parse_stylesheet(text, True, True), known)


@pytest.mark.parametrize(
    ("rule", "stays"),
    [
        ("p a:hover{color:red}", True),
        (".card{color:red}", False),
        (".used{color:red}", True),
        (".used .card{color:red}", False),
        (".card,.used{color:red}", True),
        ("p:not(.card,.used){color:red}", True),
        (r".w-1\.5{width:1px}", True),
        ("@media print{.card{color:red}}", False),
        ("@media print{.used{color:red}.card{color:red}}", True),
        ("@font-face{font-family:x}", True),
        (":root{--x:1}", True),
    ],
)
def test_rules_that_some_page_can_use_stay(styles, rule: str, stays: bool):
    found = kept(styles, rule, {"used", "w-1.5"})
    assert bool(found) == stays
    assert ".card{" not in found


def test_classes_are_those_of_pages_and_of_scripts(styles, tmp_path: Path):
    page = "<p class=\"one two\">three</p><b class='four'></b><script>x.classList.add('five')</script>"
    (tmp_path / "page.html").write_text(page)
    (tmp_path / "x.js").write_text("y.classList.add('six')")
    assert {"one", "two", "four", "five", "six"} <= styles.words(tmp_path)
    assert "three" not in styles.words(tmp_path)


def test_built_sheet_is_lighter_and_has_what_pages_use(styles, html: Path):
    sheet = (html / styles.SHEET).read_text(encoding="utf-8")
    assert len(sheet) < 200_000
    for name in (".bd-article", ".toctree-l1", ".theme-switch", ".admonition"):
        assert name in sheet


def test_script_of_players_stands_once_after_the_last(extension):
    script = f"<script>{player_script()}</script>"
    body = f"<figure>a{script}</figure><p>b</p><figure>c{script}</figure>"
    assert extension("light").once(body) == f"<figure>a</figure><p>b</p><figure>c{script}</figure>"
    assert extension("light").once("<p>b</p>") == "<p>b</p>"
