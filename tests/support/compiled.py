"""What every folder of kernels must be for a GPU that is not here: compiled, without spills, as published.

A process either interprets or compiles, so the tests' process asks another.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest

#: Registers of one multiprocessor of sm_90, and the fewest warps that should fit on it at once.
REGISTERS, RESIDENT_WARPS = 65_536, 16
KERNEL = re.compile(r"^def (_\w+_kernel)\(", re.M)


def compile_in_another_process(root: Path, *command: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, *command], cwd=root, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def kernels_in(folder: Path) -> set[str]:
    """Names of the kernels that the files of a folder define."""
    return {
        name for path in folder.rglob("*.py") for name in KERNEL.findall(path.read_text(encoding="utf-8"))
    }


class CompiledKernels:
    """Tests of one folder's kernels; a test class says which, and adds its own."""

    #: What compiles them, and the folder that defines them.
    command: str
    folder: str
    #: The file that the page of benchmarks shows.
    results: str
    #: The kernels whose programs read whole rows: their loads hide behind one another.
    reading: Iterable[str]

    @pytest.fixture(scope="class")
    def launches(self, root) -> list[dict]:
        return json.loads(compile_in_another_process(root, "-m", self.command))

    def test_every_kernel_is_compiled(self, launches, root):
        assert {launch["kernel"] for launch in launches} == kernels_in(root / self.folder)

    def test_nothing_spills(self, launches):
        assert [launch for launch in launches if launch["spills"]] == []

    def test_enough_warps_fit_on_a_multiprocessor(self, launches):
        reading = [launch for launch in launches if launch["kernel"] in self.reading]
        assert {launch["kernel"] for launch in reading} == set(self.reading)
        for launch in reading:
            assert launch["registers"] * 32 * RESIDENT_WARPS <= REGISTERS, launch

    def test_published_facts_are_these(self, launches, root):
        """The page of benchmarks shows a file; it says what this compiler says."""
        path = root / "tests" / "benchmarks" / "results" / self.results
        result = json.loads(path.read_text(encoding="utf-8"))
        assert result["command"] == f"python -m {self.command} --save"
        if metadata.version("triton") != result["versions"]["triton"]:
            pytest.skip(f"recorded with triton {result['versions']['triton']}")
        now = [launch for launch in launches if launch["layout"] == "aligned"]
        assert result["launches"] == now, f"run `{result['command']}`"
