"""Each master of the book, built once, and the names that its notebook defines."""

from __future__ import annotations

import contextlib
import importlib
import re
import zipfile
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from tests.assignments.wrong.mistake import mistakes_of
from tokenlab.grading.build import build
from tokenlab.grading.grader import Grader

ROOT = Path(__file__).parents[2]
MASTERS = sorted((ROOT / "book" / "assignments").glob("*.ipynb"))
SEED = 7
BEGIN = "# BEGIN SOLUTION\n"


@pytest.fixture(scope="session", params=MASTERS, ids=lambda path: path.stem)
def made(request, tmp_path_factory) -> SimpleNamespace:
    """Student copy, autograder and key of a master, with their contents."""
    master = request.param
    built = build(master, tmp_path_factory.mktemp(master.stem), seed=SEED)
    with zipfile.ZipFile(built.autograder) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    tests = {Path(name).stem: text for name, text in files.items() if name.startswith("tests/")}
    student = nbformat.read(built.student, as_version=4)
    return SimpleNamespace(
        chapter=master.stem,
        path=master,
        master=nbformat.read(master, as_version=4),
        built=built,
        files=files,
        tests=tests,
        student=student,
        key=nbformat.read(built.key, as_version=4),
        published=ROOT / "book" / master.stem / "assignment.ipynb",
        right=importlib.import_module(f"tests.assignments.right.{master.stem}"),
        wrong=mistakes_of(master.stem, sorted(tests)),
        answers=dict(zip(sorted(tests), solutions(master), strict=True)),
    )


def solutions(master: Path) -> list[str]:
    """The key's answer to each question."""
    cells = [source for source in code(nbformat.read(master, as_version=4)) if BEGIN in source]
    return [re.sub(r"^ *# (BEGIN|END) SOLUTION(\n|$)", "", source, flags=re.M) for source in cells]


def code(notebook) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def define(env: dict, source: str, folder: Path) -> None:
    """Run a cell's source from a file: Triton reads a kernel's source there."""
    path = folder / f"cell_{len(list(folder.iterdir()))}.py"
    path.write_text(source, encoding="utf-8")
    exec(compile(source, str(path), "exec"), env)


@pytest.fixture(scope="session")
def solved(made, tmp_path_factory) -> dict:
    """The names of the solved notebook, without its checks."""
    env = {"HIDDEN_SEED": SEED, "__name__": "notebook"}
    folder = tmp_path_factory.mktemp("cells")
    _, imports, versions, *cells = code(made.key)
    for source in (imports, versions, *cells):
        if "grader" not in source:
            # The small model is quicker, has the same tokenizer, and shows the same mistakes.
            define(env, source.replace('load("lab-target")', 'load("lab-draft")'), folder)
    return env


@pytest.fixture(scope="session")
def public(made) -> Grader:
    """The grader of the student's notebook."""
    (cell,) = (source for source in code(made.student) if "Grader(" in source)
    env: dict = {}
    exec(cell, env)
    return env["grader"]


@pytest.fixture(scope="session")
def full(made) -> Grader:
    """A grader with the hidden tests as well."""
    return Grader(made.tests)


@pytest.fixture(scope="session")
def reports(made, full, solved, tmp_path_factory) -> list:
    """Each wrong answer, and what the checks say of it, hidden ones too."""
    folder, found = tmp_path_factory.mktemp("wrong"), []
    for mistake in made.wrong.MISTAKES:
        with replaced(solved, mistake.source(made.answers[mistake.question]), folder) as env:
            found.append((mistake, full.report(mistake.question, env).messages))
    return found


@contextlib.contextmanager
def replaced(env: dict, source: str, folder: Path):
    """The names of ``env`` with some defined anew, in place: functions see their new neighbours."""
    before = dict(env)
    try:
        define(env, source, folder)
        yield env
    finally:
        env.clear()
        env.update(before)
