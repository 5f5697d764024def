"""White space that a pre-tokenizer cuts, and the first cover of a text by trying all."""

from __future__ import annotations

from tokenlab.chapters.bytelevel import exact

THREE = (b"a", b" ", b"\n")

SPACES = exact.split_first(exact.bpe([(b" ", b" "), (b"a", b"a"), (b" ", b"a"), (b"\n", b"\n")], THREE))


def first_cover(text: bytes, tokens) -> tuple | None:
    """The shortest beginning that spells the text, by trying all."""
    beginnings = (tokens[:k] for k in range(len(tokens) + 1))
    return next((tokens for tokens in beginnings if exact.decode(tokens).startswith(text)), None)
