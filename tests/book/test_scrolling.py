"""What is wider than its column says so and can be reached by key; code is wider on phones only."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.book import browser as chromium
from tokenlab.tables import table

HINT = "scroll sideways"
#: The room that a notebook's code has at 1280 px, in a section.
COLUMN = 726
LINE = "x = " + "0" * 84


def page(body: str, column: int) -> str:
    styles = "".join(f'<link rel="stylesheet" href="{name}.css">' for name in ("page", "equations", "tables"))
    return (
        '<!doctype html><html lang="en"><head><title>T</title><link rel="icon" href="data:,">'
        f'{styles}<script src="tokenlab.js" defer></script></head><body style="margin: 0">'
        f'<main class="bd-content"><article style="width: {column}px">{body}</article></main></body></html>'
    )


@pytest.fixture(scope="module")
def opened(browser, root: Path, tmp_path_factory):
    """``opened(body, column)``: a page with our own styles and script, without the theme."""
    folder = tmp_path_factory.mktemp("scrolling")
    for path in (root / "book" / "_static").glob("*.*s"):
        shutil.copy(path, folder)
    with (
        chromium.serve(folder) as address,
        chromium.visit(browser, f"{address}/tokenlab.js", settle=False) as visit,
    ):

        def found(body: str, column: int):
            (folder / "index.html").write_text(page(body, column), encoding="utf-8")
            visit.page.goto(f"{address}/index.html")
            # Two frames: what observes widths has seen them.
            visit.page.evaluate("new Promise((d) => requestAnimationFrame(() => requestAnimationFrame(d)))")
            return visit.page

        yield found


def results() -> str:
    rows = [{f"column {k}": k / 2 for k in range(6)}]
    return table(rows, caption="Six columns of numbers, and a caption that is long.")._repr_html_()


WIDE = {
    "table": (".tokenlab-table", results()),
    "table of the theme": (
        ".pst-scrollable-table-container",
        '<div class="pst-scrollable-table-container" style="overflow-x: auto">'
        '<table style="width: 460px"><td>1</td></table></div>',
    ),
    "equation": ("div.math", '<div class="math"><p style="width: 460px">x = 1</p></div>'),
}


@pytest.mark.parametrize(("selector", "body"), WIDE.values(), ids=WIDE)
def test_what_scrolls_says_so(opened, selector: str, body: str):
    shown = opened(body, 320)
    assert shown.get_by_text(HINT).is_visible()
    assert shown.locator(selector).get_attribute("tabindex") == "0"
    assert shown.locator(f"{selector}.scrolls").count() == 1
    # Given room, it fits, and says nothing.
    shown.evaluate("document.querySelector('article').style.width = '700px'")
    shown.get_by_text(HINT).wait_for(state="hidden")
    assert shown.locator(selector).get_attribute("tabindex") is None
    assert shown.locator(".scrolls").count() == 0


def test_caption_stays_while_the_table_scrolls(opened):
    shown = opened(results(), 320)
    caption, frame = shown.locator("caption span"), shown.locator(".tokenlab-table")
    frame.evaluate("element => { element.scrollLeft = 100 }")
    box, outer = caption.bounding_box(), frame.bounding_box()
    assert box["x"] >= outer["x"] and box["x"] + box["width"] <= outer["x"] + outer["width"]


CODE = '<div class="{}"><div class="highlight"><pre>{}</pre></div></div>'
BEYOND = "(({scrollWidth, clientWidth}) => scrollWidth - clientWidth)(document.querySelector('pre'))"


def test_code_is_not_cut(opened):
    assert opened(CODE.format("cell", LINE * 2), COLUMN).evaluate(BEYOND) <= 0


@pytest.mark.parametrize(("kind", "scrolls"), [("cell_input", True), ("cell_output", False)])
def test_code_keeps_its_lines_on_a_phone(opened, kind: str, scrolls: bool):
    shown = opened(CODE.format(kind, LINE), 326)
    size = shown.viewport_size
    try:
        shown.set_viewport_size(chromium.PHONE)
        shown.evaluate("new Promise((d) => requestAnimationFrame(() => requestAnimationFrame(d)))")
        assert (shown.evaluate(BEYOND) > 0) == shown.get_by_text(HINT).is_visible() == scrolls
        assert (shown.locator("pre").get_attribute("tabindex") == "0") == scrolls
    finally:
        shown.set_viewport_size(size)


def test_a_line_of_the_allowed_length_stays_one(opened):
    height = "document.querySelector('pre').clientHeight"
    code = '<div class="cell"><pre style="font-family: monospace">{}</pre></div>'
    one = opened(code.format("x"), COLUMN).evaluate(height)
    assert opened(code.format(LINE), COLUMN).evaluate(height) == one
    assert opened(code.format(LINE + "0" * 9), COLUMN).evaluate(height) > one
