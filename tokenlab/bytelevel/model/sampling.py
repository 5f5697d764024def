"""Drawing texts byte by byte."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from tokenlab.bytelevel.model.text_streams import TextStreams
from tokenlab.bytelevel.tokenizer.vocabulary import END
from tokenlab.errors import check_generator, check_real
from tokenlab.ops import sample_categorical, shape_logits


class ByteSample(NamedTuple):
    """A text that was drawn byte by byte.

    Attributes
    ----------
    text
        The new bytes; the last character may be incomplete.
    ended
        Whether the text is over; otherwise ``max_new_bytes`` was reached.
    log_prob
        Log-probability in nats of the new bytes, the end included, without temperature and top-p.
    """

    text: bytes
    ended: bool
    log_prob: float


def check_sampling(temperature: float, top_p: float, generator: torch.Generator | None) -> None:
    """Check what every sampling function takes."""
    check_real("temperature", temperature, low=0.0)
    check_real("top_p", top_p, low=0.0, high=1.0, include_low=False)
    check_generator(generator, torch.device("cpu"))


def sample_streams(
    streams: TextStreams,
    max_new_bytes: int,
    *,
    temperature: float = 1.0,
    top_p: float = 1.0,
    generator: torch.Generator | None = None,
) -> list[ByteSample]:
    """Draw bytes after each text, until it ends or has ``max_new_bytes`` more."""
    rows = len(streams)
    starts = [len(text) for text in streams.texts]
    ended, log_probs = [False] * rows, [0.0] * rows
    for _ in range(max_new_bytes):
        distribution = streams.log_probs
        drawn = draw(distribution, temperature, top_p, generator).tolist()
        for row, byte in enumerate(drawn):
            if not ended[row]:
                log_probs[row] += float(distribution[row, byte])
                ended[row] = byte == END
        if all(ended):
            break
        streams.push([None if ended[row] else byte for row, byte in enumerate(drawn)])
    return [
        ByteSample(text[start:], is_over, log_prob)
        for text, start, is_over, log_prob in zip(streams.texts, starts, ended, log_probs, strict=True)
    ]


def draw(
    log_probs: Float64[Tensor, "rows outcomes"],
    temperature: float,
    top_p: float,
    generator: torch.Generator | None,
) -> Int64[Tensor, "rows"]:
    """One outcome of each row after temperature and top-p."""
    if temperature == 0:
        return log_probs.argmax(-1)
    return sample_categorical(
        shape_logits(log_probs, temperature=temperature, top_p=top_p), generator=generator
    )
