"""The theme's icon script, with the icons that the pages show instead of all two thousand.

The script weighs more than all else on a page together. An icon is an entry of a table in it,
``name:[width,height,[aliases],"code","path"]``; entries that no page names are left out. The
theme's style sheet would draw the same icons a second time, from a font; those rules go too.
"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

SCRIPT, STYLE = "scripts/fontawesome.js", "styles/pydata-sphinx-theme.css"
STATIC = files("pydata_sphinx_theme") / "theme" / "pydata_sphinx_theme" / "static"
ENTRY = re.compile(
    r'(?:"(?P<quoted>[\w-]+)"|(?P<bare>[\w$]+)):\[\d+,\d+,\[(?P<aliases>[^\]]*)\],"[0-9a-f]+","[^"]*"\],?'
)
#: ``.fa-moon:before{content:"\\f186"}``
DRAWN_BY_FONT = re.compile(r"(?:\.fa-[\w-]+:{1,2}before,?)+\{content:[^}]*\}")
NAME = re.compile(r"\bfa-([a-z0-9-]+)")


def subset(script: str, used: set[str]) -> str:
    """The script with the entries in ``used``, by name or alias."""

    def keep(entry: re.Match) -> str:
        names = {entry["quoted"] or entry["bare"], *re.findall(r'"([\w-]+)"', entry["aliases"])}
        return entry[0] if names & used else ""

    return ENTRY.sub(keep, script)


def used_names(html: Path) -> set[str]:
    """Icons that pages and the theme's other scripts name."""
    texts = [*html.rglob("*.html"), *(html / "_static").glob("scripts/*theme.js")]
    return {name for path in texts for name in NAME.findall(path.read_text(encoding="utf-8"))}


def shrink(app, exception) -> None:
    if exception is None and app.builder.format == "html":
        html = Path(app.outdir)
        script = subset((STATIC / SCRIPT).read_text(encoding="utf-8"), used_names(html))
        (html / "_static" / SCRIPT).write_text(script, encoding="utf-8")
        style = DRAWN_BY_FONT.sub("", (STATIC / STYLE).read_text(encoding="utf-8"))
        (html / "_static" / STYLE).write_text(style, encoding="utf-8")


def setup(app) -> dict:
    app.connect("build-finished", shrink)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
