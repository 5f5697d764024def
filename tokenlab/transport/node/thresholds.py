r"""Target and draft as one curve: one sort by p/q answers most questions.

Of the first m tokens, in the order of falling :math:`q/p`, the target has mass :math:`P_m`, the draft
:math:`Q_m`: the border of what a test between both can reach (Neyman and Pearson). It gives

.. math::

    \sum_x \min(p(x), s\,q(x)) = P_m + s\,(1 - Q_m)

with m tokens of :math:`p/q \le s`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float64, Int64
from torch import Tensor
from torch.nn.functional import pad

#: Points that cut a bracket, and how often it is cut: 2^60 parts, until float64 has no number between.
POINTS, PASSES = 63, 10
#: Brackets of so many rows at a time, whose points fit into a cache.
ROWS = 2048


class Curve(NamedTuple):
    """Sorted ratios and running masses, from 0 for no token on.

    ``rest`` is the draft's mass beyond, summed from the far end: a difference would lose digits.
    """

    order: Int64[Tensor, "*batch vocab"]
    ratio: Float64[Tensor, "*batch vocab"]
    target: Float64[Tensor, "*batch vocab_plus_1"]
    draft: Float64[Tensor, "*batch vocab_plus_1"]
    rest: Float64[Tensor, "*batch vocab_plus_1"]


def curve(target: Float64[Tensor, "*batch vocab"], draft: Float64[Tensor, "*batch vocab"]) -> Curve:
    """Sort by p/q, rising; it is infinite where the draft has no mass."""
    # By q/p, falling: that is also exact where q is so small that p/q would be infinite.
    inverse = torch.where(target > 0, draft / torch.where(target > 0, target, 1.0), torch.inf)
    order = torch.where((draft > 0) | (target > 0), inverse, 0.0).sort(-1, descending=True).indices
    listed = draft.gather(-1, order)
    ratio = torch.where(draft > 0, target / torch.where(draft > 0, draft, 1.0), torch.inf)
    return Curve(
        order,
        # Where q/p is rounded to equal numbers, p/q may fall by as much; searchsorted wants it to rise.
        ratio.gather(-1, order).cummax(-1).values.contiguous(),
        pad(target.gather(-1, order).cumsum(-1), (1, 0)),
        pad(listed.cumsum(-1), (1, 0)),
        pad(sums_from_the_end(listed), (0, 1)),
    )


def sum_of_others(values: Float64[Tensor, "*batch vocab"]) -> Float64[Tensor, "*batch vocab"]:
    """For each token the sum over all others, without a difference."""
    before = pad(values.cumsum(-1)[..., :-1], (1, 0))
    return before + pad(sums_from_the_end(values)[..., 1:], (0, 1))


def sums_from_the_end(values: Float64[Tensor, "*batch vocab"]) -> Float64[Tensor, "*batch vocab"]:
    return values.flip(-1).cumsum(-1).flip(-1)


def overlap(points: Curve, scale: Float64[Tensor, "*batch n"]) -> Float64[Tensor, "*batch n"]:
    r"""The mass :math:`g(s) = \sum_x \min(p(x), s\,q(x))` at each scale s."""
    below = torch.searchsorted(points.ratio, scale.contiguous(), right=True)
    return points.target.gather(-1, below) + scale * points.rest.gather(-1, below)


def above(points: Curve, scale: Float64[Tensor, "*batch n"]) -> Float64[Tensor, "*batch n"]:
    """The mass :math:`S(s) = 1 - g(s)`, exactly 0 where it is."""
    below = torch.searchsorted(points.ratio, scale.contiguous(), right=True)
    beyond = points.target[..., -1:] - points.target.gather(-1, below)
    return beyond - scale * points.rest.gather(-1, below)


def expected_tests(accepted: Float64[Tensor, "*batch"], k: int) -> Float64[Tensor, "*batch"]:
    r"""Mean number of tests, :math:`\sum_{j<k} (1 - \beta)^j`, of k drafts that are each accepted so often."""
    return tests_after((1 - accepted).clamp(min=0), k)


def tests_after(rejected: Float64[Tensor, "*batch"], k: int) -> Float64[Tensor, "*batch"]:
    """The same from the probability of a rejection; the closed form loses digits where that is near one."""
    total = torch.ones_like(rejected)
    for _ in range(k - 1):
        total = 1 + rejected * total
    return total


def division_factor(
    target: Float64[Tensor, "*batch vocab"], draft: Float64[Tensor, "*batch vocab"], num_drafts: int
) -> Float64[Tensor, "*batch"]:
    """The smallest factor that is lossless for K-SEQ, from above."""
    return curve_factor(curve(target, draft), num_drafts)


def curve_factor(points: Curve, num_drafts: int) -> Float64[Tensor, "*batch"]:
    r"""Root of :math:`\gamma(\rho) = \sum_{j<k} (1 - g(\rho)/\rho)^j = \rho` on [1, k], from above.

    :math:`\gamma - \rho` falls, and changes its sign once. :math:`S(\rho) - (1 - \beta)^k` has the same sign,
    and keeps its digits where p and q are nearly equal, as the first form does where they hardly overlap.
    """
    *batch, _ = points.target.shape
    rows = (part.reshape(-1, part.shape[-1]).split(ROWS) for part in points)
    return torch.cat([_root(Curve(*few), num_drafts) for few in zip(*rows, strict=True)]).view(batch)


def _root(points: Curve, num_drafts: int) -> Float64[Tensor, " rows"]:
    low = torch.ones_like(points.target[..., :1])
    high = torch.full_like(low, float(num_drafts))
    number = torch.arange(1, POINTS + 1, device=low.device)
    for _ in range(PASSES):
        between = low + (high - low) * (number / (POINTS + 1)).to(low.dtype)
        beyond = above(points, between)
        rejected = (between - 1 + beyond) / between
        tests = tests_after(rejected, num_drafts)
        lossless = torch.where(rejected > 0.5, tests <= between, beyond <= rejected**num_drafts)
        # The new bracket begins at the last point that is not lossless.
        last = torch.where(lossless, 0, number).amax(-1, keepdim=True)
        ends = torch.cat([low, between, high], -1)
        low, high = ends.gather(-1, last), ends.gather(-1, last + 1)
    return high.squeeze(-1)
