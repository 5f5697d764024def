"""What is done about a prompt's last tokens without summing covers: nothing, or healing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float64
from torch import Tensor

from tokenlab.bytelevel.masses.api import byte_log_masses
from tokenlab.bytelevel.model.byte_lm import ByteLM
from tokenlab.bytelevel.model.context_forest import ContextForest
from tokenlab.bytelevel.model.sampling import check_sampling
from tokenlab.bytelevel.model.scores import ByteScore
from tokenlab.bytelevel.model.streams import ByteStreams
from tokenlab.bytelevel.tasks.completion import Completion, continue_tokens
from tokenlab.bytelevel.tasks.explain import cover_of_tokens
from tokenlab.bytelevel.tasks.forced import complete_forced, forced_streams, rewind
from tokenlab.bytelevel.tokenizer.text import check_utf8, numbered
from tokenlab.bytelevel.tokenizer.vocabulary import END
from tokenlab.errors import ArgumentError, check_choice, check_int
from tokenlab.lm.contract import causal_model
from tokenlab.lm.prompting import check_prompt, end_tokens
from tokenlab.lm.unwrap import input_device

Method = Literal["exact", "plain", "longest_match"]
METHODS = ("exact", "plain", "longest_match")


class PlainDistribution(NamedTuple):
    """What plain prompting says about the next byte.

    Attributes
    ----------
    log_probs
        Log-probability of each first byte of the next token; the last entry is the end.
    left_out
        The probability of other special tokens, which stand for no bytes.
    """

    log_probs: Float64[Tensor, "*batch 257"]
    left_out: Float64[Tensor, "*batch"]


class HealedText(NamedTuple):
    """What transformers' token healing makes of a prompt.

    Attributes
    ----------
    text
        The whole text, prompt included.
    ended, kept
        Whether the text is over before ``max_new_tokens``, and whether it begins with the prompt.
    """

    text: bytes
    ended: bool
    kept: bool


def plain_next_byte_log_probs(byte_lm: ByteLM, prompt: bytes | Sequence[bytes]) -> PlainDistribution:
    r"""The distribution of the next byte after the tokenizer's encoding of a prompt: what one would do.

    .. math:: P(b \mid \operatorname{enc}(x)) \propto \sum_{t:\, t_1 = b} P(t \mid \operatorname{enc}(x))

    with :math:`t_1` the first byte of a token. DtypeError, ArgumentError: if a prompt is not bytes, or not
    whole characters that the tokenizer writes.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> byte_lm = ByteLM(*load("lab-draft"))
    >>> distribution = plain_next_byte_log_probs(byte_lm, b"def __ini")
    >>> float(distribution.log_probs[ord("t")]) < float(byte_lm.next_byte_log_probs(b"def __ini")[ord("t")])
    True
    """
    single = not isinstance(prompt, list | tuple)
    forest = ContextForest(byte_lm.model)
    contexts = [[*byte_lm.start_ids, *ids] for ids in _encoded(byte_lm, [prompt] if single else prompt)]
    logits = forest.logits([forest.root(ids) for ids in contexts])
    rows = torch.zeros(len(contexts), dtype=torch.long, device=logits.device)
    masses = byte_log_masses(
        logits, byte_lm.vocabulary, rows, rows + len(byte_lm.vocabulary), rows, backend=byte_lm.backend
    ).cpu()
    # Byte strings are not empty, so that no token has ended before its first byte.
    masses[:, END] = logits.double().log_softmax(-1)[:, byte_lm.end_ids].logsumexp(-1).cpu()
    total = masses.logsumexp(-1)
    distribution = PlainDistribution(masses - total.unsqueeze(-1), (1 - total.exp()).clamp(min=0))
    return PlainDistribution(distribution.log_probs[0], distribution.left_out[0]) if single else distribution


def _encoded(byte_lm: ByteLM, prompts: Sequence[bytes]) -> list[list[int]]:
    return [byte_lm.encode(*named) for named in numbered("prompt", prompts)]


def longest_match_next_byte_log_probs(
    byte_lm: ByteLM, prompt: bytes | Sequence[bytes]
) -> Float64[Tensor, "*batch 257"]:
    """The distribution of the next byte under longest-match healing; see :func:`prompted_streams`."""
    single = not isinstance(prompt, list | tuple)
    log_probs = prompted_streams(byte_lm, [prompt] if single else prompt, "longest_match").log_probs
    return log_probs[0] if single else log_probs


def prompted_streams(byte_lm: ByteLM, prompts: Sequence[bytes], method: Method) -> ByteStreams:
    r"""Texts that begin with prompts, which a method has given to the model.

    ``"exact"``
        The sum over all covers: :meth:`ByteLM.streams`.
    ``"plain"``
        The prompt's encoding :math:`\operatorname{enc}(x)` is fixed. What follows is a text of its own,
        summed over the encodings that the tokenizer may write for it.
    ``"longest_match"``
        As many last tokens, up to four, are taken back as leave bytes :math:`r` that some token starts with
        and goes on after. New tokens are drawn among those that agree with :math:`r`, until it is spelled:

        .. math:: q(t \mid c, r) = \frac{P(t \mid c)}{\sum_{t' \sim r} P(t' \mid c)}

        where :math:`t' \sim r` are the tokens that agree with r. What follows is as in plain prompting.
        Unlike in the exact distribution, tokens are compared one by one, not as whole paths, and those
        before :math:`r` are fixed.

    Unless the method is exact, prompts end with a whole character.

    Raises
    ------
    DtypeError, ArgumentError
        If a prompt is not bytes or one that the tokenizer never writes, for another method, or for
        ``tokenization="all"``.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> byte_lm = ByteLM(*load("lab-draft"))
    >>> for method in METHODS:
    ...     distribution = prompted_streams(byte_lm, [b"    retu"], method).log_probs[0]
    ...     print(method, chr(int(distribution[:256].argmax())))
    exact r
    plain o
    longest_match r
    """
    check_choice("method", method, METHODS)
    if method == "exact":
        return byte_lm.streams(prompts)
    encoded = _encoded(byte_lm, prompts)
    parts = [(ids, b"") if method == "plain" else rewind(byte_lm, ids) for ids in encoded]
    contexts = [[*byte_lm.start_ids, *ids] for ids, _ in parts]
    return forced_streams(byte_lm, contexts, [forced for _, forced in parts], prompts)


def continuation_scores(
    byte_lm: ByteLM,
    prompts: Sequence[bytes],
    continuations: Sequence[bytes],
    method: Method,
    *,
    ended: bool = False,
) -> list[ByteScore]:
    """How well a method of :func:`prompted_streams` predicts what follows prompts: fewer bits are better.

    With ``ended`` the end of each text counts too. ArgumentError: also for a byte that cannot follow.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> byte_lm = ByteLM(*load("lab-draft"))
    >>> exact, plain = (
    ...     continuation_scores(byte_lm, [b"def __ini"], [b"t__(self"], method)[0] for method in ("exact", "plain")
    ... )
    >>> exact.bits_per_byte < plain.bits_per_byte
    True
    """
    streams = prompted_streams(byte_lm, prompts, method)
    streams.extend(continuations)
    return streams.scores(ended=ended)


def plain_complete(
    byte_lm: ByteLM,
    prompt: bytes,
    max_new_tokens: int = 64,
    *,
    temperature: float = 1.0,
    top_p: float = 1.0,
    generator: torch.Generator | None = None,
) -> Completion:
    """:func:`~tokenlab.bytelevel.complete` after the tokenizer's encoding of a prompt, in whole characters.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> plain_complete(ByteLM(*load("lab-draft")), b"impor", 2, temperature=0).text
    b', and'
    """
    check_int("max_new_tokens", max_new_tokens, low=0)
    check_sampling(temperature, top_p, generator)
    encoded = byte_lm.encode("prompt", prompt)
    ids, ended = continue_tokens(
        byte_lm,
        [*byte_lm.start_ids, *encoded],
        max_new_tokens,
        temperature=temperature,
        top_p=top_p,
        generator=generator,
    )
    text = byte_lm.description.decode(ids)
    return Completion(text, ended, cover_of_tokens(byte_lm, encoded), 0.0, ids)


def longest_match_complete(
    byte_lm: ByteLM,
    prompt: bytes,
    max_new_tokens: int = 64,
    *,
    temperature: float = 1.0,
    top_p: float = 1.0,
    generator: torch.Generator | None = None,
) -> Completion:
    """:func:`~tokenlab.bytelevel.complete` under longest-match healing; see :func:`prompted_streams`.

    ``cover_log_prob`` is that of the tokens which spell what was taken back.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> completion = longest_match_complete(ByteLM(*load("lab-draft")), b"impor", 0, temperature=0)
    >>> completion.cover.strings, completion.text
    ((b'import',), b't')
    """
    check_int("max_new_tokens", max_new_tokens, low=0)
    check_sampling(temperature, top_p, generator)
    kept, forced = rewind(byte_lm, byte_lm.encode("prompt", prompt))
    return complete_forced(
        byte_lm,
        [*byte_lm.start_ids, *kept],
        kept,
        forced,
        prompt,
        max_new_tokens,
        temperature=temperature,
        top_p=top_p,
        generator=generator,
    )


def transformers_complete(
    model,
    tokenizer,
    prompt: bytes,
    max_new_tokens: int = 64,
    *,
    temperature: float = 1.0,
    top_p: float = 1.0,
    generator: torch.Generator | None = None,
) -> HealedText:
    """Complete a prompt with the token healing of transformers' ``generate``.

    One token is taken back, and the most probable one put in its place after adding 10 to the logits of all
    that begin with it (11 to its own): a preference, which a sure model overrules. White space around the
    prompt is stripped, and no token stands before it. So the prompt may come back changed. Nothing else of
    the model's ``generation_config`` than its ends is applied, nor to the healing. Arguments are those of
    :func:`~tokenlab.bytelevel.complete`, with at least one new token.

    Raises
    ------
    DtypeError, ArgumentError
        As :func:`~tokenlab.bytelevel.complete`, if the prompt is not whole characters in UTF-8, the tokenizer
        has no ``bos_token`` or ``pad_token`` or makes another text of the prompt, or transformers does not
        find the token to heal.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> model, tokenizer = load("lab-draft")
    >>> transformers_complete(model, tokenizer, b"impor", 2, temperature=0).text
    b'impor(('
    >>> transformers_complete(model, tokenizer, b"    return ", 2, temperature=0).kept
    False
    """
    check_int("max_new_tokens", max_new_tokens, low=1)
    check_sampling(temperature, top_p, generator)
    text = check_utf8("prompt", prompt)
    model = causal_model("model", model)
    if getattr(tokenizer, "bos_token_id", None) is None:
        raise ArgumentError("tokenizer has no bos_token, without which transformers cannot heal a prompt")
    if getattr(tokenizer, "pad_token_id", None) is None:
        raise ArgumentError(
            "tokenizer has no pad_token, which transformers puts in the place of bos_token when it heals a "
            "prompt: give it one, as tokenizer.pad_token = tokenizer.eos_token"
        )
    ids = tokenizer(text, return_tensors="pt").to(input_device(model))
    written = tokenizer.decode(ids.input_ids[0], skip_special_tokens=True)
    # White space is stripped by transformers itself.
    if written.strip() != text.strip():
        raise ArgumentError(
            f"prompt {text[-40:]!r} is one that the tokenizer never writes: what it makes of it spells "
            f"{written[-40:]!r}"
        )
    check_prompt(model, ids.input_ids, None, max_new_tokens)
    ends, pad = end_tokens(model)
    with seeded(generator, model.device), torch.no_grad():
        try:
            output = (
                _neutral(model, temperature, top_p, ends, pad)
                .generate(
                    input_ids=ids.input_ids,
                    attention_mask=ids.attention_mask,
                    max_new_tokens=max_new_tokens,
                    token_healing=True,
                    tokenizer=tokenizer,
                )[0]
                .tolist()
            )
        except KeyError as error:
            raise ArgumentError(
                f"transformers cannot heal prompt {text[-40:]!r}: it looks for the last token as it is decoded "
                "alone, and with this tokenizer that is another string than the token's"
            ) from error
    healed = tokenizer.decode(output, skip_special_tokens=True).encode()
    return HealedText(healed, output[-1] in ends, healed.startswith(text.encode()))


def _neutral(model, temperature: float, top_p: float, ends: list[int], pad: int):
    """The same model with a ``generation_config`` of its own, which draws from its distribution.

    ``generate`` fills what an argument leaves open from the model's, and heals by its rules.
    """
    from transformers import GenerationConfig

    sampling = {"do_sample": False}
    if temperature > 0:
        sampling = {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": 0}
    neutral = copy(model)
    neutral.generation_config = GenerationConfig(eos_token_id=ends or None, pad_token_id=pad, **sampling)
    return neutral


@contextmanager
def seeded(generator: torch.Generator | None, device: torch.device) -> Iterator[None]:
    """Let a generator seed code that takes none, and leave torch's own noise as it was."""
    if generator is None:
        yield
        return
    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
