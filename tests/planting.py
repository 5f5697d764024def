"""A module of the package with a mistake planted in its source."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import FunctionType, ModuleType

import pytest


def plant(monkeypatch: pytest.MonkeyPatch, module: ModuleType, old: str, new: str) -> None:
    """Replace ``old`` in the source, and the module's functions by those of the new source."""
    source = changed(module, old, new)
    mutated = ModuleType(module.__name__)
    mutated.__dict__.update(__file__=module.__file__, __package__=module.__package__)
    exec(compile(source, module.__file__, "exec"), mutated.__dict__)
    for name, value in vars(mutated).items():
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            monkeypatch.setattr(module, name, value)


def plant_in_kernels(
    monkeypatch: pytest.MonkeyPatch, folder: Path, module: ModuleType, old: str, new: str
) -> None:
    """Put another module in the place of this one: Triton reads a kernel's source from its file."""
    path = folder / "mutated_kernels.py"
    path.write_text(changed(module, old, new), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(module.__name__, path)
    mutant = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mutant)
    package, _, name = module.__name__.rpartition(".")
    monkeypatch.setitem(sys.modules, module.__name__, mutant)
    monkeypatch.setattr(sys.modules[package], name, mutant)


def changed(module: ModuleType, old: str, new: str) -> str:
    """The module's source with ``old``, which must stand there once, replaced."""
    source = Path(module.__file__).read_text(encoding="utf-8")
    assert source.count(old) == 1, f"the source has changed: {old!r} stands there {source.count(old)} times"
    return source.replace(old, new)
