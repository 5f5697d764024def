"""Importing and installing the package."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import tokenlab

HEAVY = ("transformers", "scipy", "matplotlib", "triton", "IPython", "ipywidgets")


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_import_is_light_and_silent():
    done = run(f"import sys, tokenlab; print([m for m in {HEAVY} if m in sys.modules])")
    assert (done.stdout, done.stderr) == ("[]\n", "")


#: One process imports them one after the other, and says of each what it has added.
EACH = """
import importlib, sys, torch
before = set(sys.modules)
for name in {names}:
    importlib.import_module(name)
    print(name, [m for m in {heavy} if m in sys.modules and m not in before], torch.cuda.is_initialized())
"""


def test_submodules_add_nothing_heavy_to_torch():
    names = [f"tokenlab.{found.name}" for found in pkgutil.iter_modules(tokenlab.__path__)]
    assert len(names) >= 10
    done = run(EACH.format(names=names, heavy=HEAVY))
    assert done.stdout.splitlines() == [f"{name} [] False" for name in names] and done.stderr == ""


def test_a_heavy_submodule_is_seen():
    names = ["tokenlab.errors", "tokenlab.lm.baselines", "tokenlab.sampling.processors"]
    assert "processors ['transformers'" in run(EACH.format(names=names, heavy=HEAVY)).stdout


def test_submodules_are_attributes():
    run("import tokenlab; assert all(getattr(tokenlab, name) for name in tokenlab.__all__)")


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="no attribute 'transprot'"):
        tokenlab.transprot


def test_wheel_carries_assets_and_ledger(root: Path, tmp_path: Path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=root,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("tokenlab-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "tokenlab/assets/claims.yml" in names
    assets = [path for path in (root / "tokenlab" / "assets").rglob("*") if path.is_file()]
    wanted = {path.relative_to(root).as_posix() for path in assets if "__pycache__" not in path.parts}
    assert wanted <= names
    assert not [name for name in names if name.startswith(("tests/", "book/"))]
    assert "tokenlab/py.typed" in names


def test_a_clone_that_converts_line_ends_keeps_them(root: Path, tmp_path: Path):
    """Held-out texts are frozen byte for byte; Git for Windows converts unless it is told not to."""
    if not (root / ".git").exists():
        pytest.skip("not a git checkout")
    frozen = sorted(
        path.relative_to(root).as_posix() for path in (root / "tokenlab/assets/heldout").rglob("*.*")
    )
    command = ["git", "-c", "core.autocrlf=true", "checkout-index", f"--prefix={tmp_path}/", "--", *frozen]
    subprocess.run(command, cwd=root, check=True)
    assert [name for name in frozen if (tmp_path / name).read_bytes() != (root / name).read_bytes()] == []
