"""A module of the package with a mistake planted in its source."""

from __future__ import annotations

from pathlib import Path
from types import FunctionType, ModuleType

import pytest


def plant(monkeypatch: pytest.MonkeyPatch, module: ModuleType, old: str, new: str) -> None:
    """Replace ``old`` in the source, and the module's functions by those of the new source."""
    source = Path(module.__file__).read_text(encoding="utf-8")
    assert source.count(old) == 1, f"the source has changed: {old!r} stands there {source.count(old)} times"
    mutated = ModuleType(module.__name__)
    mutated.__dict__.update(__file__=module.__file__, __package__=module.__package__)
    exec(compile(source.replace(old, new), module.__file__, "exec"), mutated.__dict__)
    for name, value in vars(mutated).items():
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            monkeypatch.setattr(module, name, value)
