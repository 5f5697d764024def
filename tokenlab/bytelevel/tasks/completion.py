"""Completing a prompt, whatever it ends in, with a cover of it and the model's own tokens after that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float64
from torch import Tensor

from tokenlab.bytelevel.covers import last_tokens
from tokenlab.bytelevel.model.byte_lm import ByteLM
from tokenlab.bytelevel.model.sampling import check_sampling, draw
from tokenlab.bytelevel.model.streams import ByteStreams
from tokenlab.bytelevel.model.text_state import TextState
from tokenlab.bytelevel.tasks.explain import Cover, cover_at
from tokenlab.bytelevel.tokenizer.text import check_bytes
from tokenlab.errors import check_int
from tokenlab.lm.prompting import check_prompt
from tokenlab.lm.text_reader import TextReader
from tokenlab.lm.unwrap import input_device


class Completion(NamedTuple):
    """A prompt that was completed with tokens.

    Attributes
    ----------
    text
        The bytes after the prompt; the last character may be incomplete.
    ended
        Whether the text is over; otherwise ``max_new_tokens`` was reached.
    cover, cover_log_prob
        Spells the prompt (``text`` begins with ``cover.beyond``); its log-probability given the prompt, in
        nats.
    ids
        The tokens after the cover, without the end.
    """

    text: bytes
    ended: bool
    cover: Cover
    cover_log_prob: float
    ids: list[int]


def complete(
    byte_lm: ByteLM,
    prompt: bytes,
    max_new_tokens: int = 64,
    *,
    temperature: float = 1.0,
    top_p: float = 1.0,
    generator: torch.Generator | None = None,
    context_ids: Sequence[int] | None = None,
) -> Completion:
    r"""Complete a prompt that may end anywhere, at the speed of the model's own tokens.

    A cover :math:`t_1 \ldots t_k` of the prompt :math:`x` is drawn, and up to ``max_new_tokens`` after it:

    .. math:: P(t_1 \ldots t_k \mid x) &=
              \frac{P(t_1 \ldots t_k)}{\sum_{t' \in \operatorname{cover}(x)} P(t')} \\
              t_{k+1} &\sim P(\cdot \mid t_1 \ldots t_k), \quad \ldots

    A cover that ends where the prompt ends counts with what a viable token, or the end, carries on, and such
    a token is drawn after it: the first new byte has exactly the distribution
    :meth:`ByteLM.next_byte_log_probs`. Later tokens may be some that the tokenizer does not write. With
    ``"all"`` the covers are the beam's. Of the model's ``generation_config`` only the ends are used: its rules,
    such as a repetition penalty, are no part of the model's distribution. Other parameters are those of
    :meth:`ByteLM.sample`.

    Raises
    ------
    DtypeError, ArgumentError
        As :meth:`ByteLM.sample`, and if prompt and new tokens outgrow the model's positions.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> byte_lm = ByteLM(*load("lab-draft"))
    >>> completion = complete(byte_lm, b"import o", 2, temperature=0)
    >>> completion.cover.strings, completion.cover.beyond
    ((b'import', b' os'), b's')
    >>> completion.text
    b's\nimport'

    Reference: Vieira et al. 2024, arXiv 2412.03719 (conditional token generation).
    """
    check_int("max_new_tokens", max_new_tokens, low=0)
    check_sampling(temperature, top_p, generator)
    check_bytes("prompt", prompt)
    streams = byte_lm.streams([prompt], context_ids=context_ids)
    start = byte_lm.start_ids if context_ids is None else context_ids
    return complete_streams(
        streams, start, max_new_tokens, temperature=temperature, top_p=top_p, generator=generator
    )


def complete_streams(
    streams: ByteStreams,
    context_ids: Sequence[int],
    max_new_tokens: int,
    *,
    temperature: float,
    top_p: float,
    generator: torch.Generator | None,
) -> Completion:
    """Draw a cover of the one text, which stands after ``context_ids``, and tokens after it."""
    byte_lm, (state,) = streams.byte_lm, streams.states
    log_probs = _log_probs_of_covers(state)
    drawn = int(draw(log_probs[None], temperature, top_p, generator))
    cover, node = _cover(state, drawn)
    ids, ended = [], node is None
    if max_new_tokens and not (ended or cover.beyond):
        token = int(draw(state.log_probs_of_tokens(node)[None], temperature, top_p, generator))
        ended = token in byte_lm.end_ids
        ids = [] if ended else [token]
    if not ended:
        more, ended = continue_tokens(
            byte_lm,
            [*context_ids, *cover.ids, *ids],
            max_new_tokens - len(ids),
            temperature=temperature,
            top_p=top_p,
            generator=generator,
        )
        ids += more
    cover_log_prob = float(log_probs[drawn] - log_probs.logsumexp(0))
    return Completion(cover.beyond + byte_lm.description.decode(ids), ended, cover, cover_log_prob, ids)


@torch.no_grad()
def continue_tokens(
    byte_lm: ByteLM,
    ids: Sequence[int],
    max_new_tokens: int,
    *,
    temperature: float = 1.0,
    top_p: float = 1.0,
    generator: torch.Generator | None = None,
) -> tuple[list[int], bool]:
    """New tokens of the model's own distribution, special ones left out, and whether they end the text.

    Nothing of the model's ``generation_config`` is applied but its ends. ArgumentError: if the tokens outgrow
    the model's positions.
    """
    model = byte_lm.model
    text = torch.tensor([list(ids)], device=input_device(model))
    check_prompt(model, text, None, max_new_tokens)
    if not max_new_tokens:
        return [], False
    left_out = torch.from_numpy(byte_lm.vocabulary.positions < 0)
    left_out[byte_lm.end_ids] = False
    reader, new = TextReader(model, padded=False), []
    for _ in range(max_new_tokens):
        logits = reader.next_logits(text, torch.ones_like(text)).cpu()
        token = int(draw(logits.masked_fill(left_out, -torch.inf), temperature, top_p, generator))
        if token in byte_lm.end_ids:
            return new, True
        new.append(token)
        text = torch.cat([text, text.new_tensor([[token]])], 1)
    return new, False


def _log_probs_of_covers(state: TextState) -> Float64[Tensor, "covers"]:
    """Log mass of each cover, as far as something carries it on; last, of the empty text."""
    log_probs, exact = state.log_probs_of_covers(), state.frontier.exact
    # Contexts that end where the text ends come last.
    for index, node in enumerate(exact, start=len(log_probs) - len(exact)):
        log_probs[index] += state.log_probs_of_tokens(node).logsumexp(0)
    return torch.cat([log_probs, state.log_prob_of_nothing()[None]])


def _cover(state: TextState, drawn: int) -> tuple[Cover, int | None]:
    """A cover, and its node if it ends where the text ends; None if the text is over."""
    frontier, nothing = state.frontier, Cover((), (), b"")
    nodes = [*[-1] * len(frontier.open_covers), *frontier.exact]
    for node, (context, positions, depth) in zip(nodes, last_tokens(frontier), strict=True):
        if drawn < len(positions):
            return (cover_at(frontier, context, int(positions[drawn]), depth) if node else nothing), node
        drawn -= len(positions)
    return nothing, None
