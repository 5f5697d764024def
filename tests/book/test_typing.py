"""The box of the byte-level chapter in which a reader types, in a page without a kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.book import browser as chromium
from tokenlab.bytelevel import ByteLM
from tokenlab.chapters.bytelevel import figures
from tokenlab.chapters.bytelevel.figures.distributions import probability_label
from tokenlab.lm import load

WORDS = ("import os", "in x")


@pytest.fixture(scope="module")
def made():
    return figures.typing(ByteLM(*load("lab-draft")), WORDS, caption="The next byte, while one types.")[0]


@pytest.fixture
def box(browser, tmp_path: Path, made):
    head = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>T</title><link rel="icon" href="data:,"></head>'
    (tmp_path / "index.html").write_text(f"{head}<body>{made._repr_html_()}</body></html>", encoding="utf-8")
    with chromium.serve(tmp_path) as address, chromium.visit(browser, f"{address}/index.html") as visit:
        yield visit.page.locator("figure[data-typing]")
        assert visit.errors == [] and visit.foreign == []


def bars(box) -> list[str]:
    """Labels of the rows, from the top."""
    return [
        key for key in box.locator("button[type=button]").all_inner_texts() if len(key) < 3 or key == "others"
    ]


def told(box) -> str:
    return box.locator("[aria-live=polite]").inner_text()


def test_typing_moves_the_bars(box, made):
    field = box.get_by_role("textbox")
    assert bars(box) == [row[0] for row in made.texts[""]]
    field.press_sequentially("impor")
    rows = made.texts["impor"]
    assert bars(box) == [row[0] for row in rows]
    (wanted,) = [row for row in rows if row[1] == "t"]
    assert told(box) == (
        f"The next letter of the text is t. Its probability: {probability_label(wanted[2])} (exact), {probability_label(wanted[3])} (encoded prompt)."
    )
    field.press("Backspace")
    assert bars(box) == [row[0] for row in made.texts["impo"]]


def test_it_opens_with_the_beginning_of_a_word(browser, tmp_path, made):
    opened = type(made)(made.words, made.texts, made.still, "impo")
    (tmp_path / "index.html").write_text(
        f"<!doctype html><meta charset=utf-8><body>{opened._repr_html_()}</body>", encoding="utf-8"
    )
    with chromium.serve(tmp_path) as address, chromium.visit(browser, f"{address}/index.html") as visit:
        box = visit.page.locator("figure[data-typing]")
        assert box.get_by_role("textbox").input_value() == "impo"
        assert bars(box) == [row[0] for row in made.texts["impo"]]
        assert told(box).startswith("The next letter of the text is r.")


def test_what_the_page_does_not_hold_is_said(box, made):
    box.get_by_role("textbox").fill("imx")
    assert told(box).startswith("This page does not hold “imx”") and told(box).endswith("those after “im”.")
    assert bars(box) == [row[0] for row in made.texts["im"]]


def test_letters_are_pressed_stepped_and_played(box):
    field = box.get_by_role("textbox")
    box.get_by_role("button", name="type i", exact=True).click()
    box.get_by_role("button", name="type n", exact=True).click()
    assert field.input_value() == "in"
    box.get_by_role("button", name="Next letter").click()
    assert field.input_value() == "in " and "next letter of the text is x" in told(box)
    box.get_by_role("button", name="Back").click()
    assert field.input_value() == "in"
    # Play goes to the end of the text, and stops there.
    box.get_by_role("button", name="Play").click()
    box.page.wait_for_function("document.querySelector('[data-typing] input').value === 'in x'")
    assert box.get_by_role("button", name="Next letter").is_disabled() and "most probable byte" in told(box)
    box.get_by_role("button", name="import␣os").click()
    box.page.wait_for_function("document.querySelector('[data-typing] input').value.startsWith('im')")
    box.get_by_role("button", name="Pause").click()
    assert WORDS[0].startswith(field.input_value())


def test_without_scripts_there_is_a_picture(browser, tmp_path: Path, made):
    (tmp_path / "index.html").write_text(
        f"<!doctype html><body>{made._repr_html_()}</body>", encoding="utf-8"
    )
    with (
        chromium.serve(tmp_path) as address,
        chromium.visit(browser, f"{address}/index.html", java_script_enabled=False) as visit,
    ):
        assert visit.page.locator("figure[data-typing] svg[role=img]").first.is_visible()
