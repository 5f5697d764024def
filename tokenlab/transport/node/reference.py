r"""Every rule at one node in plain PyTorch: what a kernel must return.

Almost every rule compares the target with a multiple of the draft distribution:

.. math::

    S(c) &= \sum_x \max(p(x) - c\,q(x),\, 0) \\
    1 - S(c) &= \sum_x \min(p(x),\, c\,q(x))

All of this is float64, on the last dimension; nothing is checked.
"""

from __future__ import annotations

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from tokenlab.transport.node.drafts import last_draft_probs
from tokenlab.transport.node.plan import optimal_verdict
from tokenlab.transport.node.thresholds import division_factor, expected_tests
from tokenlab.transport.node.verdict import Probs, Tokens, Verdict, clipped_ratio, normalised


def hockey_stick(target: Probs, draft: Probs, factor: Float64[Tensor, "*batch 1"]) -> Probs:
    """Per token the target's mass above ``factor`` times the draft; the sum is S(c).

    An infinite factor times no mass is no mass, as in the limit.
    """
    return (target - torch.where(draft > 0, factor * draft, 0.0)).clamp_(min=0)


def decide(target: Probs, draft: Probs, tokens: Tokens, rule: str, sampling: str) -> Verdict:
    """The tests and the residual of ``rule`` for these drafts."""
    if rule == "target_only":
        return _target_only(target, tokens)
    if rule == "naive":
        return _naive(target, draft, tokens)
    if rule == "recursive":
        return _recursive(target, draft, tokens, replacement=sampling == "iid")
    if rule == "kseq":
        return _kseq(target, draft, tokens)
    # Both verifiers are optimal for their drafts.
    if sampling == "spechub":
        return _spechub(target, draft, tokens)
    if sampling == "greedy":
        return _greedy(target, draft, tokens)
    return optimal_verdict(target, draft, tokens, sampling)


def _target_only(target: Probs, tokens: Tokens) -> Verdict:
    """Draw from the target; the drafts are only looked up."""
    return Verdict(target.new_zeros(tokens.shape), target)


def _naive(target: Probs, draft: Probs, tokens: Tokens) -> Verdict:
    """Test the first draft; look the others up in the residual."""
    first = _single(target, draft, tokens[..., :1])
    accept = torch.zeros(tokens.shape, dtype=target.dtype, device=target.device)
    accept[..., :1] = first.accept
    return Verdict(accept, first.residual)


def _single(target: Probs, draft: Probs, token: Int64[Tensor, "*batch 1"]) -> Verdict:
    """One draft, the maximal coupling: accept with min(1, p/q), else draw from (p - q)+."""
    accept = clipped_ratio(target.gather(-1, token), draft.gather(-1, token))
    one = target.new_ones(*target.shape[:-1], 1)
    return Verdict(accept, normalised(hockey_stick(target, draft, one), target))


def _recursive(target: Probs, draft: Probs, tokens: Tokens, *, replacement: bool) -> Verdict:
    """Test drafts one by one; a rejection leaves (p - q)+ and, without replacement, q without the token."""
    accept = []
    for token in tokens.split(1, -1):
        step = _single(target, draft, token)
        accept.append(step.accept)
        target = step.residual
        if not replacement:
            left = draft.scatter(-1, token, 0.0)
            # A draft distribution that is used up has no next draft; its ratio is never asked for.
            draft = normalised(left, draft)
    return Verdict(torch.cat(accept, -1), target)


def _kseq(target: Probs, draft: Probs, tokens: Tokens) -> Verdict:
    r"""Test every draft with the same :math:`\min(1, p / (\rho q))`.

    The k tests accept :math:`\gamma \min(p/\rho, q)`, where :math:`\gamma` is the :func:`expected_tests`; the
    residual is the rest of the target. At the smallest safe factor, taken here, it is :math:`(p - \rho q)_+`.
    """
    k = tokens.shape[-1]
    factor = division_factor(target, draft, k)
    once = torch.minimum(target / factor.unsqueeze(-1), draft)
    gain = expected_tests(once.sum(-1), k).unsqueeze(-1)
    ratio = clipped_ratio(target.gather(-1, tokens), factor.unsqueeze(-1) * draft.gather(-1, tokens))
    return Verdict(ratio, normalised((target - gain * once).clamp_(min=0), target))


def _greedy(target: Probs, draft: Probs, tokens: Tokens) -> Verdict:
    """The single-draft rule on the last draft; the residual keeps all of p on the first ones."""
    last = _single(target, last_draft_probs(draft, tokens[..., :-1]), tokens[..., -1:])
    accept = torch.zeros(tokens.shape, dtype=target.dtype, device=target.device)
    accept[..., -1:] = last.accept
    return Verdict(accept, last.residual)


def _spechub(target: Probs, draft: Probs, tokens: Tokens) -> Verdict:
    """Two drafts: the hub a, which is the draft's favourite, and another token i.

    Pairs (i, a) have mass q(i), pairs (a, i) have q(a) q(i) / (1 - q(a)). Token i takes from the first, then
    from the second kind; the hub takes from what is left.
    """
    hub = draft.argmax(-1, keepdim=True)
    hub_first = tokens[..., :1] == hub
    others = draft.scatter(-1, hub, 0.0)
    # Mass of the pairs (i, a) and (a, i) by i, what i takes of it, and what it leaves.
    after = draft.gather(-1, hub) * normalised(others, others)
    taken_before = torch.minimum(target, others).scatter_(-1, hub, 0.0)
    left = (target - taken_before).clamp_(min=0)
    taken_after = torch.minimum(left, after).scatter_(-1, hub, 0.0)
    spare_before = (others - taken_before).sum(-1, keepdim=True)
    spare_after = (after - taken_after).sum(-1, keepdim=True)
    # The hub takes first from pairs (a, i), then from pairs (i, a), as the paper's code does.
    wanted = target.gather(-1, hub)
    hub_after = torch.minimum(wanted, spare_after)
    hub_before = torch.minimum(wanted - hub_after, spare_before)

    other = torch.where(hub_first, tokens[..., 1:], tokens[..., :1])
    available = torch.where(hub_first, after.gather(-1, other), others.gather(-1, other))
    taken = torch.where(hub_first, taken_after.gather(-1, other), taken_before.gather(-1, other))
    accept_other = clipped_ratio(taken, available)
    spare, hub_taken = (
        torch.where(hub_first, spare_after, spare_before),
        torch.where(hub_first, hub_after, hub_before),
    )
    accept_hub = clipped_ratio(hub_taken, spare)
    # Tests go in the order of the drafts; the hub comes into play only where i was left.
    hub_now = (1 - accept_other) * accept_hub
    accept = torch.where(
        hub_first,
        torch.cat([hub_now, clipped_ratio(accept_other, 1 - hub_now)], -1),
        torch.cat([accept_other, accept_hub], -1),
    )
    residual = (left - taken_after).clamp_(min=0)
    residual = residual.scatter(-1, hub, (wanted - hub_before - hub_after).clamp(min=0))
    return Verdict(accept, normalised(residual, target))
