"""How sure a recorded mean is: intervals over independent units, such as files or prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from tokenlab.errors import ArgumentError, ShapeError, check_int, check_real

#: Bootstrap samples of a ratio's interval.
RESAMPLES = 10_000


class Interval(NamedTuple):
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float


def student_interval(values: Sequence[float]) -> Interval:
    r"""Mean of independent values and its 95 % interval, :math:`\bar x \pm t_{n-1} s / \sqrt n`.

    Raises
    ------
    ShapeError
        If there are fewer than two values.

    Examples
    --------
    >>> student_interval([0.5, 0.7])
    Interval(mean=0.6, low=-0.67062, high=1.87062)
    """
    from scipy.stats import t

    if len(values) < 2:
        raise ShapeError(f"values has {len(values)} entries, expected at least two")
    row = np.asarray(values, dtype=np.float64)
    # Scaled here: scipy gives nan where all values are equal.
    reach = np.multiply(t.interval(0.95, len(row) - 1), row.std(ddof=1) / np.sqrt(len(row)))
    return _interval(row.mean(), *(row.mean() + reach))


def ratio_interval(sums: Sequence[float], counts: Sequence[float]) -> Interval:
    r"""Mean over all items of all units, :math:`\sum_u s_u / \sum_u n_u`, and its 95 % interval.

    The percentile bootstrap over clusters: whole units are drawn again. Units without an item say nothing.

    Raises
    ------
    ShapeError
        If the two differ in length, or fewer than two units have an item.

    Examples
    --------
    >>> ratio_interval([1.0, 2.0, 3.0], [2, 2, 2])
    Interval(mean=1.0, low=0.5, high=1.5)
    """
    pairs = np.array([(s, n) for s, n in zip(sums, counts, strict=False) if n], dtype=np.float64)
    if len(sums) != len(counts) or len(pairs) < 2:
        raise ShapeError(
            f"sums has {len(sums)} entries and counts {len(counts)}, {len(pairs)} of them not empty; "
            "expected as many of both, and two that are not empty"
        )

    def ratio(sums: np.ndarray, counts: np.ndarray, axis: int = -1) -> np.ndarray:
        return sums.sum(axis) / counts.sum(axis)

    return _interval(ratio(*pairs.T), *_percentiles(pairs.T, ratio, 0.95, RESAMPLES, seed=0))


def bootstrap_interval(
    values: Sequence[float],
    statistic: Callable[..., np.ndarray] = np.mean,
    level: float = 0.95,
    resamples: int = 2000,
    *,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic of independent values: lower and upper end.

    The statistic takes an array and ``axis``, as ``numpy.mean`` does.

    Raises
    ------
    ArgumentError, ShapeError
        If there are fewer than two values, one is not finite, or a parameter is out of range.

    Examples
    --------
    >>> bootstrap_interval([1.0, 1.0, 1.0])
    (1.0, 1.0)

    Reference: Efron 1979, Bootstrap methods: another look at the jackknife.
    """
    check_real("level", level, low=0, high=1, include_low=False, include_high=False)
    check_int("resamples", resamples, low=1)
    check_int("seed", seed, low=0)
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ShapeError(f"values has shape {values.shape}, expected one dimension and two values or more")
    if not np.isfinite(values).all():
        raise ArgumentError("values holds NaN or infinity, expected finite numbers")
    return _percentiles([values], statistic, level, resamples, seed)


def _percentiles(
    columns: Sequence[np.ndarray], statistic: Callable, level: float, resamples: int, seed: int
) -> tuple[float, float]:
    from scipy.stats import bootstrap

    ends = bootstrap(
        tuple(columns),
        statistic,
        n_resamples=resamples,
        vectorized=True,
        # Columns of one table: whatever unit is drawn, all that belongs to it.
        paired=len(columns) > 1,
        confidence_level=level,
        method="percentile",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return float(ends.low), float(ends.high)


def _interval(*numbers: float) -> Interval:
    return Interval(*(round(float(number), 5) for number in numbers))
