"""Links of a master, made to work in a file that is handed out alone."""

from __future__ import annotations

import re
from urllib.parse import urljoin

from tokenlab.errors import GradingError

#: Code and mathematics, which are left alone, or the target of a link, a picture or an attribute.
TARGET = re.compile(
    r"(?P<kept>(?P<ticks>`+)(?s:.*?)(?P=ticks)|\$[^$]*\$)"
    r"|(?P<before>\]\(|\b(?:href|src)=[\"'])(?P<target>[^\s)\"']+)"
)
#: With a scheme, within the page, or within the notebook's file.
ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*:|//|#", re.I)


def absolute_links(text: str, page: str) -> str:
    """Markdown whose relative links begin at the address ``page``.

    Raises
    ------
    GradingError
        If there is a relative link, and no page.

    Examples
    --------
    >>> absolute_links("[rules](derive.ipynb) of [top-p](../glossary.md#top-p)", "https://a.org/book/sampling/")
    '[rules](https://a.org/book/sampling/derive.ipynb) of [top-p](https://a.org/book/glossary.md#top-p)'
    """

    def replace(found: re.Match[str]) -> str:
        if found["kept"] or ABSOLUTE.match(found["target"]):
            return found[0]
        if not page:
            raise GradingError(
                f"the link {found['target']!r} leads nowhere from a file that is handed out alone: "
                "name the address that relative links begin at in the first cell, `links: https://...`"
            )
        return found["before"] + urljoin(page, found["target"])

    return TARGET.sub(replace, text)
