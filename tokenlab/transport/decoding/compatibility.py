"""What models, sampling options and transformers' options must be for drafts to work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from tokenlab.errors import ArgumentError, DtypeError, check_int, check_real
from tokenlab.lm.cache import check_tree_cache
from tokenlab.lm.contract import causal_model
from tokenlab.lm.forward import CACHE_NAMES, vocabulary_size
from tokenlab.lm.unwrap import input_device
from tokenlab.ops import shape_logits

#: The least temperature that logits are divided by.
COLDEST = 1e-6


def check_sampling(
    target, do_sample: bool, temperature: float, top_k: int | None, top_p: float | None
) -> tuple[bool, Callable[[Tensor], Tensor]]:
    """Whether to decode greedily, and the way from logits to probabilities."""
    if not isinstance(do_sample, bool):
        raise DtypeError(f"do_sample must be a bool, found {type(do_sample).__name__} {do_sample!r}")
    temperature = check_real("temperature", temperature, low=0)
    if 0 < temperature < COLDEST:
        raise ArgumentError(
            f"temperature is {temperature}, expected 0 (the most probable token) or at least {COLDEST}: "
            "logits divided by it would overflow"
        )
    vocab_size = vocabulary_size(target)
    top_k = check_int("top_k", 0 if top_k is None else top_k, low=0, high=vocab_size) or None
    top_p = check_real("top_p", 1.0 if top_p is None else top_p, low=0, high=1, include_low=False)
    if do_sample and temperature > 0:
        return False, partial(_shaped_probs, temperature=temperature, top_k=top_k, top_p=top_p)
    if temperature not in (0, 1) or top_k or top_p < 1:
        raise ArgumentError(
            f"temperature is {temperature}, top_k {top_k}, top_p {top_p}: without sampling the "
            "most probable token is taken, whatever they are; expected none of them"
        )
    return True, _shaped_probs


def check_processors(processors: Sequence[Callable]) -> Callable[[Tensor], Tensor]:
    """From logits to probabilities by transformers' processors, which may look at scores alone."""
    from transformers.generation import logits_process as known

    allowed = (
        known.TemperatureLogitsWarper,
        known.TopKLogitsWarper,
        known.TopPLogitsWarper,
        known.MinPLogitsWarper,
        known.TypicalLogitsWarper,
        known.EpsilonLogitsWarper,
        known.EtaLogitsWarper,
        known.TopHLogitsWarper,
        known.SuppressTokensLogitsProcessor,
        known.LogitNormalization,
    )
    for processor in processors:
        # A subclass may look at whatever it likes, unless it says again that it does not.
        if type(processor) not in allowed and not vars(type(processor)).get("scores_only", False):
            raise ArgumentError(
                f"logits_processor has a {type(processor).__name__}, which may look at the text: nodes of "
                "a tree have texts of their own; expected temperature and truncation only, or a class with "
                "scores_only = True of its own"
            )
    return partial(_processed_probs, list(processors))


def _shaped_probs(logits: Float[Tensor, "*batch vocab"], **shape) -> Float[Tensor, "*batch vocab"]:
    return shape_logits(logits, **shape, validate=False).softmax(-1)


def _processed_probs(
    processors: list[Callable], logits: Float[Tensor, "*batch vocab"]
) -> Float[Tensor, "*batch vocab"]:
    # They take rows of scores, and the tokens before them, at which they do not look.
    scores = logits.flatten(0, -2)
    for processor in processors:
        scores = processor(None, scores)
    return scores.view_as(logits).softmax(-1)


