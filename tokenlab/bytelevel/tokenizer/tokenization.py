"""What a byte-level model must know of its tokenizer, and how the tokenizer encodes and decodes."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from jaxtyping import Int32, Int64

from tokenlab.bytelevel.tokenizer.pretokenizer_json import flat_parts
from tokenlab.bytelevel.tokenizer.text import check_utf8
from tokenlab.bytelevel.tokenizer.vocabulary import ByteVocabulary

Kind = Literal["byte_level", "sentencepiece"]


@dataclass(frozen=True, eq=False)
class Tokenization:
    """A supported tokenizer, as :func:`~tokenlab.bytelevel.tokenizer.reading.read_tokenizer` reads it.

    Attributes
    ----------
    kind : {"byte_level", "sentencepiece"}
        Byte-pair encoding over bytes, or over characters with byte fallback.
    vocabulary : ByteVocabulary
        What each token stands for. Special tokens stand for no bytes.
    literals : dict of int to bytes
        Added tokens that are no special ones: wherever a text holds one, it is this token.
    added_ids : dict of str to int
        Ids of all added tokens by their names, special ones too.
    characters : frozenset of str
        Characters with a token of their own, where others are written byte by byte (SentencePiece).
    fallback : int64 array
        Ids of the tokens for single bytes that those others are written with.
    merges : int32 array [merges, 3]
        Ids of left part, right part and result, in order of rank.
    base : int64 array
        Ids of single symbols: bytes or characters, and the bytes of the fallback.
    splits : dict or None
        The pre-tokenizer's description.
    normal_form : str or None
        The Unicode normal form in which the tokenizer writes every text, or None.
    dummy : bytes
        What the tokenizer puts before a text: a space, or nothing.
    dummy_ends : bool
        Whether the dummy alone is the encoding of a text.
    ignore_merges : bool
        Whether a piece that is a token as a whole is never divided (Llama 3).
    start_ids : tuple of int
        Special tokens that the tokenizer puts before a text.
    packed : bytes
        The tokenizer's own description, compressed.
    """

    kind: Kind
    vocabulary: ByteVocabulary
    literals: dict[int, bytes]
    added_ids: dict[str, int]
    characters: frozenset[str]
    fallback: Int64[np.ndarray, "bytes"]
    merges: Int32[np.ndarray, "merges 3"]
    base: Int64[np.ndarray, "symbols"]
    splits: dict[str, Any] | None
    normal_form: str | None
    dummy: bytes
    dummy_ends: bool
    ignore_merges: bool
    start_ids: tuple[int, ...]
    packed: bytes

    @property
    def description(self) -> str:
        """The tokenizer's own description; kept packed, since it is long and seldom read again."""
        return zlib.decompress(self.packed).decode()

    @cached_property
    def plain(self):
        """The tokenizer without special tokens: their text is a text like any other."""
        from tokenizers import Tokenizer

        state = json.loads(self.description)
        state.update(post_processor=None, truncation=None, padding=None)
        for token in state["added_tokens"]:
            token["special"] = token["id"] not in self.literals
        tokenizer = Tokenizer.from_str(json.dumps(state))
        tokenizer.encode_special_tokens = True
        return tokenizer

    @cached_property
    def plain_inside(self):
        """The same, without the dummy in front: for a text that begins after another."""
        from tokenizers import Tokenizer

        state = json.loads(self.plain.to_str())
        parts = flat_parts(state["normalizer"], "normalizers")
        kept = [part for part in parts if part["type"] != "Prepend"]
        state["normalizer"] = {"type": "Sequence", "normalizers": kept} if kept else None
        for part in flat_parts(state["pre_tokenizer"], "pretokenizers"):
            if part["type"] == "Metaspace":
                part["prepend_scheme"] = "never"
        tokenizer = Tokenizer.from_str(json.dumps(state))
        tokenizer.encode_special_tokens = True
        return tokenizer

    def encode(self, text: bytes, *, dummy: bool = True) -> list[int]:
        """The tokenizer's own encoding of a whole text, without special tokens.

        With ``dummy``, the dummy is put in front where the tokenizer has one. ArgumentError if the
        text is not UTF-8.
        """
        tokenizer = self.plain if dummy else self.plain_inside
        return tokenizer.encode(check_utf8("text", text), add_special_tokens=False).ids

    def added_token(self, content: str) -> int | None:
        """The id of an added token by its name; None if there is none of that name."""
        return self.added_ids.get(content)

    def decode(self, ids: Sequence[int]) -> bytes:
        """The bytes of tokens, the dummy space included."""
        positions = self.vocabulary.positions
        return b"".join(self.vocabulary.strings[positions[token]] for token in ids)
