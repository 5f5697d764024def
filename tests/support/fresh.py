"""An environment that has what the package asks for, and nothing more of what is installed here.

It is made from the packages of the environment that runs the tests, without an index: what
``pyproject.toml`` does not name, directly or through what it names, is not there.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tomllib
import venv
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(names: set[str]) -> set[str]:
    """These distributions and all that they require, as far as they are installed."""
    found: set[str] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        wanted = waiting.pop()
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        if canonical(wanted.name) in found and not wanted.extras:
            continue
        found.add(canonical(wanted.name))
        with contextlib.suppress(metadata.PackageNotFoundError):
            for line in metadata.requires(wanted.name) or ():
                item = Requirement(line)
                extras = wanted.extras or {""}
                if not item.marker or any(item.marker.evaluate({"extra": extra}) for extra in extras):
                    item.marker = None
                    waiting.append(item)
    return found


def asked_for(*extras: str) -> set[str]:
    """What ``pip install tokenlab[extras]`` would bring."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return closure(set(lines))


def install_package(folder: Path) -> None:
    """The package as a reader has it, and nothing that it needs, without an index."""
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check")
    install = [sys.executable, "-m", "pip", "install", *offline, "--target", folder, ROOT]
    subprocess.run(install, check=True, capture_output=True, text=True)


def outside() -> dict[str, str]:
    """Variables for a process of another environment: none that leads back to this one."""
    ours = ("PIP_", "PYTHON", "VIRTUAL", "JUPYTER")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}


class Fresh:
    """The environment in ``folder``, with the package and these ``extras``."""

    def __init__(self, folder: Path, *extras: str) -> None:
        venv.create(folder / "venv", with_pip=False)
        self.python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
        self.work = folder / "work"
        self.work.mkdir()
        seen = folder / "seen"
        seen.mkdir()
        for name in asked_for(*extras):
            with contextlib.suppress(metadata.PackageNotFoundError):
                distribution = metadata.distribution(name)
                for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
                    if not (seen / top).exists():
                        (seen / top).symlink_to(distribution.locate_file(top))
        install_package(folder / "package")
        found = self.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
        Path(found.stdout.strip(), "seen.pth").write_text(f"{folder / 'package'}\n{seen}\n")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """What the environment's Python does with this command line."""
        return subprocess.run(
            [self.python, *command],
            cwd=self.work,
            env={**outside(), "IPYTHONDIR": str(self.work / ".ipython")},
            capture_output=True,
            text=True,
            check=False,
        )
