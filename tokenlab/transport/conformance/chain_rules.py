"""The two right rules for a chain, token by token and block, and the parts that rules are made of.

They turn tests, their order and residuals into a distribution of accepted drafts and the token after.
"""

from __future__ import annotations

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from tokenlab.transport.node.verdict import clipped_ratio, normalised

Tokens = Int64[Tensor, "tuples length"]
Rows = Float64[Tensor, "tuples length_plus_1 vocab"]
DraftRows = Float64[Tensor, "tuples length vocab"]
#: One probability for each draft of a chain.
PerDraft = Float64[Tensor, "tuples length"]
#: One probability for each number of drafts, none included.
PerCount = Float64[Tensor, "tuples length_plus_1"]
#: Of the number of accepted drafts and the token after them.
ChainDistribution = Float64[Tensor, "tuples length_plus_1 vocab"]


def plain_distribution(target: Rows, draft: DraftRows, tokens: Tokens) -> ChainDistribution:
    r"""Token by token, each draft tested with :math:`\min(1, p/q)`."""
    accept = clipped_ratio(*path_probs(target, draft, tokens))
    return in_order(accept, residuals(target, draft, torch.ones_like(accept)))


def block_distribution(target: Rows, draft: DraftRows, tokens: Tokens) -> ChainDistribution:
    """Block verification (Sun, Mendlovic et al. 2024, arXiv 2403.10444): the longest prefix that passes its test."""
    weights = block_weights(target, draft, tokens)
    return longest_first(block_tests(target, draft, weights), residuals(target, draft, weights[:, :-1]))


def block_weights(target: Rows, draft: DraftRows, tokens: Tokens) -> PerCount:
    r""":math:`p_0 = 1` and :math:`p_i = \min(1, p_{i-1}\, p(x_i)/q(x_i))`."""
    weights = [torch.ones_like(target[:, 0, 0])]
    for own, drafted in zip(*(part.unbind(-1) for part in path_probs(target, draft, tokens)), strict=True):
        weights.append(clipped_ratio(weights[-1] * own, drafted))
    return torch.stack(weights, -1)


# trees/bottom_up has this formula too. The suite judges it, so that they share no code.
def block_tests(target: Rows, draft: DraftRows, weights: PerCount) -> PerCount:
    r""":math:`h_i = R_i / (R_i + 1 - p_i)` with :math:`R_i = \sum (p_i\,p - q)_+`, and :math:`h_L = p_L`."""
    left = (weights[:, :-1, None] * target[:, :-1] - draft).clamp(min=0).sum(-1)
    back = 1 - weights[:, :-1]
    tests = torch.where(back > 0, clipped_ratio(left, left + back), 1.0)
    return torch.cat([tests, weights[:, -1:]], -1)


def path_probs(target: Rows, draft: DraftRows, tokens: Tokens) -> tuple[PerDraft, PerDraft]:
    """Probabilities of the drafts in both models."""
    return tuple(rows.gather(-1, tokens.unsqueeze(-1)).squeeze(-1) for rows in (target[:, :-1], draft))


def residuals(target: Rows, draft: DraftRows, weights: PerDraft) -> Rows:
    r""":math:`(w_i\,p - q)_+`, normalised, after i accepted drafts; after all of them the target."""
    left = (weights.unsqueeze(-1) * target[:, :-1] - draft).clamp(min=0)
    return torch.cat([normalised(left, target[:, :-1]), target[:, -1:]], 1)


def with_none(tests: PerDraft) -> PerCount:
    """Put in front the test of no drafts, which always passes."""
    return torch.cat([torch.ones_like(tests[:, :1]), tests], -1)


def in_order(accept: PerDraft, residual: Rows) -> ChainDistribution:
    """Test draft after draft, up to the first failure."""
    return end_after(with_none(accept).cumprod(-1), residual)


def longest_first(tests: PerCount, residual: Rows) -> ChainDistribution:
    """Test the longest prefix first, down to the first success."""
    failed = (1 - tests).flip(-1).cumprod(-1).flip(-1)
    # Beyond the longest prefix nothing is tested; the empty one is what remains.
    failed = torch.cat([torch.zeros_like(failed[:, :1]), failed[:, 1:], torch.ones_like(failed[:, :1])], -1)
    return end_after(1 - failed[:, :-1], residual)


def end_after(reached: PerCount, residual: Rows) -> ChainDistribution:
    """From the probabilities that at least n drafts are accepted to the distribution."""
    beyond = torch.cat([reached[:, 1:], torch.zeros_like(reached[:, :1])], -1)
    return (reached - beyond).unsqueeze(-1) * residual
