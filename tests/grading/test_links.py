"""Links of a file that is handed out alone."""

from __future__ import annotations

import pytest

from tokenlab.errors import GradingError
from tokenlab.grading.links import absolute_links

PAGE = "https://a.org/book/sampling/assignment.ipynb"


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("[a](derive.ipynb)", "[a](https://a.org/book/sampling/derive.ipynb)"),
        ("[a](../glossary.md#top-p), [b](./x.md)", "[a](https://a.org/book/glossary.md#top-p), [b](https://a.org/book/sampling/x.md)"),
        ("![a](../_static/a.svg)", "![a](https://a.org/book/_static/a.svg)"),
        ('<a href="run.ipynb">', '<a href="https://a.org/book/sampling/run.ipynb">'),
    ],
)  # fmt: skip
def test_relative_links_begin_at_the_page(text: str, made: str):
    assert absolute_links(text, PAGE) == made
    assert absolute_links(made, PAGE) == made
    with pytest.raises(GradingError, match="leads nowhere from a file that is handed out alone"):
        absolute_links(text, "")


@pytest.mark.parametrize(
    "text",
    [
        "[a](https://b.org/c)", "[a](#question-1)", "![a](attachment:picture.png)", "[a](mailto:a@b.org)",
        "`rows[0](x)`", "``a `b[0](x)` ``", "```python\nrows[0](x)\n```", "$p[i](x) < 1$",
    ],
)  # fmt: skip
def test_others_stay_as_they_are(text: str):
    assert absolute_links(text, "") == text
