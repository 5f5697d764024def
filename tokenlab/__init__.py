"""Token Lab: how language models turn probabilities into text.

The submodules are imported when they are first asked for, so that ``import tokenlab``
costs nothing.
"""

from collections.abc import Callable, Mapping, Sequence
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


def lazily(package: str, names: Mapping[str, Sequence[str]]) -> tuple[Callable, Callable]:
    """``__getattr__`` and ``__dir__`` of a package that imports its modules when they are first asked for.

    ``names`` gives by module which public names the package takes from it.
    """
    homes = {name: module for module, members in names.items() for name in members}

    def get(name: str):
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    def names_there() -> list[str]:
        return sorted({*vars(import_module(package)), *homes})

    return get, names_there


def __getattr__(name: str):
    """Import a submodule at its first use."""
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
