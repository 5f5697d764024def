"""Of the theme's style sheet, the rules that some page can use.

The theme brings all of Bootstrap, a third of the bytes that a page loads. A rule goes if each of its
selectors has a class that stands in no page and in no script.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import tinycss2

SHEET = Path("_static", "styles", "pydata-sphinx-theme.css")
CLASS = re.compile(r"\.((?:[\w-]|\\.)+)")


def words(folder: Path) -> set[str]:
    """Classes of the pages, and whatever could be one in a script, of a page or a file."""
    found: set[str] = set()
    for page in folder.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for _, classes in re.findall(r"""class=(["'])(.*?)\1""", text):
            found.update(classes.split())
        for script in re.findall(r"<script\b.*?</script>", text, re.S):
            found.update(re.findall(r"[\w-]+", script))
    for script in folder.rglob("*.js"):
        found.update(re.findall(r"[\w-]+", script.read_text(encoding="utf-8")))
    return found


def usable(selectors: str, known: set[str]) -> bool:
    """Whether one of the selectors, which commas divide, has known classes only; what it excludes is no matter."""
    selectors = re.sub(r":(?:not|is|where|has)\([^()]*(?:\([^()]*\)[^()]*)*\)", "", selectors)
    divided = re.split(r",(?![^(]*\))", selectors)
    return any(all(name.replace("\\", "") in known for name in CLASS.findall(each)) for each in divided)


def kept(rules: Iterable, known: set[str]) -> str:
    """The rules that can be used, as text; those inside of a media query, too."""
    result = []
    for rule in rules:
        if rule.type == "qualified-rule" and not usable(tinycss2.serialize(rule.prelude), known):
            continue
        if rule.type == "at-rule" and rule.lower_at_keyword in ("media", "supports") and rule.content:
            inner = kept(tinycss2.parse_rule_list(rule.content, True, True), known)
            if inner:
                result.append(f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{inner}}}")
            continue
        result.append(rule.serialize())
    return "".join(result)


def lighten(app, exception) -> None:
    sheet = Path(app.outdir, SHEET)
    if exception is None and app.builder.format == "html" and sheet.exists():
        text = sheet.read_text(encoding="utf-8")
        sheet.write_text(kept(tinycss2.parse_stylesheet(text, True, True), words(sheet.parents[2])), "utf-8")


def setup(app) -> dict:
    # After icons.py, which takes the icons out of the sheet as it came.
    app.connect("build-finished", lighten, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
