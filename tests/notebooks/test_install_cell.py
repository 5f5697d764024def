"""The cell that installs the package on Colab, run where torch is there and the package is not.

Only the repository's address is replaced, by the checkout. The environment sees the packages of
the one that runs the tests, as Colab brings its own, except ours. No index is asked: the
dependencies must be taken as they are found.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import distribution
from pathlib import Path
from unittest.mock import ANY

import nbformat
import pytest

from tests.notebooks.execute import ROOT, notebooks

KEPT = ("numpy", "torch", "triton")
ON_COLAB = """
import sys, types
sys.modules["google"] = types.ModuleType("google")
sys.modules["google.colab"] = types.ModuleType("google.colab")
"""
RUN = """
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell.instance().run_cell({source!r}).raise_error()
"""
#: What a reader does next, with a model whose weights must have come along.
USE = """
import json
import tokenlab
from tokenlab import claims, lm
from tokenlab.sampling import generate
model, tokenizer = lm.load("lab-draft")
ids = tokenizer("def read(", return_tensors="pt").input_ids
drawn = generate(model, ids, rule="greedy", max_new_tokens=2).sequences.shape[1] - ids.shape[1]
print(json.dumps([tokenlab.__file__, drawn, len(claims.load())]))
"""
STATE = """
import json, importlib.util
from importlib.metadata import version
names = [name for name in {names!r} if importlib.util.find_spec(name)]
print(json.dumps({{name: [version(name), importlib.util.find_spec(name).origin] for name in names}}))
"""


def installing(source: str) -> str:
    """A cell up to the installation; the opening picture, which needs it, may follow."""
    return source[: re.search(r"pip install.*", source).end()]


def first_code_cells() -> list[str]:
    books = [nbformat.read(path, as_version=4) for path in notebooks() if "assignments" not in path.parts]
    return [next(cell.source for cell in book.cells if cell.cell_type == "code") for book in books]


def install_cells() -> list[str]:
    """The distinct installations of the notebooks that readers open."""
    return sorted({installing(source) for source in first_code_cells()})


def from_checkout(source: str, root: Path = ROOT) -> str:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return source.replace(f"git+{project['urls']['Repository']}", root.as_uri())


class Clean:
    """An environment that has what this one has, but not the package."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder / "venv", with_pip=False)
        scripts = "Scripts" if os.name == "nt" else "bin"
        self.python = folder / "venv" / scripts / "python"
        self.outside = folder / "outside"
        self.outside.mkdir()
        here = Path(distribution("torch").locate_file(""))
        seen = folder / "seen"
        seen.mkdir()
        for path in here.iterdir():
            if not re.search("tokenlab|__pycache__|distutils-precedence", path.name):
                (seen / path.name).symlink_to(path)
        self.packages = Path(self.run("import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        (self.packages / "seen.pth").write_text(str(seen))

    def run(self, code: str) -> str:
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("PIP_", "PYTHON", "VIRTUAL"))
        }
        # "no" to "no isolation" reads the other way round: pip takes the value for the isolation.
        offline = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        done = subprocess.run(
            [self.python, "-c", code],
            cwd=self.outside,
            env={**kept, **offline, "IPYTHONDIR": str(self.outside)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def install(self, source: str, colab: bool = True) -> None:
        self.run((ON_COLAB if colab else "") + RUN.format(source=from_checkout(source)))

    def has_package(self) -> bool:
        return (
            self.run("import importlib.util; print(importlib.util.find_spec('tokenlab'))").strip() != "None"
        )

    def state(self) -> dict:
        return json.loads(self.run(STATE.format(names=KEPT)))

    def installed(self) -> dict:
        return json.loads(self.run(STATE.format(names=("tokenlab",))))

    def use(self) -> list:
        return json.loads(self.run(USE).splitlines()[-1])


def test_nothing_needs_the_package_before_it_is_installed():
    needs = re.compile(r"^\s*(?:import|from) tokenlab", re.M)
    assert not any(needs.search(cell) for cell in install_cells())
    # Planted: the picture stands first.
    picture = "from tokenlab.figures import show\n"
    assert all(needs.search(installing(picture + cell)) for cell in install_cells())


@pytest.fixture(scope="module", params=install_cells(), ids=lambda source: f"{len(source)} characters")
def cell(request) -> str:
    return request.param


@pytest.fixture
def clean(tmp_path: Path) -> Clean:
    if sys.platform == "win32":
        pytest.skip("symbolic links need a privilege on Windows")
    return Clean(tmp_path)


def test_installs_on_colab_once_and_again(clean: Clean, cell: str):
    assert not clean.has_package()
    before = clean.state()
    assert "torch" in before
    for _ in range(2):
        clean.install(cell)
        assert clean.has_package()
        assert clean.state() == before, "the cell must leave numpy, torch and triton as they are"
    assert clean.installed() == {"tokenlab": [distribution("tokenlab").version, ANY]}
    if cell == min(install_cells(), key=len):  # What all of them install can be used.
        file, drawn, entries = clean.use()
        assert Path(file).is_relative_to(clean.packages) and drawn == 2 and entries > 10
    ours = [path.name for path in clean.packages.glob("*.dist-info")]
    assert len(ours) == 1, f"installed more than the package: {ours}"


def test_installs_nothing_elsewhere(clean: Clean, cell: str):
    clean.install(cell, colab=False)
    assert not clean.has_package()


def test_wrong_cell_is_found(clean: Clean, cell: str):
    # A typo in the name, as happened to several courses: pip complains, the cell goes on.
    clean.install(re.sub(r"pip install.*", "pip install -q tokenlba", cell))
    assert not clean.has_package()


def test_reinstalled_dependency_is_found(clean: Clean):
    before = clean.state()
    (clean.packages / "numpy").mkdir()
    (clean.packages / "numpy" / "__init__.py").touch()
    assert clean.state() != before
