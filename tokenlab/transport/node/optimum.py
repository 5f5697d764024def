r"""The most that any rule can accept, :math:`1 + \min_{H} [p(H) - Q(H)]`: the dual of a transport problem.

Drafts that all lie in H, with probability :math:`Q(H)`, can only become tokens of H, and these take at
most :math:`p(H)`. The best H is a beginning of the list sorted by falling :math:`q/p`.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float64
from torch import Tensor
from torch.nn.functional import pad

from tokenlab.ops import top_k
from tokenlab.transport.node.drafts import last_draft_probs, second_draft
from tokenlab.transport.node.thresholds import curve, sums_from_the_end

Probs = Float64[Tensor, "*batch vocab"]
Rate = Float64[Tensor, "*batch"]
Masses = Float64[Tensor, "*batch vocab_plus_1"]
#: Step of the quadrature in log time. Its error falls like exp(-pi^2 / step).
STEP = 0.25
#: What each end of the quadrature may leave out of a probability.
NEGLIGIBLE = 1e-18
#: So many mean waiting times are as good as infinitely many: exp(-1000) is 0.
LATEST = 1000.0


def optimal_acceptance_rate(target: Probs, draft: Probs, num_drafts: int, sampling: str) -> tuple[Rate, Rate]:
    """The optimum, and how far the quadrature may be off: zero without one."""
    exact = torch.zeros_like(target[..., 0])
    if num_drafts == 1:
        return torch.minimum(target, draft).sum(-1), exact
    if sampling in ("greedy", "spechub"):
        return _greedy(target, draft, num_drafts), exact
    points = curve(target, draft)
    if sampling == "iid":
        return _best(points.target, points.draft**num_drafts), exact
    listed = draft.gather(-1, points.order)
    if num_drafts == 2:
        return _best(points.target, both_inside(listed)), exact
    fine, coarse = (_best(points.target, all_inside(listed, num_drafts, step)) for step in (STEP, 2 * STEP))
    # Both leave out as much at the ends, and both are sums over the vocabulary.
    common = 2 * NEGLIGIBLE + target.shape[-1] * torch.finfo(target.dtype).eps
    return fine, (fine - coarse).abs() + common


def _best(target: Masses, inside: Masses) -> Rate:
    """1 + min over m of P_m - Q(first m tokens)."""
    return 1 + (target - inside).amin(-1)


def _greedy(target: Probs, draft: Probs, k: int) -> Rate:
    """All of the target on the sure drafts, and its overlap with the last draft."""
    first = top_k(draft, k, validate=False).indices[..., : k - 1]
    last = last_draft_probs(draft, first)
    return torch.minimum(target, last.scatter(-1, first, torch.inf)).sum(-1)


def both_inside(listed: Probs) -> Masses:
    r"""Two drafts without replacement: :math:`Q(H) = \sum_{x \in H} q(x) \frac{q(H) - q(x)}{1 - q(x)}`."""
    second = second_draft(listed)
    others, odds = listed.scatter(-1, second.favourite, 0.0), listed * second.scale
    pairs = others * _running(odds)[..., :-1] + odds * _running(others)[..., :-1]
    # Pairs with the favourite count from where both stand in the list.
    with_favourite = listed.gather(-1, second.favourite) * (second.after + odds)
    tokens = torch.arange(listed.shape[-1] + 1, device=listed.device)
    return _running(pairs) + torch.where(tokens > second.favourite, _running(with_favourite), 0.0)


def all_inside(listed: Probs, num_drafts: int, step: float) -> Masses:
    r"""For k drafts without replacement, by a race: token x arrives at time :math:`E_x / q(x)`.

    All lie in H if k tokens of H arrive before the first other, whose rate is :math:`c = 1 - q(H)`:

    .. math::

        Q(H) &= \int_0^\infty c\, e^{-ct} \Pr[N_H(t) \ge k]\, dt \\
        N_H(t) &= \sum_{x \in H} \mathrm{Bernoulli}(1 - e^{-q(x) t})

    The trapezoidal rule in log t converges geometrically; H grows token by token for one list of times.
    """
    # Masses outside, from the far end, so that small ones keep their digits.
    outside = pad(sums_from_the_end(listed), (0, 1))
    smallest = outside[outside > 0].min().item()
    # The integrand in log t is at most c t^(k+1) on the left, c t exp(-ct) on the right: where the last
    # tokens are improbable, they are waited for. Sums of 1e-300 take 700 units of log time.
    start = math.log(NEGLIGIBLE) / (num_drafts + 1)
    end = math.log(-math.log(NEGLIGIBLE)) - math.log(smallest)
    times = torch.arange(start, end + step, step, dtype=listed.dtype, device=listed.device)
    # Beyond exp(709) time has no number: it is counted in other units, and so are the rates.
    units = 2.0**512 if end > 700 else 1.0
    times = (times - math.log(units)).exp()
    # fewer[..., j]: probability that exactly j < k tokens have arrived.
    fewer = torch.zeros(*listed.shape[:-1], len(times), num_drafts, dtype=listed.dtype, device=listed.device)
    fewer[..., 0] = 1
    columns = [torch.zeros_like(listed[..., 0])]
    for rate, rest in zip(listed.unbind(-1), outside[..., 1:].unbind(-1), strict=True):
        here = units * rate.unsqueeze(-1) * times
        absent, arrived = (-here).exp().unsqueeze(-1), -torch.expm1(-here).unsqueeze(-1)
        fewer = fewer * absent + pad(fewer[..., :-1], (1, 0)) * arrived
        at = (units * rest.unsqueeze(-1) * times).clamp(max=LATEST)
        density = step * at * (-at).exp()
        inside = (density * (1 - fewer.sum(-1))).sum(-1)
        columns.append(torch.where(rest > 0, inside, 1.0))
    return torch.stack(columns, -1)


def _running(values: Probs) -> Masses:
    return pad(values.cumsum(-1), (1, 0))
