"""Multi-draft speculative decoding with two real models: the public functions.

A round: the draft model proposes a tree of tokens, the target model reads all of it in one
forward, a rule decides how far down to go and draws one token more. What comes out has the
target model's distribution, whatever the draft model is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from tokenlab.errors import check_int
from tokenlab.lm.forward import check_is_model
from tokenlab.lm.prompting import end_tokens
from tokenlab.transport.decoding.compatibility import (
    check_processors,
    check_sampling,
    check_transformers_options,
)
from tokenlab.transport.decoding.loop import decode
from tokenlab.transport.decoding.structures import Chain, Drafts, check_is_drafts


@torch.inference_mode()
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
):
    r"""Continue prompts with a target and a draft model, with the target's distribution.

    Each round takes one forward of the target model for

    .. math::

        \text{accepted drafts} + 1

    tokens. They are distributed as if the target model had drawn them one by one, after
    temperature, top-k and top-p; with ``do_sample=False`` they are its most probable ones.

    Parameters
    ----------
    target, draft : transformers.PreTrainedModel
        Causal language models of the same vocabulary, in eval mode, on one device.
    input_ids : Int[Tensor, "batch prompt"]
        Prompts, padded on the left.
    attention_mask : Int[Tensor, "batch prompt"], optional
        One for tokens, zero for padding. Default: no padding.
    drafts : Chain, Sequences, Branching or DynamicTree
        What is drafted in a round. Each class says which rules are lossless with it.
    rule : str, optional
        Which drafts are accepted. Default: ``drafts.default_rule``.
    do_sample : bool
        Draw from the target's distribution, or take its most probable token. All rules are the same
        then: a draft is accepted if it is that token.
    temperature : float
        No unit; 0 is the same as ``do_sample=False``.
    top_k : int, optional
        Only so many tokens of both models are kept. Default or 0: all.
    top_p : float, optional
        Only the most probable tokens are kept, as few as have this mass. Default: all.
    max_new_tokens : int
        Where to stop at the latest.
    eos_token_id : int or sequence of int, optional
        Tokens that end a text. Default: the target model's; an empty sequence: none.
    pad_token_id : int, optional
        What fills a row after its end. Default: the model's, else the first end of text.
    generator : torch.Generator, optional
        Source of the noise, on the models' device.
    streamer : transformers.generation.BaseStreamer, optional
        Gets the prompt, then the tokens of each round. For one prompt only.
    track_acceptance : bool
        Also compute the acceptance of the rule, and the largest possible one, at each step. This
        takes time. Not for ``"block"`` and the traversals, which do not decide at a node.

    Returns
    -------
    MultiDraftOutput
        A transformers ``ModelOutput`` with ``sequences`` and statistics.

    Raises
    ------
    ArgumentError
        If an argument is out of range, the rule is not lossless with the drafts, the models have
        different vocabularies or a cache that drafts cannot be taken back from, a prompt is padded
        on the right or empty, or the text would outgrow the positions of a model.
    ShapeError, DtypeError
        If ids or mask have the wrong shape or type.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> from tokenlab.transport import Branching, generate
    >>> (target, tokenizer), (draft, _) = load("lab-target"), load("lab-draft")
    >>> prompt = tokenizer("def read_config(path):", return_tensors="pt").input_ids
    >>> plain = target.generate(prompt, max_new_tokens=12, do_sample=False)
    >>> ours = generate(
    ...     target, draft, prompt, drafts=Branching(3, 1, 1), max_new_tokens=12, do_sample=False
    ... )
    >>> torch.equal(ours.sequences, plain), int(ours.target_calls[0]) < 12
    (True, True)

    Reference: Leviathan et al. 2022, arXiv 2211.17192; Sun et al. 2023, arXiv 2310.15141 (several
    drafts).
    """
    check_int("max_new_tokens", max_new_tokens, low=1)
    check_is_model("target", target)
    greedy, process = check_sampling(target, do_sample, temperature, top_k, top_p)
    return decode(
        target,
        draft,
        input_ids,
        attention_mask,
        drafts=drafts,
        rule=rule,
        greedy=greedy,
        process=process,
        max_new_tokens=max_new_tokens,
        ends=end_tokens(target, eos_token_id, pad_token_id),
        generator=generator,
        streamer=streamer,
        track_acceptance=track_acceptance,
    )


def multi_draft(
    draft,
    *,
    drafts: Drafts = Chain(4),  # noqa: B008
    rule: str | None = None,
    generator: torch.Generator | None = None,
    streamer=None,
    track_acceptance: bool = False,
) -> Callable:
    """The same as a decoding method of ``model.generate(..., custom_generate=...)``.

    ``model.generate`` prepares prompt, mask and configuration: sampling, truncation, lengths
    and ends of text are its own arguments. It returns the sequences, or the whole
    :class:`MultiDraftOutput` with ``return_dict_in_generate=True``.

    Parameters
    ----------
    draft : transformers.PreTrainedModel
        The draft model.
    drafts, rule, generator, track_acceptance
        As for :func:`generate`; ``generator`` may also be given to ``model.generate``.
    streamer : transformers.generation.BaseStreamer, optional
        Belongs here: transformers does not hand its own ``streamer`` argument to such a method.

    Returns
    -------
    callable

    Raises
    ------
    DtypeError
        If ``draft`` is no model, or ``drafts`` none of those of :func:`generate`.
    ArgumentError
        When it runs: as :func:`generate`, and if ``model.generate`` was asked for beams, for
        logits processors that look at the text, for stopping criteria other than length and
        end of text, or for a cache that is static or already filled.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> from tokenlab.transport import Sequences, multi_draft
    >>> (target, tokenizer), (draft, _) = load("lab-target"), load("lab-draft")
    >>> prompt = tokenizer("def read_config(path):", return_tensors="pt")
    >>> output = target.generate(
    ...     **prompt, max_new_tokens=8, do_sample=True, top_k=0, return_dict_in_generate=True,
    ...     custom_generate=multi_draft(draft, drafts=Sequences(3, length=4), rule="kseq"),
    ...     generator=torch.Generator().manual_seed(0),
    ... )
    >>> output.sequences.shape[1] <= prompt.input_ids.shape[1] + 8
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
            # transformers' own way already put the prompt.
            put_prompt=streamer is None,
        )
        return output if generation_config.return_dict_in_generate else output.sequences

    return method
