"""What of a model's ``generation_config`` is applied, what is refused by name, and what is not its business.

A field that changes which tokens come out is never passed over in silence: rules that look at scores, and at how many
tokens stand before them, are applied by transformers' own processors; those that look at the text are refused, unless
the caller names them to be ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tokenlab.errors import ArgumentError, DtypeError, check_int, check_logits
from tokenlab.lm.forward import vocabulary_size
from tokenlab.lm.unwrap import input_device

#: Rules that look at scores and lengths alone, in transformers' order; beside each what does nothing.
APPLIED = {
    "sequence_bias": ({}, []),
    "bad_words_ids": ([],),
    "min_length": (0,),
    "min_new_tokens": (0,),
    "forced_bos_token_id": (),
    "forced_eos_token_id": (),
    "exponential_decay_length_penalty": (),
    "suppress_tokens": ([],),
    "begin_suppress_tokens": ([],),
}
#: Fields that look at the text, or ask for another method.
REFUSED = {
    "repetition_penalty": (1.0,),
    "encoder_repetition_penalty": (1.0,),
    "no_repeat_ngram_size": (0,),
    "encoder_no_repeat_ngram_size": (0,),
    "stop_strings": ([],),
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


class ScoreRules:
    """Rules of a ``generation_config`` on scores of which it is known how many tokens stand before them."""

    def __init__(self, processors: Sequence[Callable]) -> None:
        self.processors = list(processors)

    def __bool__(self) -> bool:
        return bool(self.processors)

    def __call__(
        self, scores: Float[Tensor, "*batch vocab"], before: int | Int[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch vocab"]:
        """Scores after the rules; ``before`` counts prompt, padding and new tokens, for all rows or for each.

        EmptySupportError: if they leave no token.
        """
        if not self.processors:
            return scores
        if isinstance(before, int):
            return self._after(scores, before)
        result = torch.empty_like(scores)
        for length in before.unique().tolist():
            result[before == length] = self._after(scores[before == length], length)
        return result

    def _after(self, scores: Tensor, before: int) -> Tensor:
        # They ask how wide the text is, not what it says.
        text = torch.zeros(1, 1, dtype=torch.long, device=scores.device).expand(1, before)
        rows = scores.reshape(-1, scores.shape[-1])
        for processor in self.processors:
            rows = processor(text, rows)
        check_logits("what the generation_config leaves of logits", rows)
        return rows.reshape(scores.shape)


def check_generation_config(name: str, model, ignore: Sequence[str] = ()) -> None:
    """Refuse settings that change the text and are not applied.

    ArgumentError, DtypeError: if such a field is set and not in ``ignore``, or ``ignore`` names no such field.
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
    for field in REFUSED:
        if field not in ignore and (value := _setting(model, field)) is not None:
            raise _refusal(name, field, value, "looks at more than scores and lengths")


def score_rules(
    name: str,
    model,
    ignore: Sequence[str] = (),
    *,
    ends: Sequence[int],
    prompt_width: int,
    max_new_tokens: int,
) -> ScoreRules:
    """What the model's ``generation_config`` does to scores, as ``model.generate`` does it.

    Parameters
    ----------
    ignore
        Fields to ignore on purpose.
    ends, prompt_width, max_new_tokens
        Ids that end a text, the width of the prompts with their padding, and how many tokens may follow.

    Raises
    ------
    ArgumentError, DtypeError
        As :func:`check_generation_config`, and for a value that is none or an id that the model does not have.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> model, _ = load("lab-draft")
    >>> bool(score_rules("model", model, ends=[1], prompt_width=3, max_new_tokens=8))
    False
    """
    from transformers.generation import logits_process as rules

    check_generation_config(name, model, ignore)
    device = input_device(model)
    ends = torch.tensor(list(ends), device=device) if ends else None
    last = prompt_width + max_new_tokens

    def given(field: str):
        return None if field in ignore else getattr(model.generation_config, field, None)

    begin = prompt_width + (prompt_width == 1 and given("forced_bos_token_id") is not None)
    makers = {
        "sequence_bias": rules.SequenceBiasLogitsProcessor,
        "bad_words_ids": lambda value: rules.NoBadWordsLogitsProcessor(value, ends),
        "min_length": lambda value: rules.MinLengthLogitsProcessor(value, ends),
        "min_new_tokens": lambda value: rules.MinNewTokensLengthLogitsProcessor(prompt_width, value, ends),
        "forced_bos_token_id": rules.ForcedBOSTokenLogitsProcessor,
        "forced_eos_token_id": lambda value: rules.ForcedEOSTokenLogitsProcessor(last, value, device),
        "exponential_decay_length_penalty": lambda value: rules.ExponentialDecayLengthPenalty(
            value, ends, prompt_width
        ),
        "suppress_tokens": lambda value: rules.SuppressTokensLogitsProcessor(value, device),
        "begin_suppress_tokens": lambda value: rules.SuppressTokensAtBeginLogitsProcessor(
            value, begin, device
        ),
    }
    found = []
    for field, make in makers.items():
        value = given(field)
        value = None if value in APPLIED[field] else value
        if value is None:
            continue
        if field == "min_length" and given("min_new_tokens") is not None:
            continue  # model.generate, too, puts one in place of the other
        _check_value(name, model, field, value)
        if field in OF_ENDS and ends is None:
            continue
        try:
            found.append(make(value))
        except (ValueError, TypeError, IndexError) as error:
            raise ArgumentError(f"{name}'s generation_config has {field}={value!r}: {error}") from error
    return ScoreRules(found)


#: Rules about ends of text: without an end they do nothing.
OF_ENDS = ("min_length", "min_new_tokens", "exponential_decay_length_penalty")


def _setting(model, field: str):
    """The value of a field, or None where it does nothing."""
    value = getattr(model.generation_config, field, None)
    return None if value in {**APPLIED, **REFUSED}[field] else value


def _check_value(name: str, model, field: str, value) -> None:
    """Refuse words of several tokens, which look at the text, and ids that the model does not have."""
    label = f"{field} of {name}'s generation_config"
    if field in ("min_length", "min_new_tokens"):
        check_int(label, value, low=0)
    if field in OF_ENDS:
        return
    if field == "sequence_bias":
        words = list(value) if isinstance(value, dict) else [word for word, _ in value]
    else:
        words = list(value) if isinstance(value, list | tuple) else [value]
    for word in words:
        tokens = word if isinstance(word, list | tuple) else [word]
        if len(tokens) != 1:
            raise _refusal(name, field, value, "has a word of several tokens, which looks at the text")
        check_int(label, tokens[0], low=0, high=vocabulary_size(model) - 1)


def _refusal(name: str, field: str, value, why: str) -> ArgumentError:
    return ArgumentError(
        f"{name}'s generation_config has {field}={value!r}, which {why} and is not applied here; "
        f"ignore_generation_config=[{field!r}] ignores it on purpose"
    )
