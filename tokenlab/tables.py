"""One way for every result that is read rather than drawn: a table with a caption, units and aligned decimals.

It fixes no colour, so that it stands on light and on dark pages. GitHub drops styles; what it needs is said by
attributes and elements.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from numbers import Integral, Real
from typing import Any

from tokenlab.errors import ArgumentError, DtypeError, ShapeError, check_int, check_sentence

#: What stands for a value that there is none of.
NOTHING = "—"
#: A grey that is thin on white and on black.
RULE = "1px solid #8888"
#: Themes colour, stripe and justify the cells of notebooks; nothing of it is wanted.
CELL = "padding:.25em 1em .25em 0;border:0;background:none;color:inherit;vertical-align:baseline"
#: Characters that would do something instead of being seen.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
#: The minus of a number, which is wider than a hyphen.
MINUS = re.compile(r"\A-(?=[\d∞])")
#: Spaces at the ends of a line, which HTML would drop where there are no styles.
END_SPACES = re.compile(r"^ +| +$", re.M)


class Table:
    """What :func:`table` and :func:`texts` return: ``headings``, and ``cells`` as they are shown.

    ``numeric`` says for each column whether it is set to the right. Without headings, it is a list of
    labelled texts.
    """

    def __init__(
        self, headings: Sequence[str], cells: Sequence[Sequence[str]], numeric: Sequence[bool], caption: str
    ) -> None:
        self.headings, self.numeric, self.caption = list(headings), list(numeric), caption
        self.cells = [list(row) for row in cells]

    def __repr__(self) -> str:
        from tabulate import tabulate

        # A line would end in spaces where its last cell is short.
        text = tabulate(
            self.cells,
            headers=self.headings,
            tablefmt="simple" if self.headings else "plain",
            colalign=["right" if right else "left" for right in self.numeric],
            disable_numparse=True,
            preserve_whitespace=True,
        )
        return "\n".join([self.caption, "", *map(str.rstrip, text.splitlines())])

    def _repr_html_(self) -> str:
        body = "".join(_row(self._cell(k, text) for k, text in enumerate(row)) for row in self.cells)
        # A line below its caption's length would break the caption into a column of words.
        width = "min-width:min(100%,26em)" if self.headings else "width:100%"
        style = f"{width};margin:0;border:0;border-collapse:collapse;table-layout:auto;color:inherit"
        caption = "caption-side:top;text-align:left;color:inherit;padding:0 0 .4em"
        # Where the table scrolls, its caption stays, in the window.
        stays = "position:sticky;left:0;display:inline-block;max-width:calc(100vw - 3em)"
        # Dollars in a text are no mathematics.
        return (
            '<div class="tokenlab-table tex2jax_ignore mathjax_ignore" '
            'style="overflow-x:auto;max-width:100%;margin:.5em 0 1em">'
            f'<table style="{style};font-variant-numeric:tabular-nums">'
            f'<caption align="left" style="{caption}">'
            f'<span style="{stays}">{html.escape(self.caption)}</span></caption>'
            f"{self._head()}<tbody>{body}</tbody></table></div>"
        )

    def _head(self) -> str:
        if not self.headings:
            return ""
        cells = "".join(
            f'<th scope="col" align="{side}" style="{CELL};text-align:{side};border-bottom:{RULE};'
            f'font-weight:600;white-space:normal;vertical-align:bottom">{html.escape(heading)}</th>'
            for heading, side in zip(self.headings, self._sides())
        )
        return f'<thead style="border:0">{_row(cells)}</thead>'

    def _sides(self) -> list[str]:
        return ["right" if right else "left" for right in self.numeric]

    def _cell(self, column: int, text: str) -> str:
        side = self._sides()[column]
        # Beside a long text, a label would be left no room.
        short = not self.headings and column == 0 and len(text) <= 20
        wrap = "nowrap" if self.numeric[column] or short else "pre-wrap"
        style = f"{CELL};text-align:{side};white-space:{wrap}"
        shown = _escaped(MINUS.sub("−", text) if self.numeric[column] else text)
        if not self.headings:
            style += f";border-bottom:{RULE}"
            if column:
                shown = (
                    '<samp style="font-family:monospace;font-size:.9em;overflow-wrap:anywhere">'
                    f"{shown.replace(chr(10), '<br>')}</samp>"
                )
        # The first column names its row, if it names at all.
        if column == 0 and not self.numeric[column]:
            return f'<th scope="row" align="{side}" style="{style};font-weight:normal">{shown}</th>'
        return f'<td align="{side}" style="{style}">{shown}</td>'


def table(
    rows: Sequence[Mapping[str, Any]] | Sequence[Sequence[Any]],
    *,
    caption: str,
    digits: int | Mapping[str, int] = 3,
    units: Mapping[str, str] | None = None,
    columns: Sequence[str] | None = None,
) -> Table:
    """Results as a table, for the last line of a cell.

    Whole numbers are grouped by thousands, fractions are shown as ``7/8``, booleans as yes and no, None as a
    dash; strings stay as they are. A column with a float has decimals throughout. Scalars of numpy and torch
    are numbers.

    Parameters
    ----------
    rows
        One for each line: mappings from heading to value, or sequences with ``columns``.
    caption
        A sentence that says what the table shows.
    digits
        Decimals of floats: for all columns, or by heading (3 for the others).
    units
        By heading; the unit follows it in brackets.
    columns
        Headings of sequences; of mappings, which entries are shown, and in which order.

    Raises
    ------
    ArgumentError
        If there are no rows, a heading of ``digits`` or ``units`` is not there, or the caption is not a sentence.
    ShapeError
        If a row has other entries than the first, or more or fewer than there are columns.
    DtypeError
        If a cell is no number, string, boolean or None.

    Examples
    --------
    >>> rows = [{"rule": "exact", "acceptance": 0.8125, "calls": 12000},
    ...         {"rule": "greedy", "acceptance": 0.5, "calls": 950}]
    >>> table(rows, caption="Acceptance of two rules.", digits=2, units={"calls": "of the target"})
    Acceptance of two rules.
    <BLANKLINE>
    rule      acceptance    calls (of the target)
    ------  ------------  -----------------------
    exact           0.81                   12,000
    greedy          0.50                      950
    """
    check_sentence("caption", caption)
    headings, lines = _lines(list(rows), columns)
    for name, given in (("digits", digits), ("units", units or {})):
        for heading in [] if isinstance(given, int) else given:
            if heading not in headings:
                raise ArgumentError(f"{name} has no column {heading!r}; there are {', '.join(headings)}")
    shown = []
    for k, heading in enumerate(headings):
        places = digits if isinstance(digits, int) else digits.get(heading, 3)
        places = check_int("digits", places, low=0, high=12)
        shown.append(_column(heading, [line[k] for line in lines], places))
    numeric, cells = zip(*shown)
    units = units or {}
    heads = [f"{heading} ({units[heading]})" if heading in units else heading for heading in headings]
    return Table(heads, list(zip(*cells)), numeric, caption.strip())


def texts(mapping: Mapping[str, str], *, caption: str) -> Table:
    """Sampled texts or error messages: a label on the left, the text in fixed width on the right.

    Parameters
    ----------
    mapping
        From label to text.
    caption
        A sentence that says what the texts are.

    Raises
    ------
    ArgumentError
        If there are no texts, or the caption is not a sentence.
    DtypeError
        If a label or a text is no string.

    Examples
    --------
    >>> texts({"greedy": "return self.x", "sampled": "yield self.name"}, caption="Two continuations.")
    Two continuations.
    <BLANKLINE>
    greedy   return self.x
    sampled  yield self.name
    """
    check_sentence("caption", caption)
    if not isinstance(mapping, Mapping):
        raise DtypeError(f"mapping must be a mapping from label to text, found {type(mapping).__name__}")
    if not mapping:
        raise ArgumentError("mapping is empty, expected at least one text")
    for label, text in mapping.items():
        if not isinstance(label, str) or not isinstance(text, str):
            raise DtypeError(f"mapping has {label!r}: {type(text).__name__}, expected strings")
    cells = [[_visible(label), _visible(text)] for label, text in mapping.items()]
    return Table([], cells, [False, False], caption.strip())


def _lines(rows: list, columns: Sequence[str] | None) -> tuple[list[str], list[list]]:
    """Headings, and the values of each row in their order."""
    if not rows:
        raise ArgumentError("rows is empty, expected at least one row")
    if isinstance(columns, str):
        raise DtypeError(f"columns is the string {columns!r}, expected a sequence of headings")
    if isinstance(rows[0], Mapping):
        known = list(rows[0])
        headings = known if columns is None else list(columns)
        for heading in headings:
            if heading not in known:
                raise ArgumentError(f"columns has no entry {heading!r} in rows; there are {', '.join(known)}")
        for k, row in enumerate(rows):
            if not isinstance(row, Mapping) or set(row) != set(known):
                raise ShapeError(f"rows[{k}] is {row!r}, expected the entries {', '.join(map(str, known))}")
        lines = [[row[heading] for heading in headings] for row in rows]
    else:
        if columns is None:
            raise ArgumentError("columns is missing: rows that are no mappings need headings")
        headings = list(columns)
        for k, row in enumerate(rows):
            if not isinstance(row, Sequence) or isinstance(row, str) or len(row) != len(headings):
                raise ShapeError(
                    f"rows[{k}] is {row!r}, expected {len(headings)} entries, one for each column"
                )
        lines = [list(row) for row in rows]
    if not headings or not all(isinstance(heading, str) for heading in headings):
        raise DtypeError(f"columns is {headings!r}, expected one or more strings")
    return headings, lines


def _column(heading: str, values: list, places: int) -> tuple[bool, list[str]]:
    """Whether a column is one of numbers, and its cells."""
    values = [_plain(f"rows[{k}][{heading!r}]", value) for k, value in enumerate(values)]
    decimals = any(isinstance(value, float) for value in values)
    numeric = any(isinstance(value, Real) and not isinstance(value, bool) for value in values)
    return numeric, [_text(value, places, decimals) for value in values]


def _plain(name: str, value: Any) -> str | bool | int | float | Fraction | None:
    """The value in Python's own types."""
    if not isinstance(value, str) and hasattr(value, "item"):
        if getattr(value, "ndim", 0) != 0:
            raise ShapeError(f"{name} has shape {tuple(value.shape)}, expected one number")
        value = value.item()
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Fraction):
        return value
    if isinstance(value, Real):
        return float(value)
    raise DtypeError(
        f"{name} is {type(value).__name__} {value!r}, expected a number, string, boolean or None"
    )


def _text(value: str | bool | int | float | Fraction | None, places: int, decimals: bool) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, str):
        return _visible(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, float) and math.isinf(value):
        return "∞" if value > 0 else "-∞"
    # "z": what rounds to zero has no sign.
    return f"{value:z,.{places}f}" if decimals else f"{value:,}"


def _visible(text: str) -> str:
    """Control characters as their escapes."""
    return CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def _row(cells: Iterable[str]) -> str:
    return f'<tr style="background:none">{"".join(cells)}</tr>'


def _escaped(text: str) -> str:
    return html.escape(END_SPACES.sub(lambda found: "\N{NO-BREAK SPACE}" * len(found[0]), text), quote=False)
