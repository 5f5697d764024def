"""The front page: its map leads to each chapter, and the names of other libraries are theirs."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
import yaml

from tests.book import browser as chromium
from tests.notebooks.execute import ROOT

INDEX = (ROOT / "book" / "index.md").read_text(encoding="utf-8")
STATIONS = yaml.safe_load(re.search(r"```\{book-map\}\n(.*?)```", INDEX, re.S)[1])
#: Table of names: method, then the cell of transformers.
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split("|"))
    for line in INDEX.partition("What others call it")[2].splitlines()
    if line.startswith("|") and "---" not in line
][1:]


def test_map_has_a_station_for_each_chapter(extension, html: Path):
    chapters = extension("chapters")
    landings = {chapter.docname for chapter in chapters.chapters()}
    assert {station["page"] for station in STATIONS if station.get("page", "").endswith("/index")} == landings
    page = (html / "book" / "index.html").read_text(encoding="utf-8")
    for chapter in chapters.chapters():
        address = chapter.docname.removeprefix("book/") + ".html"
        (station,) = re.findall(rf'<li><a href="{address}">(.*?)</a></li>', page, re.S)
        assert chapter.title in station and chapters.hours(chapter.minutes) in station


def test_methods_have_four_columns_and_are_cards_on_a_phone(browser, site: str):
    with chromium.visit(browser, f"{site}/book/index.html", viewport=chromium.PHONE) as visit:
        table = visit.page.locator("#which-method-when table").first
        rows = table.locator("tbody tr").all()
        assert len(rows) > 8 and all(row.locator("td").count() == 4 for row in rows)
        # All of a row is on the screen, one cell below the other.
        boxes = [cell.bounding_box() for cell in rows[0].locator("td").all()]
        assert len({box["x"] for box in boxes}) == 1
        assert all(box["x"] + box["width"] <= chromium.PHONE["width"] for box in boxes)


def missing(cell: str) -> list[str]:
    """Names in a cell of transformers' column that it does not know, or whose default is another."""
    from transformers import GenerationConfig, GenerationMixin

    config = GenerationConfig()
    defaults = config._get_default_generation_params()
    arguments = inspect.signature(GenerationMixin.generate).parameters
    faults = []
    for name in re.findall(r"`(\w+)(?:=[^`]*)?`", cell):
        if name not in arguments and not hasattr(config, name):
            faults.append(name)
    off = {None, 0.0, 1.0}
    for name, value in re.findall(r"`(\w+)`, (off|\d+)", cell):
        default = defaults.get(name)
        if default not in off if value == "off" else default != int(value):
            faults.append(f"{name} is {default}")
    return faults


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_names_of_transformers_are_its_own(row: tuple[str, ...]):
    assert len(row) == 4
    assert missing(row[1]) == []


@pytest.mark.parametrize("cell", ["`top_q`, off", "`top_k`, 40", "`top_k`, off"])
def test_planted_name_is_found(cell: str):
    assert missing(cell) != []
