"""The package with a mistake planted in the source of one of its modules."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FunctionType, ModuleType

import pytest


def plant(monkeypatch: pytest.MonkeyPatch, where: ModuleType, old: str, new: str) -> None:
    """Replace ``old`` in the source, the functions of its module wherever they are bound, and its methods.

    ``where`` is the module, or a package of which one module has ``old`` in its source.
    """
    module = module_with(where, old)
    mutated = planted_module(module, old, new)
    for name, value in vars(mutated).items():
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            _bind(monkeypatch, getattr(module, name), value)
        elif isinstance(value, type) and value.__module__ == module.__name__:
            _plant_in_class(monkeypatch, getattr(module, name), value)


def planted_module(where: ModuleType, old: str, new: str) -> ModuleType:
    """The module with ``old`` replaced in its source, beside the one that the package uses."""
    module = module_with(where, old)
    mutated = ModuleType(module.__name__)
    mutated.__dict__.update(__file__=module.__file__, __package__=module.__package__)
    exec(compile(changed(module, old, new), module.__file__, "exec"), mutated.__dict__)
    return mutated


def planted_copy(modules: Sequence[ModuleType], *changes: tuple[str, str]) -> ModuleType:
    """A copy of the last of some modules, in which each mistake stands once.

    Each module is listed after those that it imports names from, and its copy has theirs.
    """
    sources = [Path(module.__file__).read_text(encoding="utf-8") for module in modules]
    for old, _ in changes:
        number = sum(source.count(old) for source in sources)
        assert number == 1, f"the source has changed: {old!r} stands there {number} times"
    copied: dict[int, object] = {}
    for module, source in zip(modules, sources, strict=True):
        for old, new in changes:
            source = source.replace(old, new)
        copy = ModuleType(module.__name__)
        exec(compile(source, module.__file__, "exec"), copy.__dict__)
        vars(copy).update({n: copied[id(v)] for n, v in list(vars(copy).items()) if id(v) in copied})
        own = [n for n, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__]
        copied.update({id(getattr(module, n)): getattr(copy, n) for n in own})
    return copy


def _bind(monkeypatch: pytest.MonkeyPatch, function: FunctionType, planted: FunctionType) -> None:
    """Put one function in another's stead in all modules of the package: they imported it by name."""
    for module in _package():
        for bound, value in list(vars(module).items()):
            if value is function:
                monkeypatch.setattr(module, bound, planted)


def plant_in_kernels(
    monkeypatch: pytest.MonkeyPatch, folder: Path, where: ModuleType, old: str, new: str
) -> None:
    """The same for kernels, whose source Triton reads from a file: other modules take their place.

    Kernels that call what is planted are made anew as well, since they hold it by name.
    """
    module = module_with(where, old)
    path = folder / f"mutated_{module.__name__.replace('.', '_')}.py"
    path.write_text(changed(module, old, new), encoding="utf-8")
    for caller in _callers_last(module, []):
        _replace(monkeypatch, caller, path if caller is module else caller.__file__)


def _callers_last(module: ModuleType, ordered: list[ModuleType]) -> list[ModuleType]:
    """The module and all that call its kernels, also through others: who is called stands before its callers."""
    for other in _package():
        if other is not module and other not in ordered and _calls_kernels_of(other, module):
            _callers_last(other, ordered)
    ordered.insert(0, module)
    return ordered


def _replace(monkeypatch: pytest.MonkeyPatch, module: ModuleType, path: str | Path) -> None:
    spec = importlib.util.spec_from_file_location(module.__name__, path)
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    package, _, name = module.__name__.rpartition(".")
    monkeypatch.setitem(sys.modules, module.__name__, copy)
    monkeypatch.setattr(sys.modules[package], name, copy)


def _calls_kernels_of(other: ModuleType, module: ModuleType) -> bool:
    """Whether a module of kernels imported names of this one."""
    return "triton" in vars(other) and any(
        getattr(value, "__module__", None) == module.__name__ for value in list(vars(other).values())
    )


def _package() -> list[ModuleType]:
    return [module for name, module in list(sys.modules.items()) if name.partition(".")[0] == "tokenlab"]


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


def _plant_in_class(monkeypatch: pytest.MonkeyPatch, kind: type, planted: type) -> None:
    """Give a class's methods the code of another's: so subclasses, and what exists already, have the mistake."""
    for name, value in vars(planted).items():
        function, other = _function(vars(kind).get(name)), _function(value)
        if function is not None and other is not None and function.__code__ != other.__code__:
            monkeypatch.setattr(function, "__code__", other.__code__)


def _function(member: object) -> FunctionType | None:
    """The function in a method, a property or a decorator."""
    member = inspect.unwrap(getattr(member, "fget", None) or getattr(member, "func", member))
    return member if isinstance(member, FunctionType) else None
