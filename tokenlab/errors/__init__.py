"""Error types, and the checks of arguments that all public functions share.

A check names the argument, what was found and what was expected; it clamps, truncates and renormalises
nothing. Checks of *values*, for which a GPU would have to wait, are left out with ``validate=False``. Those of
tensors come from ``tensors`` at their first use: a command that shows its help, or refuses a name, waits for no
torch.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING

from tokenlab import lazily

if TYPE_CHECKING:
    from tokenlab.errors.tensors import (
        FLOAT_DTYPES,
        INTEGER_DTYPES,
        SUM_TOLERANCE,
        as_sum,
        check_generator,
        check_logits,
        check_noise,
        check_probs,
        check_tensor,
    )

__all__ = [
    "FLOAT_DTYPES",
    "INTEGER_DTYPES",
    "SUM_TOLERANCE",
    "ArgumentError",
    "BackendError",
    "CheckpointError",
    "ClaimError",
    "CorpusError",
    "DtypeError",
    "EmptySupportError",
    "GradingError",
    "MissingPackageError",
    "ModelNotFoundError",
    "ProbabilityError",
    "ShapeError",
    "SlowPathWarning",
    "TokenlabError",
    "as_sum",
    "check_choice",
    "check_generator",
    "check_installed",
    "check_int",
    "check_logits",
    "check_noise",
    "check_probs",
    "check_real",
    "check_sentence",
    "check_tensor",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "tensors": (
            "FLOAT_DTYPES",
            "INTEGER_DTYPES",
            "SUM_TOLERANCE",
            "as_sum",
            "check_generator",
            "check_logits",
            "check_noise",
            "check_probs",
            "check_tensor",
        )
    },
)


class TokenlabError(Exception):
    """Base class of the package's errors."""


class ArgumentError(TokenlabError, ValueError):
    """The function is not defined for this value of an argument."""


class ShapeError(ArgumentError):
    """A tensor has the wrong number of dimensions or the wrong size."""


class ProbabilityError(ArgumentError):
    """A row is no distribution."""


class EmptySupportError(ArgumentError):
    """No token of a row can be drawn: every logit is -inf, or all mass is zero."""


class DtypeError(TokenlabError, TypeError):
    """A tensor or a value has the wrong type."""


class BackendError(TokenlabError, RuntimeError):
    """The backend that was asked for cannot run here."""


class MissingPackageError(TokenlabError, ImportError):
    """A package that only some functions need is not installed."""


class ModelNotFoundError(TokenlabError, ValueError):
    """No lab model, no folder and no model of the Hub has this name."""


class CheckpointError(TokenlabError, RuntimeError):
    """A checkpoint is missing, incomplete or damaged."""


class CorpusError(TokenlabError, RuntimeError):
    """The training text differs from the frozen manifest."""


class GradingError(TokenlabError, RuntimeError):
    """An assignment cannot be checked or built here."""


class ClaimError(TokenlabError, ValueError):
    """A claim is unknown, incomplete, or no longer holds."""


class SlowPathWarning(UserWarning):
    """Exact, but slower than usual: the message says why."""


def check_int(name: str, value: int, *, low: int, high: int | None = None) -> int:
    """Check a whole number in [low, high]; booleans and floats are refused."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise DtypeError(f"{name} must be an int, found {type(value).__name__} {value!r}")
    if value < low or (high is not None and value > high):
        expected = f"at least {low}" if high is None else f"{low} to {high}"
        raise ArgumentError(f"{name} is {value}, expected {expected}")
    return int(value)


def check_real(
    name: str,
    value: float,
    *,
    low: float,
    high: float = float("inf"),
    include_low: bool = True,
    include_high: bool = True,
) -> float:
    """Check a finite number in an interval with open or closed ends."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise DtypeError(f"{name} must be a number, found {type(value).__name__} {value!r}")
    above = value >= low if include_low else value > low
    below = value <= high if include_high else value < high
    if not (above and below) or value in (float("inf"), float("-inf")):
        left = "[" if include_low else "("
        right = "]" if include_high and high != float("inf") else ")"
        raise ArgumentError(f"{name} is {value}, expected a number in {left}{low:g}, {high:g}{right}")
    return float(value)


def check_choice(name: str, value: str, choices: Sequence[str]) -> str:
    """Check a string that is one of a few."""
    if not isinstance(value, str):
        raise DtypeError(f"{name} must be a string, found {type(value).__name__} {value!r}")
    if value not in choices:
        raise ArgumentError(f"{name} is {value!r}, expected one of {', '.join(map(repr, choices))}")
    return value


def check_installed(package: str, extra: str) -> None:
    """Check that a package of one of tokenlab's extras is there.

    >>> check_installed("torch", "train")
    """
    if importlib.util.find_spec(package) is None:
        raise MissingPackageError(f'{package} is not installed: run `pip install "tokenlab[{extra}]"`')


def check_sentence(name: str, value: str) -> None:
    """Check a text that a reader shall see, such as a caption."""
    if not isinstance(value, str) or len(value.strip()) < 10:
        raise ArgumentError(f"{name} is {value!r}, expected a sentence of at least ten characters")
