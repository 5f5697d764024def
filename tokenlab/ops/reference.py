r"""The primitives in plain PyTorch: the specification of what a kernel must return.

Everything works on the last dimension, unchecked. The weights :math:`w_i = \exp(x_i - \max_j x_j)`
are probabilities before they are divided by their sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from torch.nn.functional import pad

from tokenlab.ops.noise import exponential, gumbel

#: ``exp`` of it is 0 in float32 and float64, and 0 * -1000 is 0 where 0 * -inf would be NaN.
FAR_BELOW = -1000.0
#: How many neighbouring tokens :func:`top_k` takes or leaves together.
TOP_K_BLOCK = 64


class RowStats(NamedTuple):
    """Statistics of rows of logits; None for those that were not asked for.

    ``max``, ``logsumexp`` and ``margin`` are in units of the logits, ``entropy`` in nats, float32 or,
    for float64 logits, float64. ``argmax`` is the lowest id of equal ones; ``margin`` is +inf where
    only one logit is finite.
    """

    max: Float[Tensor, "*batch"] | None = None
    logsumexp: Float[Tensor, "*batch"] | None = None
    entropy: Float[Tensor, "*batch"] | None = None
    margin: Float[Tensor, "*batch"] | None = None
    argmax: Int64[Tensor, "*batch"] | None = None


class TopK(NamedTuple):
    """The largest logits of each row, descending, and their token ids."""

    values: Float[Tensor, "*batch k"]
    indices: Int64[Tensor, "*batch k"]


def row_stats(logits: Float[Tensor, "*batch vocab"], stats: Sequence[str]) -> RowStats:
    """The statistics of each row that ``stats`` names."""
    dtype = torch.promote_types(logits.dtype, torch.float32)
    found = {}

    # A maximum is cheaper than its index, and that is cheaper than two indices.
    if "margin" in stats:
        two = pad(logits, (0, 1), value=-torch.inf) if logits.shape[-1] == 1 else logits
        values, ids = top_k(two, 2)
        found["max"], second = values.to(dtype).unbind(-1)
        found["margin"] = found["max"] - second
        found["argmax"] = ids[..., 0]
    elif "argmax" in stats:
        largest, found["argmax"] = logits.max(-1)  # the first of equal ones
        found["max"] = largest.to(dtype)
    elif "max" in stats or "entropy" in stats:
        found["max"] = logits.amax(-1).to(dtype)

    if "entropy" in stats:
        below = (logits - found["max"].unsqueeze(-1)).clamp_(min=FAR_BELOW)
        weights = below.exp()
        total = weights.sum(-1)
        found["logsumexp"] = found["max"] + total.log()
        # -sum_i p_i log p_i with p_i = w_i / total; no term is negative.
        found["entropy"] = total.log() - torch.linalg.vecdot(weights, below) / total
    elif "logsumexp" in stats:
        found["logsumexp"] = logits.to(dtype).logsumexp(-1)

    return RowStats(**{name: found[name] for name in stats})


def inverse_cdf(
    logits: Float[Tensor, "*batch vocab"], uniform: Float64[Tensor, "*batch"]
) -> Int64[Tensor, "*batch"]:
    """The token whose piece of the cumulative distribution holds ``uniform``."""
    return invert_cdf(_weights(logits).cumsum(-1), uniform)


def two_level(
    logits: Float[Tensor, "*batch vocab"], uniform: Float64[Tensor, "*batch 2"], block_size: int
) -> Int64[Tensor, "*batch"]:
    """A block of tokens by its mass, then a token inside it, each with its own uniform.

    Exact, since P(block) P(token | block) = P(token). Only the one block needs float64 weights.
    """
    vocab = logits.shape[-1]
    block_size = min(block_size, vocab)
    dtype = torch.promote_types(logits.dtype, torch.float32)
    weights = (logits - logits.amax(-1, keepdim=True).to(dtype)).exp_()
    masses = pad(weights, (0, -vocab % block_size)).unflatten(-1, (-1, block_size)).sum(-1)
    start = block_size * invert_cdf(masses.cumsum(-1, dtype=torch.float64), uniform[..., 0]).unsqueeze(-1)
    ids = start + torch.arange(block_size, device=logits.device)
    inside = logits.gather(-1, ids.clamp(max=vocab - 1)).masked_fill(ids >= vocab, -torch.inf)
    token = invert_cdf(_weights(inside).cumsum(-1), uniform[..., 1])
    return (start.squeeze(-1) + token).clamp_(max=vocab - 1)


def gumbel_max(
    logits: Float[Tensor, "*batch vocab"], uniform: Float64[Tensor, "*batch vocab"]
) -> Int64[Tensor, "*batch"]:
    """The argmax of logits plus Gumbel noise.

    The largest logit is subtracted first: beside logits of 1e30 the noise would be rounded away.
    """
    below = logits.double() - logits.amax(-1, keepdim=True)
    return gumbel(uniform, validate=False).add_(below).argmax(-1)


def exponential_race(
    logits: Float[Tensor, "*batch vocab"], uniform: Float64[Tensor, "*batch vocab"]
) -> Int64[Tensor, "*batch"]:
    """The token that arrives first if token i takes an exponential time of rate w_i."""
    return exponential(uniform, validate=False).div_(_weights(logits)).argmin(-1)


def top_k(logits: Float[Tensor, "*batch vocab"], k: int) -> TopK:
    """The k largest logits, descending; of equal ones the lower id, in choice and in order.

    In a wide row only k blocks are searched, those whose maxima are the k largest.
    """
    vocab = logits.shape[-1]
    if vocab < 2 * k * TOP_K_BLOCK:
        return _top_k_of_all(logits, k)
    padded = pad(logits, (0, -vocab % TOP_K_BLOCK), value=-torch.inf)
    blocks = _top_k_of_all(padded.unflatten(-1, (-1, TOP_K_BLOCK)).amax(-1), k).indices
    # In the order of their ids, so that the lower of two equal tokens still comes first.
    starts = blocks.sort(-1).values.unsqueeze(-1) * TOP_K_BLOCK
    ids = (starts + torch.arange(TOP_K_BLOCK, device=logits.device)).flatten(-2)
    values, positions = _top_k_of_all(padded.gather(-1, ids), k)
    return TopK(values, ids.gather(-1, positions))


def _top_k_of_all(logits: Float[Tensor, "*batch vocab"], k: int) -> TopK:
    # Which of equal values torch.topk returns, and in which order, is not defined. A stable
    # sort settles it; where a look at the values costs nothing, less work will do.
    if logits.device.type == "cpu":
        values, ids = logits.topk(min(k + 1, logits.shape[-1]))
        if not bool((values[..., 1:] == values[..., :-1]).any()):
            return TopK(values[..., :k].contiguous(), ids[..., :k].contiguous())
        if not bool(values.isnan().any()):
            return _first_equal_ones(logits, values[..., k - 1 : k], k)
    values, ids = logits.sort(descending=True, stable=True)
    return TopK(values[..., :k].contiguous(), ids[..., :k].contiguous())


def _first_equal_ones(
    logits: Float[Tensor, "*batch vocab"], smallest: Float[Tensor, "*batch 1"], k: int
) -> TopK:
    # Every token above the smallest value, and the first ones equal to it to fill up to k.
    above, equal = logits > smallest, logits == smallest
    missing = k - above.sum(-1, keepdim=True)
    taken = above | (equal & (equal.cumsum(-1) <= missing))
    ids = taken.nonzero()[:, -1].view(*logits.shape[:-1], k)
    values, order = logits.gather(-1, ids).sort(descending=True, stable=True)
    return TopK(values, ids.gather(-1, order))


def _weights(logits: Float[Tensor, "*batch vocab"]) -> Float64[Tensor, "*batch vocab"]:
    return (logits - logits.amax(-1, keepdim=True).double()).exp_()


def invert_cdf(
    cdf: Float64[Tensor, "*batch n"], uniform: Float64[Tensor, "*batch"]
) -> Int64[Tensor, "*batch"]:
    """The first index whose cumulative sum exceeds ``uniform`` times the total, which need not be one."""
    # Its weight is not 0, and it exists: for uniform <= 1 - 2^-53 the product rounds to less than
    # the total. Only unchecked NaN leads past the end; what it gives is undefined, but an index.
    cdf = cdf.contiguous()
    threshold = uniform.unsqueeze(-1) * cdf[..., -1:]
    return torch.searchsorted(cdf, threshold, right=True).squeeze(-1).clamp_(max=cdf.shape[-1] - 1)
