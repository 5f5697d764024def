"""K-SEQ's division factor, and what its tests leave of the target."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from tokenlab.chapters.transport.exact.rows import Row, as_pair, normalised
from tokenlab.errors import ArgumentError
from tokenlab.transport.rules import check_drafts


def lossless_factor(target: Row, draft: Row, num_drafts: int, halvings: int = 60) -> Fraction:
    r"""A rational division factor of K-SEQ, at most :math:`(k - 1) / 2^{\text{halvings}}` above the root.

    The residual :math:`p - \gamma \min(p/\rho, q)` is nowhere negative if and only if
    :math:`\gamma(\rho) \le \rho`. The bracket [1, k] is halved.

    Examples
    --------
    >>> round(float(lossless_factor(["3/4", "1/4"], ["1/4", "3/4"], 2)), 6)
    1.59307

    Reference: Sun et al. 2023, arXiv 2310.15141.
    """
    target, draft = as_pair(target, draft)
    check_drafts("iid", num_drafts, len(draft))
    return _factor(target, draft, num_drafts, halvings)


@lru_cache(maxsize=256)
def _factor(target: Row, draft: Row, num_drafts: int, halvings: int) -> Fraction:
    low, high = Fraction(1), Fraction(num_drafts)
    if _accepted(target, draft, num_drafts, low)[1] <= low:
        return low
    for _ in range(halvings):
        middle = (low + high) / 2
        if _accepted(target, draft, num_drafts, middle)[1] <= middle:
            high = middle
        else:
            low = middle
    return high


@lru_cache(maxsize=256)
def kseq_residual(target: Row, draft: Row, k: int, factor: Fraction) -> Row:
    """The target without what the tests accept, normalised; refused if the factor is below the root."""
    once, tests = _accepted(target, draft, k, factor)
    residual = tuple(p - tests * mass for p, mass in zip(target, once, strict=True))
    if min(residual) < 0:
        raise ArgumentError(
            f"factor is {float(factor):.6g}, below the root: the residual of token "
            f"{residual.index(min(residual))} would be {float(min(residual)):.3g}"
        )
    return normalised(residual)


def _accepted(target: Row, draft: Row, k: int, factor: Fraction) -> tuple[Row, Fraction]:
    r"""What one test accepts, :math:`\min(p/\rho, q)`, and the mean number of tests.

    The latter is :math:`\gamma = \sum_{j<k} (1 - \beta)^j`, with :math:`\beta` the sum of the former.
    """
    once = tuple(min(p / factor, q) for p, q in zip(target, draft, strict=True))
    return once, sum(((1 - sum(once)) ** j for j in range(k)), start=Fraction(0))
