"""Multi-draft speculative decoding with two real models: the public functions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from tokenlab.errors import ArgumentError, check_int
from tokenlab.lm.contract import causal_model
from tokenlab.lm.forward import check_is_model
from tokenlab.lm.generation_settings import ScoreRules, score_rules
from tokenlab.lm.prompting import end_tokens
from tokenlab.transport.decoding.compatibility import (
    check_processors,
    check_sampling,
    check_transformers_options,
)
from tokenlab.transport.decoding.loop import decode
from tokenlab.transport.decoding.structures import Chain, Drafts, check_is_drafts


@torch.no_grad()
def generate(
    target,
    draft,
    input_ids: Int[Tensor, "batch prompt"],
    attention_mask: Int[Tensor, "batch prompt"] | None = None,
    *,
    drafts: Drafts = Chain(4),  # noqa: B008
    rule: str | None = None,
    do_sample: bool = True,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    max_new_tokens: int,
    eos_token_id: int | Sequence[int] | None = None,
    pad_token_id: int | None = None,
    generator: torch.Generator | None = None,
    streamer=None,
    track_acceptance: bool = False,
    ignore_generation_config: Sequence[str] = (),
    vocab_size: int | None = None,
):
    """Continue prompts with a target and a draft model, with the target's distribution.

    In a round the draft model proposes a tree of tokens, the target model reads all of it in one forward, and
    a rule decides how far down to go and draws one token more. The tokens come out as if the target model had
    drawn them one by one, after temperature, top-k and top-p.

    Parameters
    ----------
    target, draft : transformers.PreTrainedModel
        Causal language models of the same vocabulary, in eval mode, on one device, that of the generator.
    input_ids, attention_mask : Int[Tensor, "batch prompt"]
        Prompts, padded on the left; the mask is 0 at padding.
    drafts, rule : Drafts, str
        What is drafted, and which drafts are accepted. A class says which rules are lossless with it.
    do_sample : bool
        If False, take the target's most probable tokens, with any rule.
    temperature, top_k, top_p : float, int, float
        For both models. A temperature of 0 means ``do_sample=False``, a ``top_k`` of 0 all tokens.
    eos_token_id : int or sequence of int
        What ends a text. Default: the target model's; an empty sequence: nothing.
    pad_token_id : int
        What fills a row after its end. Default: the model's, else the first end of text.
    streamer : transformers.generation.BaseStreamer
        Gets the prompt, then the tokens of each round; for one prompt only.
    track_acceptance : bool
        Also compute the acceptance of the rule and of the optimum at each node, which takes time. Not for
        ``"block"`` and the traversals, which decide about branches.
    ignore_generation_config : sequence of str
        Fields of the target's ``generation_config`` to ignore on purpose. Its ends and padding are defaults,
        rules that look at scores and lengths alone, such as ``min_new_tokens``, are applied, temperature and
        truncation are arguments here; other rules, such as ``repetition_penalty``, are refused by name.
    vocab_size : int
        The tokenizer's size, where the models' vocabularies differ by padding; the target must give the ids from
        there on no probability. Default: both models' own size.

    Returns
    -------
    MultiDraftOutput

    Raises
    ------
    ArgumentError, ShapeError, DtypeError
        If an argument has the wrong range, shape or type, the rule is not lossless with the drafts, the
        models do not go together, a prompt is empty or padded on the right, or a text would outgrow a model.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> from tokenlab.transport import Branching, generate
    >>> (target, tokenizer), (draft, _) = load("lab-target"), load("lab-draft")
    >>> prompt = tokenizer("def read_config(path):", return_tensors="pt").input_ids
    >>> plain = target.generate(prompt, max_new_tokens=12, do_sample=False)
    >>> ours = generate(target, draft, prompt, drafts=Branching(3, 1, 1), max_new_tokens=12, do_sample=False)
    >>> torch.equal(ours.sequences, plain), int(ours.target_calls[0]) < 12
    (True, True)

    Reference: Leviathan et al. 2022, arXiv 2211.17192; Sun et al. 2023, arXiv 2310.15141 (several drafts).
    """
    check_int("max_new_tokens", max_new_tokens, low=1)
    target = causal_model("target", target)
    greedy, process = check_sampling(target, do_sample, temperature, top_k, top_p)
    ends = end_tokens(target, eos_token_id, pad_token_id)

    def settings(width: int) -> ScoreRules:
        return score_rules(
            "target",
            target,
            ignore_generation_config,
            ends=ends[0],
            prompt_width=width,
            max_new_tokens=max_new_tokens,
        )

    return decode(
        target,
        draft,
        input_ids,
        attention_mask,
        drafts=drafts,
        rule=rule,
        greedy=greedy,
        process=process,
        settings=settings,
        max_new_tokens=max_new_tokens,
        ends=ends,
        generator=generator,
        streamer=streamer,
        track_acceptance=track_acceptance,
        vocab_size=vocab_size,
    )


def multi_draft(
    draft,
    *,
    drafts: Drafts = Chain(4),  # noqa: B008
    rule: str | None = None,
    generator: torch.Generator | None = None,
    streamer=None,
    track_acceptance: bool = False,
    vocab_size: int | None = None,
) -> Callable:
    """The same as a decoding method of ``model.generate(..., custom_generate=...)``.

    Sampling, truncation, lengths and ends of text are arguments of ``model.generate``. It returns the
    sequences, or with ``return_dict_in_generate=True`` the :class:`MultiDraftOutput`.

    Parameters
    ----------
    draft, drafts, rule, generator, track_acceptance, vocab_size
        As for :func:`generate`; ``generator`` may also be given to ``model.generate``.
    streamer : transformers.generation.BaseStreamer
        As for :func:`generate`; may also be given to ``model.generate``.

    Raises
    ------
    ArgumentError, DtypeError
        As for :func:`generate`; also for beams, logits processors that look at the text, stopping criteria
        other than length and end of text, caches that are static or filled, and all that a model would
        read beside tokens, such as ``pixel_values``, ``token_type_ids`` or ``inputs_embeds``.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> from tokenlab.transport import multi_draft
    >>> (target, tokenizer), (draft, _) = load("lab-target"), load("lab-draft")
    >>> prompt = tokenizer("def read_config(path):", return_tensors="pt")
    >>> ids = target.generate(**prompt, max_new_tokens=8, do_sample=True, custom_generate=multi_draft(draft))
    >>> ids.shape[1] <= prompt.input_ids.shape[1] + 8
    True
    """
    check_is_model("draft", draft)
    check_is_drafts(drafts)
    own_generator, own_streamer = generator, streamer

    # The names are those of transformers' own methods: what is called otherwise, it takes for ours.
    def method(
        model,
        input_ids,
        logits_processor,
        stopping_criteria,
        generation_config,
        generator=None,
        streamer=None,
        **model_kwargs,
    ):
        check_transformers_options(generation_config, stopping_criteria, model_kwargs)
        if streamer is None:
            streamer = _callers_streamer()
        eos, pad = generation_config.eos_token_id, generation_config.pad_token_id
        output = decode(
            model,
            draft,
            input_ids,
            model_kwargs.get("attention_mask"),
            drafts=drafts,
            rule=rule,
            greedy=not generation_config.do_sample,
            process=check_processors(logits_processor),
            max_new_tokens=generation_config.max_length - input_ids.shape[1],
            ends=end_tokens(model, () if eos is None else eos, pad),
            generator=own_generator if generator is None else generator,
            streamer=own_streamer if streamer is None else streamer,
            track_acceptance=track_acceptance,
            vocab_size=vocab_size,
            # transformers' own way already put the prompt.
            put_prompt=streamer is None,
        )
        return output if generation_config.return_dict_in_generate else output.sequences

    return method


def _callers_streamer():
    """The streamer that ``model.generate`` was given: it puts the prompt, but hands the streamer on to no method.

    Without an end, whoever reads from it would wait for ever. An assistant model it drops too: refused.
    """
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_name != "generate":
        frame = frame.f_back
    given = frame.f_locals if frame is not None else {}
    if given.get("assistant_model") is not None:
        raise ArgumentError(
            "assistant_model is given to model.generate, but the drafts come from multi_draft's"
        )
    return given.get("streamer")
