"""What a wrong answer is."""

from typing import NamedTuple


class Mistake(NamedTuple):
    """A wrong answer to one question, and the check that must catch it.

    Hidden tests must catch it as well. ``unsaid`` is a wrong track: no check may say it.
    """

    name: str
    question: str
    check: str
    message: str
    source: str
    unsaid: str = ""
