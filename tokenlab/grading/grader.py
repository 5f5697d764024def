"""The public tests inside a student's notebook."""

from __future__ import annotations

import inspect
import tempfile
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenlab.errors import ArgumentError, GradingError
from tokenlab.grading.limits import time_limits_work


class Grader:
    """Check questions with ``tests``: for each, the source of otter-grader's test file.

    otter-grader reads tests from a notebook's file or a folder beside it, which Colab and renamed copies
    lack, so a cell hands them over. While a submission is graded, otter-grader's own tests, hidden ones
    included, take their place.

    Raises
    ------
    GradingError
        If otter-grader is not installed.
    """

    def __init__(self, tests: Mapping[str, str]) -> None:
        notebook = _otter_notebook()
        self.questions = tuple(tests)
        self._folder = tempfile.TemporaryDirectory(prefix="tokenlab-checks-")
        for question, source in tests.items():
            Path(self._folder.name, f"{question}.py").write_text(source, encoding="utf-8")
        self._otter = notebook(tests_dir=self._folder.name)
        if not time_limits_work():
            print("No time limits on this system: a loop without end must be interrupted by hand.")

    def check(self, question: str) -> Report:
        """Run the tests of one question on the calling cell's names."""
        env = inspect.currentframe().f_back.f_globals
        return self.report(question, env)

    def check_all(self) -> None:
        """Run the tests of every question, and add up."""
        env = inspect.currentframe().f_back.f_globals
        reports = [self.report(question, env) for question in self.questions]
        for report in reports:
            print(report.head)
        passed = sum(report.passed for report in reports)
        print(f"{passed} of {sum(report.total for report in reports)} public checks passed")

    def report(self, question: str, env: dict[str, Any]) -> Report:
        """Run the tests of one question on these names."""
        if question not in self.questions and not self._otter._grading_mode:
            raise ArgumentError(f"question is {question!r}, expected one of {', '.join(self.questions)}")
        return Report(self._otter.check(question, global_env=env))


class Report:
    """Which checks of a question passed, and what the failed ones found."""

    def __init__(self, result: Any) -> None:
        self.question = result.name
        self.results = result.test_case_results

    @property
    def total(self) -> int:
        return len(self.results)

    @property
    def passed(self) -> int:
        return sum(result.passed for result in self.results)

    @property
    def messages(self) -> list[str]:
        """What the failed checks found, one sentence each."""
        return [_sentence(result.message) for result in self.results if not result.passed]

    @property
    def head(self) -> str:
        return f"{self.question}: {self.passed} of {self.total} checks passed"

    def __repr__(self) -> str:
        # Checks that found the same are named together.
        found: dict[str, list[str]] = {}
        for message in self.messages:
            name, _, what = message.removeprefix("[").partition("] ")
            found.setdefault(what, []).append(name)
        return "\n".join(
            [self.head, *(wrapped(f"[{', '.join(names)}] {what}") for what, names in found.items())]
        )


def wrapped(text: str) -> str:
    return textwrap.fill(
        text,
        72,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _sentence(message: str) -> str:
    """The test's sentence for students, without the line that otter-grader shows first."""
    return message.partition("\nWrong: ")[2] or f"[test] {message}"


def _otter_notebook() -> type:
    try:
        import otter
    except ImportError as error:
        raise GradingError(
            "the checks need otter-grader, which is not installed: run `%pip install otter-grader`, "
            "restart the kernel and run this notebook from the top"
        ) from error

    class Notebook(otter.Notebook):
        """Keeps no log file: the folder may be read-only."""

        def _log_event(self, *args: Any, **kwargs: Any) -> None:
            pass

    return Notebook
