"""Links of assignments, which are absolute since the file is handed out alone, led back into this book."""

from __future__ import annotations

#: Where they begin; ``links:`` in the head of each master names a page below.
PUBLISHED = "https://github.com/token-lab/token-lab/blob/main/book/"


def within(text: str) -> str:
    """Markdown of a page in a folder of the book, whose links to the published pages lead to those of this build."""
    return text.replace(f"]({PUBLISHED}", "](../")
