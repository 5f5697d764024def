"""Tables: what stands in a cell, what a screen reader and a renderer without styles get, and bad input."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from tokenlab.errors import ArgumentError, DtypeError, ShapeError
from tokenlab.tables import table, texts

CAPTION = "What two rules accept."
ROWS = [
    {"rule": "exact", "rate": 0.8125, "calls": 12000, "lossless": True},
    {"rule": "greedy", "rate": -0.5, "calls": None, "lossless": False},
]


class Elements(HTMLParser):
    """Elements with their attributes, and the text of each cell; what is not closed is an error."""

    def __init__(self, made) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.cells: list[str] = []
        self.open: list[str] = []
        self.feed(made._repr_html_())
        assert self.open == []

    def handle_starttag(self, tag: str, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "br":
            self.cells[-1] += "\n"
            return
        self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.cells[-1] += data

    def attributes(self, tag: str) -> list[dict]:
        return [attrs for name, attrs in self.tags if name == tag]


def column(values, **options) -> list[str]:
    (cells,) = zip(*table([[value] for value in values], columns=["x"], caption=CAPTION, **options).cells)
    return list(cells)


def test_values_as_they_are_shown():
    assert column([0.8125, 2, None], digits=2) == ["0.81", "2.00", "—"]
    assert column([12000, 7]) == ["12,000", "7"]
    assert column([1234.5, -0.00001, float("-inf")]) == ["1,234.500", "0.000", "-∞"]
    assert column([Fraction(7, 8), 1]) == ["7/8", "1"]
    assert column([True, False, None]) == ["yes", "no", "—"]
    assert column([" the", "a\x07b\tc"]) == [" the", "a\\x07b\tc"]
    scalars = [np.float32(0.5), np.int64(3), torch.tensor(0.25), torch.tensor(True)]
    assert column(scalars, digits=2) == ["0.50", "3.00", "0.25", "yes"]


def test_digits_units_and_columns_go_by_heading():
    made = table(
        ROWS, caption=CAPTION, digits={"rate": 1}, units={"calls": "of the target"}, columns=["calls", "rate"]
    )
    assert made.headings == ["calls (of the target)", "rate"]
    assert made.cells == [["12,000", "0.8"], ["—", "-0.5"]]


def test_html_says_what_a_renderer_without_styles_needs():
    page = Elements(table(ROWS, caption=CAPTION))
    assert page.tags[0][0] == "div" and "overflow-x:auto" in page.tags[0][1]["style"]
    assert [attrs["scope"] for attrs in page.attributes("th")] == ["col"] * 4 + ["row"] * 2
    assert [attrs["align"] for attrs in page.attributes("th")[:4]] == ["left", "right", "right", "left"]
    assert [attrs["align"] for attrs in page.attributes("td")] == ["right", "right", "left"] * 2
    assert page.cells[:4] == ["rule", "rate", "calls", "lossless"]
    assert page.cells[8:] == ["greedy", "−0.500", "—", "no"]
    assert len(page.attributes("caption")) == 1
    # Renderers that drop styles get decimals below one another all the same.
    assert len({len(cell.lstrip("−")) for cell in (page.cells[5], page.cells[9])}) == 1


def test_no_colour_is_fixed():
    """It stands on whatever ground the page has; only thin rules have a grey."""
    markup = table(ROWS, caption=CAPTION)._repr_html_() + texts({"a": "b"}, caption=CAPTION)._repr_html_()
    assert set(re.findall(r"(?<![\w-])color:([^;\"]+)", markup)) == {"inherit"}
    assert set(re.findall(r"background(?:-color)?:([^;\"]+)", markup)) == {"none"}
    assert set(re.findall(r"#[0-9a-f]{3,8}\b", markup)) == {"#8888"}


def test_text_is_escaped_and_its_outer_spaces_stay():
    made = table([{"token": " <b>&", "p": 0.5}, {"token": "in  ", "p": 0.25}], caption=CAPTION)
    assert "&lt;b&gt;&amp;" in made._repr_html_()
    cells = Elements(made).cells
    assert cells[2] == "\N{NO-BREAK SPACE}<b>&" and cells[4] == "in" + 2 * "\N{NO-BREAK SPACE}"
    # A notebook's own renderer would set what stands between dollars.
    assert "mathjax_ignore" in Elements(made).attributes("div")[0]["class"]


def test_a_text_keeps_its_lines_and_its_indentation():
    made = texts({"greedy": "def f(x):\n    return x", "sampled": "<eos>"}, caption=CAPTION)
    page = Elements(made)
    assert [attrs.get("scope") for attrs in page.attributes("th")] == ["row", "row"]
    assert len(page.attributes("samp")) == 2
    assert page.cells == [
        "greedy", "def f(x):\n" + 4 * "\N{NO-BREAK SPACE}" + "return x", "sampled", "<eos>",
    ]  # fmt: skip
    lines = repr(made).splitlines()
    assert lines[0] == CAPTION and lines[3].endswith("    return x") and lines[4] == "sampled  <eos>"


def test_text_form_is_that_of_the_cells():
    made = table(ROWS, caption=CAPTION)
    again = repr(table(ROWS, caption=CAPTION))
    assert repr(made) == again
    words = again.split()
    for row in made.cells:
        assert set(row) <= set(words)
    assert not re.search(r" $", again, re.M)


BAD = {
    "no rows": ({"rows": []}, ArgumentError, "rows is empty"),
    "another heading": ({"rows": [*ROWS, {"rule": "x"}]}, ShapeError, "rows[2]"),
    "a shorter row": ({"rows": [[1, 2], [3]], "columns": ["a", "b"]}, ShapeError, "rows[1]"),
    "sequences without headings": ({"rows": [[1, 2]]}, ArgumentError, "columns is missing"),
    "a heading that is no string": ({"rows": [[1]], "columns": [1]}, DtypeError, "columns"),
    "headings in one string": ({"rows": [[1, 2]], "columns": "ab"}, DtypeError, "columns is the string"),
    "a column that is not there": ({"columns": ["rule", "cost"]}, ArgumentError, "'cost'"),
    "digits of nothing": ({"digits": {"cost": 1}}, ArgumentError, "digits has no column 'cost'"),
    "units of nothing": ({"units": {"cost": "s"}}, ArgumentError, "units has no column 'cost'"),
    "negative digits": ({"digits": -1}, ArgumentError, "digits"),
    "a caption of one word": ({"caption": "Rules"}, ArgumentError, "caption"),
    "a list in a cell": ({"rows": [{"x": [1]}]}, DtypeError, "rows[0]['x']"),
    "a decimal in a cell": ({"rows": [{"x": Decimal(1)}]}, DtypeError, "rows[0]['x']"),
    "a vector in a cell": ({"rows": [{"x": torch.zeros(2)}]}, ShapeError, "rows[0]['x']"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case: str):
    changes, error, words = BAD[case]
    with pytest.raises(error, match=re.escape(words)):
        table(**{"rows": ROWS, "caption": CAPTION, **changes})


def test_texts_names_bad_input():
    for mapping, error in (({}, ArgumentError), ([("a", "b")], DtypeError), ({"a": 1}, DtypeError)):
        with pytest.raises(error, match="mapping"):
            texts(mapping, caption=CAPTION)
    with pytest.raises(ArgumentError, match="caption"):
        texts({"a": "b"}, caption="")
