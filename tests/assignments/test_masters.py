"""Every assignment: the key has all points, the stub none, and each mistake is named."""

from __future__ import annotations

import re
import socket

import nbformat
import pytest

from tests.assignments.conftest import MASTERS, code, replaced
from tests.claims import prose
from tokenlab.grading import versions
from tokenlab.grading.build import build, grade

SOLUTION = re.compile(r"\n[ ]+# BEGIN SOLUTION\n.*?# END SOLUTION(?=\n|$)", re.S)


def test_there_is_a_master():
    assert MASTERS


def answer_cells(notebook) -> list[str]:
    return [cell.source for cell in notebook.cells if "otter_answer_cell" in cell.metadata.get("tags", [])]


def test_points_minutes_and_order(made):
    text = "\n".join(cell.source for cell in made.master.cells if cell.cell_type == "markdown")
    stated = re.findall(r"^\*(Easy|Medium|Medium to hard|Hard), (\d+) minutes, (\d+) points\.\*$", text, re.M)
    configured = re.findall(
        r"# BEGIN QUESTION\nname: (q\d+)\npoints: (\d+)",
        "\n\n".join(cell.source for cell in made.master.cells if cell.cell_type == "raw"),
    )
    assert [int(points) for _, _, points in stated] == [int(points) for _, points in configured]
    assert [name for name, _ in configured] == sorted(made.tests)
    levels = ["Easy", "Medium", "Medium to hard", "Hard"]
    assert [level for level, _, _ in stated] == sorted((level for level, _, _ in stated), key=levels.index)
    total = int(re.search(r"\*\*Time:\*\* about (\d+) minutes", text)[1])
    assert sum(int(minutes) for _, minutes, _ in stated) == total
    assert sum(int(points) for _, _, points in stated) == 100
    assert 5 <= len(stated) <= 8


def test_half_of_the_points_are_hidden(made):
    for source in made.tests.values():
        points = float(re.search(r"^points = ([\d.]+)", source, re.M)[1])
        hidden = map(float, re.findall(r"points=([\d.]+), hidden=True", source))
        assert sum(hidden) == points / 2


def test_published_copy_is_the_built_one(made):
    published = nbformat.read(made.published, as_version=4)

    def parts(notebook):
        return [(cell.id, cell.cell_type, cell.source, cell.metadata) for cell in notebook.cells]

    assert parts(published) == parts(made.student), "run `make assignments`"


def test_build_is_deterministic(made, tmp_path):
    again = build(made.path, tmp_path, seed=99)
    assert again.student.read_bytes() == made.built.student.read_bytes()


def leaks(text: str, made) -> list[str]:
    """What a student must not see, and this text of a notebook shows."""
    solutions = SOLUTION.findall("\n".join(cell.source for cell in made.master.cells))
    lines = {line.strip() for solution in solutions for line in solution.splitlines()}
    hidden = re.findall(r"hidden=True\)\ndef (\w+)", "".join(made.tests.values()))
    assert len(lines) >= 10 and len(hidden) >= 5
    secrets = {"SOLUTION", "HIDDEN_SEED", "hidden=True", *hidden, *lines} - {""}
    return [secret for secret in secrets if secret in text]


def test_student_copy_holds_no_solution_and_no_hidden_test(made):
    everything = "\n".join(cell.source for cell in made.student.cells) + str(made.student.metadata)
    assert leaks(everything, made) == []
    for cell in made.student.cells:
        assert leaks(str(cell.get("outputs")) + str(cell.metadata), made) == []


def test_planted_leaks_are_found(made):
    assert leaks("\n".join(code(made.key)), made)
    solution = SOLUTION.findall("\n".join(code(made.master)))[-1].splitlines()
    (hidden, *_) = re.findall(r"hidden=True\)\n(def \w+.*)", made.tests["q1"])
    for line in (solution[-2], hidden, "seed = env['HIDDEN_SEED']"):
        assert leaks(line, made)


def is_minus_lines(stub: str, solution: str) -> bool:
    """Whether the stub is the solution's cell without the lines between its marks."""
    kept = [line for line in stub.splitlines() if line.strip() != "..."]
    return "..." in stub and kept == SOLUTION.sub("", solution).splitlines()


def test_stub_is_the_solution_minus_lines(made):
    solved = [cell.source for cell in made.master.cells if "# BEGIN SOLUTION\n" in cell.source]
    stubs = answer_cells(made.student)
    assert len(stubs) == len(solved) == len(made.tests)
    for stub, solution in zip(stubs, solved, strict=True):
        assert is_minus_lines(stub, solution)
        # Planted: an argument renamed in one of the two, and a stub that is not empty.
        assert not is_minus_lines(re.sub(r"(def \w+\(\s*)", r"\1new_", stub, count=1), solution)
        assert not is_minus_lines(SOLUTION.sub("", solution), solution)


def test_student_copy_carries_its_public_tests(made):
    assert "otter" not in made.student.metadata
    (cell,) = (source for source in code(made.student) if "Grader(" in source)
    for question, source in made.tests.items():
        assert f'"{question}"' in cell
        for name in re.findall(r"hidden=False\)\ndef (\w+)", source):
            assert f"def {name}(" in cell


