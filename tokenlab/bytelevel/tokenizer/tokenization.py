"""What a byte-level model must know of its tokenizer."""

from __future__ import annotations

import json
import re
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
from tokenlab.errors import ArgumentError

Kind = Literal["byte_level", "sentencepiece"]
_LACKING = "written with the added token {!r} (id {}), for which the model has no row: its probability is 0"


@dataclass(frozen=True, eq=False)
class Tokenization:
    """A tokenizer as ``read_tokenizer`` reads it."""

    kind: Kind  #: byte-pair encoding over bytes, or over characters with byte fallback
    vocabulary: ByteVocabulary  #: special tokens stand for no bytes
    literals: dict[int, bytes]  #: added tokens that are not special: a text that holds one has this token
    added_ids: dict[str, int]  #: of all added tokens that the model has, by name
    characters: frozenset[str]  #: those with a token of their own (SentencePiece)
    fallback: Int64[np.ndarray, "bytes"]  #: ids of single bytes, which write the other characters
    merges: Int32[np.ndarray, "merges 3"]  #: ids of left part, right part, result; in order of rank
    base: Int64[np.ndarray, "symbols"]  #: ids of bytes or characters, and of the fallback
    splits: dict[str, Any] | None  #: the pre-tokenizer's description
    normal_form: str | None  #: of Unicode, in which every text is written
    dummy: bytes  #: what is put before a text: a space, or nothing
    dummy_ends: bool  #: whether a space in front is taken for the dummy, so that this alone may be written
    ignore_merges: bool  #: whether a piece that is one token is never divided (Llama 3)
    start_ids: tuple[int, ...]  #: special tokens before a text
    packed: bytes  #: the description, compressed

    @property
    def json_text(self) -> str:
        """The tokenizer's own JSON; packed, since it is long and seldom read."""
        return zlib.decompress(self.packed).decode()

    @cached_property
    def early(self) -> frozenset[int]:
        """Added tokens that are cut out of a text before it is normalized; the others are text to that."""
        added = json.loads(self.json_text)["added_tokens"]
        return frozenset(
            token["id"] for token in added if token["id"] in self.literals and not token["normalized"]
        )

    def normalized_parts(self, chars: str) -> list[str]:
        """What is normalized of a text, each by itself: all that lies between early added tokens."""
        if not self.early:
            return [chars]
        return re.split(self._early_pattern, chars)

    @cached_property
    def _early_pattern(self) -> re.Pattern:
        # The leftmost is taken, and of several there the longest.
        found = sorted((self.literals[token].decode() for token in self.early), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, found)))

    @cached_property
    def plain(self):
        """The tokenizer without special tokens: their text is a text like any other."""
        from tokenizers import Tokenizer

        state = json.loads(self.json_text)
        state.update(post_processor=None, truncation=None, padding=None)
        # A special token would hide added tokens that overlap it. Those of the model's vocabulary can be left
        # out; the others hold their ids under names that nobody types.
        kept = [
            token
            for token in state["added_tokens"]
            if token["id"] in self.literals or token["content"] not in state["model"]["vocab"]
        ]
        for token in kept:
            if token["id"] not in self.literals:
                token.update(special=True, content=f"\U0010ffff{token['id']}\U0010ffff")
        state["added_tokens"] = kept
        tokenizer = Tokenizer.from_str(json.dumps(state))
        tokenizer.encode_special_tokens = True
        return tokenizer

    @cached_property
    def plain_inside(self):
        """The same without the dummy, for a text that begins after another."""
        from tokenizers import Tokenizer

        state = json.loads(self.plain.to_str())
        parts = flat_parts(state["normalizer"], "normalizers")
        kept = [part for part in parts if part["type"] != "Prepend"]
        state["normalizer"] = {"type": "Sequence", "normalizers": kept} if kept else None
        for part in flat_parts(state["pre_tokenizer"], "pretokenizers"):
            if part["type"] == "Metaspace":
                part["prepend_scheme"] = "never"
            elif part["type"] == "ByteLevel":
                part["add_prefix_space"] = False
        tokenizer = Tokenizer.from_str(json.dumps(state))
        tokenizer.encode_special_tokens = True
        return tokenizer

    def encode(self, text: bytes, *, dummy: bool = True, name: str = "text") -> list[int]:
        """The tokenizer's own encoding, without special tokens.

        A text that begins with a space keeps it, where the tokenizer would take it for the dummy. ArgumentError: if
        it is not UTF-8, or written with a token that the model does not have.
        """
        chars = check_utf8(name, text)
        if dummy and self.dummy_ends and chars:
            chars = self.dummy.decode() + chars
        tokenizer = self.plain if dummy else self.plain_inside
        ids = tokenizer.encode(chars, add_special_tokens=False).ids
        for token in ids:
            if token >= self.vocabulary.vocab_size:
                raise ArgumentError(f"{name} is {_LACKING.format(self.literals[token], token)}")
        return ids

    def why_lacking(self, text: bytes) -> str | None:
        """Why the model gives no probability to a text that ends with an added token; None if it may."""
        for token, string in self.literals.items():
            if token >= self.vocabulary.vocab_size and text.endswith(string):
                return f"the text is {_LACKING.format(string, token)}"
        return None

    def added_token(self, content: str) -> int | None:
        """The id of an added token by its name."""
        return self.added_ids.get(content)

    def decode(self, ids: Sequence[int]) -> bytes:
        """The bytes of tokens, the dummy space included; ArgumentError for one that stands for none."""
        positions = [int(self.vocabulary.positions[token]) for token in ids]
        if -1 in positions:
            raise ArgumentError(f"ids holds {ids[positions.index(-1)]}, a token that stands for no bytes")
        return b"".join(map(self.vocabulary.strings.__getitem__, positions))
