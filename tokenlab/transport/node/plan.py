r"""The transport problem itself, solved as a linear program where the vocabulary is small.

.. math::

    & \max \sum_{t} \sum_{y \in t} S(t, y) \quad \text{with } S \ge 0, \\
    & \sum_{y} S(t, y) \le P(t), \quad \sum_{t} S(t, y) \le p(y)

A tuple t of drafts, of probability P(t), gives mass to its own tokens; the rest is joined independently.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from tokenlab.transport.node.drafts import list_drafts
from tokenlab.transport.node.verdict import Verdict, normalised


@dataclass(frozen=True)
class TransportPlan:
    """An optimal plan between its marginals, the probabilities of the drafts' ``tuples`` and of the target.

    ``accepted`` is the mass moved from a tuple to each of its tokens, to a repeated one at its first index;
    ``residual`` is the distribution of the rest.
    """

    tuples: Int64[Tensor, "tuples drafts"]
    tuple_probs: Float64[Tensor, " tuples"]
    target_probs: Float64[Tensor, " vocab"]
    accepted: Float64[Tensor, "tuples drafts"]
    residual: Float64[Tensor, " vocab"]

    @property
    def acceptance_rate(self) -> float:
        """Mass that stays on a draft."""
        return self.accepted.sum().item()

    def dense(self) -> Float64[Tensor, "tuples vocab"]:
        """The whole plan: rows sum to ``tuple_probs``, columns to ``target_probs``."""
        kept = (self.tuple_probs - self.accepted.sum(-1)).clamp(min=0)
        plan = kept.unsqueeze(-1) * self.residual
        return plan.scatter_add(-1, self.tuples, self.accepted)

    def verdict(self, tokens: Int64[Tensor, "*batch drafts"]) -> Verdict:
        """As a row of tests: draft i takes its share of what those before it left."""
        vocab, k = len(self.target_probs), self.tuples.shape[-1]
        row_of = torch.full((vocab**k,), -1, device=tokens.device)
        weights = vocab ** torch.arange(k - 1, -1, -1, device=tokens.device)
        row_of[(self.tuples * weights).sum(-1)] = torch.arange(len(self.tuples), device=tokens.device)
        rows = row_of[(tokens * weights).sum(-1)]
        taken, mass = self.accepted[rows], self.tuple_probs[rows].unsqueeze(-1)
        left = mass - (taken.cumsum(-1) - taken)
        accept = torch.where(left > 0, taken / torch.where(left > 0, left, 1.0), 0.0).clamp(max=1)
        return Verdict(accept, self.residual.expand(*tokens.shape[:-1], vocab))


def transport_plan(
    target: Float64[Tensor, " vocab"], draft: Float64[Tensor, " vocab"], num_drafts: int, sampling: str
) -> TransportPlan:
    """Solve the linear program with SciPy's HiGHS."""
    import numpy as np
    from scipy.optimize import linprog
    from scipy.sparse import coo_array, vstack

    target, draft = target.detach(), draft.detach()
    tuples, mass = list_drafts(draft, num_drafts, sampling)
    possible = mass > 0
    tuples, mass = tuples[possible], mass[possible]
    # A variable for each tuple and each different token of it.
    repeated = (tuples.unsqueeze(-1) == tuples.unsqueeze(-2)).tril(-1).any(-1)
    rows, indices = (~repeated).nonzero().cpu().numpy().T
    tokens = tuples[rows, indices].cpu().numpy()
    variables = np.arange(len(rows))
    ones = np.ones(len(rows))
    leaving = coo_array((ones, (rows, variables)), shape=(len(tuples), len(rows)))
    arriving = coo_array((ones, (tokens, variables)), shape=(len(target), len(rows)))
    limits = np.concatenate([mass.cpu().numpy(), target.cpu().numpy()])
    found = linprog(-ones, A_ub=vstack([leaving, arriving]).tocsr(), b_ub=limits, method="highs")
    if found.status != 0:
        raise RuntimeError(f"the linear program was not solved: {found.message}")
    accepted = torch.zeros(tuples.shape, dtype=torch.float64)
    accepted[rows, indices] = torch.from_numpy(found.x).clamp(min=0)
    return TransportPlan(tuples, mass, target, *_feasible(accepted.to(target.device), tuples, mass, target))


def _feasible(
    accepted: Float64[Tensor, "tuples drafts"],
    tuples: Int64[Tensor, "tuples drafts"],
    mass: Float64[Tensor, " tuples"],
    target: Float64[Tensor, " vocab"],
) -> tuple[Tensor, Tensor]:
    """Scale what exceeds a marginal by the solver's tolerance."""
    accepted = accepted * _at_most_one(mass / accepted.sum(-1)).unsqueeze(-1)
    arrived = torch.zeros_like(target).scatter_add(0, tuples.flatten(), accepted.flatten())
    accepted = accepted * _at_most_one(target / arrived)[tuples]
    arrived = torch.zeros_like(target).scatter_add(0, tuples.flatten(), accepted.flatten())
    return accepted, normalised((target - arrived).clamp(min=0), target)


def _at_most_one(ratio: Tensor) -> Tensor:
    # Nothing moved, 0 / 0 or x / 0, needs no scaling.
    return torch.where(ratio < 1, ratio, 1.0)


def optimal_verdict(
    target: Float64[Tensor, "*batch vocab"],
    draft: Float64[Tensor, "*batch vocab"],
    tokens: Int64[Tensor, "*batch drafts"],
    sampling: str,
) -> Verdict:
    """One plan for each different pair of target and draft."""
    *batch, k = tokens.shape
    vocab = target.shape[-1]
    pairs = torch.cat([target.expand(*batch, vocab), draft.expand(*batch, vocab)], -1).view(-1, 2 * vocab)
    flat = tokens.reshape(-1, k)
    different, which = pairs.unique(dim=0, return_inverse=True)
    accept = target.new_empty(len(flat), k)
    residual = target.new_empty(len(flat), vocab)
    for number, pair in enumerate(different):
        rows = which == number
        plan = transport_plan(pair[:vocab], pair[vocab:], k, sampling)
        accept[rows], residual[rows] = plan.verdict(flat[rows])
    return Verdict(accept.view(*batch, k), residual.view(*batch, vocab))
