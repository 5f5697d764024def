"""A student's function, called so that no fault of it can harm, and each is put into words."""

from __future__ import annotations

import contextlib
import difflib
import inspect
import re
import sysconfig
import traceback
import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tokenlab.grading.limits import TimeLimitExceeded, captured_output, time_limit

#: More values than this are not spelled out in a message.
SHOWN = 8
#: What Triton's compiler says: where, the source up to a line, a mark below it, and the error.
COMPILER = re.compile(r"at \d+:\d+:\n(?:.*\n)*?(?P<line>.*)\n *\^\n?(?P<text>[^^]*)")
#: Functions that did not end once: no later check waits for them again.
ENDLESS: list[Any] = []
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


class Wrong(AssertionError):
    """A check has failed; the message says what was found, and what is probably wrong."""


class Answer:
    """The student's function ``name``, as the check that makes this object sees it.

    Parameters
    ----------
    env : mapping
        The notebook's global names.
    name : str
        Name of the function that the question asks for.
    seconds : float
        Time limit for one call.

    Raises
    ------
    Wrong
        If there is no such function. A call raises it if the function raises, does not end,
        changes an argument in place, or returns nothing.

    Examples
    --------
    >>> double = Answer({"double": lambda x: x + 1}, "double")
    >>> double(torch.tensor([3.0])).equals([6.0], {"did you add instead of multiply?": [4.0]})
    Traceback (most recent call last):
    tokenlab.grading.answer.Wrong: [...] double([3.0]) returned [4.0], expected [6.0]: did you add...
    """

    def __init__(self, env: Mapping[str, Any], name: str, *, seconds: float = 5) -> None:
        # The name of the test that makes this object is the name of the check.
        self.check = inspect.currentframe().f_back.f_code.co_name.removeprefix("test_").replace("_", " ")
        self.name, self.seconds = name, seconds
        self.function = env.get(name)
        if self.function is None:
            raise Wrong(f"[{self.check}] {self._missing(env)}")
        if not callable(self.function):
            found = type(self.function).__name__
            raise Wrong(f"[{self.check}] {name} is no longer a function but a value of type {found}")

    def __call__(self, *args: Any) -> Found:
        before = [value.clone() if isinstance(value, Tensor) else value for value in args]
        where = f"[{self.check}] {self.name}({', '.join(map(shown, before))})"
        if any(function is self.function for function in ENDLESS):
            raise Wrong(f"[{self.check}] {self.name} was not called again: its last call did not end")
        error = value = None
        with captured_output() as printed, warnings.catch_warnings(), kept_defaults():
            # Triton's interpreter computes with numpy, which warns of every logarithm of zero.
            warnings.simplefilter("ignore", RuntimeWarning)
            try:
                with time_limit(self.seconds):
                    value = self.function(*args)
            except TimeLimitExceeded:
                ENDLESS.append(self.function)
                error = f"did not end within {self.seconds:g} seconds: does its loop stop?"
            except KeyboardInterrupt:  # By the student, who does not want to wait for the next call.
                ENDLESS.append(self.function)
                error = "was interrupted"
            except SystemExit:
                error = "called exit(): return a value instead"
            except BaseException as raised:  # Whatever it is, the other answers must still be graded.
                error = f"raised {type(raised).__name__}: {explained(raised)}{line_of(raised)}"
        print(printed.text, end="")
        if error:
            raise Wrong(f"{where} {error}")
        for old, new in zip(before, args, strict=True):
            if isinstance(old, Tensor) and not same(old, new):
                raise Wrong(
                    f"{where} changed its argument in place: other code still needs it, "
                    "so compute a new tensor (`x = x - 1`, not `x -= 1`)"
                )
        if value is None:
            raise Wrong(
                f"[{self.check}] {self.name} returned None: is `...` still there, or a `return` missing?"
            )
        return Found(where, value)

    def _missing(self, env: Mapping[str, Any]) -> str:
        functions = [
            name for name, value in env.items() if inspect.isfunction(value) and not name.startswith("_")
        ]
        close = difflib.get_close_matches(self.name, functions, n=1)
        renamed = f" There is a function `{close[0]}`: did you rename it?" if close else ""
        return (
            f"{self.name} is not defined.{renamed} Run the cell with `def {self.name}`; "
            "if that cell was deleted, copy it from a fresh copy of this notebook"
        )


