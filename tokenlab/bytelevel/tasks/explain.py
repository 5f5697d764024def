"""The covers of a text one by one: as tokens alone, and with their probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from tokenlab.bytelevel.covers import Anything, Contexts, CoverFrontier, last_tokens
from tokenlab.bytelevel.model.byte_lm import TOKENIZATIONS, ByteLM, Counted, check_text
from tokenlab.bytelevel.tokenizer.reading import read_tokenizer
from tokenlab.bytelevel.tokenizer.text import check_bytes
from tokenlab.bytelevel.tokenizer.validity import Validity
from tokenlab.errors import ArgumentError, check_choice, check_int


class Cover(NamedTuple):
    """A token sequence that spells a text, and of which only the last token may reach beyond it.

    Attributes
    ----------
    ids, strings
        The tokens and their bytes, a dummy space before the text included.
    beyond
        The end of the last token that lies beyond the text.
    """

    ids: tuple[int, ...]
    strings: tuple[bytes, ...]
    beyond: bytes


class Explanation(NamedTuple):
    """The most probable covers of a text, in order.

    Attributes
    ----------
    log_probs, shares
        The log-probability of each in nats, and its share in the probability of all covers.
    num_covers, cover_log_prob
        How many covers there are, and the log of the sum over all: the probability that a text begins so.
    """

    text: bytes
    covers: list[Cover]
    log_probs: list[float]
    shares: list[float]
    num_covers: int
    cover_log_prob: float


def cover_encodings(
    tokenizer, text: bytes, tokenization: Counted = "valid", *, limit: int = 100_000
) -> list[Cover]:
    """All covers of a text, without a model, for each context in the order of the sorted vocabulary.

    Parameters
    ----------
    tokenizer : transformers.PreTrainedTokenizerFast or tokenizers.Tokenizer
        See :func:`~tokenlab.bytelevel.tokenizer.reading.read_tokenizer`.
    text
        It may end inside a character. The cover of the empty text is the empty sequence.
    tokenization
        Which sequences count. The number of ``"all"`` grows exponentially with the text.

    Raises
    ------
    DtypeError, ArgumentError
        If ``text`` is not bytes, the tokenizer never writes it or is not supported, or there are more covers
        than ``limit``.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> model, tokenizer = load("lab-draft")
    >>> covers = cover_encodings(tokenizer, b"import o")
    >>> [cover.strings for cover in covers if cover.beyond in (b"", b"s")]
    [(b'import', b' os'), (b'import', b' o')]

    Reference: Phan, Amos et al. 2024, arXiv 2410.09303 (cover encodings).
    """
    check_choice("tokenization", tokenization, TOKENIZATIONS)
    check_int("limit", limit, low=1)
    description = read_tokenizer(tokenizer)
    text = check_text("text", text, description if tokenization == "valid" else None)
    rules = Validity(description) if tokenization == "valid" else Anything(description.vocabulary)
    frontier = CoverFrontier(description.vocabulary, rules, Contexts(rules.start))
    if not text:
        return [Cover((), (), b"")]
    for byte in description.dummy + text:
        frontier.read(byte)
        if len(frontier.exact) > limit:
            raise ArgumentError(f"text has more than {limit} covers, expected at most limit={limit}")
    if sum(len(positions) for _, positions, _ in last_tokens(frontier)) > limit:
        raise ArgumentError(f"text has more than {limit} covers, expected at most limit={limit}")
    covers = _covers(frontier)
    if not covers:
        raise ArgumentError(f"text {text!r} is one that the tokenizer never writes: it has no cover")
    return covers


def explain(byte_lm: ByteLM, text: bytes, *, top: int = 10) -> Explanation:
    """The ``top`` most probable covers of a text: what the sum over covers is made of.

    Errors as for :meth:`ByteLM.next_byte_log_probs`; ArgumentError: also for an empty text.
    :func:`tokenlab.chapters.bytelevel.figures.covers` draws the result.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> explanation = explain(ByteLM(*load("lab-draft")), b"import o", top=1)
    >>> explanation.covers[0].strings
    (b'import', b' os')
    """
    check_int("top", top, low=1)
    text = check_bytes("text", text)
    if not text:
        raise ArgumentError("text is empty, expected at least one byte: its only cover is the empty sequence")
    streams = byte_lm.streams([text])
    (state,) = streams.states
    frontier, log_probs = state.frontier, state.log_probs_of_covers()
    total = streams.cover_log_probs[0]
    best = log_probs.argsort(descending=True, stable=True)[:top].tolist()
    found = _covers(frontier)
    return Explanation(
        text=text,
        covers=[found[index] for index in best],
        log_probs=[float(log_probs[index]) for index in best],
        shares=[math.exp(float(log_probs[index]) - total) for index in best],
        num_covers=len(found),
        cover_log_prob=total,
    )


def _covers(frontier: CoverFrontier) -> list[Cover]:
    return [
        cover_at(frontier, node, position, depth)
        for node, positions, depth in last_tokens(frontier)
        for position in positions.tolist()
    ]


def cover_at(frontier: CoverFrontier, node: int, position: int, depth: int) -> Cover:
    """A context and the last token at a position, with ``depth`` bytes in the text."""
    vocabulary, context = frontier.vocabulary, frontier.contexts.path(node)
    before = [vocabulary.strings[vocabulary.positions[token]] for token in context]
    last = vocabulary.strings[position]
    return Cover((*context, int(vocabulary.order[position])), (*before, last), last[depth:])


def cover_of_tokens(byte_lm: ByteLM, ids: Sequence[int]) -> Cover:
    """Tokens that end where the text ends."""
    return Cover(tuple(ids), tuple(byte_lm.description.decode([token]) for token in ids), b"")
