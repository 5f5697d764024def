"""Public functions: acceptance rates, and the numbers that they come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from tokenlab.backend import Backend
from tokenlab.errors import ArgumentError, ShapeError, check_generator, check_int, check_tensor
from tokenlab.transport.node import closed_forms, optimum, plan, reference, thresholds
from tokenlab.transport.node.backend import kernels_for
from tokenlab.transport.node.checks import check_pair
from tokenlab.transport.node.drafts import check_possible, draw_drafts
from tokenlab.transport.node.verdict import acceptance_probability
from tokenlab.transport.rules import check_drafts, resolve

#: Numbers that are worked on at a time.
CHUNK = 2**19


class Estimate(NamedTuple):
    """A mean over random drafts and its standard error."""

    value: Float64[Tensor, "*batch"]
    standard_error: Float64[Tensor, "*batch"]


def acceptance_rate(
    target_probs: Float[Tensor, "*batch vocab"],
    draft_probs: Float[Tensor, "*batch vocab"],
    num_drafts: int,
    rule: str,
    sampling: str | None = None,
    *,
    validate: bool = True,
) -> Float64[Tensor, "*batch"]:
    r"""Probability :math:`\Pr[Y \in \{X_1, \dots, X_k\}]` that a rule returns one of k drafts, exactly.

    For i.i.d. drafts, equal ones included, and :math:`g(s) = \sum_x \min(p, s\,q)`:

    ===========  ===============
    rule         acceptance rate
    ===========  ===============
    target_only  :math:`\sum_x p\,(1 - (1 - q)^k)`
    naive        :math:`\sum_x \min(p, q) + (p - q)_+\,(1 - (1 - q)^{k-1})`
    recursive    :math:`g(c_k)`, with :math:`c_0 = 0`, :math:`c_{i+1} = c_i + 1 - g(c_i)`
    kseq         :math:`g(\rho)` at the :func:`division_factor` :math:`\rho`
    optimal      :func:`optimal_acceptance_rate`
    ===========  ===============

    With a larger factor K-SEQ is lossless too; its rate may then be higher or lower.

    Parameters
    ----------
    target_probs, draft_probs
        Distributions of both models at a node, after temperature and truncation.
    rule, sampling
        A pair in ``DEFINED``; without ``sampling`` the rule's own.

    Raises
    ------
    ArgumentError, ProbabilityError, ShapeError
        If rule and sampling do not go together, rows are not distributions of one shape, or more than two
        drafts without replacement make over 10,000 tuples (see :func:`estimate_acceptance_rate`).

    Examples
    --------
    >>> target, draft = torch.tensor([[0.75, 0.25], [0.25, 0.75]])
    >>> for rule in ("target_only", "recursive", "kseq", "optimal"):
    ...     print(round(acceptance_rate(target, draft, 2, rule).item(), 4), end=" ")
    0.5625 0.625 0.6483 0.6875

    Reference: Sun et al. 2023, arXiv 2310.15141 (kseq).
    """
    check_pair(target_probs, draft_probs, validate=validate)
    sampling = resolve(rule, sampling, num_drafts, target_probs.shape[-1])
    check_possible(draft_probs, num_drafts, sampling, validate=validate)

    def rate(target: Tensor, draft: Tensor) -> tuple[Tensor]:
        return (closed_forms.acceptance_rate(target, draft, num_drafts, rule, sampling),)

    return _by_rows(rate, target_probs, draft_probs)[0]


def estimate_acceptance_rate(
    target_probs: Float[Tensor, "*batch vocab"],
    draft_probs: Float[Tensor, "*batch vocab"],
    num_drafts: int,
    rule: str,
    sampling: str | None = None,
    *,
    num_samples: int = 1000,
    generator: torch.Generator | None = None,
    validate: bool = True,
) -> Estimate:
    r"""Acceptance rate by sampling drafts, where there is no closed form.

    Given each of ``num_samples`` tuples of drafts (at least two), acceptance is computed. The standard
    error is :math:`s / \sqrt{n}`, with s the standard deviation over the samples. Where acceptance hangs on
    rare drafts, too few samples miss them, and both numbers are too small.
    Other arguments and errors are those of :func:`acceptance_rate`.

    Examples
    --------
    >>> target, draft = torch.full((100,), 0.01), torch.arange(1, 101) / 5050
    >>> found = estimate_acceptance_rate(target, draft, 4, "recursive", "without_replacement")
    >>> bool(found.standard_error < 0.01)
    True
    """
    check_pair(target_probs, draft_probs, validate=validate)
    sampling = resolve(rule, sampling, num_drafts, target_probs.shape[-1])
    check_possible(draft_probs, num_drafts, sampling, validate=validate)
    target, draft = target_probs.double(), draft_probs.double()
    check_int("num_samples", num_samples, low=2)
    check_generator(generator, target.device)
    total, squares, first = torch.zeros_like(target[..., 0]), torch.zeros_like(target[..., 0]), None
    together = max(CHUNK // max(target.numel(), 1), 1)
    for start in range(0, num_samples, together):
        count = min(together, num_samples - start)
        targets, drafts = target.expand(count, *target.shape), draft.expand(count, *draft.shape)
        tokens = draw_drafts(drafts, num_drafts, sampling, generator=generator, validate=False)
        verdict = reference.decide(targets, drafts, tokens, rule, sampling)
        accepted = acceptance_probability(verdict, tokens)
        # From the first sample on: where all are nearly equal, the difference of squares would be rounding.
        first = accepted[0] if first is None else first
        beyond = accepted - first
        total, squares = total + beyond.sum(0), squares + (beyond**2).sum(0)
    mean = total / num_samples
    variance = (squares / num_samples - mean**2).clamp(min=0) * num_samples / (num_samples - 1)
    return Estimate(first + mean, (variance / num_samples).sqrt())


def optimal_acceptance_rate(
    target_probs: Float[Tensor, "*batch vocab"],
    draft_probs: Float[Tensor, "*batch vocab"],
    num_drafts: int,
    sampling: str = "iid",
    *,
    return_error: bool = False,
    validate: bool = True,
) -> Float64[Tensor, "*batch"] | tuple[Float64[Tensor, "*batch"], Float64[Tensor, "*batch"]]:
    r"""The acceptance rate that no lossless rule can exceed.

    .. math::

        \alpha^\star = 1 + \min_{H} \left[ p(H) - Q(H) \right]

    where :math:`Q(H)` is the probability that all drafts lie in H. The best set H is a beginning of the
    tokens sorted by falling :math:`q/p`, found in :math:`O(V \log V)`. For i.i.d. drafts
    :math:`Q(H) = q(H)^k`. More than two drafts without replacement take a quadrature. ``return_error`` adds
    how far it may be off: the difference to half as many nodes, and rounding. Other arguments and errors are those of
    :func:`acceptance_rate`.

    Examples
    --------
    >>> target, draft = torch.tensor([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]])
    >>> optimal_acceptance_rate(target, draft, 2), optimal_acceptance_rate(target, draft, 2, "greedy")
    (tensor(0.8600, dtype=torch.float64), tensor(0.9000, dtype=torch.float64))

    Reference: Hu et al. 2025, arXiv 2502.18779 (the subset formula and the sort).
    """
    check_pair(target_probs, draft_probs, validate=validate)
    check_drafts(sampling, num_drafts, target_probs.shape[-1])
    check_possible(draft_probs, num_drafts, sampling, validate=validate)

    def bound(target: Tensor, draft: Tensor) -> tuple[Tensor, Tensor]:
        return optimum.optimal_acceptance_rate(target, draft, num_drafts, sampling)

    rate, error = _by_rows(bound, target_probs, draft_probs)
    return (rate, error) if return_error else rate


def division_factor(
    target_probs: Float[Tensor, "*batch vocab"],
    draft_probs: Float[Tensor, "*batch vocab"],
    num_drafts: int,
    *,
    validate: bool = True,
) -> Float64[Tensor, "*batch"]:
    r"""The factor by which K-SEQ divides its acceptance probabilities: the root :math:`\rho` on [1, k] of

    .. math::

        & \sum_{j < k} (1 - \beta(\rho))^j = \rho, \\
        & \beta(\rho) = \sum_x \min(p(x) / \rho,\, q(x))

    K-SEQ is lossless from the root on, and its *tests* accept most at it. Below it the residual is negative,
    and the output biased, wherever :math:`0 < p < \gamma q`, with :math:`\gamma` the left side. Returned is
    the upper, lossless end of the last bracket; k where the supports are disjoint.
    Arguments and errors are those of :func:`acceptance_rate`.

    Examples
    --------
    >>> target, draft = torch.tensor([[0.25, 0.75], [0.5, 0.5]])
    >>> division_factor(target, draft, 2)  # 1 + (sqrt(5) - 1) / 4
    tensor(1.3090, dtype=torch.float64)

    Reference: Sun et al. 2023, arXiv 2310.15141, algorithm K-SEQ.
    """
    check_pair(target_probs, draft_probs, validate=validate)
    check_drafts("iid", num_drafts, target_probs.shape[-1])

    def factor(target: Tensor, draft: Tensor) -> tuple[Tensor]:
        return (thresholds.division_factor(target, draft, num_drafts),)

    return _by_rows(factor, target_probs, draft_probs)[0]


def transport_plan(
    target_probs: Float[Tensor, " vocab"],
    draft_probs: Float[Tensor, " vocab"],
    num_drafts: int,
    sampling: str = "iid",
    *,
    validate: bool = True,
) -> plan.TransportPlan:
    """An optimal transport plan between the drafts' distribution and the target, by linear programming.

    Arguments are those of :func:`acceptance_rate`, for one pair of distributions.
    ShapeError: if there are more. ArgumentError: if the drafts cannot be drawn, or :math:`V^k` > 10,000.

    Examples
    --------
    >>> found = transport_plan(*torch.tensor([[0.75, 0.25], [0.25, 0.75]]), 2)
    >>> round(found.acceptance_rate, 6), found.dense().shape
    (0.6875, torch.Size([4, 2]))

    Reference: Sun et al. 2023, arXiv 2310.15141, the linear program with membership cost.
    """
    check_pair(target_probs, draft_probs, validate=validate)
    if target_probs.dim() != 1:
        raise ShapeError(
            f"target_probs has shape {tuple(target_probs.shape)}, expected one row: a plan is for one node"
        )
    check_drafts(sampling, num_drafts, len(target_probs))
    check_possible(draft_probs, num_drafts, sampling, validate=validate)
    return plan.transport_plan(target_probs.double(), draft_probs.double(), num_drafts, sampling)


def hockey_stick_divergence(
    target_probs: Float[Tensor, "*batch vocab"],
    draft_probs: Float[Tensor, "*batch vocab"],
    factors: Float[Tensor, "*batch factors"],
    *,
    backend: Backend = "auto",
    validate: bool = True,
) -> Float[Tensor, "*batch factors"]:
    r"""Mass of the target above multiples of the draft, :math:`S(c) = \sum_x (p(x) - c\,q(x))_+`.

    It is :math:`1 - g(c)` of :func:`acceptance_rate`; :math:`S(1)` is what one draft cannot give.
    float64 from the reference, float32 from the kernel, which reads a row once for all ``factors``.
    At an infinite factor it is the target's mass where the draft has none.
    ArgumentError: if a factor is negative or NaN; else as for :func:`acceptance_rate`.

    Examples
    --------
    >>> target, draft = torch.tensor([[0.75, 0.25], [0.25, 0.75]])
    >>> hockey_stick_divergence(target, draft, torch.tensor([0.0, 1.0, 3.0]))
    tensor([1.0000, 0.5000, 0.0000], dtype=torch.float64)

    Reference: Sason and Verdu, "f-Divergence Inequalities", arXiv 1508.00335 (the name).
    """
    check_pair(target_probs, draft_probs, validate=validate)
    check_tensor("factors", factors)
    if factors.shape[:-1] != target_probs.shape[:-1]:
        raise ShapeError(
            f"factors has shape {tuple(factors.shape)}, expected {tuple(target_probs.shape[:-1])} and one more"
        )
    if validate and factors.numel() and not bool((factors >= 0).all()):
        raise ArgumentError(f"factors holds {factors.min().item():g}, expected no negative number and no NaN")
    kernels = kernels_for("hockey_stick_divergence", backend, target_probs, draft_probs)
    if kernels is not None:
        return kernels.hockey_stick(target_probs, draft_probs, factors, logits=False)
    target, draft = target_probs.double(), draft_probs.double()
    columns = [
        reference.hockey_stick(target, draft, factor).sum(-1) for factor in factors.double().split(1, -1)
    ]
    return torch.stack(columns, -1)


def _by_rows(
    function: Callable[[Tensor, Tensor], tuple[Tensor, ...]], target: Tensor, draft: Tensor
) -> list[Float64[Tensor, "*batch"]]:
    """A function of float64 rows, a few at a time: copies of all cost more than the work."""
    *batch, vocab = target.shape
    rows = max(CHUNK // vocab, 1)
    chunks = zip(target.reshape(-1, vocab).split(rows), draft.reshape(-1, vocab).split(rows), strict=True)
    found = [function(some.double(), other.double()) for some, other in chunks]
    return [torch.cat(parts).view(batch) for parts in zip(*found, strict=True)]
