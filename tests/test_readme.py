"""What the README promises: its examples run, each by itself, and its links hold wherever it is shown."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.readme import blocks

EXAMPLE = re.compile(r"t__\(")  # "__init__(", from a prompt that ends inside a token


def sample(printed: str) -> bool:
    text, _, kept = printed.rpartition("tokens that could be drawn, step by step:")
    return "def read(path):" in text and bool(re.fullmatch(r"\s*\[\d+(, \d+)*\]\s*", kept))


def draft(printed: str) -> bool:
    text, _, rate = printed.rpartition("tokens for a call of the target model:")
    return "def read(path):" in text and 1 < float(rate.strip(" []\n")) <= 5


def check(printed: str) -> bool:
    return "lossless: yes" in printed


def as_bytes(printed: str) -> bool:
    lines = printed.splitlines()
    leaks = [line for line in lines if re.fullmatch(r"next byte: . leak: 0\.0\d+", line)]
    return bool(EXAMPLE.match(lines[0]) and leaks) and 0 < float(lines[-1].rpartition(":")[2]) < 4


@pytest.mark.model
@pytest.mark.parametrize(("index", "right"), [*enumerate((sample, draft, check, as_bytes))])
def test_an_example_runs_by_itself(root: Path, tmp_path: Path, index: int, right: Callable[[str], bool]):
    """In a process of its own, with the package as it is installed, as a reader would paste it."""
    example = blocks(root, "python")[index]
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert right(done.stdout), done.stdout
    # Nothing to explain to a reader: no warning of ours or of a library.
    assert done.stderr == ""


def test_every_example_is_looked_at(root: Path):
    assert len(blocks(root, "python")) == 4


def test_links_hold_wherever_it_is_shown(root: Path):
    """A package index has no files beside the README: addresses are whole, and lead to files that are here."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    home = re.escape(project["urls"]["Repository"])
    targets = re.findall(r"\]\(([^)]+)\)", (root / "README.md").read_text(encoding="utf-8"))
    assert len(targets) > 20 and [target for target in targets if not target.startswith("https://")] == []
    for target in targets:
        if found := re.fullmatch(rf"{home}/(?:blob|raw)/main/([^#]+)(?:#.*)?", target):
            assert (root / found[1]).exists(), target
    # A page about a picture is no picture.
    (picture,) = re.findall(r"!\[[^]]*\]\(([^)]+)\)", (root / "README.md").read_text(encoding="utf-8"))
    assert "/raw/" in picture
