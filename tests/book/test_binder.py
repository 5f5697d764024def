"""What mybinder.org would build: the files that it reads, in its way, agree with the project.

A folder ``binder/`` replaces all other configuration. Its ``runtime.txt`` names the Python,
``requirements.txt`` is installed by pip from the root of the checkout, ``start`` wraps the server.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.notebooks.execute import notebooks

CPU_INDEX = "--extra-index-url https://download.pytorch.org/whl/cpu"
#: What repo2docker reads from the folder; any other file would be ignored in silence.
READ = {"requirements.txt", "runtime.txt", "start", "postBuild", "apt.txt", "environment.yml"}


def lines(path: Path) -> list[str]:
    return [
        line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")
    ]


def pins(path: Path) -> dict[str, str]:
    found = [Requirement(line) for line in lines(path) if line[0] not in "-."]
    return {canonicalize_name(pin.name): str(pin.specifier) for pin in found}


def imported(sources: list[str]) -> set[str]:
    """Distributions that code cells import, magics left out."""
    modules = set()
    for source in sources:
        plain = re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.M)
        for node in ast.walk(ast.parse(plain)):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    known = packages_distributions()
    return {canonicalize_name(name) for module in modules for name in known.get(module, [])}


def cells(root: Path) -> list[str]:
    books = [nbformat.read(path, as_version=4) for path in notebooks(root)]
    return [cell.source for book in books for cell in book.cells if cell.cell_type == "code"]


def needed(root: Path) -> set[str]:
    """What the package and the notebooks of the book need."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["gpu"]
    # The kernel that runs the notebooks, and IPython, are part of every Binder.
    found = imported(cells(root)) - {"tokenlab", "ipython"}
    return {canonicalize_name(Requirement(item).name) for item in wanted} | found


def installed_by_cells(root: Path) -> set[str]:
    """What notebooks install on Colab, by name."""
    named = re.findall(r"pip install(.*)", "\n".join(cells(root)))
    return {
        canonicalize_name(word) for line in named for word in re.findall(r"(?<= )[a-z][\w-]+(?= |$)", line)
    }


def test_every_file_is_one_that_is_read(root: Path):
    assert {path.name for path in (root / "binder").iterdir()} <= READ


def test_python_is_one_that_the_package_supports(root: Path):
    (line,) = lines(root / "binder" / "runtime.txt")
    version = re.fullmatch(r"python-(3\.\d+)", line)[1]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert version in SpecifierSet(project["requires-python"])
    assert f"Programming Language :: Python :: {version}" in project["classifiers"]


def test_pins_are_those_of_the_book(root: Path):
    book, binder = pins(root / "requirements.txt"), pins(root / "binder" / "requirements.txt")
    assert binder == {name: book[name] for name in binder}


def test_what_is_listed_is_what_is_needed(root: Path):
    listed = set(pins(root / "binder" / "requirements.txt"))
    assert needed(root) <= listed, "something is missing"
    assert listed <= needed(root) | installed_by_cells(root), "nobody needs something"


def test_torch_comes_from_the_cpu_index_and_the_package_last(root: Path):
    found = lines(root / "binder" / "requirements.txt")
    assert found[0] == CPU_INDEX and found[-1] == "."
    assert [line for line in found if line.startswith("-")] == [CPU_INDEX]


@pytest.mark.skipif(sys.platform == "win32", reason="Binder runs on Linux; the script is for bash")
def test_start_hands_over_with_the_interpreter_on(root: Path):
    start = root / "binder" / "start"
    assert start.stat().st_mode & 0o111
    command = [
        sys.executable,
        "-c",
        "import os, sys; print(os.environ['TRITON_INTERPRET'], *sys.argv[1:])",
        "a b",
    ]
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    done = subprocess.run([str(start), *command], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "1 a b\n"


def test_imports_are_seen():
    assert imported(["%pip install x\nimport numpy as np", "from scipy.integrate import quad"]) == {
        "numpy",
        "scipy",
    }
    assert imported(["if True:\n    %pip install x"]) == set()
