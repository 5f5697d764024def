"""Token Lab: how language models turn probabilities into text.

The submodules are imported when they are first asked for, so that ``import tokenlab``
costs nothing.
"""

from importlib import import_module

__version__ = "0.1.0"
__all__ = [
    "backend",
    "bytelevel",
    "chapters",
    "claims",
    "commands",
    "errors",
    "figures",
    "grading",
    "lm",
    "ops",
    "sampling",
    "tables",
    "transport",
]


def __getattr__(name: str):
    """Import a submodule at its first use."""
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
