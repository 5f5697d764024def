"""Checks for assignments: what stands between a student's function and otter-grader.

Tests in otter-grader's format call the student's function through :class:`Answer`, which lets no fault do
harm, and names the likely mistake. :class:`Grader` runs the public tests in the student's notebook;
``plugin.Submission`` watches over a notebook while it is graded. ``python -m tokenlab.grading.build`` makes
student copy and autograder from a master.
"""

from typing import TYPE_CHECKING

from tokenlab import lazily

if TYPE_CHECKING:
    from tokenlab.grading.answer import Answer, Found, Wrong, given
    from tokenlab.grading.grader import Grader, Report
    from tokenlab.grading.limits import TimeLimitExceeded, captured_output, time_limit

__all__ = [
    "Answer",
    "Found",
    "Grader",
    "Report",
    "TimeLimitExceeded",
    "Wrong",
    "captured_output",
    "given",
    "time_limit",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "answer": ("Answer", "Found", "Wrong", "given"),
        "grader": ("Grader", "Report"),
        "limits": ("TimeLimitExceeded", "captured_output", "time_limit"),
    },
)
