"""What is done about a prompt's last tokens without summing covers: nothing, or healing.

These are the baselines that exact probabilities are compared with. Each fixes one encoding of the
prompt, or of most of it, and asks the model what comes behind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from tokenlab.bytelevel.completion import continue_tokens, draw, seeded
from tokenlab.bytelevel.model import ByteLM, ByteSample, check_sampling
from tokenlab.bytelevel.stream import ByteScore, ByteStreams
from tokenlab.bytelevel.tokenization import check_bytes, check_utf8
from tokenlab.errors import ArgumentError, check_choice, check_int

METHODS = ("exact", "plain", "longest_match")
Method = Literal["exact", "plain", "longest_match"]
#: Tokens that longest-match healing takes back at most.
MOST_TOKENS = 4


class PlainLaw(NamedTuple):
    """What plain prompting says about the next byte.

    Attributes
    ----------
    log_probs : Float64[Tensor, "*batch 257"]
        Log-probability of each first byte of the next token; the last entry is the end of the text.
    left_out : Float64[Tensor, "*batch"]
        The probability of special tokens other than the end: they stand for no bytes, and the rest
        is normalised.
    """

    log_probs: Float64[Tensor, "*batch 257"]
    left_out: Float64[Tensor, "*batch"]


class PlainCompletion(NamedTuple):
    """A prompt that was completed behind one encoding of it.

    Attributes
    ----------
    text : bytes
        The bytes behind the prompt; the last character may be incomplete.
    ended : bool
        Whether the text is over; otherwise ``max_new_tokens`` was reached.
    ids : list of int
        The new tokens, without the end. The first ones spell what was taken back, if anything was.
    """

    text: bytes
    ended: bool
    ids: list[int]
