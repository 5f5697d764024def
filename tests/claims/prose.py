"""Decimal numbers and percentages in the book's prose.

Prose is what a reader reads as a sentence: Markdown text outside code, math, links, HTML
tags and ``<details>``. Numbers that name a place (``section 3.2``) state nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt
from mdit_py_plugins.amsmath import amsmath_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.front_matter import front_matter_plugin

from tokenlab.claims import Claim

PERCENT = r"[ \u00a0\u202f]?(?:%|percent\b|per cent\b)"
DECIMAL = r"(?:\d[\d,]*)?\.\d+(?:e[+-]?\d+)?"
#: Not inside a word, a version (2.13.0) or a name such as CC-BY-4.0.
NUMBER = re.compile(
    rf"(?<![\w.])(?<![A-Za-z]-)(?P<value>{DECIMAL}|\d[\d,]*(?={PERCENT}))(?![\w]|\.\d)(?P<percent>{PERCENT})?",
    re.IGNORECASE,
)
PLACE = re.compile(
    r"(?:\b(?:section|sec|equation|eq|figure|fig|table|theorem|lemma|appendix|algorithm|chapter)s?\.?|§)"
    r"[ \u00a0]?\d+(?:\.\d+)*",
    re.IGNORECASE,
)
#: Directives whose body is not prose; the body of every other one is.
CODE_DIRECTIVES = re.compile(r"\{(?:code|code-block|code-cell|eval-rst|math|literalinclude|mermaid|raw)\b")
OPENING, CLOSING = re.compile(r"<details\b", re.I), re.compile(r"</details\s*>", re.I)


def parser() -> MarkdownIt:
    markdown = MarkdownIt("commonmark").enable("table")
    return markdown.use(dollarmath_plugin, double_inline=True).use(amsmath_plugin).use(front_matter_plugin)


def sentences(text: str) -> Iterator[str]:
    """The prose of a Markdown text, one piece for each block."""
    hidden = 0
    for token in parser().parse(text):
        if token.type == "html_block":
            hidden += len(OPENING.findall(token.content)) - len(CLOSING.findall(token.content))
        elif token.type == "fence" and token.info.startswith("{") and not hidden:
            if not CODE_DIRECTIVES.match(token.info):
                options = re.compile(r"^:[\w-]+:.*\n?", re.M)
                yield token.info.partition("}")[2]
                yield from sentences(options.sub("", token.content))
        elif token.type == "inline":
            pieces, in_link = [], 0
            for child in token.children or ():
                if child.type == "html_inline":
                    hidden += len(OPENING.findall(child.content)) - len(CLOSING.findall(child.content))
                in_link += {"link_open": 1, "link_close": -1}.get(child.type, 0)
                if (child.type == "text" and not in_link and not hidden) or (
                    child.type == "image" and not hidden
                ):
                    pieces.append(child.content)
                elif child.type not in ("strong_open", "strong_close", "em_open", "em_close"):
                    pieces.append(" ")
            yield "".join(pieces)


class Link(NamedTuple):
    """A link, and what its sentence says before it."""

    target: str
    text: str
    before: str


def links(text: str) -> Iterator[Link]:
    """The links of a Markdown text; emphasis and the marks of mathematics are left out of what is before."""
    for token in parser().parse(text):
        if token.type == "fence" and token.info.startswith("{") and not CODE_DIRECTIVES.match(token.info):
            yield from links(token.content)
        before, target, start = "", None, 0
        for child in token.children or ():
            if child.type == "link_open":
                target, start = str(child.attrs["href"]), len(before)
            elif child.type == "link_close" and target is not None:
                yield Link(target, before[start:], before[:start])
                target = None
            elif child.type in ("softbreak", "hardbreak"):
                before += " "
            elif child.type != "html_inline":
                before += child.content


def numbers(text: str) -> list[str]:
    """Decimal numbers and percentages in running text, in one spelling: ``12.5%``, ``1234.5``."""
    found = NUMBER.finditer(PLACE.sub(" ", text))
    return [match["value"].replace(",", "").lower() + ("%" if match["percent"] else "") for match in found]


def stated(markdown: str) -> list[str]:
    """Decimal numbers and percentages that the prose of a Markdown text states."""
    return [number for sentence in sentences(markdown) for number in numbers(sentence)]


def allowed(claims: Iterable[Claim]) -> set[str]:
    """Numbers that the prose may state: printed values, and values that papers state."""
    result: set[str] = set()
    for claim in claims:
        texts = [claim.text, "" if claim.stated is None else str(claim.stated)]
        if isinstance(claim.stated, int | float):
            texts.append(claim.format.format(claim.stated))
        for text in texts:
            result.update(numbers(text))
    return result


def documents(root: Path) -> Iterator[tuple[str, str]]:
    """Name and Markdown of every page and every Markdown cell of the book."""
    book = root / "book"
    for path in sorted(book.rglob("*.md")):
        if "_build" not in path.parts:
            yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
    for path in sorted(book.rglob("*.ipynb")):
        if {"_build", ".ipynb_checkpoints"} & set(path.parts):
            continue
        for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
            if cell["cell_type"] == "markdown":
                yield f"{path.relative_to(root).as_posix()}, cell {number}", "".join(cell["source"])


def unowned(markdown: str, owned: set[str]) -> list[str]:
    """Numbers that the prose states and no entry of the ledger owns."""
    return [number for number in stated(markdown) if number not in owned]
