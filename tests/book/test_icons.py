"""The icon script keeps what is named, by name or alias, and stays a script."""

from __future__ import annotations

from pathlib import Path

import pytest

SCRIPT = (
    '{var a={"magnifying-glass":[512,512,[128269,"search"],"f002","M416 208"],'
    'moon:[384,512,[127769],"f186","M223 32"],sun:[512,512,[],"f185","M361 1"]};draw(a)}'
)


@pytest.fixture
def icons(extension):
    return extension("icons")


def test_subset(icons):
    assert icons.subset(SCRIPT, {"moon"}) == '{var a={moon:[384,512,[127769],"f186","M223 32"],};draw(a)}'
    assert "M416 208" in icons.subset(SCRIPT, {"search"}) and "M223" not in icons.subset(SCRIPT, {"search"})
    assert icons.subset(SCRIPT, {"moon", "sun", "search"}) == SCRIPT


def test_themes_script_still_has_the_form_that_is_cut(icons):
    script = (icons.STATIC / icons.SCRIPT).read_text(encoding="utf-8")
    assert len(icons.ENTRY.findall(script)) > 1500
    assert len(icons.subset(script, {"moon"})) < len(script) / 5
    assert len(icons.DRAWN_BY_FONT.findall((icons.STATIC / icons.STYLE).read_text(encoding="utf-8"))) > 1000


def test_names_are_found_in_pages_and_scripts(icons, tmp_path: Path):
    (tmp_path / "_static" / "scripts").mkdir(parents=True)
    (tmp_path / "page.html").write_text('<i class="fa-solid fa-moon"></i>')
    (tmp_path / "_static" / "scripts" / "a-theme.js").write_text('add("fa-xmark")')
    assert {"moon", "xmark"} <= icons.used_names(tmp_path)
