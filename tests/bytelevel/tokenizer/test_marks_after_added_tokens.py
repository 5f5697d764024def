"""A mark after an added token: a stream, a score and the tokenizer agree on what is a text."""

from __future__ import annotations

import itertools

import pytest

from tests.bytelevel.tokenizers import built, tiny_for, with_added
from tokenlab.bytelevel import ByteLM
from tokenlab.errors import ArgumentError

ADDED = ("<t>", "<u", "e", "\u0338x")
#: Marks that combine with ">", "e" or "u", one that does not, a joiner, spaces, letters, two marks out of order.
FOLLOWING = ("\u0338", "\u0301", "\u0308", "\u20dd", "\u200d", " ", "  ", "\u00a0", "e", "\u0301\u0323")


def pushed(lm: ByteLM, text: bytes) -> float | None:
    """The log-probability of a text that is typed; None if some byte cannot follow."""
    stream = lm.stream()
    try:
        for byte in text:
            stream.push(byte)
        stream.log_probs  # of what follows: a text that nothing follows is none
    except ArgumentError:
        return None
    return stream.log_prob


def scored(lm: ByteLM, text: bytes) -> float | None:
    try:
        return lm.log_prob(text)
    except ArgumentError:
        return None


@pytest.mark.model
@pytest.mark.parametrize("normalized", [False, True], ids=["cut out before", "cut out after"])
def test_streams_and_scores_agree(normalized):
    tokenizer = with_added(built("qwen2"), ADDED, normalized=normalized)
    lm = ByteLM(tiny_for(tokenizer), tokenizer)
    possible = 0
    for added, mark in itertools.product((*ADDED, "a"), FOLLOWING):
        text = added + mark
        encoding = lm.description.plain.encode(text, add_special_tokens=False).ids
        written = lm.description.decode(encoding) == text.encode()
        one, two = pushed(lm, text.encode()), scored(lm, text.encode())
        assert (one is not None) == (two is not None) == written, ascii(text)
        if written:
            possible += 1
            assert one == pytest.approx(two, abs=1e-9)
    assert 10 < possible < len(FOLLOWING) * (len(ADDED) + 1)
