"""The pictures that open the notebooks: lab-target on a prompt of a few words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tokenlab.chapters.sampling import figures
from tokenlab.sampling.api import truncation_mask
from tokenlab.sampling.generation import GREEDY, generate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODEL = "lab-target"
#: Both have several good continuations of one token.
TEXT_PROMPT, ROW_PROMPT = "The value of", "The object is"


@cache
def _model() -> tuple[Any, Any]:
    from tokenlab import lm

    return lm.load(MODEL, dtype=torch.float64)


def next_logits(prompt: str) -> Tensor:
    """The row of logits after a prompt, in float64."""
    model, tokenizer = _model()
    with torch.no_grad():
        return model(tokenizer(prompt, return_tensors="pt").input_ids).logits[0, -1].clone()


def most_probable(logits: Tensor, count: int = 8) -> list[str]:
    """The texts of the most probable tokens."""
    return [_model()[1].decode(token) for token in logits.topk(count).indices]


def what_may_follow(
    prompt: str = ROW_PROMPT, temperatures: Sequence[float] | None = None
) -> tuple[list[Figure], dict]:
    """A sweep of temperatures over the next token (:func:`figures.temperature_sweep`)."""
    row = next_logits(prompt)
    options = {} if temperatures is None else {"temperatures": temperatures}
    return figures.temperature_sweep(row, most_probable(row), **options)


def two_ways(
    prompt: str = TEXT_PROMPT, new_tokens: int = 32, seed: int = 1, mass: float = 0.9
) -> tuple[Figure, dict]:
    """One prompt continued greedily and by drawing from all tokens, with the fault of each marked.

    Greedy: tokens that end four in a row which stand in the text before. Drawn: tokens outside of the most
    probable ones that together hold ``mass``.
    """
    model, tokenizer = _model()
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    start = ids.shape[1]
    greedy = generate(model, ids, rule=GREEDY, max_new_tokens=new_tokens).sequences[0]
    generator = torch.Generator().manual_seed(seed)
    drawn = generate(model, ids, max_new_tokens=new_tokens, generator=generator).sequences[0]
    with torch.no_grad():
        probs = model(drawn[None]).logits[0, start - 1 : -1].softmax(-1)
    tail = figures.outside(truncation_mask(probs, "top_p", mass), drawn[start:].tolist())
    marks = {
        "always the most probable token": (greedy, figures.repeats(greedy.tolist())[start:]),
        "a token drawn by its probability": (drawn, tail),
    }
    texts = {
        label: [(prompt, False), *zip(map(tokenizer.decode, row[start:]), mark, strict=True)]
        for label, (row, mark) in marks.items()
    }
    figure, data = figures.marked_texts(texts)
    return figure, data | {"probs": probs[range(len(tail)), drawn[start:]].tolist(), "tail": tail}
