"""Asking a Hugging Face model for logits.

Models differ in what ``forward`` takes, in the mask that they want, and in their dtype;
:func:`run_model` is the one place that knows.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary, ref

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tokenlab.errors import ArgumentError, DtypeError
from tokenlab.lm.unwrap import unwrapped


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
        What errors call the model. If given, what came back is looked at: shape, finiteness, length of the cache.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> model, _ = load("lab-draft")
    >>> first = run_model(model, torch.tensor([[0, 71, 72]]), keep=1, use_cache=True)
    >>> second = run_model(model, torch.tensor([[80]]), cache=first.cache, use_cache=True)
    >>> first.logits.shape, second.logits.shape
    (torch.Size([1, 1, 4096]), torch.Size([1, 1, 4096]))
    """
    model = unwrapped(model)
    accepted = forward_arguments(model)
    options = {"attention_mask": attention_mask, "position_ids": position_ids}
    options = {option: value for option, value in options.items() if value is not None}
    if attention_mask is not None and attention_mask.dim() == 4:
        options["attention_mask"] = _tree_mask(model, attention_mask)
    if "position_ids" not in accepted:
        options.pop("position_ids", None)
    before = 0
    if cache is not None:
        options[cache_argument(model) or CACHE_NAMES[0]] = cache
        before = _cached(cache)
    # Some know the switch only among their **kwargs, and keep a cache unless they are told.
    if use_cache or "use_cache" in accepted or _takes_any(accepted):
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
    logits = getattr(output, "logits", None)
    if name is not None:
        check_shape(name, model, logits, len(input_ids))
    logits = logits[:, kept]
    if name is not None:
        check_model_logits(name, logits)
    logits = logits if logits.dtype == torch.float64 else logits.float()
    if not use_cache:
        return ModelOutput(logits, None)
    if cache is None:
        # The later name first: an output that knows both warns of the earlier one.
        found = (getattr(output, key, None) for key in reversed(CACHE_NAMES))
        cache = next((kept for kept in found if kept is not None), None)
    if name is not None:
        _check_cache(name, model, cache, before + input_ids.shape[1])
    return ModelOutput(logits, cache)


#: What models call their cache of keys and values: transformers renamed the argument in 5.24.
CACHE_NAMES = ("past_key_values", "cache")

_ARGUMENTS: WeakKeyDictionary = WeakKeyDictionary()


def forward_arguments(model) -> Mapping[str, inspect.Parameter]:
    """The arguments of a model's forward, looked up once for each forward that it is given."""
    model = unwrapped(model)
    forward = vars(model).get("forward") or type(model).forward
    known = _ARGUMENTS.get(model)
    # Weakly, since a forward that was put on a model refers to it.
    if known is None or known[0]() is not forward:
        known = _ARGUMENTS[model] = ref(forward), inspect.signature(model.forward).parameters
    return known[1]


def _takes_any(accepted: Mapping[str, inspect.Parameter]) -> bool:
    return any(argument.kind is argument.VAR_KEYWORD for argument in accepted.values())


def cache_argument(model) -> str | None:
    """What the model calls its cache of keys and values; None if it takes none."""
    accepted = forward_arguments(model)
    # XLM has a dict of that name, which is another thing.
    return next(
        (name for name in CACHE_NAMES if name in accepted and "dict" not in str(accepted[name].annotation)),
        None,
    )


def _cached(cache) -> int:
    return cache.get_seq_length() if hasattr(cache, "get_seq_length") else 0


def _check_cache(name: str, model, cache, expected: int) -> None:
    """Refuse a cache that does not hold what was read."""
    if not hasattr(cache, "get_seq_length"):
        raise ArgumentError(
            f"{name} is a {type(model).__name__}, which returns {type(cache).__name__} for a cache, expected "
            "a Cache of transformers"
        )
    found = _cached(cache)
    if found != expected:
        raise ArgumentError(
            f"{name} is a {type(model).__name__}, whose cache has {found} tokens after {expected} were read, "
            f"expected a model that uses {cache_argument(model) or CACHE_NAMES[0]}"
        )


def check_shape(name: str, model, logits, rows: int) -> None:
    """Refuse what is no row of logits for each token, as of a classifier or a model without a head."""
    kind = type(model).__name__
    if not isinstance(logits, Tensor):
        raise ArgumentError(f"{name} is a {kind}, which returns no logits{_HEAD}")
    if logits.dim() == 3 and logits.shape[0] == rows and _WIDTHS.get(model) == logits.shape[-1]:
        return
    # A configuration takes long to look through: the width that was right is kept.
    vocab_size = vocabulary_size(model)
    if logits.dim() != 3 or logits.shape[0] != rows or logits.shape[-1] < vocab_size:
        raise ArgumentError(
            f"{name} is a {kind}, whose logits have shape {tuple(logits.shape)}, expected "
            f"({rows}, tokens, {vocab_size}){_HEAD}"
        )
    _WIDTHS[model] = logits.shape[-1]


_WIDTHS: WeakKeyDictionary = WeakKeyDictionary()
_HEAD = ": a causal language model, as AutoModelForCausalLM loads it"


def vocabulary_size(model) -> int:
    """How many ids the model's configuration names."""
    return unwrapped(model).config.get_text_config(decoder=True).vocab_size


def growing_cache(model):
    """An empty cache with the layers that the model's configuration names."""
    from transformers import DynamicCache

    return DynamicCache(config=unwrapped(model).config.get_text_config(decoder=True))


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
    config = unwrapped(model).config.get_text_config(decoder=True)
    return getattr(config, "max_position_embeddings", None) or getattr(config, "max_seq_len", None)


def check_is_model(name: str, model) -> None:
    inner = unwrapped(model)
    if isinstance(inner, torch.nn.Module) and hasattr(inner, "config"):
        return
    found = type(model).__name__
    hint = ": tokenlab.lm.load returns a model and its tokenizer" if isinstance(model, tuple) else ""
    if hasattr(model, "convert_tokens_to_ids"):
        hint = ", a tokenizer: it goes in its own argument, or makes the ids"
    elif isinstance(model, str):
        found, hint = f"str {model!r}", f": tokenlab.lm.load({model!r}) returns the model and its tokenizer"
    raise DtypeError(f"{name} must be a transformers model, found {found}{hint}")


def check_decoder(name: str, model) -> None:
    """Refuse encoder-decoders."""
    model = unwrapped(model)
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
