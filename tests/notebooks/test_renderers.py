"""Every notebook as GitHub and Colab render it: nothing shows raw, nothing is lost.

The Markdown cells go through CommonMark with GitHub's tables and ``$math$`` and nothing else,
then through GitHub's list of elements. What is left over of another dialect, or would be
dropped, is a fault.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from tests.notebooks.execute import ROOT, notebooks

PATHS = [path for path in notebooks() if "assignments" not in path.parts]
#: Elements that GitHub keeps in Markdown; of others the tags go, of scripts and styles all.
KEPT = {
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "br",
    "b",
    "i",
    "strong",
    "em",
    "a",
    "pre",
    "code",
    "img",
    "tt",
    "div",
    "ins",
    "del",
    "sup",
    "sub",
    "p",
    "ol",
    "ul",
    "table",
    "thead",
    "tbody",
    "tfoot",
    "blockquote",
    "dl",
    "dt",
    "dd",
    "kbd",
    "q",
    "samp",
    "var",
    "hr",
    "ruby",
    "rt",
    "rp",
    "li",
    "tr",
    "td",
    "th",
    "s",
    "strike",
    "summary",
    "details",
    "caption",
    "figure",
    "figcaption",
    "abbr",
    "bdo",
    "cite",
    "dfn",
    "mark",
    "small",
    "span",
    "time",
    "wbr",
}
VOID = {"br", "hr", "img", "wbr"}
#: What shows of another dialect when a renderer does not know it.
LEFTOVERS = {
    "directive": r"(?:`{3,}|:{3,})\s*\{[\w:-]+\}",
    "role": r"\{[\w:-]+\}`",
    "label": r"^\([\w-]+\)=",
    "reStructuredText": r"^\.\. \w|:(?:ref|math|doc|class|func|meth):`",
    "raw TeX": r"\\(?:begin|end|tag|label|frac|sum|text)\b",
    "unbalanced math": r"(?<!\\)\$",
    "raw Markdown": r"\*\*\S|^#{1,6} \S|\]\([^)\s]+\)|^\|.*\|\s*$|^- \S",
}
#: GitHub's mathematics is MathJax; commands that it refuses, or that need a package.
NOT_ON_GITHUB = re.compile(
    r"\\(?:require|newcommand|def|href|unicode|style|class|label|ref|eqref|operatorname\*)\b"
)


class Rendered(HTMLParser):
    """The text that a reader sees outside of code and math, and what is wrong with the elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.math: list[str] = []
        self.links: list[str] = []
        self.faults: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.faults += [f"<{tag}> is not closed" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list) -> None:
        values = dict(attrs)
        if tag == "eq":
            self._open.append(tag)
            return
        if tag not in KEPT:
            self.faults.append(f"GitHub drops <{tag}>")
        self.faults += [
            f"GitHub drops {name}= of <{tag}>" for name in values if name.startswith("on") or name == "style"
        ]
        if tag == "img":
            self.links.append(values.get("src", ""))
            if len((values.get("alt") or "").strip()) < 10:
                self.faults.append("a picture has no alternative text")
        elif "href" in values:
            self.links.append(values["href"])
        if tag == "code":
            self.text.append("`")  # A role is seen by what stands before its code.
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if tag not in self._open:
            self.faults.append(f"</{tag}> closes nothing")
            return
        while self._open.pop() != tag:
            self.faults.append(f"an element inside <{tag}> is not closed")

    def handle_data(self, data: str) -> None:
        if "eq" in self._open:
            self.math.append(data)
        elif not {"code", "pre"} & set(self._open):
            self.text.append(data)


