"""What of a model's ``generation_config`` is applied, what is refused by name, and what is not its business.

A field that changes which tokens come out is never passed over in silence: rules that look at scores alone are
applied, those that look at the text or at the step are refused, unless the caller names them to be ignored.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tokenlab.errors import ArgumentError, DtypeError, check_int
from tokenlab.lm.forward import vocabulary_size

#: Tokens that may never come: a rule that looks at scores alone.
APPLIED = ("suppress_tokens", "bad_words_ids")
#: Fields that look at the text or the step, or ask for another method; beside each what does nothing.
REFUSED = {
    "repetition_penalty": (1.0,),
    "encoder_repetition_penalty": (1.0,),
    "no_repeat_ngram_size": (0,),
    "encoder_no_repeat_ngram_size": (0,),
    "min_length": (0,),
    "min_new_tokens": (0,),
    "stop_strings": ([],),
    "forced_bos_token_id": (),
    "forced_eos_token_id": (),
    "exponential_decay_length_penalty": (),
    "begin_suppress_tokens": ([],),
    "sequence_bias": ({}, []),
    "guidance_scale": (1.0,),
    "watermarking_config": (),
    "token_healing": (False,),
    "penalty_alpha": (0.0,),
    "dola_layers": (),
    "constraints": (),
    "force_words_ids": ([],),
    "num_beams": (1,),
    "num_beam_groups": (1,),
    "diversity_penalty": (0.0,),
    "max_time": (),
}
#: What the functions have arguments for: the configuration's temperature and truncation are its author's advice.
ARGUMENTS = (
    "do_sample", "temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff",
    "eta_cutoff", "max_length", "max_new_tokens", "num_return_sequences", "eos_token_id", "pad_token_id",
)  # fmt: skip
#: What changes no distribution: outputs, caches, how transformers drafts or compiles, what beams alone look at.
WITHOUT_EFFECT = (
    "early_stopping", "length_penalty", "use_mtp", "use_cache", "cache_implementation", "cache_config",
    "max_cache_len", "renormalize_logits", "remove_invalid_values", "output_attentions",
    "output_hidden_states", "output_scores", "output_logits", "return_dict_in_generate", "bos_token_id",
    "decoder_start_token_id", "is_assistant", "num_assistant_tokens", "num_assistant_tokens_schedule",
    "assistant_confidence_threshold", "prompt_lookup_num_tokens", "max_matching_ngram_size",
    "assistant_early_exit", "assistant_lookbehind", "target_lookbehind", "assistant_ensemble_weight",
    "speculation_type", "compile_config", "disable_compile", "continuous_batching_config", "low_memory",
    "prefill_chunk_size", "transformers_version",
)  # fmt: skip


def suppressed_tokens(name: str, model, ignore: Sequence[str] = ()) -> list[int]:
    """The ids that the model's ``generation_config`` never lets come.

    Parameters
    ----------
    ignore
        Fields to ignore on purpose.

    Raises
    ------
    ArgumentError, DtypeError
        If a field that changes the text is set and not in ``ignore``, or ``ignore`` names no such field.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> model, _ = load("lab-draft")
    >>> suppressed_tokens("model", model)
    []
    """
    if isinstance(ignore, str) or not isinstance(ignore, Sequence):
        raise DtypeError(
            f"ignore_generation_config must be a list of names of fields, found {type(ignore).__name__} "
            f"{ignore!r}"
        )
    for field in ignore:
        if field not in REFUSED and field not in APPLIED:
            raise ArgumentError(
                f"ignore_generation_config holds {field!r}, expected names out of "
                f"{', '.join((*APPLIED, *REFUSED))}"
            )
    config = model.generation_config
    for field, idle in REFUSED.items():
        value = getattr(config, field, None)
        if value is not None and value not in idle and field not in ignore:
            raise _refusal(name, field, value, "looks at more than the scores of one step")
    ids: set[int] = set()
    for field in APPLIED:
        value = getattr(config, field, None)
        if value is None or field in ignore:
            continue
        for item in value:
            word = item if isinstance(item, list | tuple) else [item]
            if len(word) != 1:
                raise _refusal(name, field, value, "has a word of several tokens, which looks at the text")
            label = f"{field} of {name}'s generation_config"
            ids.add(check_int(label, word[0], low=0, high=vocabulary_size(model) - 1))
    return sorted(ids)


def _refusal(name: str, field: str, value, why: str) -> ArgumentError:
    return ArgumentError(
        f"{name}'s generation_config has {field}={value!r}, which {why} and is not applied here; "
        f"ignore_generation_config=[{field!r}] ignores it on purpose"
    )


def suppress(logits: Float[Tensor, "*batch vocab"], ids: Sequence[int]) -> Float[Tensor, "*batch vocab"]:
    """Logits with minus infinity at ids that may not come."""
    if not ids:
        return logits
    return logits.index_fill(-1, torch.tensor(list(ids), device=logits.device), -torch.inf)
