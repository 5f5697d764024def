"""Checks for assignments: what stands between a student's function and otter-grader.

Tests are written in the master notebook, in otter-grader's own format. They call the
student's function through :class:`Answer`, which keeps a solution that loops for ever,
floods the screen, raises or changes its arguments from doing harm, and which names the
likely mistake. :class:`Grader` runs the public tests inside the student's notebook;
:class:`Submission` watches over a whole notebook while it is graded.

``python -m tokenlab.grading.build`` makes student copy and autograder from a master.
"""

from tokenlab.grading.answer import Answer, Found, Wrong
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
    "time_limit",
]
