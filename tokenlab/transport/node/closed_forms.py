"""Acceptance rates in closed form, the formulas of :func:`tokenlab.transport.acceptance_rate`."""

from __future__ import annotations

import torch
from jaxtyping import Float64
from torch import Tensor

from tokenlab.errors import ArgumentError
from tokenlab.ops import top_k
from tokenlab.transport.node import optimum, reference
from tokenlab.transport.node.drafts import MAX_TUPLES, last_draft_probs, list_drafts, second_draft
from tokenlab.transport.node.thresholds import curve, curve_factor, expected_tests, overlap, sum_of_others
from tokenlab.transport.node.verdict import acceptance_probability, normalised

#: Probabilities that are looked at together where tuples of drafts are listed.
CELLS = 2**19
Probs = Float64[Tensor, "*batch vocab"]
Rate = Float64[Tensor, "*batch"]


def acceptance_rate(target: Probs, draft: Probs, num_drafts: int, rule: str, sampling: str) -> Rate:
    if num_drafts == 1 and rule != "target_only":
        # One draft: every sampling draws it from q, and every rule is the maximal coupling.
        return torch.minimum(target, draft).sum(-1)
    if rule in ("greedy", "spechub", "optimal"):
        return optimum.optimal_acceptance_rate(target, draft, num_drafts, sampling)[0]
    if sampling == "iid":
        return _IID[rule](target, draft, num_drafts)
    if rule == "target_only" and sampling in ("greedy", "spechub"):
        return _target_only_greedy(target, draft, num_drafts)
    if num_drafts == 2:
        return _TWO_WITHOUT_REPLACEMENT[rule](target, draft)
    return enumerated_rate(target, draft, num_drafts, rule, sampling)


def _target_only(target: Probs, draft: Probs, k: int) -> Rate:
    return (target * drawn(draft, k)).sum(-1)


def _naive(target: Probs, draft: Probs, k: int) -> Rate:
    rest = (target - draft).clamp_(min=0)
    return (torch.minimum(target, draft) + rest * drawn(draft, k - 1)).sum(-1)


def _recursive(target: Probs, draft: Probs, k: int) -> Rate:
    return 1 - recursive_thresholds(target, draft, k)[1]


def recursive_thresholds(target: Probs, draft: Probs, k: int) -> tuple[Rate, Rate]:
    """Threshold :math:`c_k = c_{k-1} + S(c_{k-1})` of what k rejections leave, and the mass above it."""
    threshold = torch.zeros_like(target[..., :1])
    above = torch.ones_like(threshold)
    for _ in range(k):
        threshold = threshold + above
        above = reference.hockey_stick(target, draft, threshold).sum(-1, keepdim=True)
    return threshold.squeeze(-1), above.squeeze(-1)


def _kseq(target: Probs, draft: Probs, k: int) -> Rate:
    r""":math:`1 - (1 - \beta(\rho))^k`, which at the root is :math:`\rho \beta(\rho)`."""
    points = curve(target, draft)
    factor = curve_factor(points, k).unsqueeze(-1)
    once = (overlap(points, factor) / factor).squeeze(-1)
    return once * expected_tests(once, k)


_IID = {"target_only": _target_only, "naive": _naive, "recursive": _recursive, "kseq": _kseq}


def drawn(draft: Probs, k: int) -> Probs:
    """Probability 1 - (1 - q)^k that each token is among k independent draws."""
    return -torch.expm1(k * torch.log1p(-draft)) if k else torch.zeros_like(draft)


def _target_only_greedy(target: Probs, draft: Probs, k: int) -> Rate:
    first = top_k(draft, k, validate=False).indices[..., : k - 1]
    included = last_draft_probs(draft, first).scatter(-1, first, 1.0)
    return (target * included).sum(-1)


# Two drafts without replacement: the second is drawn from q / (1 - q(x)) after x.
def _target_only_two(target: Probs, draft: Probs) -> Rate:
    # Token y is second after any other x: q(y) times the sum of their odds q/(1 - q).
    second = second_draft(draft)
    drawn_second = draft * sum_of_others(draft * second.scale)
    drawn_second = drawn_second + draft.gather(-1, second.favourite) * second.after
    return (target * (draft + drawn_second)).sum(-1)


def _naive_two(target: Probs, draft: Probs) -> Rate:
    rejected = (draft - target).clamp(min=0)
    rest = (target - draft).clamp(min=0)
    # A rejected x has no rest, so that nothing must be left out of the second sum.
    second, residual = second_draft(draft), normalised(rest, target)
    matched = (rejected * second.scale).sum(-1) * (residual * draft).sum(-1)
    favourite = rejected.gather(-1, second.favourite).squeeze(-1)
    matched = matched + favourite * (residual * second.after).sum(-1)
    return torch.minimum(target, draft).sum(-1) + torch.where(rest.sum(-1) > 0, matched, 0.0)


def _recursive_two(target: Probs, draft: Probs) -> Rate:
    r"""First test, then :math:`\sum_x (q - p)_+(x) \sum_y \min(p'(y), q(y) / (1 - q(x)))`."""
    rejected = (draft - target).clamp(min=0)
    rest = (target - draft).clamp(min=0)
    once = torch.minimum(target, draft).sum(-1)
    second, residual = second_draft(draft), normalised(rest, target)
    again = overlap(curve(residual, draft), second.scale)
    favourite = torch.minimum(residual, second.after).sum(-1, keepdim=True)
    again = again.scatter(-1, second.favourite, favourite)
    return once + torch.where(rest.sum(-1) > 0, (rejected * again).sum(-1), 0.0)


_TWO_WITHOUT_REPLACEMENT = {"target_only": _target_only_two, "naive": _naive_two, "recursive": _recursive_two}


def enumerated_rate(target: Probs, draft: Probs, k: int, rule: str, sampling: str) -> Rate:
    """Sum over all tuples of drafts, where they are few."""
    vocab = target.shape[-1]
    if vocab**k > MAX_TUPLES:
        raise ArgumentError(
            f"acceptance_rate of rule {rule!r} with {k} drafts without replacement has no closed form, "
            f"and {vocab} tokens make {vocab**k} tuples (at most {MAX_TUPLES} are listed): "
            "use estimate_acceptance_rate(..., num_samples, generator), which says its standard error"
        )
    tuples, probs = list_drafts(draft, k, sampling)
    total = torch.zeros_like(probs[..., 0])
    together = max(CELLS // max(target.numel(), 1), 1)
    for some, probability in zip(tuples.split(together), probs.split(together, -1), strict=True):
        # tuples stand in front: (some, *batch, k)
        tokens = some.view(-1, *[1] * (target.dim() - 1), k).expand(-1, *target.shape[:-1], k)
        targets, drafts = (rows.expand(len(some), *rows.shape) for rows in (target, draft))
        verdict = reference.decide(targets, drafts, tokens, rule, sampling)
        total += (probability.movedim(-1, 0) * acceptance_probability(verdict, tokens)).sum(0)
    return total