class Found:
    """What a student's function returned."""

    def __init__(self, where: str, value: Any) -> None:
        self.where, self.value = where, value

    def equals(
        self,
        expected: Tensor | list,
        mistakes: Mapping[str, Tensor | list] | None = None,
        *,
        hint: str = "",
        shape_hint: str = "",
        tolerance: float = 1e-6,
    ) -> None:
        """Compare with the right result, and if that fails with the results of known mistakes.

        Parameters
        ----------
        expected : Tensor or list
            The right result; a tensor also fixes the dtype.
        mistakes : mapping of str to Tensor or list
            What a mistake would give, under the sentence that names it.
        hint : str
            What to say when the values are wrong in another way.
        shape_hint : str
            What to say when the shape is wrong.
        tolerance : float
            Absolute, and relative to the expected value.

        Raises
        ------
        Wrong
            Naming type, shape, dtype or values, and the mistake that explains them.
        """
        value = self.value
        if not isinstance(value, Tensor):
            raise Wrong(f"{self.where} returned {a(type(value).__name__)}, expected a tensor")
        if value.layout != torch.strided or value.is_meta:
            kinds = "a tensor without values" if value.is_meta else "a sparse tensor"
            raise Wrong(f"{self.where} returned {kinds}, expected an ordinary one")
        # A class of its own could answer every comparison as it likes.
        value = value.detach().as_subclass(Tensor)
        dtype = expected.dtype if isinstance(expected, Tensor) else value.dtype
        expected = torch.as_tensor(expected)
        if value.shape != expected.shape:
            raise Wrong(
                f"{self.where} returned shape {tuple(value.shape)}, expected {tuple(expected.shape)}"
                + said(shape_hint)
            )
        if value.dtype != dtype or kind(value) != kind(expected):
            raise Wrong(f"{self.where} returned dtype {value.dtype}, expected {expected.dtype}")
        found = value.detach().cpu().double()
        if near(found, expected.double(), tolerance):
            return
        for mistake, wrong in (mistakes or {}).items():
            if near(found, torch.as_tensor(wrong).double(), max(tolerance, 1e-4)):
                hint = mistake
                break
        raise Wrong(
            f"{self.where} {difference(found, expected.double(), value.dtype, tolerance)}{said(hint)}"
        )

    def holds(
        self, expected: Collection, mistakes: Mapping[str, Collection] | None = None, *, hint: str = ""
    ) -> None:
        """Compare a list with the right one, in any order, and if that fails with those of known mistakes.

        Items are tuples, bytes or numbers; a list in place of a tuple is taken as well.

        Parameters
        ----------
        expected : collection
            The right items, each as often as it should come.
        mistakes : mapping of str to collection
            What a mistake would give, under the sentence that names it.
        hint : str
            What to say when the list is wrong in another way.

        Raises
        ------
        Wrong
            Naming an item that is missing, and one that should not be there.
        """
        if not isinstance(self.value, list | tuple | set | frozenset):
            raise Wrong(f"{self.where} returned {a(type(self.value).__name__)}, expected a list")
        found, right = counted(self.value), counted(expected)
        if found == right:
            return
        for mistake, wrong in (mistakes or {}).items():
            if found == counted(wrong):
                hint = mistake
                break
        # In the order in which they come, so that the message is the same each time.
        missing, more = list(right - found), list(found - right)
        parts = [f"lacks {cut(repr(missing[0]), 90)}"] if missing else []
        if more:
            why = "more than once" if more[0] in right else "where it does not belong"
            parts.append(f"holds {cut(repr(more[0]), 90)} {why}")
        raise Wrong(f"{self.where} returned a list that {' and '.join(parts)}{said(hint)}")


def counted(items: Collection) -> Counter:
    """How often each item comes, however it is written down."""
    return Counter(map(plain, items))


def plain(item: Any) -> Any:
    """An item that can be compared: tuples all the way down, and floats of nine digits."""
    if isinstance(item, Tensor):
        item = item.tolist()
    if isinstance(item, list | tuple):
        return tuple(map(plain, item))
    if isinstance(item, float):
        return float(f"{item:.9g}")
    try:
        hash(item)
    except TypeError:
        return repr(item)
    return item


@contextlib.contextmanager
def kept_defaults() -> Iterator[None]:
    """Undo changes of PyTorch's default dtype and device: later checks need them."""
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        if torch.get_default_device() != device:
            torch.set_default_device(device)


def kind(tensor: Tensor) -> str:
    if tensor.dtype == torch.bool:
        return "bool"
    return "float" if tensor.is_floating_point() else "int"


def near(found: Tensor, expected: Tensor, tolerance: float) -> bool:
    """Equal within the tolerance, NaN and infinities included."""
    return found.shape == expected.shape and torch.allclose(
        found, expected, rtol=tolerance, atol=tolerance, equal_nan=True
    )


def same(old: Tensor, new: Tensor) -> bool:
    """Bit by bit, but for NaN."""
    return old.shape == new.shape and torch.equal(old.nan_to_num(0.5), new.nan_to_num(0.5))


def difference(found: Tensor, expected: Tensor, dtype: torch.dtype, tolerance: float) -> str:
    """Both results, or the first place where they part."""
    where = ""
    if expected.numel() > SHOWN:
        parts = ~torch.isclose(found, expected, rtol=tolerance, atol=tolerance, equal_nan=True)
        place = tuple(parts.nonzero()[0].tolist())
        where = f"is wrong in {int(parts.sum())} of {expected.numel()} places, first at {list(place)}: "
        found, expected = found[place], expected[place]
    if not dtype.is_floating_point:
        found, expected = found.to(dtype), expected.to(dtype)
    # As few digits as tell them apart.
    pairs = ((shown(found, digits), shown(expected, digits)) for digits in (4, 8, 12, 17))
    one, other = next((pair for pair in pairs if pair[0] != pair[1]), (shown(found, 17), shown(expected, 17)))
    return f"{where}returned {one}, expected {other}"


def shown(value: Any, digits: int = 4) -> str:
    """A value for a message: few numbers are spelled out, many are described."""
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
    """The error, what it came from, and so on: Triton wraps what a kernel raises."""
    while error is not None:
        yield error
        error = error.__cause__


def words_of(error: BaseException) -> str:
    """``str(error)``, which is code of the student's if the class is."""
    try:
        return str(error)
    except Exception:
        return "(its own text cannot be shown)"


def explained(error: BaseException) -> str:
    """What the error says, or what is known to be after it."""
    text = "\n".join(map(words_of, causes(error)))
    own = COMPILER.sub(r"\g<text>", words_of(error))
    return next((words for part, words in KNOWN.items() if part in text), cut(own))


def line_of(error: BaseException) -> str:
    """The student's line that raised, as far as it is known: the innermost one."""
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
