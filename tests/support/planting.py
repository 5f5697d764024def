"""The package with a mistake planted in the source of one of its modules."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import FunctionType, ModuleType

import pytest


def plant(monkeypatch: pytest.MonkeyPatch, where: ModuleType, old: str, new: str) -> None:
    """Replace ``old`` in the source, and the functions of its module wherever they are bound.

    ``where`` is the module, or a package of which one module has ``old`` in its source.
    """
    module = module_with(where, old)
    mutated = ModuleType(module.__name__)
    mutated.__dict__.update(__file__=module.__file__, __package__=module.__package__)
    exec(compile(changed(module, old, new), module.__file__, "exec"), mutated.__dict__)
    for name, value in vars(mutated).items():
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            _bind(monkeypatch, getattr(module, name), value)


def _bind(monkeypatch: pytest.MonkeyPatch, function: FunctionType, planted: FunctionType) -> None:
    """Put one function in another's stead in all modules of the package: they imported it by name."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "tokenlab":
            for bound, value in list(vars(module).items()):
                if value is function:
                    monkeypatch.setattr(module, bound, planted)


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


def module_with(where: ModuleType, old: str) -> ModuleType:
    """The module itself, or the one of a package whose source has ``old``."""
    if not hasattr(where, "__path__"):
        return where
    folder = Path(where.__file__).parent
    found = [path for path in sorted(folder.rglob("*.py")) if old in path.read_text(encoding="utf-8")]
    assert len(found) == 1, f"{old!r} stands in {len(found)} modules of {where.__name__}"
    parts = found[0].relative_to(folder).with_suffix("").parts
    return importlib.import_module(".".join([where.__name__, *(p for p in parts if p != "__init__")]))


def changed(module: ModuleType, old: str, new: str) -> str:
    """The module's source with ``old``, which must stand there once, replaced."""
    source = Path(module.__file__).read_text(encoding="utf-8")
    assert source.count(old) == 1, f"the source has changed: {old!r} stands there {source.count(old)} times"
    return source.replace(old, new)
