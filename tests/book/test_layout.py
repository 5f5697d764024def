"""Each check of the layout finds the fault that it is there for, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.book import browser as chromium
from tests.book import layout
from tests.book.check_site import listed_pages

START = """<!doctype html><html lang="en"><head><title>T</title><link rel="icon" href="data:,"><style>
body { margin: 0 } article { margin: 0 20px } pre, .table, div.math { overflow-x: auto } svg { max-width: 100% }
.folded { width: 20px } </style></head><body><article><h1>Fine</h1><p>Words.</p>
<ul><li>.gitignore is a file</li><li><code>x</code> too</li></ul>"""
#: Nothing of it is a fault: short code, a small exponent, a link to the whole ledger.
GOOD = """<pre>x = 1</pre><div class="math">x = 1</div><details><summary>code</summary><pre>y = 2</pre></details>
<svg role="img" width="300" height="40" viewBox="0 0 300 40"><text y="20" font-size="14">10<tspan font-size="9">2</tspan></text></svg>
<a href="claims.html">claims</a> <a class="claim" href="claims.html#claim-x">computed</a>"""
WIDE = "wide " * 60
TEXT = '<svg role="img" {size} viewBox="0 0 {box} 40"><text y="20" font-size="{points}">label</text></svg>'
PLANTED = {
    "code": ("tooWide", f"<pre>{WIDE}</pre>"),
    "folded code": ("tooWide", f"<details><summary>code</summary><pre>{WIDE}</pre></details>"),
    "table": (
        "tooWide",
        f'<div class="table"><table><td style="white-space: nowrap">{WIDE}</td></table></div>',
    ),
    "marked table": (
        "tooWide",
        f'<p class="scroll-hint">scroll</p><div class="table"><table><td style="white-space: nowrap">{WIDE}</td></table></div>',
    ),
    "equation": ("tooWide", f'<div class="math" style="white-space: nowrap">{WIDE}</div>'),
    "picture": ("tooWide", '<svg role="img" style="max-width: none" width="1400" height="9"></svg>'),
    "label": ("smallLabels", TEXT.format(size='width="300"', box=300, points=9)),
    "shrunk label": ("smallLabels", TEXT.format(size='width="300"', box=600, points=14)),
    "heading": ("punctuationFirst", "<h2>, and so on</h2>"),
    "list item": ("punctuationFirst", "<ul><li>. It ends</li></ul>"),
    "list item with an element": ("punctuationFirst", "<ol><li><b>:</b> first</li></ol>"),
    "no badge": ("lostBadges", '<a href="claims.html#claim-x">computed</a>'),
    "badge of no claim": ("lostBadges", '<a class="claim" href="claims.html">computed</a>'),
}
#: Fine at a desk, a fault on a phone.
PLANTED_ON_A_PHONE = {
    "equation": ("wideEquations", '<div class="math"><p style="width: 400px">x = 1</p></div>'),
    "formula": (
        "wideEquations",
        '<mjx-container style="display: inline-block; width: 400px">x</mjx-container>',
    ),
    "label": ("smallLabels", TEXT.format(size='style="width: 100%"', box=600, points=14)),
    "table": ("silentScrolling", '<div class="table"><table style="width: 400px"><td>1</td></table></div>'),
    "table with a hint that is not shown": (
        "silentScrolling",
        '<p class="scroll-hint" hidden>scroll</p><div class="table"><table style="width: 400px"><td>1</td></table></div>',
    ),
}
SAID = PLANTED_ON_A_PHONE["table"][1].replace("<div", '<p class="scroll-hint">scroll</p><div')


@pytest.fixture(scope="module")
def planted(browser, tmp_path_factory):
    """``planted(body)``: what is wrong at a desk, and on a phone; one page is loaded for all."""
    folder: Path = tmp_path_factory.mktemp("page")
    (folder / "index.html").write_text(f"{START}<div></div></article></body></html>")
    with chromium.serve(folder) as address, chromium.visit(browser, f"{address}/index.html") as visit:

        def found(body: str) -> tuple[list[str], list[str]]:
            visit.page.evaluate("body => { document.querySelector('div').innerHTML = body }", body)
            return layout.at_a_desk(visit.page), layout.on_a_phone(visit.page)

        yield found


def test_good_page_passes(planted):
    assert planted(GOOD + SAID) == ([], [])


@pytest.mark.parametrize(("check", "body"), PLANTED.values(), ids=PLANTED)
def test_planted_fault_is_found(planted, check: str, body: str):
    (fault,), _ = planted(GOOD + body)
    assert fault.startswith(f"{check}: ")


@pytest.mark.parametrize(("check", "body"), PLANTED_ON_A_PHONE.values(), ids=PLANTED_ON_A_PHONE)
def test_planted_fault_on_a_phone_is_found(planted, check: str, body: str):
    at_a_desk, on_a_phone = planted(GOOD + body)
    assert at_a_desk == [] and [fault.partition(": ")[0] for fault in on_a_phone] == [check]


def test_held_pages_are_there():
    assert set(listed_pages()) >= layout.HELD
