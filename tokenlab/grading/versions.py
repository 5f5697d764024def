"""What an autograder installs: the versions that graded the key."""

from __future__ import annotations

import json
import re
import subprocess
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

#: The checkout that this file lies in, if the package was not copied elsewhere.
ROOT = Path(__file__).parents[2]
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
#: Beside what the package itself needs; not everywhere.
FURTHER = ("triton",)


class Source(NamedTuple):
    """Where this package came from: a repository, and a commit if one holds just these files."""

    repository: str
    commit: str

    @property
    def requirement(self) -> str:
        return f"tokenlab @ git+{self.repository}" + (f"@{self.commit}" if self.commit else "")

    def __str__(self) -> str:
        if self.commit:
            return f"tokenlab at commit {self.commit[:12]}"
        return "the newest tokenlab, since no commit is known that holds this one"


def source() -> Source:
    """The repository and commit that pip installed from, or of the checkout."""
    distribution = metadata.distribution("tokenlab")
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if "vcs_info" in origin:
        return Source(origin["url"], origin["vcs_info"]["commit_id"])
    urls = distribution.metadata.get_all("Project-URL") or []
    repository = next(url.partition(", ")[2] for url in urls if url.startswith("Repository"))
    return Source(repository, checked_out(ROOT))


def checked_out(root: Path) -> str:
    """The commit of a checkout; empty if there is none, or if the package has been changed since."""
    if not (root / ".git").exists():  # An environment may lie inside another repository.
        return ""
    try:
        changed, commit = (
            subprocess.run(["git", "-C", root, *command], capture_output=True, text=True, check=True).stdout
            for command in (["status", "--porcelain", "--", "tokenlab"], ["rev-parse", "HEAD"])
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return "" if changed.strip() else commit.strip()


def needed() -> list[str]:
    """The distributions that this package names as its dependencies, without extras."""
    lines = metadata.requires("tokenlab") or []
    return [re.match(r"[\w.-]+", line)[0] for line in lines if "extra ==" not in line]


def requirements() -> list[str]:
    """This package, and each of its dependencies that is installed here in its version."""
    pins = [f"--extra-index-url {CPU_INDEX}"]
    for package in (*needed(), *FURTHER):
        try:
            # A local part such as +cpu belongs to the index.
            pins.append(f"{package}=={metadata.version(package).partition('+')[0]}")
        except metadata.PackageNotFoundError:
            continue
    return [*pins, source().requirement]
