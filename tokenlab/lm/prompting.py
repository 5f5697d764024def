"""What every loop over a model needs first: checks of a prompt, and the tokens that end a text."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from tokenlab.errors import INTEGER_DTYPES, ArgumentError, ShapeError, check_int, check_tensor
from tokenlab.lm.forward import num_positions


def check_prompt(
    model,
    input_ids: Int[Tensor, "batch prompt"],
    attention_mask: Int[Tensor, "batch prompt"] | None,
    new_tokens: int,
    *,
    name: str = "the model",
) -> None:
    """Check prompts: ids of the vocabulary, padded on the left, and room for ``new_tokens``."""
    check_tensor("input_ids", input_ids, dtypes=INTEGER_DTYPES, min_dims=2, max_dims=2)
    if input_ids.numel() == 0:
        raise ShapeError(f"input_ids has shape {tuple(input_ids.shape)}, expected a token in each row")
    vocab_size = model.config.get_text_config().vocab_size
    if int(input_ids.min()) < 0 or int(input_ids.max()) >= vocab_size:
        raise ArgumentError(f"input_ids holds ids outside 0 to {vocab_size - 1}")
    longest = num_positions(model)
    if longest is not None and input_ids.shape[1] + new_tokens > longest:
        raise ArgumentError(
            f"max_new_tokens is {new_tokens} after a prompt of {input_ids.shape[1]} tokens, "
            f"but {name} has {longest} positions"
        )
    if attention_mask is None:
        return
    check_tensor("attention_mask", attention_mask, dtypes=(*INTEGER_DTYPES, torch.bool))
    if attention_mask.shape != input_ids.shape:
        raise ShapeError(
            f"attention_mask has shape {tuple(attention_mask.shape)}, "
            f"expected {tuple(input_ids.shape)} as input_ids"
        )
    attended = attention_mask.long()
    if not bool(((attended == 0) | (attended == 1)).all()):
        raise ArgumentError("attention_mask must hold zeros and ones only")
    if bool((attended.diff(dim=-1) < 0).any()) or not bool(attended[:, -1].all()):
        raise ArgumentError(
            "attention_mask has padding after a token, or a row of padding only: "
            "pad on the left (tokenizer.padding_side = 'left')"
        )


def end_tokens(
    model, eos_token_id: int | Sequence[int] | None = None, pad_token_id: int | None = None
) -> tuple[list[int], int]:
    """Ids that end a text, and the id that fills what is after; by default the model's.

    An empty sequence means no end. Without a padding token the first end serves as one.
    """
    defaults = model.generation_config
    ends = defaults.eos_token_id if eos_token_id is None else eos_token_id
    ends = [] if ends is None else [ends] if isinstance(ends, int) else list(ends)
    vocab_size = model.config.get_text_config().vocab_size
    for end in ends:
        check_int("eos_token_id", end, low=0, high=vocab_size - 1)
    if pad_token_id is None:
        pad_token_id = defaults.pad_token_id
    if pad_token_id is None:
        pad_token_id = ends[0] if ends else 0
    return ends, check_int("pad_token_id", pad_token_id, low=0, high=vocab_size - 1)
