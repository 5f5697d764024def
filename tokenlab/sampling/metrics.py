"""Measures of a text that need no model, and how sure a mean is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from tokenlab.errors import ArgumentError, DtypeError, ShapeError, check_int, check_real


def repetition(token_ids: Sequence | Tensor, n: int) -> float:
    r"""Share of n-grams that occurred before in the same text.

    .. math::

        \text{rep-}n = 1 - \frac{\sum_i |\text{distinct n-grams of text } i|}
        {\sum_i |\text{n-grams of text } i|}

    Zero where there is no n-gram at all.

    Parameters
    ----------
    token_ids : sequence of token ids, or of texts (sequences of token ids)
        Any hashable tokens; words do as well. Several texts are pooled: n-grams are
        compared within a text only. A tensor may have one or two dimensions.
    n : int
        Length of an n-gram, at least one.

    Returns
    -------
    float
        Between zero and one.

    Raises
    ------
    ArgumentError
        If ``n`` is below one.
    DtypeError
        If texts and single tokens are mixed, or there is no sequence.

    Examples
    --------
    >>> repetition("a b c a b c a b c".split(), 2)
    0.625

    Reference: Welleck et al. 2020, arXiv 1908.04319 (seq-rep-n); pooled as in
    Su et al. 2022, arXiv 2202.06417 (whose released code leaves out each text's last n-gram).
    """
    check_int("n", n, low=1)
    if isinstance(token_ids, str) or not isinstance(token_ids, (Sequence, Tensor)):
        raise DtypeError(f"token_ids must be a sequence of tokens, found {type(token_ids).__name__}")
    items = [item.tolist() if isinstance(item, Tensor) else item for item in token_ids]
    nested = [isinstance(item, (list, tuple)) for item in items]
    if any(nested) and not all(nested):
        raise DtypeError("token_ids mixes texts and single tokens, expected one or the other")
    texts = items if any(nested) else [items]
    ngrams = [[tuple(text[i : i + n]) for i in range(len(text) - n + 1)] for text in texts]
    total = sum(len(grams) for grams in ngrams)
    return 1 - sum(len(set(grams)) for grams in ngrams) / total if total else 0.0


def bootstrap_interval(
    values: Sequence[float],
    statistic: Callable[..., np.ndarray] = np.mean,
    level: float = 0.95,
    resamples: int = 2000,
    *,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic of independent values.

    Parameters
    ----------
    values : sequence of float
        At least two, all finite; one for each independent unit (a prompt, say).
    statistic : callable
        Takes an array and ``axis``, as ``numpy.mean`` does.
    level : float
        Share of the resampled statistics between the two ends, in (0, 1).
    resamples : int
        How often the values are drawn again, with replacement.
    seed : int
        Seed of the draws.

    Returns
    -------
    (float, float)
        Lower and upper end, in the unit of the values.

    Raises
    ------
    ArgumentError
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
    chosen = np.random.default_rng(seed).integers(len(values), size=(resamples, len(values)))
    low, high = np.quantile(statistic(values[chosen], axis=1), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
