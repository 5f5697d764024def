"""What a token is, and what a sequence of tokens spells."""

from __future__ import annotations

from collections.abc import Callable, Collection
from fractions import Fraction

from tokenlab.errors import ArgumentError, DtypeError

#: A token is its bytes. ``(b"A", 2)`` is a second token of the same bytes, a string a special token.
Token = bytes | tuple[bytes, int] | str

Tokens = tuple[Token, ...]

#: Bytes (or tokens) to probabilities; the end of the text is one of them.
Distribution = dict[Token, Fraction]

#: A token model: from the tokens so far to the distribution of the next one.
Model = Callable[[Tokens], Distribution]

#: Which sequences a sum goes over.
Allowed = Callable[[Tokens], bool]

#: The end of the text: among bytes as among tokens.
END = "<end>"


def spell(token: Token) -> bytes:
    """The bytes of a token that has some.

    Examples
    --------
    >>> spell(b"AA"), spell((b"A", 2))
    (b'AA', b'A')
    """
    if isinstance(token, str):
        raise ArgumentError(f"token {token!r} is a special token: it has no bytes")
    return token if isinstance(token, bytes) else token[0]


def decode(tokens: Tokens) -> bytes:
    """The text that a sequence of tokens spells.

    Examples
    --------
    >>> decode((b"B", b"AA"))
    b'BAA'
    """
    return b"".join(spell(token) for token in tokens)


def check_bytes(name: str, value: bytes, known: Collection[bytes] | None = None) -> None:
    """Raise unless the value is ``bytes``, all of them known."""
    if not isinstance(value, bytes):
        raise DtypeError(f"{name} must be bytes, found {type(value).__name__} {value!r}")
    if known is not None and (unknown := {bytes([byte]) for byte in value} - set(known)):
        raise ArgumentError(f"{name} holds {min(unknown)!r}, which is no token")
