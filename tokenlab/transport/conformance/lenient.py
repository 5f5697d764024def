"""Verifiers that take a draft for sure when the target finds it probable enough: fast, and not lossless."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from tokenlab.transport.node.verdict import Verdict, normalised, output_distribution

Probs = Float64[Tensor, "tuples vocab"]
Tokens = Int64[Tensor, "tuples drafts"]
#: How many of the most probable tokens a relaxed acceptance may take.
MOST = 8
#: What comes where no draft is taken: a draw from the target, from its tokens that are no drafts, from its
#: excess over the draft, or its most probable token.
RESIDUALS = ("target", "others", "excess", "largest")


def relaxed_variants() -> Iterator[Callable[[Probs, Probs, Tokens], Probs]]:
    """Relaxed top-k acceptance, for each k and residual."""
    for count in range(1, MOST + 1):
        for residual in RESIDUALS:
            yield partial(_relaxed, count=count, residual=residual)


def _relaxed(target: Probs, draft: Probs, tokens: Tokens, *, count: int, residual: str) -> Probs:
    ranks = target.argsort(dim=-1, descending=True, stable=True).argsort(-1)
    return _taken(target, draft, tokens, ranks < count, residual)


def above_threshold(target: Probs, draft: Probs, tokens: Tokens, *, threshold: float, residual: str) -> Probs:
    """Drafts of probability ``threshold`` or more are taken."""
    return _taken(target, draft, tokens, target >= threshold, residual)


def _taken(
    target: Probs, draft: Probs, tokens: Tokens, enough: Bool[Tensor, "tuples vocab"], residual: str
) -> Probs:
    left = {
        "target": lambda: target,
        "others": lambda: normalised(target.scatter(-1, tokens, 0.0), target),
        "excess": lambda: normalised((target - draft).clamp(min=0), target),
        "largest": lambda: torch.zeros_like(target).scatter_(-1, target.argmax(-1, keepdim=True), 1.0),
    }[residual]()
    return output_distribution(Verdict(enough.gather(-1, tokens).to(target.dtype), left), tokens)


def thresholds(target: Float64[Tensor, " vocab"]) -> list[tuple[float, float]]:
    """From nothing to everything taken: where a threshold lies, from the first number on up to the second."""
    levels = [0.0, *sorted({value for value in target.tolist() if value > 0}), 2.0]
    return list(pairwise(levels))


def one_threshold(
    targets: Sequence[Float64[Tensor, " vocab"]], intervals: Sequence[tuple[float, float]]
) -> bool:
    r"""Whether :math:`\min(\epsilon, \delta e^{-H(p)})` lies in every target's interval, for one pair of numbers.

    The least pair that reaches all lower ends is the best: no upper end is further away from any other.
    """
    decay = [torch.special.entr(target).sum().neg().exp().item() for target in targets]
    epsilon = max(low for low, _ in intervals)
    delta = max(low / factor for (low, _), factor in zip(intervals, decay, strict=True))
    return all(
        min(epsilon, delta * factor) < high for (_, high), factor in zip(intervals, decay, strict=True)
    )
