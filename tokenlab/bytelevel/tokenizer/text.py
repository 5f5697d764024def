"""Text as bytes and characters, some of which are cut or combine."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache

from tokenlab.errors import ArgumentError, DtypeError

#: Bytes that stand inside a character, after its first one.
CONTINUATION = range(0x80, 0xC0)


def check_utf8(name: str, text: bytes, *, cut: bool = False) -> str:
    """The text; with ``cut`` an incomplete last character is left out.

    DtypeError if this is no bytes object, ArgumentError if it is not UTF-8.
    """
    text = check_bytes(name, text)
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        if cut and error.end == len(text) and error.reason == "unexpected end of data":
            return text[: error.start].decode()
        raise ArgumentError(
            f"{name} is not UTF-8: {error.reason} at byte {error.start} "
            f"({text[error.start : error.start + 4]!r}); no tokenizer writes such a text"
        ) from None


def is_normalized(form: str, text: str) -> bool:
    """Whether the library, whose tables may be older than Python's, leaves a text as it is.

    Examples
    --------
    >>> is_normalized("NFC", "é"), is_normalized("NFC", "e\u0301")
    (True, False)
    """
    return text.isascii() or _normal_form(form).normalize_str(text) == text


@cache
def _normal_form(form: str):
    from tokenizers import normalizers

    return getattr(normalizers, form)()


def check_bytes(name: str, value: bytes) -> bytes:
    if isinstance(value, str):
        raise DtypeError(f"{name} must be bytes, found str: encode it first, {value[:20]!r}.encode()")
    if not isinstance(value, bytes | bytearray | memoryview):
        raise DtypeError(f"{name} must be bytes, found {type(value).__name__}")
    return bytes(value)


def numbered(name: str, texts: Sequence[bytes]) -> list[tuple[str, bytes]]:
    """Each text after what errors call it.

    Examples
    --------
    >>> numbered("prefix", [b"a"]), numbered("prefix", [b"a", b"b"])
    ([('prefix', b'a')], [('prefix[0]', b'a'), ('prefix[1]', b'b')])
    """
    if len(texts) == 1:
        return [(name, texts[0])]
    return [(f"{name}[{index}]", text) for index, text in enumerate(texts)]


def divide(string: bytes) -> tuple[str, bytes] | None:
    """Whole characters, and the first bytes of one that is not complete; None if this is no UTF-8.

    Examples
    --------
    >>> divide("aé".encode()), divide("aé".encode()[:-1]), divide(b"\\xff")
    (('aé', b''), ('a', b'\\xc3'), None)
    """
    try:
        return string.decode(), b""
    except UnicodeDecodeError as error:
        if error.end == len(string) and error.reason == "unexpected end of data":
            return string[: error.start].decode(), string[error.start :]
        return None


def code_points(partial: bytes) -> list[tuple[int, int]]:
    """Ranges of the code points whose UTF-8 begins with these bytes, without surrogates.

    Examples
    --------
    >>> code_points(b"\\xe2\\x82"), code_points(b"\\xed")
    ([(8320, 8383)], [(53248, 55295)])
    """
    lead = partial[0]
    length = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    missing = length - len(partial)
    value = lead & (0x7F >> length)
    for byte in partial[1:]:
        value = value << 6 | byte & 0x3F
    first, last = value << 6 * missing, (value + 1 << 6 * missing) - 1
    # The shortest form is the only one, and the last code point is U+10FFFF.
    first, last = max(first, (0x80, 0x800, 0x10000)[length - 2]), min(last, 0x10FFFF)
    ranges = (first, min(last, 0xD7FF)), (max(first, 0xE000), last)
    return [(low, high) for low, high in ranges if low <= high]


def may_combine(char: str) -> bool:
    """Whether it may combine with what stands before it, in some normal form."""
    return bool(unicodedata.combining(char)) or char in _combining_starters()


@cache
def _combining_starters() -> frozenset[str]:
    """Characters of combining class 0 that may combine with the one before."""
    # The vowels and final consonants of Hangul are composed by a rule, the others by the tables.
    found = {*map(chr, range(0x1161, 0x1176)), *map(chr, range(0x11A8, 0x11C3))}
    for char in map(chr, range(0x110000)):
        parts = unicodedata.decomposition(char).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            second = chr(int(parts[1], 16))
            if not unicodedata.combining(second):
                found.add(second)
    return frozenset(found)
