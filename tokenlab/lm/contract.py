"""What a model must be for its distribution to be drawn from: looked at, not guessed."""

from __future__ import annotations

from weakref import WeakSet

import torch
from torch import Tensor

from tokenlab.errors import ArgumentError
from tokenlab.lm.forward import (
    cache_argument,
    check_decoder,
    check_is_model,
    check_model_logits,
    forward_arguments,
    growing_cache,
    run_model,
    vocabulary_size,
)
from tokenlab.lm.unwrap import check_adapters, input_device, unwrapped

_CAUSAL = "expected a causal language model: load it with AutoModelForCausalLM"


def causal_model(name: str, model):
    """The model inside its wrappers, after the checks that every function that runs one makes.

    DtypeError, ArgumentError: for what is no model, is not in eval mode, has no weights, reads with an encoder,
    has no head over the vocabulary, sees the tokens that follow, or gets virtual tokens from an adapter.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> model, tokenizer = load("lab-draft")
    >>> causal_model("model", model) is model
    True
    """
    check_is_model(name, model)
    check_adapters(name, model)
    model = unwrapped(model)
    kind = type(model).__name__
    check_decoder(name, model)
    if getattr(model, "generation_config", None) is None or _head(model) is None:
        raise ArgumentError(f"{name} is a {kind}, which gives no distribution of the next token, {_CAUSAL}")
    if model.training:
        raise ArgumentError(f"{name} is in training mode, expected eval mode: call {name}.eval()")
    if input_device(model).type == "meta":
        raise ArgumentError(f"{name} is on the meta device, where it has no weights, expected a loaded model")
    if model not in _CAUSAL_MODELS:
        # BERT's kin say whether they are decoders; those that know no cache were seldom trained as such.
        doubtful = getattr(model.config, "is_decoder", None) is False or cache_argument(model) is None
        check_causal(name, model, lengths=doubtful)
        _CAUSAL_MODELS.add(model)
    return model


@torch.no_grad()
def logits_width(name: str, model) -> int:
    """Columns of a model's logits, as a forward returns them: the weight of a quantised head need not show them."""
    ids = torch.tensor([ordinary_ids(model, 1)], device=input_device(model))
    return run_model(model, ids, keep=1, name=name).logits.shape[-1]


#: Models of which this was seen: each is looked at once.
_CAUSAL_MODELS: WeakSet = WeakSet()


def _head(model):
    try:
        return model.get_output_embeddings()
    except (AttributeError, NotImplementedError):
        return None


@torch.no_grad()
def check_causal(name: str, model, *, lengths: bool = True) -> None:
    """Refuse models whose logits change with what follows or, with ``lengths``, with how much does."""
    first, second, third = ordinary_ids(model, 3)
    ids = torch.tensor([[first, second], [first, third]], device=input_device(model))
    one, two = run_model(model, ids, keep=[0], name=name).logits[:, 0]
    # Another shape rounds otherwise, after which a mixture may choose another expert: asked only in doubt.
    alone = run_model(model, ids[:1, :1], keep=[0], name=name).logits[0, 0] if lengths else one
    check_model_logits(name, torch.stack([one, two, alone]))
    if not _close(model, one, two) or not _close(model, one, alone):
        raise ArgumentError(
            f"{name} is a {type(model).__name__} whose logits change with the tokens that follow, expected a "
            "causal model"
        )


def ordinary_ids(model, count: int) -> list[int]:
    """Tokens to try a model with, from the middle of its vocabulary.

    At its ends stand those that a model may take for padding, of itself or by its configuration, and rows that were
    never trained.
    """
    config, size = unwrapped(model).config.get_text_config(decoder=True), vocabulary_size(model)
    special: set[int] = set()
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        given = getattr(config, name, None)
        special.update(given if isinstance(given, list | tuple) else [given])
    ids = [token for token in [*range(size // 2, size), *range(size // 2)] if token not in special]
    # A vocabulary of a few tokens repeats them.
    return [(ids or [0])[index % max(len(ids), 1)] for index in range(count)]


def _close(model, one: Tensor, two: Tensor) -> bool:
    """Whether logits are equal up to rounding; some models count in float32, whatever their dtype."""
    eps = max(torch.finfo(dtype).eps for dtype in (model.dtype, torch.float32))
    apart = (one - two).abs().masked_fill(one == two, 0.0)  # minus infinity is equal to itself
    finite = one[one.isfinite()].abs()
    return finite.numel() > 0 and bool(apart.max() <= eps**0.5 * finite.max())


@torch.no_grad()
def counts_from_0(model) -> bool:
    """Whether position ids count from 0: RoBERTa's kin count on from the id of their padding."""
    model = unwrapped(model)
    # They are BERT's kin, who say whether they are decoders: others need no forward for this.
    if not hasattr(model.config, "is_decoder") or "position_ids" not in forward_arguments(model):
        return True
    device = input_device(model)
    ids = torch.tensor([ordinary_ids(model, 2)], device=device)
    given = run_model(model, ids, position_ids=torch.arange(2, device=device)[None]).logits
    return _close(model, run_model(model, ids).logits, given)


def check_device(name: str, ids: Tensor, model) -> None:
    device = input_device(model)
    if ids.device.type != device.type or (
        None not in (ids.device.index, device.index) and ids.device != device
    ):
        raise ArgumentError(f"{name} is on {ids.device}, expected {device}, where the model's embedding runs")


def why_no_cache(model, padded: bool = False) -> str | None:
    """Why every step must read its text from the first token on, or None.

    ``padded``: whether prompts of different length stand in one batch.
    """
    model = unwrapped(model)
    kind, accepted = type(model).__name__, forward_arguments(model)
    if getattr(model, "_is_stateful", False):
        return f"{kind} keeps a recurrent state"
    if cache_argument(model) is None:
        return f"{kind} takes no past_key_values"
    if not counts_from_0(model):
        return f"{kind} counts positions in a way of its own"
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    cache = growing_cache(model)
    try:
        cache.get_seq_length()
    except ValueError:
        return f"{kind} has a cache that counts no tokens, only a recurrent state"
    if not padded:
        return None
    others = {type(layer).__name__ for layer in cache.layers} - {
        layer.__name__ for layer in (DynamicLayer, DynamicSlidingWindowLayer)
    }
    if others:
        return f"{kind} has layers of kind {', '.join(sorted(others))}, which may keep padding in their state"
    if "attention_mask" not in accepted:
        return f"{kind} takes no attention_mask, and the prompts have padding"
    if "position_ids" not in accepted and not _looks_past_padding(model):
        return f"{kind} takes no position_ids, and with padding before it a text says something else"
    return None


@torch.no_grad()
def _looks_past_padding(model) -> bool:
    """Whether a text says the same with padding on its left, to a model that counts positions itself."""
    device = input_device(model)
    first, second = ordinary_ids(model, 2)
    texts = ([first, first, second, first], [0, 1, 1, 1])
    ids, mask = (torch.tensor([row], device=device) for row in texts)
    padded = run_model(model, ids, keep=1, attention_mask=mask).logits
    plain = run_model(model, ids[:, 1:], keep=1, attention_mask=mask[:, 1:]).logits
    return _close(model, plain, padded)
