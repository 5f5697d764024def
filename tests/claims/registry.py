"""Which function recomputes which entry of the ledger."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

Computation = Callable[[], float | str]

COMPUTATIONS: dict[str, Computation] = {}


def computes(id: str) -> Callable[[Computation], Computation]:
    """Register the function that recomputes the claim ``id``."""

    def register(computation: Computation) -> Computation:
        known = COMPUTATIONS.get(id)
        # A module may be imported under a second name; that is the same function.
        if known is not None and known.__qualname__ != computation.__qualname__:
            raise ValueError(f"claim {id!r} is computed by both {known} and {computation}")
        COMPUTATIONS[id] = computation
        return computation

    return register


def chapters(folder: Path = Path(__file__).parent) -> list[str]:
    """Modules with computations: one per chapter, named like its folder."""
    ours = {"__init__", "conftest", "prose", "registry"}
    names = sorted(path.stem for path in folder.glob("*.py"))
    return [name for name in names if name not in ours and not name.startswith("test_")]


def load_all() -> dict[str, Computation]:
    """Import every chapter's computations."""
    for chapter in chapters():
        importlib.import_module(f"tests.claims.{chapter}")
    return COMPUTATIONS
