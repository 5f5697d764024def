"""How bytes and strings of bytes are written in pictures."""

from __future__ import annotations

from tokenlab.bytelevel.tokenizer.vocabulary import END
from tokenlab.chapters.bytelevel import exact
from tokenlab.errors import check_int

#: How bytes are written that have no sign of their own.
SIGNS = {0x20: "␣", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t"}


def byte_label(byte: int) -> str:
    r"""How one byte is written under a bar; 256 is the end of the text.

    Examples
    --------
    >>> [byte_label(byte) for byte in (97, 32, 10, 0xC3, 256)]
    ['a', '␣', '\\n', '\\xc3', 'end']
    """
    check_int("byte", byte, low=0, high=END)
    if byte == END:
        return "end"
    return SIGNS.get(byte) or (chr(byte) if 0x20 < byte < 0x7F else f"\\x{byte:02x}")


def string_label(text: bytes) -> str:
    r"""How a string of bytes is written; whole characters stay together.

    Examples
    --------
    >>> string_label(b" caf\xc3\xa9"), string_label(b"\xc3"), string_label(b"\n\n")
    ('␣café', '\\xc3', '\\n\\n')
    """
    label = ""
    for char in text.decode("utf-8", "surrogateescape"):
        code = ord(char)
        if code < 0x80:
            label += byte_label(code)
        elif 0xDC80 <= code <= 0xDCFF:
            label += byte_label(code - 0xDC00)
        else:
            # What lies beyond is not in the font that the widths are taken from.
            label += char if code < 0x530 and char.isprintable() else f"\\u{code:04x}"
    return label


def sign(byte: int) -> str:
    """A byte in one or two characters; bytes without a sign of their own in hexadecimal."""
    return SIGNS.get(byte) or (chr(byte) if 0x20 < byte < 0x7F else f"{byte:02X}")


def token_labels(tokens: exact.Tokens) -> str:
    """A sequence of tokens, with a space between two."""
    return " ".join(string_label(token) for token in tokens)
