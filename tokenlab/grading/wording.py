"""Values and errors in words that help a student."""

from __future__ import annotations

import inspect
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

#: More values than this are not spelled out in a message.
SHOWN = 8
#: What Triton's compiler says: where, the source up to a line, a mark below it, and the error.
COMPILER = re.compile(r"at \d+:\d+:\n(?:.*\n)*?(?P<line>.*)\n *\^\n?(?P<text>[^^]*)")
TILE = "a number is still a whole tile: reduce it, with `tl.max(x, 0)` or `tl.sum(x, 0)`"
POINTER = "a pointer is no tensor, so it has no positions in brackets: `tl.load(x_ptr + ...)`"
MAXIMUM = "`tl.max(x, 0)` reduces one tile; the larger of two values is `tl.maximum(a, b)`"
#: Code in these folders is not the student's.
LIBRARIES = (
    sysconfig.get_path("stdlib"),
    *(str(Path(path).parents[1]) for path in (torch.__file__, __file__)),
)
#: Errors whose own words do not help: a part of them, and what to do.
KNOWN = {
    "must match the size of tensor": "these tensors do not fit together: is `keepdim=True` missing?",
    "torch.return_types.max": "`max(-1)` returns two things, values and positions: use `amax`",
    "Boolean value of Tensor": "`if` needs one truth value, and there is one for each row: "
    "with several rows `torch.where` chooses for each",
    "but got bf16": "this function of Triton does not take bfloat16: "
    "cast to float32 on the line that loads, `tl.load(...).to(tl.float32)`",
    # Of the interpreter or the compiler.
    "Value argument cannot be block type": TILE,
    "but is re-assigned to <[": TILE,
    "out of bounds for shape": MAXIMUM,
    "AxisError(": MAXIMUM,
    "TypeError(\"'float' object cannot be interpreted": MAXIMUM,
    "create_reduce(): incompatible function arguments": MAXIMUM,
    "unsupported tensor index": POINTER,
    "TypeError(\"'int' object is not iterable\")": POINTER,
    "must be real number, not tensor": "`math` computes with Python's numbers: use `tl.exp`, `tl.log`",
    "active drivers": "there is no GPU, and Triton was imported before TRITON_INTERPRET was set: "
    "restart the kernel and run all cells from the top",
}


def difference(found: Tensor, expected: Tensor, dtype: torch.dtype, tolerance: float) -> str:
    """Both results, or the first of their values that differ."""
    where = ""
    if expected.numel() > SHOWN:
        parts = ~torch.isclose(found, expected, rtol=tolerance, atol=tolerance, equal_nan=True)
        first = tuple(parts.nonzero()[0].tolist())
        where = f"is wrong in {int(parts.sum())} of {expected.numel()} positions, first at {list(first)}: "
        found, expected = found[first], expected[first]
    if not dtype.is_floating_point:
        found, expected = found.to(dtype), expected.to(dtype)
    # As few digits as tell them apart.
    pairs = ((shown(found, digits), shown(expected, digits)) for digits in (4, 8, 12, 17))
    one, other = next((pair for pair in pairs if pair[0] != pair[1]), (shown(found, 17), shown(expected, 17)))
    return f"{where}returned {one}, expected {other}"


def shown(value: Any, digits: int = 4) -> str:
    """A value for a message: few numbers are spelled out, many described."""
    if inspect.isroutine(value) or hasattr(value, "__wrapped__"):
        return value.__name__
    if not isinstance(value, Tensor):
        return cut(repr(value), 60)
    if value.numel() > SHOWN:
        return f"tensor of shape {tuple(value.shape)}"
    return str(rounded(value.tolist(), digits))


def rounded(value: Any, digits: int) -> Any:
    if isinstance(value, list):
        return [rounded(item, digits) for item in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from: Triton wraps what a kernel raises."""
    while error is not None:
        yield error
        error = error.__cause__


def words_of(error: BaseException) -> str:
    """``str(error)``, which may be the student's code."""
    try:
        return str(error)
    except Exception:
        return "(its own text cannot be shown)"


def is_graded() -> bool:
    """Whether otter-grader grades a submission in this process, with the hidden tests beside it."""
    otter = sys.modules.get("otter.check.notebook")
    return otter is not None and otter.Notebook._grading_mode


def type_of(error: BaseException) -> str:
    return cut(type(error).__name__, 40)


def explained(error: BaseException, quoted: bool = True) -> str:
    """What to do where that is known, else what the error says, if it may be ``quoted``."""
    if isinstance(error, NameError) and not isinstance(error, UnboundLocalError) and error.name:
        name = cut(str(error.name), 40)
        return (
            f"there is no `{name}` here: is it misspelt, or was the cell that defines it deleted or not run?"
        )
    text = "\n".join(map(words_of, causes(error)))
    own = COMPILER.sub(r"\g<text>", words_of(error))
    return next((words for part, words in KNOWN.items() if part in text), cut(own) if quoted else "")


def line_of(error: BaseException) -> str:
    """The student's innermost line that raised, if it is known."""
    frames = [frame for cause in causes(error) for frame in traceback.extract_tb(cause.__traceback__)]
    lines = [frame.line for frame in frames if frame.line and not frame.filename.startswith(LIBRARIES)]
    if compiled := COMPILER.match(words_of(error)):
        lines.append(compiled["line"])
    return f", in the line `{cut(lines[-1].strip(), 80)}`" if lines else ""


def cut(text: str, length: int = 300) -> str:
    return text if len(text) <= length else text[:length] + "..."


def said(hint: str) -> str:
    return f": {hint}" if hint else ""


def a(noun: str) -> str:
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"
