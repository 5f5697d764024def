"""Lengths from which on a model reads differently, beside the number of its positions."""

from __future__ import annotations

from tokenlab.lm.forward import growing_cache
from tokenlab.lm.unwrap import unwrapped


def longrope_limit(model) -> int | None:
    """The length of the first training where rotary embeddings are of type "longrope"; None otherwise.

    A longer text turns all keys by other factors, those of its first tokens too: what a cache holds from
    before is then of another distribution.
    """
    config = unwrapped(model).config.get_text_config(decoder=True)
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    # Some models have one set of parameters for each kind of layer.
    for part in (rope, *(value for value in rope.values() if isinstance(value, dict))):
        if part.get("rope_type", part.get("type")) == "longrope":
            first = part.get("original_max_position_embeddings")
            return first or getattr(config, "original_max_position_embeddings", None)
    return None


def sliding_window(model) -> int | None:
    """How many of the last tokens the narrowest layer sees; None if all layers see all of them."""
    layers = growing_cache(model).layers
    windows = [window for layer in layers if (window := getattr(layer, "sliding_window", None))]
    return min(windows, default=None)
