"""Texts whose first bytes are forced: those of tokens taken back from a prompt's end."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from tokenlab.bytelevel.model.byte_lm import ByteLM
from tokenlab.bytelevel.model.streams import ByteStreams
from tokenlab.bytelevel.model.text_state import TextState
from tokenlab.bytelevel.tasks.completion import Completion, complete_streams
from tokenlab.bytelevel.tasks.explain import Cover, cover_of_tokens
from tokenlab.errors import ArgumentError

#: Tokens that longest-match healing takes back at most.
MOST_TOKENS = 4


def rewind(byte_lm: ByteLM, ids: Sequence[int], most: int = MOST_TOKENS) -> tuple[list[int], bytes]:
    """Take back as many last tokens as leave bytes that some token starts with and goes on after.

    Returns the tokens that stay, and the bytes of the others.
    """
    vocabulary = byte_lm.vocabulary
    begins = byte_lm.rules.allowed(byte_lm.rules.start)
    for count in range(min(most, len(ids)), 0, -1):
        forced = byte_lm.description.decode(ids[-count:])
        lo, hi = vocabulary.find(forced)
        if begins[vocabulary.ended(len(forced), lo, hi) : hi].any():
            return list(ids[:-count]), forced
    return list(ids), b""


def forced_streams(
    byte_lm: ByteLM,
    context_ids: Sequence[Sequence[int]],
    forced: Sequence[bytes],
    texts: Sequence[bytes],
    *,
    end_anywhere: bool = False,
) -> ByteStreams:
    """Texts that go on with forced bytes after fixed tokens; both spell ``texts``."""
    if byte_lm.tokenization != "valid":
        raise ArgumentError(
            f"byte_lm has tokenization={byte_lm.tokenization!r}, expected 'valid': a beam is no part of this method"
        )
    # After fixed tokens begins a text of its own: its encoding need not fit to theirs.
    states = [byte_lm.rules.start] * len(context_ids)
    streams = ByteStreams(byte_lm, context_ids, states, end_anywhere=end_anywhere)
    streams.extend(forced, score=False)
    for row, (state, rest, text) in enumerate(zip(streams.states, forced, texts, strict=True)):
        streams.reweigh(row, _lost(byte_lm, state, rest))
        state.set_text(text)
    return streams


def complete_forced(
    byte_lm: ByteLM,
    context_ids: Sequence[int],
    kept: Sequence[int],
    forced: bytes,
    text: bytes,
    max_new_tokens: int,
    *,
    end_anywhere: bool = False,
    temperature: float,
    top_p: float,
    generator: torch.Generator | None,
) -> Completion:
    """Complete a text whose last tokens were taken back; its cover begins with the others."""
    drawn = complete_streams(
        forced_streams(byte_lm, [context_ids], [forced], [text], end_anywhere=end_anywhere),
        context_ids,
        max_new_tokens,
        temperature=temperature,
        top_p=top_p,
        generator=generator,
    )
    before, cover = cover_of_tokens(byte_lm, kept), drawn.cover
    return drawn._replace(cover=Cover(before.ids + cover.ids, before.strings + cover.strings, cover.beyond))


def _lost(byte_lm: ByteLM, state: TextState, forced: bytes) -> dict[int, float]:
    """For each context, minus the log-probability that its tokens agree with forced bytes, one by one.

    Added to its weight, this gives that of drawing its tokens among those that agree.
    """
    frontier = state.frontier
    contexts, vocabulary = frontier.contexts, frontier.vocabulary
    paths = {}
    for node in state.weights:
        # An open cover's next token is drawn so too; after an exact context nothing is forced any more.
        steps = [] if node in frontier.exact else [node]
        above = node
        while above > 0:
            above = contexts.parents[above]
            steps.append(above)
        paths[node] = steps
    drawn = sorted({step for steps in paths.values() for step in steps})
    if not drawn:
        return {}
    logits = state.forest.logits([state.forest_node(node) for node in drawn])
    agreeing = {}
    for node, log_probs in zip(drawn, logits.double().log_softmax(-1).cpu(), strict=True):
        spelled = sum(len(vocabulary.strings[vocabulary.positions[token]]) for token in contexts.path(node))
        agrees = agreeing_tokens(byte_lm, contexts.states[node], forced[spelled:])
        agreeing[node] = float(log_probs[agrees].logsumexp(0))
    return {node: -math.fsum(agreeing[step] for step in steps) for node, steps in paths.items()}


def agreeing_tokens(byte_lm: ByteLM, state, rest: bytes) -> Bool[Tensor, "vocab"]:
    """Tokens that may follow, and begin with the bytes or are the beginning of them."""
    vocabulary, allowed = byte_lm.vocabulary, byte_lm.rules.allowed(state)
    lo, hi = vocabulary.find(rest)
    positions = list(range(lo, hi))
    for length in range(1, len(rest)):
        lo, hi = vocabulary.find(rest[:length])
        positions += range(lo, vocabulary.ended(length, lo, hi))
    positions = np.array(positions, dtype=np.int64)
    agrees = torch.zeros(vocabulary.vocab_size, dtype=torch.bool)
    agrees[vocabulary.order[torch.from_numpy(positions[allowed[positions]])]] = True
    return agrees
