"""Student copy and autograder from a master notebook, with otter-grader.

``python -m tokenlab.grading.build MASTER... --out FOLDER --seed N`` writes into ``FOLDER/<name>``
``assignment.ipynb`` for students, ``autograder.zip`` for Gradescope and ``otter run``, and ``key.ipynb``,
solved, which must have all points.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import nbformat
import yaml
from nbformat import NotebookNode

from tokenlab.errors import GradingError

#: Used unless the instructor sets another; it is public, as the master is.
DEFAULT_SEED = 2026
HEAD = "# ASSIGNMENT CONFIG"
#: The cell of the master that receives the public tests, by its tag.
TESTS_TAG = "public-tests"
#: What a submission is graded with; the versions are those that graded the key.
PACKAGES = ("torch", "triton")
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


class Built(NamedTuple):
    student: Path
    autograder: Path
    key: Path


def requirements() -> list[str]:
    """What the autograder installs: this package, and the versions it runs with here."""
    found = metadata.metadata("tokenlab").get_all("Project-URL") or []
    repository = next(url.partition(", ")[2] for url in found if url.startswith("Repository"))
    pins = [f"--extra-index-url {CPU_INDEX}"]
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            pins.append(f"{package}=={metadata.version(package).partition('+')[0]}")
    return [*pins, f"tokenlab @ git+{repository}"]


def configured(master: NotebookNode, seed: int) -> NotebookNode:
    """The master; in its head the hidden tests' seed, requirements and our plugin."""
    cell = master.cells[0]
    if cell.cell_type != "raw" or not cell.source.startswith(HEAD):
        raise GradingError(f"the first cell must be a raw cell that begins with {HEAD!r}")
    config = yaml.safe_load(cell.source) or {}
    config |= {
        "init_cell": False,
        "export_cell": False,
        "tests": {"ok_format": False},
        "seed": {"variable": "HIDDEN_SEED", "autograder_value": seed, "student_value": 0},
        "generate": {"plugins": ["tokenlab.grading.plugin.Submission"]},
        "requirements": requirements(),
        "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
    }
    cell.source = f"{HEAD}\n{yaml.safe_dump(config)}"
    return master


def student_copy(notebook: NotebookNode) -> NotebookNode:
    """otter-grader's student notebook, its public tests moved into a cell."""
    tests = notebook.metadata.pop("otter")["tests"]
    holders = [cell for cell in notebook.cells if TESTS_TAG in cell.metadata.get("tags", [])]
    if len(holders) != 1:
        raise GradingError(f"{len(holders)} cells have the tag {TESTS_TAG!r}, expected one")
    holders[0].source = tests_cell(tests)
    for number, cell in enumerate(notebook.cells):
        # otter-grader's own cells get random names, which would differ in every build.
        if cell.source.startswith("grader.check("):
            cell.id = f"check-{number}"
    return notebook


def tests_cell(tests: dict[str, str]) -> str:
    sources = []
    for question, source in tests.items():
        if "'''" in source:
            raise GradingError(f"the tests of {question} must not contain three single quotes in a row")
        sources.append(f"    \"{question}\": r'''{tidy(source)}''',\n")
    return (
        "# @title Public tests: run this cell and leave it as it is\n"
        "from tokenlab.grading import Grader\n\n"
        f"grader = Grader({{\n{''.join(sources)}}})"
    )


def tidy(source: str) -> str:
    """Without trailing blanks, with at most one empty line in a row."""
    lines = [line.rstrip() for line in source.splitlines()]
    kept = [line for line, above in zip(lines, ["", *lines], strict=False) if line or above]
    return "\n".join(kept) + "\n"


def build(master: Path, out: Path, *, seed: int = DEFAULT_SEED) -> Built:
    """Make student copy, autograder and key of one master of ``otter assign``; grade nothing."""
    try:
        from otter.assign import main as otter_assign
    except ImportError as error:
        raise GradingError("building needs otter-grader: run `pip install otter-grader`") from error
    if not master.is_file():
        raise GradingError(f"there is no master notebook {master}")
    built = Built(out / "assignment.ipynb", out / "autograder.zip", out / "key.ipynb")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name).resolve()
        source = work / master.name
        nbformat.write(configured(nbformat.read(master, as_version=4), seed), source)
        otter_assign(str(source), str(work / "made"), no_pdfs=True, no_run_tests=True)
        student = nbformat.read(work / "made" / "student" / master.name, as_version=4)
        (archive,) = (work / "made" / "autograder").glob("*-autograder_*.zip")
        out.mkdir(parents=True, exist_ok=True)
        nbformat.write(student_copy(student), built.student)
        shutil.copyfile(archive, built.autograder)
        shutil.copyfile(work / "made" / "autograder" / master.name, built.key)
    return built


def grade(submission: Path, autograder: Path):
    """Grade one notebook as ``otter run`` does, but quietly."""
    from otter import api

    return api.grade_submission(str(submission), str(autograder), quiet=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("masters", nargs="+", type=Path, metavar="MASTER")
    parser.add_argument("--out", type=Path, default=Path("dist/assignments"))
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="of the hidden tests")
    parser.add_argument("--book", type=Path, help="also put each student copy into BOOK/<name>/")
    options = parser.parse_args(arguments)
    for master in options.masters:
        built = build(master, options.out / master.stem, seed=options.seed)
        results = grade(built.key, built.autograder)
        if results.total != results.possible or not results.possible:
            raise GradingError(f"the key of {master} does not pass:\n{results.summary()}")
        if options.book:
            shutil.copyfile(built.student, options.book / master.stem / "assignment.ipynb")
        print(f"{master.stem}: the key has {results.total:g} of {results.possible:g} points", end="; ")
        print(f"hidden tests with seed {options.seed}; files in {built.student.parent}")


if __name__ == "__main__":
    main()
