"""Student copy and autograder from a master notebook, with otter-grader.

``python -m tokenlab.grading.build MASTER... --output FOLDER --seed N`` writes into ``FOLDER/<name>``
``assignment.ipynb`` for students, ``autograder.zip`` for Gradescope and ``otter run``, and ``key.ipynb``,
solved, which must have all points.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import yaml

from tokenlab.commands import RUNS, add_output, check_free, command_parser, run_command
from tokenlab.errors import GradingError, check_installed
from tokenlab.grading import versions
from tokenlab.grading.links import absolute_links

if TYPE_CHECKING:
    from nbformat import NotebookNode

#: Used unless the instructor sets another; it is public, as the master is.
DEFAULT_SEED = 2026
HEAD = "# ASSIGNMENT CONFIG"
#: The cell of the master that receives the public tests, by its tag.
TESTS_TAG = "public-tests"


class Built(NamedTuple):
    student: Path
    autograder: Path
    key: Path


def configured(master: NotebookNode, seed: int) -> NotebookNode:
    """The master, its links absolute; in its head the hidden tests' seed, requirements and our plugin."""
    cell = master.cells[0]
    if cell.cell_type != "raw" or not cell.source.startswith(HEAD):
        raise GradingError(f"the first cell must be a raw cell that begins with {HEAD!r}")
    config = yaml.safe_load(cell.source) or {}
    page = config.pop("links", "")
    for other in master.cells:
        if other.cell_type == "markdown":
            other.source = absolute_links(other.source, page)
    config |= {
        "init_cell": False,
        "export_cell": False,
        "tests": {"ok_format": False},
        "seed": {"variable": "HIDDEN_SEED", "autograder_value": seed, "student_value": 0},
        "generate": {"plugins": ["tokenlab.grading.plugin.Submission"]},
        "requirements": versions.requirements(),
        "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
    }
    cell.source = f"{HEAD}\n{yaml.safe_dump(config)}"
    return master


def with_tests(notebook: NotebookNode, tests: dict[str, str]) -> NotebookNode:
    """A notebook of otter-grader that runs by itself: its public tests stand in a cell."""
    del notebook.metadata["otter"]
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
    for package in ("otter", "ipykernel"):  # The second runs the key.
        check_installed(package, "teach")
    import nbformat
    from otter.assign import main as otter_assign

    if not master.is_file():
        raise GradingError(f"there is no master notebook {master}")
    built = Built(out / "assignment.ipynb", out / "autograder.zip", out / "key.ipynb")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name).resolve()
        nbformat.write(configured(nbformat.read(master, as_version=4), seed), work / master.name)
        otter_assign(str(work / master.name), str(work / "made"), no_pdfs=True, no_run_tests=True)
        student, key = (
            nbformat.read(work / "made" / folder / master.name, as_version=4)
            for folder in ("student", "autograder")
        )
        (archive,) = (work / "made" / "autograder").glob("*-autograder_*.zip")
        out.mkdir(parents=True, exist_ok=True)
        public = student.metadata["otter"]["tests"]
        nbformat.write(with_tests(student, public), built.student)
        nbformat.write(with_tests(key, public), built.key)
        shutil.copyfile(archive, built.autograder)
    return built


def grade(submission: Path, autograder: Path):
    """Grade one notebook as ``otter run`` does, but quietly."""
    from otter import api

    return api.grade_submission(str(submission), str(autograder), quiet=True)


def build_and_grade(master: Path, out: Path, *, seed: int = DEFAULT_SEED) -> Built:
    """The same, and nothing is written unless the key has all points.

    Raises
    ------
    GradingError
        With what the checks say of the key.
    """
    with tempfile.TemporaryDirectory() as name:
        built = build(master, Path(name), seed=seed)
        results = grade(built.key, built.autograder)
        if results.total != results.possible or not results.possible:
            raise GradingError(f"the key of {master} does not pass:\n{results.summary()}")
        out.mkdir(parents=True, exist_ok=True)
        print(f"{master.stem}: the key has {results.total:g} of {results.possible:g} points", end="; ")
        print(f"hidden tests with seed {seed}; the autograder installs {versions.source()}; files in {out}")
        return Built(*(Path(shutil.copy(path, out)) for path in built))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = command_parser("tokenlab.grading.build", __doc__)
    parser.add_argument("masters", nargs="+", type=Path, metavar="MASTER", help="a master notebook")
    add_output(parser, RUNS / "assignments", "folder of the files", "--output", "--out")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="of the hidden tests")
    parser.add_argument("--book", type=Path, help="also put each student copy into BOOK/<name>/")
    options = parser.parse_args(arguments)
    pages = [options.book / master.stem / "assignment.ipynb" for master in options.masters if options.book]
    folders = [options.output / master.stem for master in options.masters]
    check_free([*folders, *pages], overwrite=options.overwrite)
    for index, (master, folder) in enumerate(zip(options.masters, folders, strict=True)):
        built = build_and_grade(master, folder, seed=options.seed)
        if pages:
            shutil.copyfile(built.student, pages[index])


if __name__ == "__main__":
    run_command(main)
