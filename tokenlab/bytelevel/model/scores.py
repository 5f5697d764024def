"""What models over bytes say about a text, byte by byte."""

from __future__ import annotations

import math
from typing import NamedTuple

from jaxtyping import Float64
from torch import Tensor


class ByteScore(NamedTuple):
    """What a model says about a text.

    Attributes
    ----------
    log_probs : Float64[Tensor, "bytes"]
        Log-probability of each byte after those before it, in nats; of the end too if it was asked
        for.
    leaks : Float64[Tensor, "bytes"]
        The share of probability that no viable next token carried on, before each byte.
    pruned : Float64[Tensor, "bytes"]
        The share of probability that the beam dropped after each byte; 0 without a beam.
    cover_log_prob : float
        Log of the sum of the covers' probabilities, before the end. It is the sum of
        ``log_probs``, of log(1 - leak) and of log(1 - pruned), the end's entries left out.
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
    log_probs : Float64[Tensor, "bytes"]
        As in :class:`ByteScore`.
    member_log_probs : Float64[Tensor, "members bytes"]
        The same of each member; -inf from the first byte on that it cannot write.
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
