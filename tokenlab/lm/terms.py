"""Terms of use that a reader must agree to before a model is fetched: shown whole, as text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

#: Elements that begin a line, and those whose text is not to be read.
LINES = frozenset(("br", "div", "h1", "h2", "h3", "h4", "li", "p", "tr"))
UNREAD = frozenset(("script", "style"))


class _Article(HTMLParser):
    """The text of the page's article, or of the whole page if it has none."""

    def __init__(self, whole: bool) -> None:
        super().__init__()
        self.inside, self.unread = int(whole), 0
        self.pieces: list[str] = []

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.inside += tag == "article"
        self.unread += tag in UNREAD
        if self.inside and tag in LINES:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self.inside -= tag == "article"
        self.unread -= tag in UNREAD

    def handle_data(self, data: str) -> None:
        if self.inside and not self.unread:
            self.pieces.append(re.sub(r"\s+", " ", data))


def page_text(html: str) -> str:
    """What a page says, a paragraph a line.

    >>> page_text("<nav>Home</nav><article><h1>Terms</h1><p>Be <b>kind</b>.</p></article>")
    'Terms\\nBe kind.'
    """
    article = _Article(whole="<article" not in html)
    article.feed(html)
    lines = (line.strip() for line in "".join(article.pieces).splitlines())
    return "\n".join(line for line in lines if line)
