"""An autograder installs what graded the key."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from tokenlab.grading import versions
from tokenlab.grading.versions import Source, checked_out, requirements, source


def test_every_dependency_is_pinned_as_it_is_here(root: Path):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = dict(line.split("==") for line in requirements() if "==" in line)
    named = {re.match(r"[\w.-]+", line)[0] for line in project["dependencies"]}
    assert set(pinned) - {"triton"} == named
    for name, version in pinned.items():
        assert metadata.version(name).partition("+")[0] == version


class Installed:
    """A distribution as pip leaves it, with this origin."""

    metadata = metadata.metadata("tokenlab")

    def __init__(self, origin: dict | None) -> None:
        self.origin = origin

    def read_text(self, name: str) -> str | None:
        return self.origin and json.dumps(self.origin)


def installed(monkeypatch, origin: dict | None, checkout: Path) -> Source:
    monkeypatch.setattr(versions.metadata, "distribution", lambda name: Installed(origin))
    monkeypatch.setattr(versions, "ROOT", checkout)
    return source()


def test_installed_from_git(monkeypatch, tmp_path):
    origin = {"url": "https://a.org/fork", "vcs_info": {"vcs": "git", "commit_id": "abc123"}}
    assert installed(monkeypatch, origin, tmp_path).requirement == "tokenlab @ git+https://a.org/fork@abc123"


@pytest.mark.parametrize("origin", [None, {"url": "file:///a", "dir_info": {}}])
def test_of_no_known_commit(monkeypatch, tmp_path, origin):
    found = installed(monkeypatch, origin, tmp_path)
    assert found.requirement == "tokenlab @ git+https://github.com/token-lab/token-lab"
    assert str(found).startswith("the newest tokenlab, since no commit is known")


def git(folder: Path, *command: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b.org")
    done = subprocess.run(["git", "-C", folder, *who, *command], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_checkout(monkeypatch, tmp_path):
    (tmp_path / "tokenlab").mkdir()
    (tmp_path / "tokenlab" / "a.py").write_text("1\n")
    assert checked_out(tmp_path) == ""
    git(tmp_path, "init", "--quiet")
    assert checked_out(tmp_path) == ""  # nothing is committed
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "a")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert installed(monkeypatch, None, tmp_path).requirement.endswith(f"token-lab@{commit}")
    (tmp_path / "private.ipynb").write_text("")  # a master beside the package is no change of it
    assert checked_out(tmp_path) == commit
    (tmp_path / "tokenlab" / "a.py").write_text("2\n")
    assert checked_out(tmp_path) == ""


def test_an_environment_inside_another_repository(tmp_path):
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", "a")
    (tmp_path / "site-packages").mkdir()
    assert checked_out(tmp_path / "site-packages") == ""
