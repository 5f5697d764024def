"""A vocabulary as byte strings in order: tokens that begin alike stand side by side.

The tokens that start with given bytes are one range, which the next byte divides. A position is
always one in this order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np
import torch
from jaxtyping import Int, Int64
from torch import Tensor

from tokenlab.errors import ArgumentError, DtypeError, check_int

#: The bin after the 256 bytes: of tokens that end, and of the end of a text.
END = 256

#: How SentencePiece writes a space.
SPACE = "▁"


class ByteVocabulary:
    """The byte strings of a vocabulary, sorted as unsigned bytes, a prefix before what it begins.

    Parameters
    ----------
    strings : sequence of bytes or None
        What each id stands for, with None for a special token. Ids may share their bytes.
    vocab_size
        Columns of the model's logits, if padded beyond the ids.

    Attributes
    ----------
    strings : list of bytes
        Byte strings in order, one for each token that has bytes.
    order : Int64[Tensor, "tokens"]
        Their ids.

    Raises
    ------
    ArgumentError
        If a string is empty, or no token has bytes.

    Examples
    --------
    >>> vocabulary = ByteVocabulary([b"b", b"a", None, b"ab", b"abc"])
    >>> vocabulary.strings, vocabulary.order.tolist()
    ([b'a', b'ab', b'abc', b'b'], [1, 3, 4, 0])
    >>> vocabulary.find(b"ab")
    (1, 3)
    >>> vocabulary.byte_at(1, 0, 3).tolist()  # 256: the token has ended
    [256, 98, 98]
    """

    def __init__(self, strings: Sequence[bytes | None], vocab_size: int | None = None) -> None:
        for token, string in enumerate(strings):
            if string is not None and not isinstance(string, bytes):
                raise DtypeError(f"strings[{token}] must be bytes or None, found {type(string).__name__}")
            if string == b"":
                raise ArgumentError(f"strings[{token}] is empty: a token of no bytes could stand anywhere")
        self.vocab_size = check_int(
            "vocab_size", len(strings) if vocab_size is None else vocab_size, low=len(strings)
        )
        order = [token for token, string in enumerate(strings) if string is not None]
        if not order:
            raise ArgumentError("strings holds no token that stands for bytes")
        order.sort(key=strings.__getitem__)
        self.strings = [strings[token] for token in order]
        self.order: Int64[Tensor, "tokens"] = torch.tensor(order)
        self.lengths = np.fromiter(map(len, self.strings), np.int64, len(order))
        self._flat = np.frombuffer(b"".join(self.strings), np.uint8)
        self._offsets = np.concatenate([[0], np.cumsum(self.lengths)])

    def __len__(self) -> int:
        return len(self.strings)

    @cached_property
    def positions(self) -> Int64[np.ndarray, "vocab"]:
        """Position of each id; -1 for ids without bytes."""
        positions = np.full(self.vocab_size, -1, np.int64)
        positions[self.order.numpy()] = np.arange(len(self))
        return positions

    @cached_property
    def _first(self) -> Int[np.ndarray, "tokens"]:
        """The first bytes, which every new context asks for."""
        return self._flat[self._offsets[:-1]].astype(np.int16)

    @cached_property
    def longest(self) -> int:
        """Bytes of the longest token."""
        return int(self.lengths.max())

    @property
    def num_bytes(self) -> int:
        """Memory of the index, in bytes."""
        arrays = (self._flat, self._offsets, self.lengths, self.order.numpy())
        # A bytes object has 33 bytes beside its content, and the list a pointer.
        return sum(array.nbytes for array in arrays) + len(self._flat) + 41 * len(self)

    def find(self, prefix: bytes, lo: int = 0, hi: int | None = None) -> tuple[int, int]:
        """The range of tokens in [lo, hi) that start with ``prefix``."""
        hi = len(self) if hi is None else hi
        first = bisect_left(self.strings, prefix, lo, hi)
        after = _successor(prefix)
        return first, hi if after is None else bisect_left(self.strings, after, first, hi)

    def byte_at(self, depth: int, lo: int = 0, hi: int | None = None) -> Int[np.ndarray, "range"]:
        """Byte number ``depth`` of the tokens in [lo, hi); 256 for those that have ended."""
        hi = len(self) if hi is None else hi
        if depth == 0:
            return self._first[lo:hi]
        result = np.full(hi - lo, END, np.int16)
        longer = self.lengths[lo:hi] > depth
        result[longer] = self._flat[self._offsets[lo:hi][longer] + depth]
        return result

    def ended(self, depth: int, lo: int, hi: int) -> int:
        """The end of the tokens in [lo, hi) that are ``depth`` long: they come first."""
        # More than one only where several ids stand for the same bytes.
        while lo < hi and self.lengths[lo] == depth:
            lo += 1
        return lo


def _successor(prefix: bytes) -> bytes | None:
    """The least string after all that start with ``prefix``, if there is one."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else None


@lru_cache(maxsize=1)
def byte_alphabet() -> dict[str, int]:
    """GPT-2's alphabet: printable characters of Latin-1 stand for themselves, U+0100 onwards for the rest."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    alphabet = {chr(byte): byte for byte in printable}
    alphabet.update((chr(0x100 + position), byte) for position, byte in enumerate(others))
    return alphabet


def byte_level_string(piece: str) -> bytes:
    """Bytes of a token in GPT-2's alphabet; ArgumentError if it holds another character.

    Examples
    --------
    >>> byte_level_string("ĠcafÃ©").decode()
    ' café'
    """
    alphabet = byte_alphabet()
    try:
        return bytes(map(alphabet.__getitem__, piece))
    except KeyError as error:
        raise ArgumentError(
            f"token {piece!r} holds {error.args[0]!r}, which stands for no byte in the byte-level alphabet"
        ) from None


def sentencepiece_string(piece: str) -> bytes:
    """Bytes of a SentencePiece token: U+2581 is a space, ``<0xE2>`` one byte.

    Examples
    --------
    >>> sentencepiece_string("▁to"), sentencepiece_string("<0xE2>")
    (b' to', b'\\xe2')
    """
    byte = fallback_byte(piece)
    return piece.replace(SPACE, " ").encode() if byte is None else bytes([byte])


def fallback_byte(piece: str) -> int | None:
    """The byte of a token like ``<0xE2>``; None for others."""
    if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
        try:
            return int(piece[3:5], 16)
        except ValueError:
            return None
    return None
