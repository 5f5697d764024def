"""The two right rules for a chain, token by token and block, as distributions of what comes out."""

from __future__ import annotations

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from tokenlab.transport.node.verdict import normalised

Probs = Float64[Tensor, "tuples vocab"]


Tokens = Int64[Tensor, "tuples drafts"]


Rows = Float64[Tensor, "tuples length_plus_1 vocab"]


Distribution = Float64[Tensor, "..."]


def plain_distribution(target: Rows, draft: Rows, tokens: Tokens) -> Distribution:
    r"""Token by token, :math:`\min(1, p/q)` each: distribution of the accepted drafts and the token after them."""
    accept = _ratio(*_along(target, draft, tokens))
    return _from_the_start(accept, _residuals(target, draft, torch.ones_like(accept)))


def block_distribution(target: Rows, draft: Rows, tokens: Tokens) -> Distribution:
    """Block verification: distribution of the accepted drafts and the token after them."""
    return _from_the_end(*_block(target, draft, block_weights(target, draft, tokens)))


def block_weights(target: Rows, draft: Rows, tokens: Tokens) -> Float64[Tensor, "tuples length_plus_1"]:
    r""":math:`p_0 = 1` and :math:`p_i = \min(1, p_{i-1}\, p(x_i)/q(x_i))`."""
    weights = [torch.ones_like(target[:, 0, 0])]
    for own, drafted in zip(*(part.unbind(-1) for part in _along(target, draft, tokens)), strict=True):
        weights.append(_ratio(weights[-1] * own, drafted))
    return torch.stack(weights, -1)


def _block(target: Rows, draft: Rows, weights: Tensor) -> tuple[Tensor, Rows]:
    r"""Tests :math:`h_i = R_i / (R_i + 1 - p_i)` from residuals :math:`(p_i\,p - q)_+` of sum :math:`R_i`."""
    left = (weights[:, :-1, None] * target[:, :-1] - draft).clamp(min=0).sum(-1)
    back = 1 - weights[:, :-1]
    tests = torch.where(back > 0, _ratio(left, left + back), 1.0)
    return torch.cat([tests, weights[:, -1:]], -1), _residuals(target, draft, weights[:, :-1])


def _along(target: Rows, draft: Rows, tokens: Tokens) -> tuple[Tensor, Tensor]:
    """Probabilities of the drafts in both models."""
    return tuple(rows.gather(-1, tokens.unsqueeze(-1)).squeeze(-1) for rows in (target[:, :-1], draft))


def _residuals(target: Rows, draft: Rows, weights: Float64[Tensor, "tuples length"]) -> Rows:
    """What is left of the target after each number of accepted drafts; the bonus is all of it."""
    left = (weights.unsqueeze(-1) * target[:, :-1] - draft).clamp(min=0)
    return torch.cat([normalised(left, target[:, :-1]), target[:, -1:]], 1)


def _after_root(tests: Float64[Tensor, "tuples length"]) -> Float64[Tensor, "tuples length_plus_1"]:
    """Nothing accepted is always possible."""
    return torch.cat([torch.ones_like(tests[:, :1]), tests], -1)


def _from_the_start(accept: Float64[Tensor, "tuples length"], residual: Rows) -> Distribution:
    """Test the drafts in their order, up to the first failure."""
    return _reached(_after_root(accept).cumprod(-1), residual)


def _from_the_end(tests: Float64[Tensor, "tuples length_plus_1"], residual: Rows) -> Distribution:
    """Test the longest prefix first, down to the first success."""
    failed = (1 - tests).flip(-1).cumprod(-1).flip(-1)
    # Beyond the longest prefix nothing is tested; the empty one is what remains.
    failed = torch.cat([torch.zeros_like(failed[:, :1]), failed[:, 1:], torch.ones_like(failed[:, :1])], -1)
    return _reached(1 - failed[:, :-1], residual)


def _reached(reach: Float64[Tensor, "tuples length_plus_1"], residual: Rows) -> Distribution:
    """From the probability that at least n drafts are accepted to the distribution of what comes out."""
    beyond = torch.cat([reach[:, 1:], torch.zeros_like(reach[:, :1])], -1)
    return (reach - beyond).unsqueeze(-1) * residual


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """min(1, part / whole), where nothing divided by nothing is 0."""
    return torch.where(part < whole, part / torch.where(whole > 0, whole, 1.0), (part > 0).double())
