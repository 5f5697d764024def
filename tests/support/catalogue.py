"""A catalogue of checks: each passes on the kernels, and fails on the mistakes planted in them."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable

import pytest
import torch

from tests.support import interpreter
from tests.support.planting import plant_in_kernels
from tokenlab.backend import has_triton


@pytest.fixture
def poisoned_memory(monkeypatch):
    """New memory holds NaN or a wild id, so that what a kernel forgets to write shows."""
    new_empty = torch.Tensor.new_empty

    def poisoned(tensor, *args, **kwargs):
        found = new_empty(tensor, *args, **kwargs)
        if found.is_floating_point():
            return found.fill_(math.nan)
        if found.dtype == torch.bool:
            return found.fill_(True)
        # Narrow integers cannot hold the wild id.
        return found.fill_(-1_234_567 if found.dtype.itemsize >= 4 else torch.iinfo(found.dtype).max)

    monkeypatch.setattr(torch.Tensor, "new_empty", poisoned)


@pytest.fixture
def allocated(monkeypatch) -> list[int]:
    """How many elements each tensor has that ``new_empty`` makes."""
    sizes = []
    new_empty = torch.Tensor.new_empty

    def recorded(tensor, *args, **kwargs):
        found = new_empty(tensor, *args, **kwargs)
        sizes.append(found.numel())
        return found

    monkeypatch.setattr(torch.Tensor, "new_empty", recorded)
    return sizes


@pytest.fixture
def fast_interpreter(monkeypatch):
    if has_triton():
        interpreter.replace_once(monkeypatch)


def checks_in(names: dict[str, object]) -> dict[str, Callable[[], None]]:
    """The functions ``check_*()`` of a test module, by the rest of their names."""
    return {
        name.removeprefix("check_"): value
        for name, value in names.items()
        if name.startswith("check_") and value.__module__ == names["__name__"] and not _arguments(value)
    }


def _arguments(function: Callable) -> int:
    return function.__code__.co_argcount + function.__code__.co_kwonlyargcount


def catalogue(
    package: str,
    checks: dict[str, Callable[[], None]],
    mutants: dict[str, tuple[str, str, str]],
    refusals: tuple[type[Exception], ...] = (),
) -> tuple[Callable, Callable]:
    """Two tests: all checks pass, and each mutant (old source, new source, check) fails its check.

    ``package`` holds the kernels. A mistake may also be refused by Triton, or with ``refusals``.
    """

    @pytest.mark.interpreter
    @pytest.mark.parametrize("name", checks)
    def test_catalogue(name):
        checks[name]()

    @pytest.mark.interpreter
    @pytest.mark.mutant
    @pytest.mark.parametrize("mistake", mutants)
    def test_mutant_is_caught(mistake, tmp_path, monkeypatch):
        from triton.errors import TritonError

        old, new, check = mutants[mistake]
        plant_in_kernels(monkeypatch, tmp_path, importlib.import_module(package), old, new)
        with pytest.raises((AssertionError, TritonError, *refusals)):
            checks[check]()

    return test_catalogue, test_mutant_is_caught
