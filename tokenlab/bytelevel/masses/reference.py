r"""The masses of the next byte in plain PyTorch: what a kernel must return.

With d bytes read, the tokens that begin with them are a range, and each goes on or has ended:

.. math::

    P(b) = \sum_{t \in \text{range},\ t_d = b} p(t)

where :math:`p(t) = e^{x_t - \operatorname{lse} x}`. Every sum is taken as such: in a difference of
cumulative sums a rare byte would be lost.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from tokenlab.bytelevel.tokenizer.vocabulary import ByteVocabulary

#: The 256 bytes, and the tokens that have ended.
NUM_BINS = 257


def byte_log_masses(
    logits: Float[Tensor, "batch vocab"],
    vocabulary: ByteVocabulary,
    starts: Sequence[int],
    stops: Sequence[int],
    depths: Sequence[int],
    allowed: Bool[Tensor, "batch tokens"] | None,
    normalizer: Float64[Tensor, "batch"] | None,
) -> Float64[Tensor, "batch 257"]:
    """log P(b) of each row, unchecked."""
    if normalizer is None:
        normalizer = logits.double().logsumexp(-1)
    masses = []
    for row, (start, stop, depth) in enumerate(zip(starts, stops, depths, strict=True)):
        tokens = vocabulary.order[start:stop].to(logits.device)
        bins = torch.from_numpy(vocabulary.byte_at(depth, start, stop)).to(logits.device, torch.int64)
        x = logits[row, tokens].double()
        if allowed is not None:
            x = x.where(allowed[row, start:stop], -torch.inf)
        masses.append(logsumexp_by_bin(x, bins) - normalizer[row])
    return torch.stack(masses) if masses else normalizer.new_empty(0, NUM_BINS)


def logsumexp_by_bin(x: Float64[Tensor, "tokens"], bins: Int64[Tensor, "tokens"]) -> Float64[Tensor, "257"]:
    """-inf where nothing is."""
    top = x.new_full((NUM_BINS,), -torch.inf).scatter_reduce(0, bins, x.detach(), "amax")
    some = top > -torch.inf
    # Without a finite x there is no largest one to divide by, and no sum to take the logarithm of.
    shift = top.where(some, 0.0)
    sums = x.new_zeros(NUM_BINS).index_add(0, bins, (x - shift[bins]).exp())
    return top + sums.where(some, 1.0).log()
