"""Lines of code that compute an equation of the page, in PyTorch and in Triton, one below the other."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterable

from tokenlab.errors import ArgumentError
from tokenlab.tables import Table, texts

#: The label of an equation, as the comment at the end of a line.
LABELLED = re.compile(r"^\s*(.+?)\s*# \((\d+)\)\s*$", re.M)


def labelled_lines(function: Callable) -> dict[str, str]:
    """The lines of a function that end with an equation's label, by label; also of a Triton kernel."""
    source = textwrap.dedent(inspect.getsource(getattr(function, "fn", function)))
    return {label: line for line, label in LABELLED.findall(source)}


def side_by_side(by_torch: Iterable[Callable], by_triton: Iterable[Callable], *, caption: str) -> Table:
    """What computes each equation, in PyTorch and in Triton.

    Parameters
    ----------
    by_torch, by_triton
        Functions of the notebook; together each side has every label once.

    Raises
    ------
    ArgumentError
        If the two sides do not carry the same labels.
    """
    sides = {"PyTorch": {}, "Triton": {}}
    for side, functions in zip(sides.values(), (by_torch, by_triton), strict=True):
        for function in functions:
            side |= labelled_lines(function)
    torch_lines, triton_lines = sides.values()
    if not torch_lines or set(torch_lines) != set(triton_lines):
        raise ArgumentError(
            f"by_torch has the labels {sorted(torch_lines)} and by_triton {sorted(triton_lines)}, expected the same"
        )
    return texts(
        {
            f"({label})\u00a0{name}": side[label]
            for label in sorted(torch_lines, key=int)
            for name, side in sides.items()
        },
        caption=caption,
    )
