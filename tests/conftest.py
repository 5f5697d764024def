"""What all tests share: no network, one thread per process, reproducible examples."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

# Before torch and transformers read them; kernels of notebooks inherit them.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from hypothesis import settings

# Kernels are interpreted where there is no GPU. Triton reads this when it is imported, and
# transformers' model classes import it.
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")

from tests.support import markers

# Fixtures for all tests of kernels.
from tests.support.catalogue import allocated, fast_interpreter, poisoned_memory  # noqa: F401

settings.register_profile("tokenlab", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("tokenlab")

ROOT = Path(__file__).parents[1]


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Doctests are the package's: helpers among the tests are not imported for theirs."""
    helper = collection_path.suffix == ".py" and not collection_path.name.startswith("test_")
    return True if helper and collection_path.name != "__init__.py" else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Markers by what a test uses, before ``-m`` selects by them; what needs a fetched model only where it is named."""
    for item in items:
        markers.mark(item)
    if not re.search(r"\breal\b", config.option.markexpr):
        real = [item for item in items if item.get_closest_marker("real")]
        config.hook.pytest_deselected(items=real)
        items[:] = [item for item in items if item not in real]


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def extension(root: Path) -> Iterator[Callable[[str], ModuleType]]:
    """``extension(name)``: one of the book's own Sphinx extensions."""
    folder = str(root / "book" / "_ext")
    sys.path.insert(0, folder)
    yield importlib.import_module
    sys.path.remove(folder)


@pytest.fixture(scope="session")
def html(root: Path) -> Path:
    """The built book; without one a test is skipped, under CI it fails."""
    path = root / "book" / "_build" / "html"
    if not (path / "index.html").exists():
        message = "the book is not built: run `make book` first"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    return path
