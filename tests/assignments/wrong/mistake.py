"""What a wrong answer is."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import SimpleNamespace
from typing import NamedTuple


class Edit(NamedTuple):
    """A piece of the key's answer, which stands there once, and what the student writes instead."""

    old: str
    new: str


class Mistake(NamedTuple):
    """A wrong answer to one question, and the check that must catch it.

    Hidden tests must catch it as well. ``answer`` is the key's with edits, or whole functions.
    ``unsaid`` is a wrong track: no check may say it. ``also`` is what other checks may say of this answer,
    because it is true of it.
    """

    name: str
    check: str
    message: str
    answer: str | Edit | Sequence[Edit]
    unsaid: str = ""
    also: tuple[str, ...] = ()
    question: str = ""

    def source(self, key: str) -> str:
        """The wrong answer, given the key's."""
        if isinstance(self.answer, str):
            return self.answer
        for old, new in [self.answer] if isinstance(self.answer, Edit) else self.answer:
            assert key.count(old) == 1, f"the key has changed: {old!r} stands there {key.count(old)} times"
            key = key.replace(old, new)
        return key


def mistakes_of(chapter: str, questions: Sequence[str]) -> SimpleNamespace:
    """``MISTAKES`` of all questions of a chapter's assignment, and ``HARD_CODED`` by question."""
    files = {name: importlib.import_module(f"tests.assignments.wrong.{chapter}.{name}") for name in questions}
    return SimpleNamespace(
        MISTAKES=[
            mistake._replace(question=name) for name, file in files.items() for mistake in file.MISTAKES
        ],
        HARD_CODED={name: file.HARD_CODED for name, file in files.items()},
    )
