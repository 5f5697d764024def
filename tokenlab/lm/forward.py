"""Asking a Hugging Face model for logits.

Models differ in what ``forward`` takes, in the mask that they want, and in their dtype;
:func:`run_model` is the one place that knows.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tokenlab.errors import ArgumentError, DtypeError


class ModelOutput(NamedTuple):
    """Logits, at least float32, and the cache that now holds the tokens."""

    logits: Float[Tensor, "rows kept vocab"]
    cache: object | None


def run_model(
    model,
    input_ids: Int[Tensor, "rows new"],
    *,
    keep: int | Sequence[int] | None = None,
    attention_mask: Int[Tensor, "rows slots"] | Bool[Tensor, "rows 1 new slots"] | None = None,
    position_ids: Int[Tensor, "rows new"] | None = None,
    cache=None,
    use_cache: bool = False,
    name: str | None = None,
) -> ModelOutput:
    """One forward of a causal model. Whether gradients are kept is the caller's business.

    Parameters
    ----------
    input_ids
        Tokens to read, after those in ``cache``, which grows.
    keep
        Whose logits to return: so many of the last tokens, those at these indices, or all (None).
    attention_mask
        1 for tokens, in the cache too, and 0 for padding; or, as bool, what each new token sees.
    position_ids
        Left out for a model that takes none.
    use_cache
        Whether to keep the tokens: in ``cache``, or in a new one of the model's kind.
    name
        What errors call the model. If given, :func:`check_model_logits` runs.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> model, _ = load("lab-draft")
    >>> first = run_model(model, torch.tensor([[0, 71, 72]]), keep=1, use_cache=True)
    >>> second = run_model(model, torch.tensor([[80]]), cache=first.cache, use_cache=True)
    >>> first.logits.shape, second.logits.shape
    (torch.Size([1, 1, 4096]), torch.Size([1, 1, 4096]))
    """
    accepted = forward_arguments(model)
    options = {"attention_mask": attention_mask, "position_ids": position_ids, "past_key_values": cache}
    options = {option: value for option, value in options.items() if value is not None}
    if attention_mask is not None and attention_mask.dim() == 4:
        options["attention_mask"] = _tree_mask(model, attention_mask)
    if "position_ids" not in accepted:
        options.pop("position_ids", None)
    if use_cache or "use_cache" in accepted:
        options["use_cache"] = use_cache

    kept: slice | Tensor | list[int] = slice(None)
    if isinstance(keep, int):
        kept = slice(-keep, None)
        if "logits_to_keep" in accepted:
            options["logits_to_keep"] = keep
    elif keep is not None:
        kept = list(keep)
        if "logits_to_keep" in accepted:
            if "Tensor" in str(accepted["logits_to_keep"].annotation):
                kept = slice(None)
                options["logits_to_keep"] = torch.tensor(keep, dtype=torch.long, device=input_ids.device)
            else:
                # Older forwards count from the end; fewer columns come back than tokens went in.
                kept = [index - input_ids.shape[1] for index in keep]
                options["logits_to_keep"] = -min(kept, default=-1)
    output = model(input_ids=input_ids, **options)
    logits = output.logits[:, kept]
    if name is not None:
        check_model_logits(name, logits)
    logits = logits if logits.dtype == torch.float64 else logits.float()
    return ModelOutput(logits, output.past_key_values if use_cache else None)


def forward_arguments(model) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(model.forward).parameters


def _tree_mask(
    model, seen: Bool[Tensor, "rows 1 new slots"]
) -> Bool[Tensor, "rows 1 new slots"] | Float[Tensor, "rows 1 new slots"]:
    """The mask as the model's attention wants it."""
    # Eager attention adds what it is given to its scores.
    if model.config.get_text_config(decoder=True)._attn_implementation != "eager":
        return seen
    lowest = torch.finfo(model.dtype).min
    return torch.zeros(seen.shape, dtype=model.dtype, device=seen.device).masked_fill_(~seen, lowest)


def num_positions(model) -> int | None:
    """How many tokens a model takes; None without a limit."""
    config = model.config.get_text_config(decoder=True)
    return getattr(config, "max_position_embeddings", None) or getattr(config, "max_seq_len", None)


def check_is_model(name: str, model) -> None:
    if isinstance(model, torch.nn.Module) and hasattr(model, "config"):
        return
    hint = ": tokenlab.lm.load returns a model and its tokenizer" if isinstance(model, tuple) else ""
    raise DtypeError(f"{name} must be a transformers model, found {type(model).__name__}{hint}")


def check_decoder(name: str, model) -> None:
    """Refuse encoder-decoders."""
    if getattr(model.config, "is_encoder_decoder", False):
        raise ArgumentError(
            f"{name} is a {type(model).__name__}, an encoder-decoder, expected a decoder only"
        )


def check_model_logits(name: str, logits: Float[Tensor, "*rows vocab"]) -> None:
    """Refuse logits that are no distribution: NaN, +inf, or -inf for every token."""
    # NaN and +inf both survive a maximum, and -inf only if nothing else is there.
    largest = logits.amax(-1)
    if bool(largest.isfinite().all()):
        return
    if bool(largest.isnan().any()):
        found = "NaN"
    else:
        found = "+inf" if bool((largest == torch.inf).any()) else "-inf for every token"
    raise ArgumentError(
        f"{name} returns logits that are {found}, from which no token can be drawn: its weights or "
        f"its dtype, {str(logits.dtype).removeprefix('torch.')}, may be at fault"
    )
