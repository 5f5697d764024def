"""What stands in for ``triton`` and ``triton.language`` where Triton is not installed.

A kernel can be written down, so that the notebook runs on; launching it says what is missing.
"""

from __future__ import annotations

from typing import Any, NoReturn

MESSAGE = (
    "this question needs Triton, which is not installed here. Linux: run `pip install triton` and "
    "restart the kernel. macOS and Windows: open the notebook in Colab or on Binder"
)


class constexpr:
    """Only an annotation here."""


class jit:
    """A kernel that cannot be launched."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __getitem__(self, grid: Any) -> NoReturn:
        raise ImportError(MESSAGE)

    def __call__(self, *args: Any) -> NoReturn:
        raise ImportError(MESSAGE)
