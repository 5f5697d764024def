"""A cache that holds a tree of tokens, and the models that can work with one.

A causal model reads a row of tokens. With a mask of our own the same row holds a tree: every
token sees its ancestors, and its position is their number. Drafts that can be taken back are
such a tree, and so are all contexts of a text that was cut into tokens in several ways.
"""

from __future__ import annotations

import inspect

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tokenlab.errors import ArgumentError, DtypeError

#: Tokens that are read at once: a mask has a row for each.
CHUNK = 512
#: Attention implementations that take a mask with a row for each token.
ATTENTION = ("eager", "sdpa")


def empty_cache(model):
    """A cache that grows with the text, in which every layer keeps all keys and values."""
    from transformers import DynamicCache

    return DynamicCache(config=model.config.get_text_config(decoder=True))


def num_positions(model) -> int | None:
    """How many tokens a model takes, or None where its configuration sets no limit."""
    config = model.config.get_text_config(decoder=True)
    return getattr(config, "max_position_embeddings", None) or getattr(config, "max_seq_len", None)


def attention_mask(
    model, seen: Bool[Tensor, "rows 1 new slots"]
) -> Bool[Tensor, "rows 1 new slots"] | Float[Tensor, "rows 1 new slots"]:
    """What each new token sees, as the model's attention wants to be told."""
    # Eager attention adds what it is given to its scores.
    if model.config.get_text_config(decoder=True)._attn_implementation != "eager":
        return seen
    lowest = torch.finfo(model.dtype).min
    return torch.zeros(seen.shape, dtype=model.dtype, device=seen.device).masked_fill_(~seen, lowest)


def check_model_logits(name: str, logits: Float[Tensor, "*rows vocab"]) -> None:
    """Refuse logits that are no distribution: NaN, +inf, or -inf for every token.

    Raises
    ------
    ArgumentError
        If there are such logits.
    """
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


def check_is_model(name: str, model) -> None:
    """Check that an argument is a model at all."""
    if isinstance(model, torch.nn.Module) and hasattr(model, "config"):
        return
    hint = ": tokenlab.lm.load returns a model and its tokenizer" if isinstance(model, tuple) else ""
    raise DtypeError(f"{name} must be a transformers model, found {type(model).__name__}{hint}")


def check_decoder(name: str, model) -> None:
    """Refuse encoder-decoders, whose text has two sides.

    Raises
    ------
    ArgumentError
        For an encoder-decoder.
    """
    if getattr(model.config, "is_encoder_decoder", False):
        raise ArgumentError(
            f"{name} is a {type(model).__name__}, an encoder-decoder, expected a decoder only"
        )


def check_model(name: str, model, branches: str = "drafts") -> None:
    """Refuse models whose cache or attention cannot hold a tree.

    Parameters
    ----------
    name : str
        What the caller calls the model.
    model : PreTrainedModel
        The model.
    branches : str
        What the tree is made of, for the message.

    Raises
    ------
    ArgumentError
        For encoder-decoders, recurrent states, sliding windows, other caches than plain
        keys and values, models without position ids, and attention without a free mask.
    """
    from transformers.cache_utils import DynamicLayer

    check_decoder(name, model)
    kind = type(model).__name__
    parameters = inspect.signature(model.forward).parameters
    if getattr(model, "_is_stateful", False):
        raise ArgumentError(
            f"{name} is a {kind}, which keeps a recurrent state: {branches} cannot be taken back from it; "
            "expected a cache of keys and values"
        )
    if "past_key_values" not in parameters:
        raise ArgumentError(f"{name} is a {kind}, whose forward takes no past_key_values, expected a cache")
    config = model.config.get_text_config(decoder=True)
    if "position_ids" not in parameters or getattr(config, "alibi", False):
        raise ArgumentError(
            f"{name} is a {kind}, which counts positions by itself: siblings in a tree share one; "
            "expected a model that takes position_ids"
        )
    if "local" in (getattr(config, "attention_layers", None) or ()):
        raise ArgumentError(
            f"{name} is a {kind} with local attention, a sliding window over the cache: siblings in a tree "
            "would push each other out; expected layers that see all keys and values"
        )
    kinds = {type(layer) for layer in empty_cache(model).layers}
    others = sorted(layer.__name__ for layer in kinds if layer is not DynamicLayer)
    if others:
        raise ArgumentError(
            f"{name} is a {kind}, whose cache has layers of kind {', '.join(others)} (a sliding window, "
            f"a recurrent state or the like): {branches} cannot be taken back from them; expected "
            "layers that keep all keys and values"
        )
    attention = config._attn_implementation
    if attention not in ATTENTION:
        raise ArgumentError(
            f"{name} uses attention {attention!r}, which takes no mask of our own; load it with "
            f"attn_implementation={' or '.join(map(repr, ATTENTION))}"
        )
