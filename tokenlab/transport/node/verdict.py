"""What a rule makes of its drafts: tests in their order, then a residual."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

Probs = Float64[Tensor, "*batch vocab"]
Tokens = Int64[Tensor, "*batch drafts"]


class Verdict(NamedTuple):
    """Draft i is accepted with probability ``accept[i]``, given that all before it were rejected.

    If none is accepted, a token is drawn from ``residual``, which sums to one.
    """

    accept: Float64[Tensor, "*batch drafts"]
    residual: Float64[Tensor, "*batch vocab"]


def output_distribution(verdict: Verdict, tokens: Tokens) -> Probs:
    r"""Draft i with probability :math:`a_i \prod_{j < i} (1 - a_j)`, else a token of the residual."""
    reached = (1 - verdict.accept).cumprod(-1)
    before = torch.cat([torch.ones_like(reached[..., :1]), reached[..., :-1]], -1)
    distribution = verdict.residual * reached[..., -1:]
    return distribution.scatter_add(-1, tokens, verdict.accept * before)


def acceptance_probability(verdict: Verdict, tokens: Tokens) -> Float64[Tensor, "*batch"]:
    """Probability that one of these drafts comes out."""
    distribution = output_distribution(verdict, tokens)
    drafted = torch.zeros_like(distribution).scatter_(-1, tokens, 1.0)
    return (distribution * drafted).sum(-1)


def clipped_ratio(part: Tensor, whole: Tensor) -> Tensor:
    """min(1, part / whole); for 0 / 0 it is 0."""
    safe = torch.where(whole > 0, whole, 1.0)
    return torch.where(whole > 0, part / safe, (part > 0).to(part.dtype)).clamp(max=1)


def normalised(weights: Probs, fallback: Probs) -> Probs:
    """Weights divided by their sum, or ``fallback`` where that is zero."""
    total = weights.sum(-1, keepdim=True)
    return torch.where(total > 0, weights / torch.where(total > 0, total, 1.0), fallback)
