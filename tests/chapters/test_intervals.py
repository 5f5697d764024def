"""Intervals against the textbook, against scipy and against all samples; bad input."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from tokenlab.chapters import intervals
from tokenlab.chapters.intervals import bootstrap_interval, ratio_interval, student_interval
from tokenlab.errors import ArgumentError, ShapeError


def test_interval_is_students():
    from scipy.stats import t

    values = [0.2, 0.5, 0.4, 0.7]
    low, high = t.interval(0.95, 3, loc=0.45, scale=np.std(values, ddof=1) / 2)
    assert student_interval(values) == pytest.approx((0.45, low, high), abs=1e-5)
    assert all(type(bound) is float for bound in student_interval(values))
    # Where all are equal there is nothing to be unsure of.
    assert student_interval([0.5, 0.5]) == (0.5, 0.5, 0.5)
    with pytest.raises(ShapeError, match="values has 1 entries"):
        student_interval([0.5])


def test_interval_is_the_bootstrap_over_files(monkeypatch):
    """With three files all 27 samples can be drawn."""
    sums, counts = [1.0, 8.0, 2.0], [2, 4, 1]
    monkeypatch.setattr(intervals, "RESAMPLES", 60_000)
    found = ratio_interval(sums, counts)
    ratios = sorted(
        sum(sums[i] for i in drawn) / sum(counts[i] for i in drawn) for drawn in product(range(3), repeat=3)
    )
    assert found.mean == pytest.approx(11 / 7, abs=1e-5)
    assert (found.low, found.high) == pytest.approx((ratios[0], ratios[-1]), abs=1e-5)
    # Files without an item say nothing, and one file no interval.
    assert ratio_interval([*sums, 0.0], [*counts, 0]) == found
    with pytest.raises(ShapeError, match="1 of them not empty"):
        ratio_interval([1.0, 0.0], [3, 0])
    with pytest.raises(ShapeError, match="sums has 2 entries and counts 1"):
        ratio_interval([1.0, 2.0], [3])


def test_bootstrap_agrees_with_scipy_and_covers():
    from scipy.stats import bootstrap

    values = np.random.default_rng(0).normal(size=40)
    ours = bootstrap_interval(values, level=0.9, resamples=4000)
    theirs = bootstrap(
        (values,), np.mean, confidence_level=0.9, n_resamples=4000, method="percentile", rng=1
    ).confidence_interval
    assert ours == pytest.approx(tuple(theirs), abs=0.02)
    normal = values.mean() + 1.645 * values.std() / 40**0.5 * np.array([-1, 1])
    assert ours == pytest.approx(tuple(normal), abs=0.03)
    assert bootstrap_interval(values) == bootstrap_interval(values) != bootstrap_interval(values, seed=1)
    assert bootstrap_interval([0.0, 1.0, 5.0], np.median, seed=3)[0] == 0


def test_bad_bootstrap():
    for values in ([], [1.0], [[1.0, 2.0]]):
        with pytest.raises(ShapeError, match="values has shape"):
            bootstrap_interval(values)
    with pytest.raises(ArgumentError, match="NaN"):
        bootstrap_interval([1.0, math.nan])
    with pytest.raises(ArgumentError, match="level is 1"):
        bootstrap_interval([1.0, 2.0], level=1)
    with pytest.raises(ArgumentError, match="resamples is 0"):
        bootstrap_interval([1.0, 2.0], resamples=0)
