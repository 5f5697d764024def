"""A student's function, called so that its faults do no harm and are put into words."""

from __future__ import annotations

import contextlib
import difflib
import inspect
import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from tokenlab.grading.limits import TimeLimitExceeded, captured_output, time_limit
from tokenlab.grading.wording import a, cut, difference, explained, is_graded, line_of, said, shown, type_of

#: Functions that did not end once: no later check waits for them again.
ENDLESS: list[Any] = []


class Wrong(AssertionError):
    """A failed check; its message says what was found, and what is probably wrong, in 1,000 characters."""

    def __init__(self, message: str) -> None:
        super().__init__(cut(message, 1000))


class Answer:
    """The student's function ``name``; ``env`` holds the notebook's global names.

    Raises
    ------
    Wrong
        If there is no such function; at a call, if it raises, does not end within ``seconds``, changes an
        argument in place, or returns nothing.

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
        # Students read public reports of graders, and a submission can read hidden tests.
        self.quotes = self.check.startswith("hidden") or not is_graded()
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
            raise Wrong(
                f"[{self.check}] {self.name} was not called again: its last call did not end. Does its loop stop?"
            )
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
                error = f"raised {type_of(raised)}{said(explained(raised, self.quotes))}{line_of(raised)}"
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


def given(env: Mapping[str, Any], name: str) -> Any:
    """What a cell of the notebook defines, and a check needs: a model, a class.

    Raises
    ------
    Wrong
        If it is not there.
    """
    if name in env:
        return env[name]
    check = inspect.currentframe().f_back.f_code.co_name.removeprefix("test_").replace("_", " ")
    raise Wrong(
        f"[{check}] the cell that defines `{name}` was deleted or not run, or `{name}` was renamed: "
        "run the cell, or copy it from a fresh copy of this notebook"
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
        """Compare with the right result, and if that fails with those of known mistakes.

        Parameters
        ----------
        expected
            The right result; a tensor also fixes the dtype.
        mistakes
            What a mistake would give, under the sentence that names it.
        hint, shape_hint
            What to say of other wrong values, and of a wrong shape.
        tolerance
            Absolute, and relative to ``expected``.

        Raises
        ------
        Wrong
            With type, shape, dtype or values, and the mistake that explains them.
        """
        value = self.like(expected, shape_hint=shape_hint)
        expected = torch.as_tensor(expected)
        found = value.cpu().double()
        if near(found, expected.double(), tolerance):
            return
        for mistake, wrong in (mistakes or {}).items():
            if near(found, torch.as_tensor(wrong).double(), max(tolerance, 1e-4)):
                hint = mistake
                break
        raise Wrong(
            f"{self.where} {difference(found, expected.double(), value.dtype, tolerance)}{said(hint)}"
        )

    def like(self, expected: Tensor | list, *, shape_hint: str = "") -> Tensor:
        """The value, a tensor of the shape and dtype of ``expected``, whatever it holds.

        Raises
        ------
        Wrong
            With its type, shape or dtype.
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
        return value

    def holds(
        self, expected: Collection, mistakes: Mapping[str, Collection] | None = None, *, hint: str = ""
    ) -> None:
        """The same for a list of tuples (or lists), bytes or numbers, in any order.

        Raises
        ------
        Wrong
            Naming an item that is missing, and one too many.
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

    def chooses(
        self,
        expected: Mapping[Any, str],
        mistakes: Mapping[tuple[Any, str], str] | None = None,
        *,
        keys: Collection,
        options: Collection[str],
        once: bool = False,
        hint: str = "",
    ) -> None:
        """Judge a dictionary of choices, in words that do not name the right one.

        Parameters
        ----------
        expected
            The right choice for the keys that this check judges.
        mistakes
            What to say of a wrong choice, by key and choice.
        keys, options
            All keys that there must be, and what can be chosen for each.
        once
            Whether an option can be chosen for one key only.
        hint
            What to say of other wrong choices.

        Raises
        ------
        Wrong
            Naming the first key that is missing, or has no option or a wrong one.
        """
        if not isinstance(self.value, Mapping):
            raise Wrong(f"{self.where} returned {a(type(self.value).__name__)}, expected a dictionary")
        for key in keys:
            if key not in self.value:
                raise Wrong(f"{self.where} says nothing of {key!r}: leave the keys as they are")
            if self.value[key] not in options:
                listed = ", ".join(map(repr, options))
                raise Wrong(
                    f"{self.where} says {shown(self.value[key])} of {key!r}: choose one of {listed} for it"
                )
        chosen = Counter(self.value[key] for key in keys)
        if once and max(chosen.values()) > 1:
            (twice, _), *_ = chosen.most_common(1)
            raise Wrong(f"{self.where} says {twice!r} more than once: each is one of the curves")
        for key, right in expected.items():
            if (choice := self.value[key]) != right:
                reason = (mistakes or {}).get((key, choice), hint)
                raise Wrong(f"{self.where} says {choice!r} of {key!r}, and that is not so{said(reason)}")


def counted(items: Collection) -> Counter:
    return Counter(map(plain, items))


def plain(item: Any) -> Any:
    """Made comparable: tuples all the way down, and floats of nine digits."""
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
    """Undo changes of PyTorch's default dtype and device."""
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
    return found.shape == expected.shape and torch.allclose(
        found, expected, rtol=tolerance, atol=tolerance, equal_nan=True
    )


def same(old: Tensor, new: Tensor) -> bool:
    """Bit by bit, but for NaN."""
    return old.shape == new.shape and torch.equal(old.nan_to_num(0.5), new.nan_to_num(0.5))
