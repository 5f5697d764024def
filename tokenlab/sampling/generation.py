"""The rules running on a real model: a sampling loop with cache, batches and streaming.

It draws as ``model.generate`` does with :func:`tokenlab.sampling.processors.hf_processors`, but is
short, takes explicit noise, and keeps the entropies that the book looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from tokenlab.errors import (
    ArgumentError,
    DtypeError,
    ShapeError,
    check_generator,
    check_int,
    check_logits,
    check_noise,
)
from tokenlab.lm.contract import causal_model, check_device
from tokenlab.lm.forward import vocabulary_size
from tokenlab.lm.generation_settings import score_rules
from tokenlab.lm.prompting import check_prompt, end_tokens
from tokenlab.lm.text_reader import TextReader
from tokenlab.ops import open_uniform, sample_categorical
from tokenlab.sampling import reference
from tokenlab.sampling.api import truncated_probs
from tokenlab.sampling.rules import check_rule, check_temperature

#: The rule that is none: always the most probable token.
GREEDY = "greedy"


@dataclass(frozen=True)
class GenerateOutput:
    """Texts, and the model's distribution while they were written.

    ``sequences`` are prompt and continuation, then ``pad_token_id``; ``lengths`` counts the tokens
    added, the end of text included. ``entropies`` and the chosen tokens' ``log_probs`` are those of
    the model before temperature, processors and truncation, in nats, and NaN after an end of text.
    ``kept`` is how many tokens could be drawn, zero after an end of text.
    """

    sequences: Int[Tensor, "rows length"]
    lengths: Int[Tensor, " rows"]
    entropies: Float[Tensor, "rows steps"]
    log_probs: Float[Tensor, "rows steps"]
    kept: Int[Tensor, "rows steps"]


@torch.no_grad()
def generate(
    model,
    input_ids: Int[Tensor, "batch prompt"],
    attention_mask: Int[Tensor, "batch prompt"] | None = None,
    *,
    max_new_tokens: int,
    rule: str | None = None,
    value: float | None = None,
    temperature: float = 1.0,
    num_return_sequences: int = 1,
    generator: torch.Generator | None = None,
    noise: Float64[Tensor, "rows steps"] | None = None,
    eos_token_id: int | Sequence[int] | None = None,
    pad_token_id: int | None = None,
    processors: Callable[[Tensor, Tensor], Tensor] | Sequence[Callable] | None = None,
    streamer=None,
    ignore_generation_config: Sequence[str] = (),
) -> GenerateOutput:
    """Continue prompts by sampling, one token at a time.

    Each step draws by inverse CDF from :func:`truncated_probs` of the model's logits after ``processors``.

    Parameters
    ----------
    model
        A causal model of transformers, in eval mode; also compiled, offloaded, or with adapters in its layers.
        Where its cache is a recurrent state, every token reads the text again (a SlowPathWarning).
    input_ids, attention_mask
        Prompts, padded on the left; the mask is zero there. Default: no padding.
    rule, value
        As for :func:`truncation_mask`; or ``"greedy"`` alone, which takes the largest logit.
    num_return_sequences
        Continuations of each prompt; they stand next to each other.
    generator, noise
        Source of the noise, on the model's device; or the noise, uniforms in (0, 1).
    eos_token_id, pad_token_id
        What ends a text (``()``: nothing) and what fills its row then. Default: the model's.
    processors
        ``processors(input_ids, logits) -> logits``, such as a ``LogitsProcessorList``, or a list of such.
    streamer
        A streamer of transformers: gets the prompt, then every new token; for one sequence only.
    ignore_generation_config
        Fields of the model's ``generation_config`` to ignore on purpose. Its ends and padding are defaults,
        rules that look at scores and lengths alone, such as ``min_new_tokens``, are applied, temperature and
        truncation are arguments here; other rules, such as ``repetition_penalty``, are refused by name.

    Raises
    ------
    ArgumentError, ShapeError, DtypeError
        If the model is no causal one in eval mode or its logits are no distribution, an argument is out of
        range or shape, noise and a generator are both given, a prompt is empty or padded on the right, or the
        text would outgrow the model's positions or the switch of a longrope.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> model, tokenizer = load("lab-draft")
    >>> prompt = tokenizer("def read_config(path):", return_tensors="pt")
    >>> output = generate(model, prompt.input_ids, max_new_tokens=8, rule="top_p", value=0.9)
    >>> int(output.lengths[0]) <= 8, output.entropies.shape[0]
    (True, 1)

    Reference: Holtzman et al. 2019, arXiv 1904.09751, section 3.
    """
    model = causal_model("model", model)
    check_prompt(model, input_ids, attention_mask, check_int("max_new_tokens", max_new_tokens, low=1))
    check_int("num_return_sequences", num_return_sequences, low=1)
    temperature = check_temperature(temperature)
    greedy = rule == GREEDY
    if greedy and (value is not None or temperature != 1.0):
        raise ArgumentError("rule='greedy' takes neither value nor temperature")
    if not greedy:
        check_rule(rule, value, vocabulary_size(model))
    check_device("input_ids", input_ids, model)
    check_generator(generator, input_ids.device)
    process = _processing(processors)
    ends, pad = end_tokens(model, eos_token_id, pad_token_id)
    settings = score_rules(
        "model",
        model,
        ignore_generation_config,
        ends=ends,
        prompt_width=input_ids.shape[1],
        max_new_tokens=max_new_tokens,
    )
    # Processors are the caller's code: what they leave is checked.
    validate = process is not None

    if attention_mask is None:
        attention_mask = torch.ones_like(input_ids)
    ids = input_ids.repeat_interleave(num_return_sequences, 0).long()
    mask = attention_mask.repeat_interleave(num_return_sequences, 0).long()
    _check_streamer(streamer, len(ids))
    shape = (len(ids), max_new_tokens)
    if noise is not None:
        check_noise("noise", noise, shape, generator=generator)
    elif not greedy:
        noise = open_uniform(shape, generator=generator, device=ids.device)
    ends = torch.tensor(ends, device=ids.device, dtype=torch.long)
    # Padding that all rows have is not read.
    unread = int((mask == 0).sum(-1).min())
    reader = TextReader(model, padded=not bool(mask[:, unread:].all()))

    running = torch.ones(len(ids), dtype=torch.bool, device=ids.device)
    lengths = torch.zeros(len(ids), dtype=torch.long, device=ids.device)
    steps = []
    if streamer is not None:
        streamer.put(input_ids.cpu())
    for step in range(max_new_tokens):
        logits = reader.next_logits(ids[:, unread:], mask[:, unread:])
        log_probs = logits.log_softmax(-1)
        scores = settings(logits, ids.shape[1])
        scores = scores if process is None else process(ids, scores)
        if greedy:
            check_logits("logits", scores, validate=validate)
            token = scores.argmax(-1)
            kept = torch.ones_like(token)
        else:
            probs = truncated_probs(
                scores, temperature=temperature, rule=rule, value=value, validate=validate
            )
            token = sample_categorical(
                probs.log(), method="inverse_cdf", noise=noise[:, step], validate=False
            )
            kept = (probs > 0).sum(-1)
        chosen = log_probs.gather(-1, token[:, None])[:, 0]
        entropy = reference.entropy(log_probs.exp())
        steps.append(
            (
                entropy.to(logits.dtype).masked_fill(~running, torch.nan),
                chosen.masked_fill(~running, torch.nan),
                kept.masked_fill(~running, 0),
            )
        )
        token = torch.where(running, token, pad)
        lengths += running
        running = running & ~torch.isin(token, ends)
        ids = torch.cat([ids, token[:, None]], 1)
        mask = torch.cat([mask, torch.ones_like(token[:, None])], 1)
        if streamer is not None:
            streamer.put(token.cpu())
        if not running.any():
            break
    if streamer is not None:
        streamer.end()
    entropies, log_probs, kept = (torch.stack(column, 1) for column in zip(*steps, strict=True))
    return GenerateOutput(ids, lengths, entropies, log_probs, kept)


def _processing(processors) -> Callable[[Tensor, Tensor], Tensor] | None:
    """One function of processors, each of whose answers is looked at."""
    if processors is None:
        return None
    parts = processors if isinstance(processors, Sequence) else [processors]
    for part in parts:
        if not callable(part):
            raise DtypeError(f"processors must be callable, or a list of such, found {type(part).__name__}")

    def process(ids: Tensor, logits: Tensor) -> Tensor:
        scores = logits.clone()
        for part in parts:
            scores = part(ids, scores)
            if not isinstance(scores, Tensor):
                raise DtypeError(
                    f"{_called(part)} of processors returned {type(scores).__name__}, expected logits"
                )
            if scores.shape != logits.shape:
                raise ShapeError(
                    f"{_called(part)} of processors returned shape {tuple(scores.shape)}, expected "
                    f"{tuple(logits.shape)}: a token that may not come has logit -inf"
                )
        return scores

    return process


def _called(processor) -> str:
    return getattr(processor, "__name__", type(processor).__name__)


def _check_streamer(streamer, rows: int) -> None:
    if streamer is None:
        return
    if not (hasattr(streamer, "put") and hasattr(streamer, "end")):
        raise DtypeError(f"streamer must have put and end, found {type(streamer).__name__}")
    if rows > 1:
        raise ArgumentError(f"streamer is given with {rows} sequences, expected one: their tokens would mix")
