"""What a test uses, as markers, so that ``make check`` can leave the slow kinds out.

They are read off the test: its path, its parameters, and the functions that it and its fixtures
lead to by name. A decorator marks what cannot be seen so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType

import pytest

#: Whoever leads to one of these has a neural model.
MODELS = {
    "tiny_model", "build_model", "from_config", "from_pretrained", "trained", "shipped", "tokenlab.lm.loading.load",
    "tokenlab.lm.training.train",
}  # fmt: skip
#: As has a class that is named so.
MODEL_CLASS = ("ForCausalLM", "ForConditionalGeneration")
PLANTING = {"plant", "plant_in_kernels", "planted_module", "changed"}
INTERPRETED = {"test_kernels.py", "test_kernel_agreement.py", "test_compiled.py", "test_notebook_kernels.py"}
#: Notebooks are executed here, or code of theirs is.
NOTEBOOKS = {
    "test_comparison.py", "test_derive_notebook.py", "test_faults.py", "test_install_cell.py", "test_masters.py",
    "test_notebook_kernels.py",
}  # fmt: skip


def mark(item: pytest.Item) -> None:
    """Add the markers that the test earns."""
    if item.path.suffix == ".ipynb":
        item.add_marker("notebook")
        return
    if (examples := getattr(item, "dtest", None)) is not None:
        if any("load(" in example.source for example in examples.examples):
            item.add_marker("model")
        return
    names = reached(item)
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    earned = {
        "model": names & MODELS or any(name.endswith(MODEL_CLASS) for name in names),
        "mutant": names & PLANTING or "planted" in item.name or "mutant" in item.name,
        "interpreter": item.path.name in INTERPRETED
        or any(isinstance(p, str) and p == "triton" for p in parameters),
        "notebook": item.path.name in NOTEBOOKS,
        "browser": "browser" in getattr(item, "fixturenames", ()),
    }
    for name, deserved in earned.items():
        if deserved:
            item.add_marker(name)


def reached(item: pytest.Item) -> set[str]:
    """Names that the test, its fixtures, and functions of ours that these name, use."""
    functions = [getattr(item, "obj", None)] if isinstance(item, pytest.Function) else []
    fixtures = getattr(item, "_fixtureinfo", None)
    if fixtures is not None:
        used = [definitions[-1].func for definitions in fixtures.name2fixturedefs.values()]
        functions += [function for function in used if _is_ours(function)]
    if hasattr(item, "callspec"):
        functions += [value for value in item.callspec.params.values() if _is_ours(value)]
    found: set[str] = set(getattr(item, "fixturenames", ()))
    for function in functions:
        found |= _names(function)
    return found


_known: dict[CodeType, set[str]] = {}


def _names(function: Callable) -> set[str]:
    function = getattr(function, "__func__", function)
    function = getattr(function, "__wrapped__", function)
    if not isinstance(function, FunctionType):
        return set()
    code = function.__code__
    if code not in _known:
        _known[code] = found = {f"{function.__module__}.{function.__qualname__}"}
        own = set(_code_names(code))
        found |= own
        modules = [value for name in own if isinstance(value := function.__globals__.get(name), ModuleType)]
        modules += [sys.modules[name] for name in own if name.startswith("tokenlab.") and name in sys.modules]
        for name in own:
            for value in (function.__globals__.get(name), *(vars(module).get(name) for module in modules)):
                if _is_ours(value):
                    found |= _names(value)
    return _known[code]


def _code_names(code: CodeType) -> Iterator[str]:
    """Names in the function and in those inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code_names(constant)


def _is_ours(value: object) -> bool:
    module = getattr(value, "__module__", None)
    return callable(value) and isinstance(module, str) and module.partition(".")[0] in ("tests", "tokenlab")
