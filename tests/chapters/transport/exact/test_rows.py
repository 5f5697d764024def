"""Rows of fractions that are no distribution are refused."""

from __future__ import annotations

import pytest

from tokenlab.chapters.transport import exact
from tokenlab.errors import DtypeError, ProbabilityError


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        (["1/2", "1/3"], ProbabilityError, "sums to 5/6, expected exactly 1"),
        ([0.1, 0.2, 0.7], ProbabilityError, "expected exactly 1"),
        (["3/2", "-1/2"], ProbabilityError, "-1/2 < 0"),
        ([], ProbabilityError, "sums to 0"),
        (["a half", "1/2"], DtypeError, "row of numbers"),
        ([None], DtypeError, "row of numbers"),
        ([float("nan")], DtypeError, "row of numbers"),
        (1, DtypeError, "row of numbers"),
    ],
)
def test_rows_that_are_no_distribution(values, error, words):
    with pytest.raises(error, match=words):
        exact.as_row("target", values)
