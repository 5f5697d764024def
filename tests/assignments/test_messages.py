"""What the checks say of wrong answers: something, and nothing that is not so."""

from __future__ import annotations

import re

import pytest

from tests.assignments.test_masters import names_of
from tests.assignments.wrong.mistake import Mistake

#: What needs no explanation: it says what happened.
PLAIN = re.compile(
    r" raised | returned None| changed its argument|returned dtype|returned an? (?!list that)| returned no tuple"
    r"| did not end| is not defined| says '| says nothing| was not called again"
)
#: Only a value, a shape or an item, and no word on what is wrong.
BARE = re.compile(r"(?:expected [^:]*|list that (?:lacks|holds) [^:]*)$")


def hints(message: str, checks: set[str]) -> set[str]:
    """Other checks that a message sends the student to."""
    name, _, said = message[1:].partition("]")
    return (set(re.findall(r"\[([a-z][\w ]*)\]", said)) & checks) - {name}


def fault(mistake: Mistake, message: str, failing: set[str], checks: set[str]) -> str:
    """What is wrong with this message about this answer, of which the checks ``failing`` fail."""
    name, _, said = message[1:].partition("]")
    if PLAIN.search(said) or mistake.message in message:
        return ""
    if BARE.search(said):
        return "says nothing of what is wrong"
    if hints(message, checks) & failing or ("the checks above" in said and failing - {name}):
        return ""
    if any(words in message for words in mistake.also):
        return ""
    return (
        "sends to checks that pass"
        if hints(message, checks)
        else "says what nobody has called true of this answer"
    )


def test_every_message_helps_and_is_true(made, reports, subtests):
    for mistake, messages in reports:
        checks = set(names_of(made.tests[mistake.question], hidden=False))
        shown = [message for message in messages if message[1:].partition("]")[0] in checks]
        failing = {message[1:].partition("]")[0] for message in shown}
        with subtests.test(f"{mistake.question}: {mistake.name}"):
            found = {message: fault(mistake, message, failing, checks) for message in shown}
            assert not any(found.values()), found
            unused = [words for words in mistake.also if not any(words in message for message in shown)]
            assert unused == []


MEAN = Mistake("the mean", "by hand", "a sum, not an average", "", also=("half of it",))


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("[rows] f(x) returned [1.0], expected [2.0]", "nothing of what is wrong"),
        ("[rows] f(x) returned shape (2, 2), expected (2,)", "nothing of what is wrong"),
        ("[rows] f(x) returned a list that lacks (b'A',)", "nothing of what is wrong"),
        ("[rows] f(x) returned [1.0], expected [2.0]: a sum, not an average", ""),
        ("[rows] f(x) returned [1.0], expected [2.0]: this is half of it", ""),
        ("[rows] f(x) returned [1.0], expected [2.0]: did you forget the root?", "nobody has called true"),
        ("[rows] f(x) returned [1.0], expected [2.0]: if [by hand] fails, repair that first", ""),
        ("[rows] f(x) returned [1.0], expected [2.0]: if [columns] fails, repair that first", "that pass"),
        ("[rows] f(x) raised ValueError: no", ""),
        ("[rows] f(x) returned a float, expected a tensor", ""),
    ],
)
def test_planted_message_is_found(said: str, found: str):
    told = fault(MEAN, said, {"rows", "by hand"}, {"rows", "by hand", "columns"})
    assert found in told and bool(found) == bool(told)


# --- deleted cells -----------------------------------------------------------------------


def needed(tests: str) -> set[str]:
    """Names that the tests of a question take from the notebook's cells, besides the answers."""
    return set(re.findall(r"given\(env, ['\"](\w+)['\"]\)", tests))


def test_tests_ask_for_helpers_in_a_way_that_can_be_answered(made):
    for tests in made.tests.values():
        assert re.findall(r"env\[['\"](?!HIDDEN_SEED['\"])\w+['\"]\]|env\.get\(", tests) == []


def test_a_deleted_helper_is_named(made, full, solved):
    for question, tests in made.tests.items():
        for name in needed(tests):
            env = {key: value for key, value in solved.items() if key != name}
            messages = full.report(question, env).messages
            assert any(f"the cell that defines `{name}` was deleted or not run" in text for text in messages)
            assert not any("KeyError" in text for text in messages), messages
    assert any(needed(tests) for tests in made.tests.values()) == (made.chapter == "bytelevel")


def test_a_deleted_answer_of_another_question_is_named(made, full, solved):
    if made.chapter != "bytelevel":
        return
    # A function finds its helpers among the names of its notebook.
    lost = {name: solved.pop(name) for name in ("first_byte_masses", "tokenizer")}
    try:
        messages = full.report("q2", solved).messages
        assert any("the cell that defines `tokenizer` was deleted" in text for text in messages)
        solved["tokenizer"] = lost["tokenizer"]
        messages = full.report("q2", solved).messages
        assert any("there is no `first_byte_masses` here" in text for text in messages)
    finally:
        solved.update(lost)