def render(markdown: str) -> Rendered:
    """One Markdown cell as GitHub shows it."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    parser.use(dollarmath_plugin, double_inline=True, allow_labels=False)
    for kind in ("math_inline", "math_inline_double", "math_block"):
        parser.add_render_rule(
            kind, lambda self, tokens, at, options, env: f"<eq>{escape(tokens[at].content)}</eq>"
        )
    shown = Rendered(parser.render(markdown))
    fences = [token.info for token in parser.parse(markdown) if token.type == "fence"]
    shown.faults += [f"directive: {info}" for info in fences if info.startswith("{")]
    return shown


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def dead_link(link: str, folder: Path, root: Path = ROOT) -> bool:
    """Whether a relative link leads out of the repository or to nothing in it."""
    parts = urlsplit(link)
    if parts.scheme in ("http", "https", "mailto") or (not parts.path and parts.fragment):
        return False
    target = (folder / unquote(parts.path)).resolve()
    return (
        bool(parts.scheme)
        or not target.is_relative_to(root)
        or not target.exists()
        or "_build" in target.parts
    )


def faults(markdown: str, folder: Path, root: Path = ROOT) -> list[str]:
    """All that would show raw, be lost or lead nowhere."""
    shown = render(markdown)
    text = "".join(shown.text)
    found = [
        f"{name}: {match[0]!r}"
        for name, pattern in LEFTOVERS.items()
        if (match := re.search(pattern, text, re.M))
    ]
    for equation in shown.math:
        if equation.count("{") != equation.count("}") or equation.count(r"\begin") != equation.count(r"\end"):
            found.append(f"unbalanced braces or environments: {equation[:40]!r}")
        found += [f"not on GitHub: {command}" for command in NOT_ON_GITHUB.findall(equation)]
    return (
        found + shown.faults + [f"dead link: {link}" for link in shown.links if dead_link(link, folder, root)]
    )


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.relative_to(ROOT / "book").as_posix())
def test_markdown_cells(path: Path):
    for number, cell in enumerate(nbformat.read(path, as_version=4).cells):
        if cell.cell_type == "markdown":
            assert faults(cell.source, path.parent) == [], f"cell {number}"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.relative_to(ROOT / "book").as_posix())
def test_pictures_have_a_twin_for_renderers_that_drop_svg_in_html(path: Path):
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "<svg" in data.get("text/html", ""):
                twin = data["image/svg+xml"]
                # It stands alone: no script, and no colour that it would take from a page.
                assert "currentColor" not in twin and "<script" not in twin
                assert "aria-label=" in twin and len(data["text/plain"]) > 40


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.relative_to(ROOT / "book").as_posix())
def test_opening_says_where_to_run_it(path: Path):
    # A plain link: a badge would be an image of another host, on the published pages too.
    name = path.relative_to(ROOT).as_posix()
    opening = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells[:3])
    assert f"(https://colab.research.google.com/github/token-lab/token-lab/blob/main/{name})" in opening
    assert f"(https://mybinder.org/v2/gh/token-lab/token-lab/main?urlpath=lab/tree/{name})" in opening


def test_readme(root: Path):
    assert faults((root / "README.md").read_text(encoding="utf-8"), root) == []


PLANTED = {
    "```{note}\nx\n```": "directive",
    "see {cite}`fan2018`": "role",
    ":::{tip}\nx\n:::": "directive",
    "(label)=\n# Title": "label",
    "see :ref:`there`": "reStructuredText",
    "the sum \\begin{aligned} a \\end{aligned}": "raw TeX",
    "costs $x_i": "unbalanced math",
    "$$\\frac{a}{b$$": "unbalanced braces",
    "$\\newcommand{\\a}{b}$": "not on GitHub",
    "<details><summary>Hint</summary>\nThe **bold** word\n</details>": "raw Markdown",
    "<details><summary>Hint</summary>\n\nOne.\n": "<details> is not closed",
    "x</details>": "closes nothing",
    "<button>press</button>": "GitHub drops <button>",
    '<p style="color:red">x</p>': "GitHub drops style=",
    '<iframe src="https://example.org"></iframe>': "GitHub drops <iframe>",
    "[x](gone.ipynb)": "dead link",
    "[x](../../../../outside.md)": "dead link",
    "![](picture.svg)": "no alternative text",
    "![A curve that rises](gone.svg)": "dead link",
    "<table><tr><td>\n| a | b |\n</td></tr></table>": "raw Markdown",
}


@pytest.mark.parametrize(("markdown", "fault"), PLANTED.items())
def test_planted_fault_is_found(markdown: str, fault: str, root: Path):
    assert any(fault in found for found in faults(markdown, root / "book" / "sampling")), render(
        markdown
    ).text


def test_good_markdown_passes(root: Path):
    good = (
        "# Title\n\nWhere $x_i < 1$, `code $x`, **bold**: $$\\sum_i x_i \\tag{1}$$\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n"
        "<details><summary>Hint</summary>\n\nThe **bold** word, $5$.\n\n</details>\n\n[run](run.ipynb), [up](../index.md#x)"
    )
    assert faults(good, root / "book" / "sampling") == []