def check_pair(target, draft, vocab_size: int | None = None) -> tuple:
    """Both models inside their wrappers: they share vocabulary, special tokens and device, and can hold a tree.

    ``vocab_size``: how many ids count where vocabularies differ by padding.
    """
    models = []
    for name, model in (("target", target), ("draft", draft)):
        models.append(causal_model(name, model))
        check_tree_cache(name, models[-1])
    target, draft = models
    devices = [input_device(model) for model in models]
    if devices[0] != devices[1]:
        raise ArgumentError(f"draft is on {devices[1]}, expected {devices[0]} as target")
    sizes = [vocabulary_size(model) for model in models]
    if vocab_size is not None:
        check_int("vocab_size", vocab_size, low=1, high=min(sizes))
    elif sizes[0] != sizes[1]:
        raise ArgumentError(
            f"draft has a vocabulary of {sizes[1]} tokens, expected {sizes[0]} as target: "
            "token ids must mean the same in both; if they differ by padding alone, give the tokenizer's size "
            "as vocab_size"
        )
    for name in ("bos_token_id", "eos_token_id"):
        ids = [_special(model, name) for model in (target, draft)]
        if ids[0] and ids[1] and not ids[0] & ids[1]:
            raise ArgumentError(
                f"draft has {name} {sorted(ids[1])}, target has {sorted(ids[0])}, as models of different "
                f"tokenizers do; if theirs is one, set {name} of draft.config to the target's"
            )
    return target, draft


def _special(model, name: str) -> set[int]:
    found = getattr(model.config.get_text_config(), name, None)
    return set() if found is None else {found} if isinstance(found, int) else set(found)


def check_transformers_options(generation_config, stopping_criteria, model_kwargs: dict) -> None:
    """Refuse options of ``model.generate`` that this method does not have."""
    from transformers import DynamicCache
    from transformers.generation import stopping_criteria as known

    if (generation_config.num_beams or 1) > 1:
        raise ArgumentError(f"num_beams is {generation_config.num_beams}, expected 1")
    for name in ("output_scores", "output_logits", "output_attentions", "output_hidden_states"):
        if getattr(generation_config, name, None):
            raise ArgumentError(f"{name} is True, expected False: a round of drafts does not keep them")
    if getattr(generation_config, "prompt_lookup_num_tokens", None):
        raise ArgumentError("prompt_lookup_num_tokens is given, but the drafts come from the draft model")
    if generation_config.use_cache is False:
        raise ArgumentError("use_cache is False, expected True: drafts are read after what the cache holds")
    for criterion in stopping_criteria:
        if not isinstance(criterion, known.MaxLengthCriteria | known.EosTokenCriteria):
            raise ArgumentError(
                f"stopping_criteria has a {type(criterion).__name__}, expected length and end of text only: "
                "a round adds several tokens at once"
            )
    caches = {name: value for name in CACHE_NAMES if (value := model_kwargs.get(name)) is not None}
    for name, cache in caches.items():
        if type(cache) is not DynamicCache or cache.get_seq_length():
            raise ArgumentError(
                f"{name} is a {type(cache).__name__} with {cache.get_seq_length()} tokens, "
                "expected none, or an empty DynamicCache"
            )
    for name, value in model_kwargs.items():
        if value is None or value is False or name in (*CACHE_NAMES, *USED):
            continue
        if name == "position_ids" and _counted(value, model_kwargs.get("attention_mask")):
            continue
        raise ArgumentError(
            f"{name} is given to model.generate, expected input_ids and attention_mask only: drafts are read as "
            "tokens alone, at positions counted from the mask"
        )


#: What transformers hands to a decoding method and this one uses, or need not.
USED = ("attention_mask", "use_cache", "cache_position", "logits_to_keep", "next_sequence_length")


def _counted(position_ids: Tensor, attention_mask: Tensor | None) -> bool:
    """Whether positions count the tokens of each row, wherever the mask shows one."""
    if attention_mask is None:
        expected = torch.arange(position_ids.shape[-1], device=position_ids.device)
        return torch.equal(position_ids, expected.expand_as(position_ids))
    expected = attention_mask.long().cumsum(-1) - 1
    return position_ids.shape == expected.shape and bool(
        ((position_ids == expected) | (attention_mask == 0)).all()
    )
