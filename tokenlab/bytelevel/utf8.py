"""UTF-8, where a token may begin or end inside a character."""

from __future__ import annotations

#: Bytes that stand inside a character, behind its first one.
CONTINUATION = range(0x80, 0xC0)


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
    """Ranges of the code points whose UTF-8 begins with these bytes, an incomplete character.

    Examples
    --------
    >>> [(hex(first), hex(last)) for first, last in code_points(b"\\xe2\\x82")]
    [('0x2080', '0x20bf')]
    >>> [(hex(first), hex(last)) for first, last in code_points(b"\\xed")]  # no surrogates
    [('0xd000', '0xd7ff')]
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
