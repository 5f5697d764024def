"""How pages are laid out, at the width of a desk and of a small phone.

``python -m tests.book.layout book/_build/html book/sampling/derive ...`` prints what is wrong.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.book import browser as chromium
from tests.notebooks.rewritten import REWRITTEN, REWRITTEN_PAGES

CHECKS = (Path(__file__).parent / "layout_checks.js").read_text(encoding="utf-8")
SMALL_PHONE = {"width": 360, "height": 780}
AT_A_DESK = ("tooWide", "smallLabels", "punctuationFirst", "lostBadges")
ON_A_PHONE = ("wideEquations", "smallLabels", "silentScrolling")
#: Pages whose layout is in order; the others are still to be rewritten.
HELD = {*(f"book/{name}" for name in REWRITTEN), *REWRITTEN_PAGES}


def ask(page, check: str) -> list[str]:
    """Run one function of ``layout_checks.js``."""
    return page.evaluate(f"(() => {{ {CHECKS}\nreturn {check}(); }})()")


def faults(page, checks: tuple[str, ...]) -> list[str]:
    """What the checks find, with folded parts open: they are read too."""
    page.evaluate("document.querySelectorAll('article details').forEach((d) => (d.open = true))")
    # Two frames: what is opened is laid out, and what observes widths has seen it.
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return [f"{check}: {found}" for check in checks for found in ask(page, check)]


def at_a_desk(page) -> list[str]:
    page.set_viewport_size(chromium.DESKTOP)
    return faults(page, AT_A_DESK)


def on_a_phone(page) -> list[str]:
    page.set_viewport_size(SMALL_PHONE)
    return faults(page, ON_A_PHONE)


def main(html: str, *names: str) -> None:
    with chromium.serve(Path(html)) as address, chromium.launch(chromium.find_chromium()) as browser:
        for name in names:
            with chromium.visit(browser, f"{address}/{name}.html") as visit:
                found = [*at_a_desk(visit.page), *on_a_phone(visit.page)]
            print(f"{name}: {len(found)} faults", *found, sep="\n  ")


if __name__ == "__main__":
    main(*sys.argv[1:])
