"""The recipe for a private variant, run as the page has it where only the package is installed."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import nbformat
import pytest

from tests.grading.test_build import SOLVED, master
from tests.support.fresh import Fresh, asked_for

pytest.importorskip("hatchling", reason="hatchling, which builds the package, is not installed")
pytest.importorskip("otter", reason="otter-grader is not installed")

pytestmark = [
    pytest.mark.notebook,
    pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege on Windows"),
]


@pytest.fixture(scope="module")
def teaching(tmp_path_factory) -> Fresh:
    return Fresh(tmp_path_factory.mktemp("teach"), "teach")


def commands(root: Path) -> list[list[str]]:
    """The command lines of the page that build, and that grade one notebook."""
    page = (root / "book" / "instructors.md").read_text(encoding="utf-8")
    lines = re.findall(r"^(?:python -m tokenlab\.grading\.build|otter run) .*$", page, re.M)
    return [shlex.split(line) for line in lines]


def test_private_variant(teaching: Fresh, root: Path):
    run, build = sorted(commands(root))
    solution = SOLVED
    if sys.platform == "linux":  # Some questions ask for a kernel, and a torch for the CPU brings no Triton.
        solution = SOLVED.replace("    return 1", "    import triton\n\n    return 1")
    nbformat.write(master(solution), teaching.work / build[3])
    done = teaching.run(*build[1:])
    assert done.returncode == 0, done.stderr
    assert "my_master: the key has 2 of 2 points; hidden tests with seed 4711" in done.stdout
    made = teaching.work / "private" / "my_master"
    for given, name in (("autograder.zip", "autograder.zip"), ("submission.ipynb", "assignment.ipynb")):
        assert given in run
        (made / name).rename(teaching.work / given)
    done = teaching.run("-m", *run)
    assert done.returncode == 0, done.stderr
    # What the page says of the file: all words stand in it, also those that no student sees.
    results = json.loads((teaching.work / "results.json").read_text(encoding="utf-8"))
    assert "one() is not 1" in "".join(test["output"] for test in results["tests"])
    assert "one() is not 1" not in done.stdout


def test_what_a_student_installs_runs_the_checks(teaching: Fresh):
    done = teaching.run("-c", "from tokenlab.grading import Grader; Grader({})")
    assert done.returncode == 0, done.stderr


def test_without_the_extra_help_works_and_building_says_what_to_install(tmp_path: Path):
    assert not {"otter-grader", "ipykernel"} & asked_for()
    plain = Fresh(tmp_path)
    done = plain.run("-m", "tokenlab.grading.build", "--help")
    assert done.returncode == 0 and "--seed SEED" in done.stdout, done.stderr
    done = plain.run("-m", "tokenlab.grading.build", "my_master.ipynb")
    assert done.returncode == 2
    assert done.stderr == 'error: otter is not installed: run `pip install "tokenlab[teach]"`\n'
