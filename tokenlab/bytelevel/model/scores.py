"""What models over bytes say about a text, byte by byte."""

from __future__ import annotations

import math
from typing import NamedTuple

from jaxtyping import Float64
from torch import Tensor


class ByteScore(NamedTuple):
    """What a model says about a text, or about what was pushed to a stream after its prefix.

    Attributes
    ----------
    log_probs
        Log-probability in nats of each byte after those before it, and of the end if it was asked for.
    leaks, pruned
        The share of probability that no viable next token carried on before each byte, and the share
        that the beam dropped after it.
    cover_log_prob
        Log of the sum of the covers' probabilities, those of a prefix included. Without a prefix it is the sum
        of ``log_probs``, log(1 - leak) and log(1 - pruned), without the end's entries.
    """

    log_probs: Float64[Tensor, "bytes"]
    leaks: Float64[Tensor, "bytes"]
    pruned: Float64[Tensor, "bytes"]
    cover_log_prob: float

    @property
    def log_prob(self) -> float:
        """The sum of ``log_probs``."""
        return float(self.log_probs.sum())

    @property
    def bits_per_byte(self) -> float:
        """Minus the mean of ``log_probs``, in bits."""
        return _bits_per_byte(self.log_probs)


class EnsembleScore(NamedTuple):
    """What several models together, and each of them, say about a text.

    Attributes
    ----------
    member_log_probs
        As ``log_probs``, of each member; -inf from the first byte on that it cannot write.
    """

    log_probs: Float64[Tensor, "bytes"]
    member_log_probs: Float64[Tensor, "members bytes"]

    @property
    def log_prob(self) -> float:
        """The sum of ``log_probs``."""
        return float(self.log_probs.sum())

    @property
    def bits_per_byte(self) -> float:
        """Minus the mean of ``log_probs``, in bits."""
        return _bits_per_byte(self.log_probs)


def _bits_per_byte(log_probs: Float64[Tensor, "bytes"]) -> float:
    return -float(log_probs.sum()) / max(len(log_probs), 1) / math.log(2)
