"""What the tests of SmolLM2 share: prompts of different lengths, and a draft made of its own first layers."""

from __future__ import annotations

import copy

import torch
from jaxtyping import Int
from torch import Tensor

NAME = "smollm2-135m"

#: The second is the longest: the others are padded.
PROMPTS = (
    "The capital of France is",
    "def fibonacci(n):\n    if n < 2:\n        return n\n    return fibonacci(",
    "Water boils at",
)


def first_layers(model, count: int):
    """A Llama of the first layers, with the model's own norm and head: every weight is shared."""
    draft = copy.deepcopy(model, {id(weight): weight for weight in model.parameters()})
    draft.model.layers = draft.model.layers[:count]
    draft.config.num_hidden_layers = count
    return draft.eval()


def prompts_alone(tokenizer) -> list[Int[Tensor, "1 prompt"]]:
    return [tokenizer(prompt, return_tensors="pt").input_ids for prompt in PROMPTS]


def prompts_together(tokenizer) -> tuple[Int[Tensor, "batch prompt"], Int[Tensor, "batch prompt"]]:
    """The prompts padded on the left by hand, and the mask."""
    alone = prompts_alone(tokenizer)
    width = max(ids.shape[1] for ids in alone)

    def left(ids: Tensor, value: int) -> Tensor:
        return torch.nn.functional.pad(ids, (width - ids.shape[1], 0), value=value)

    ids = torch.cat([left(ids, tokenizer.pad_token_id) for ids in alone])
    return ids, torch.cat([left(torch.ones_like(ids), 0) for ids in alone])