def test_links_lead_somewhere_from_a_file_that_is_handed_out_alone(made):
    for notebook in (made.student, made.key, nbformat.read(made.published, as_version=4)):
        cells = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
        targets = [link.target for cell in cells for link in prose.links(cell)]
        assert len(targets) > 5
        assert [target for target in targets if not target.startswith("https://")] == []


@pytest.fixture(scope="module")
def published(extension):
    return extension("published")


def test_pages_of_links_are_in_this_repository(made, root, published):
    cells = [cell.source for cell in made.student.cells if cell.cell_type == "markdown"]
    ours = [link.target for cell in cells for link in prose.links(cell) if "token-lab/blob/" in link.target]
    ours = [target for target in ours if target.startswith(published.PUBLISHED)]
    assert ours
    for target in ours:
        path = target.removeprefix(published.PUBLISHED).partition("#")[0]
        assert (root / "book" / path).is_file(), target
    # On the page of this build they are links within it.
    page = published.within("\n".join(cells))
    assert published.PUBLISHED not in page and "](../glossary.md#" in page


def test_autograder_pins_what_graded_the_key(made, root):
    pins = (root / "requirements.txt").read_text(encoding="utf-8")
    environment = made.files["environment.yml"]
    for package in ("torch", "triton", "transformers", "numpy", "otter-grader"):
        version = re.search(rf"^{package}==([\d.]+)", pins, re.M)[1]
        assert re.search(rf"- {package}(?:\[[\w,]+\])?=={re.escape(version)}\n", environment)
    assert "tokenlab @ git+https://github.com/token-lab/token-lab" in environment
    assert versions.source().requirement in environment
    assert '"seed": 7' in made.files["otter_config.json"]


# --- grading with otter-grader's own machinery ---------------------------------------------


def test_key_has_all_points(made):
    results = grade(made.built.key, made.built.autograder)
    assert results.possible > 0 and results.total == results.possible, results.summary()
    assert results.output is None


def test_stub_has_no_points(made):
    results = grade(made.built.student, made.built.autograder)
    assert (results.total, len(results.results)) == (0, len(made.tests))


# --- the checks, in this process -----------------------------------------------------------


def check(grader, question, env):
    """What ``grader.check(question)`` says in a notebook with these names."""
    return grader.report(question, env)


@pytest.mark.parametrize("seed", [0, 1, 20261122])
def test_key_passes_hidden_tests_with_other_seeds(made, full, solved, seed):
    for question in made.tests:
        report = check(full, question, {**solved, "HIDDEN_SEED": seed})
        assert report.passed == report.total > 0, report


def test_every_question_has_mistakes(made):
    for question in made.tests:
        assert sum(mistake.question == question for mistake in made.wrong.MISTAKES) >= 3
    names = [(mistake.question, mistake.name) for mistake in made.wrong.MISTAKES]
    assert len(set(names)) == len(names)


def names_of(tests: str, *, hidden: bool) -> list[str]:
    """The checks of a question, as messages name them."""
    found = re.findall(rf"hidden={hidden}\)\ndef test_(\w+)", tests)
    return [name.replace("_", " ") for name in found]


def failed(messages: list[str]) -> list[str]:
    return [message[1:].partition("]")[0] for message in messages]


def test_every_mistake_is_named(made, reports, subtests):
    for mistake, messages in reports:
        with subtests.test(mistake.name):
            found = [message for message in messages if message.startswith(f"[{mistake.check}]")]
            assert len(found) == 1, messages
            assert mistake.message in found[0]
            assert not mistake.unsaid or not any(mistake.unsaid in message for message in messages), messages
            assert set(failed(messages)) & set(names_of(made.tests[mistake.question], hidden=True)), messages


def test_right_answers_in_another_style_have_all_points(made, full, solved, tmp_path, subtests):
    assert set(made.right.ANSWERS) == set(made.tests)
    for question, sources in made.right.ANSWERS.items():
        for number, source in enumerate(sources):
            with subtests.test(f"{question}, {number}"), replaced(solved, source, tmp_path) as env:
                report = check(full, question, env)
                assert report.passed == report.total, report


def test_every_public_check_is_needed(made, public, solved, tmp_path, capsys):
    """Each check is failed by a mistake that it names."""
    for question in made.tests:
        named = {mistake.check for mistake in made.wrong.MISTAKES if mistake.question == question}
        assert named == set(names_of(made.tests[question], hidden=False))


def test_hidden_tests_catch_memorised_answers(made, public, full, solved, tmp_path):
    assert set(made.wrong.HARD_CODED) == set(made.tests)
    for question, source in made.wrong.HARD_CODED.items():
        with replaced(solved, source, tmp_path) as env:
            report = check(public, question, env)
            assert report.passed == report.total, report
            report = check(full, question, env)
            assert failed(report.messages) == names_of(made.tests[question], hidden=True) != []


def test_checks_stay_on_this_machine_and_leave_nothing(made, public, solved, tmp_path, monkeypatch):
    def refuse(*args):
        raise AssertionError("a check wants a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.chdir(tmp_path)
    check(public, next(iter(made.tests)), solved)
    assert list(tmp_path.iterdir()) == []
