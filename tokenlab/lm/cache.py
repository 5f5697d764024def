"""A cache that holds a tree of tokens, and the models that can work with one.

With a mask of our own, a row holds a tree: a token sees its ancestors, and its position is their number.
Drafts that can be taken back are a tree, and so are all ways to cut a text into tokens.
"""

from __future__ import annotations

from tokenlab.errors import ArgumentError
from tokenlab.lm.contract import counts_from_0
from tokenlab.lm.forward import cache_argument, check_decoder, forward_arguments, growing_cache
from tokenlab.lm.unwrap import unwrapped

#: Tokens that are read at once: a mask has a row for each.
CHUNK = 512
#: Attention implementations that take a mask with a row for each token.
ATTENTION = ("eager", "sdpa")


def empty_cache(model):
    """A growing cache in which every layer keeps all keys and values, as long as no sliding window binds."""
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    cache = growing_cache(model)
    # From a layer that lets go of the oldest keys, drafts cannot be taken back.
    cache.layers = [
        DynamicLayer() if type(layer) is DynamicSlidingWindowLayer else layer for layer in cache.layers
    ]
    return cache


def check_tree_cache(name: str, model, branches: str = "drafts") -> None:
    """Check that a model's cache and attention can hold a tree, made of ``branches``.

    ArgumentError: for encoder-decoders, recurrent states, and models that take no position ids or no mask of our
    own. Sliding windows are no hindrance up to :func:`tokenlab.lm.limits.sliding_window` tokens.
    """
    from transformers.cache_utils import DynamicLayer

    check_decoder(name, model)
    model = unwrapped(model)
    kind = type(model).__name__
    parameters = forward_arguments(model)
    if getattr(model, "_is_stateful", False):
        raise ArgumentError(
            f"{name} is a {kind}, which keeps a recurrent state: {branches} cannot be taken back from it; "
            "expected a cache of keys and values"
        )
    if cache_argument(model) is None:
        raise ArgumentError(f"{name} is a {kind}, whose forward takes no past_key_values, expected a cache")
    config = model.config.get_text_config(decoder=True)
    if "position_ids" not in parameters or getattr(config, "alibi", False):
        raise ArgumentError(
            f"{name} is a {kind}, which counts positions by itself: siblings in a tree share one; "
            "expected a model that takes position_ids"
        )
    if not counts_from_0(model):
        raise ArgumentError(
            f"{name} is a {kind}, which counts positions in a way of its own, expected position_ids from 0 on"
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
            f"{name} is a {kind}, whose cache has layers of kind {', '.join(others)} (a recurrent "
            f"state or the like): {branches} cannot be taken back from them; expected "
            "layers that keep all keys and values"
        )
    attention = config._attn_implementation
    if attention not in ATTENTION:
        raise ArgumentError(
            f"{name} uses attention {attention!r}, which takes no mask of our own; load it with "
            f"attn_implementation={' or '.join(map(repr, ATTENTION))}"
        )
