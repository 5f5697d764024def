"""What every loop over a model needs first: checks of a prompt, and the tokens that end a text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from tokenlab.errors import INTEGER_DTYPES, ArgumentError, DtypeError, ShapeError, check_int, check_tensor
from tokenlab.lm.forward import num_positions, vocabulary_size
from tokenlab.lm.limits import longrope_limit, sliding_window


def check_prompt(
    model,
    input_ids: Int[Tensor, "batch prompt"],
    attention_mask: Int[Tensor, "batch prompt"] | None,
    new_tokens: int,
    *,
    name: str = "the model",
    drafts: bool = False,
) -> None:
    """Check prompts: ids of the vocabulary, padded on the left, and room for ``new_tokens``.

    With ``drafts``, which are taken back from the cache, the room ends where a sliding window binds.
    """
    check_tensor("input_ids", input_ids, dtypes=INTEGER_DTYPES, min_dims=2, max_dims=2)
    if input_ids.numel() == 0:
        raise ShapeError(f"input_ids has shape {tuple(input_ids.shape)}, expected a token in each row")
    vocab_size = vocabulary_size(model)
    if int(input_ids.min()) < 0 or int(input_ids.max()) >= vocab_size:
        raise ArgumentError(f"input_ids holds ids outside 0 to {vocab_size - 1}")
    _check_mask(input_ids, attention_mask)
    lengths = [input_ids.shape[1]]
    if attention_mask is not None:
        lengths = attention_mask.long().sum(-1).tolist()
    _check_room(model, min(lengths), max(lengths), new_tokens, name, drafts)


def _check_room(model, shortest: int, longest: int, new_tokens: int, name: str, drafts: bool) -> None:
    asked = f"max_new_tokens is {new_tokens} after a prompt of {longest} tokens, but {name} has "
    limit = num_positions(model)
    if limit is not None and longest + new_tokens > limit:
        raise ArgumentError(f"{asked}{limit} positions")
    limit = longrope_limit(model)
    # Without drafts, a text that is beyond the switch from its first forward on stays there.
    if limit is not None and longest + new_tokens > limit and (drafts or shortest <= limit):
        raise ArgumentError(
            f"{asked}{limit} positions of its first training: after them longrope changes the distribution of "
            "all that was read"
        )
    limit = sliding_window(model) if drafts else None
    if limit is not None and longest + new_tokens > limit:
        raise ArgumentError(
            f"{asked}a sliding window of {limit} tokens: from there on drafts cannot be taken back from its "
            f"cache; expected at most {limit} tokens together"
        )


def _check_mask(input_ids: Int[Tensor, "batch prompt"], attention_mask: Tensor | None) -> None:
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
    given, name = eos_token_id, "eos_token_id"
    if given is None:
        given, name = defaults.eos_token_id, "eos_token_id of the model's generation_config"
    if isinstance(given, Tensor | np.ndarray):
        given = given.tolist()
    if isinstance(given, str | bytes) or not isinstance(given, Iterable | Integral | None):
        raise DtypeError(f"{name} must be an int or several, found {type(given).__name__} {given!r}")
    high = vocabulary_size(model) - 1
    ends = [] if given is None else list(given) if isinstance(given, Iterable) else [given]
    ends = [check_int(name, _plain(end), low=0, high=high) for end in ends]
    given, name = pad_token_id, "pad_token_id"
    if given is None:
        given, name = defaults.pad_token_id, "pad_token_id of the model's generation_config"
    if given is None:
        given = ends[0] if ends else 0
    return ends, check_int(name, _plain(given), low=0, high=high)


def _plain(token):
    """A 0-d tensor as the number that it is."""
    return token.item() if isinstance(token, Tensor) and token.dim() == 0 else token
