"""The regular expressions of pre-tokenizers, read into a tree.

What they do not use, or no one can read from left to right, is refused. Which characters an
:class:`Atom` holds is decided in :mod:`tokenlab.bytelevel.tokenizer.characters`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Literal, NamedTuple, NoReturn, TypeAlias

from tokenlab.errors import ArgumentError, DtypeError

#: Escapes that stand for one character each.
CONTROLS = {"t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "a": "\a", "e": "\x1b"}

#: Escapes that stand for a set of characters.
SETS = "sSdDwW"

#: A pattern that repeats more often than this is refused.
MOST_REPEATS = 100

_QUANTIFIER = re.compile(r"[?*+]|\{(?P<low>\d+)(?P<comma>,)?(?P<high>\d*)\}")

_PROPERTY = re.compile(r"\\[pP]\{\^?[A-Za-z0-9_ -]+\}")

_CODE = re.compile(
    r"\\u(?P<short>[0-9A-Fa-f]{4})|\\x\{(?P<long>[0-9A-Fa-f]{1,6})\}|\\x(?P<byte>[0-7][0-9A-Fa-f])"
)


class Atom(NamedTuple):
    """One character out of a set: what a regular expression matches, or what a rule splits at."""

    text: str
    by: Literal["regex", "Digits", "Punctuation"] = "regex"


class Chain(NamedTuple):
    """One part after the other."""

    parts: tuple[Node, ...]


class Choice(NamedTuple):
    """The first of the options with which the rest matches, too."""

    options: tuple[Node, ...]


class Repeat(NamedTuple):
    """As often as possible, from ``low`` to ``high`` times (None: without end)."""

    part: Node
    low: int
    high: int | None


class Look(NamedTuple):
    """Reads no character: the next one is of the atom; ``negative``: is not, or there is none."""

    atom: Atom
    negative: bool


Node: TypeAlias = Atom | Chain | Choice | Repeat | Look

ANY = Atom(r"[\s\S]")

#: Before a newline or at the end; at the end.
END_OF_LINE, END_OF_TEXT = Look(Atom(r"[^\n]"), negative=True), Look(ANY, negative=True)


def literal(char: str, fold: bool = False) -> Atom:
    """The atom of one character; with ``fold`` in both cases."""
    text = rf"\x{{{ord(char):X}}}"
    # Of the characters of ASCII only letters have two cases.
    return Atom(f"(?i:{text})" if fold and not (char.isascii() and not char.isalpha()) else text)


def parse(pattern: str) -> Node:
    r"""Read a pattern in the dialect of the ``tokenizers`` library (Oniguruma's).

    Supported are ``|``, ``( )``, ``(?: )``, ``(?i: )``, sets ``[ ]``, ``.``, ``\p{ }``, ``\s`` and the
    like, escapes, ``? * + {m} {m,n} {m,}``, ``$``, ``\z``, and of one character possessive ``?+ *+ ++``
    and looks ``(?= )``, ``(?! )``.

    ArgumentError if the pattern holds something else, is no regular expression, or matches the empty
    string (the engine would then cut what it does not match).

    Examples
    --------
    >>> parse(r"\s*\d")
    Chain(parts=(Repeat(part=Atom(text='\\s', by='regex'), low=0, high=None), Atom(text='\\d', by='regex')))
    """
    if not isinstance(pattern, str):
        raise DtypeError(f"pattern must be a str, found {type(pattern).__name__}")
    node = _Parser(pattern).read()
    if _matches_nothing(node):
        raise ArgumentError(f"pattern {pattern!r} matches the empty string, expected one character at least")
    return node


def atoms(node: Node) -> Iterator[Atom]:
    """Every atom of a tree, with repetitions."""
    match node:
        case Atom():
            yield node
        case Look():
            yield node.atom
        case Repeat():
            yield from atoms(node.part)
        case Chain(parts) | Choice(parts):
            for part in parts:
                yield from atoms(part)


class _Parser:
    def __init__(self, pattern: str) -> None:
        self.pattern, self.position = pattern, 0

    def read(self) -> Node:
        from tokenizers import Regex

        try:
            Regex(self.pattern)
        except Exception as error:  # the library raises nothing more special
            raise ArgumentError(f"pattern {self.pattern!r} is no regular expression: {error}") from error
        node = self.choice(fold=False)
        if self.position < len(self.pattern):
            self.refuse("", "a bracket that closes nothing")
        return node

    def choice(self, fold: bool) -> Node:
        options = [self.chain(fold)]
        while self.take("|"):
            options.append(self.chain(fold))
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def chain(self, fold: bool) -> Node:
        parts = []
        while self.position < len(self.pattern) and self.pattern[self.position] not in "|)":
            parts.append(self.repeated(fold))
        if fold:
            self.check_fold(parts)
        return parts[0] if len(parts) == 1 else Chain(tuple(parts))

    def repeated(self, fold: bool) -> Node:
        node = self.item(fold)
        found = _QUANTIFIER.match(self.pattern, self.position)
        if found is None:
            return node
        self.position = found.end()
        if isinstance(node, Look):
            self.refuse(found[0], "a look at the next character cannot be repeated")
        low, high = _bounds(found)
        if max(low, high or 0) > MOST_REPEATS:
            self.refuse(found[0], f"at most {MOST_REPEATS} repetitions are counted")
        if high is not None and high < low:
            self.refuse(found[0], "the bounds are the wrong way round")
        if high is None and _matches_nothing(node):
            self.refuse(found[0], "what is repeated without end matches the empty string")
        possessive = found[0] in "?*+" and self.take("+")
        if _QUANTIFIER.match(self.pattern, self.position):
            self.refuse(self.pattern[self.position], "lazy and doubled quantifiers are not supported")
        if not possessive:
            return Repeat(node, low, high)
        if not isinstance(node, Atom):
            self.refuse(f"{found[0]}+", "only one character can be repeated possessively")
        # What is never given back ends where no other one follows.
        no_more = Look(node, negative=True)
        if high is None:
            return Chain((Repeat(node, low, None), no_more))
        return Choice((node, no_more))

    def item(self, fold: bool) -> Node:
        char = self.pattern[self.position]
        if char == "(":
            return self.group(fold)
        if char == "[":
            return self.folded(self.brackets(), fold)
        if char == "\\":
            return self.escaped(fold)
        if char in "^?*+{}]":
            self.refuse(char, "expected an escaped character, if it stands for itself")
        self.position += 1
        if char == "$":
            return END_OF_LINE
        return Atom(".") if char == "." else self.character(char, fold)

    def group(self, fold: bool) -> Node:
        for start in ("(?<=", "(?<!", "(?:", "(?i:", "(?=", "(?!", "("):
            if self.take(start):
                break
        if start.startswith("(?<"):
            self.refuse(
                start,
                "a look at what stands before is not supported; an automaton that keeps the characters before "
                "would be needed",
            )
        if start == "(" and self.pattern[self.position : self.position + 1] == "?":
            self.refuse(
                "(" + self.pattern[self.position : self.position + 3],
                "a group of a kind that is not supported",
            )
        node = self.choice(fold or start == "(?i:")
        # The engine has checked that brackets close.
        self.take(")")
        if start not in ("(?=", "(?!"):
            return node
        if not isinstance(node, Atom):
            self.refuse(
                start,
                "only one next character can be looked at; for more an automaton that reads on beside the "
                "piece would be needed",
            )
        return Look(node, negative=start == "(?!")

    def brackets(self) -> str:
        start, depth = self.position, 0
        while True:
            char = self.pattern[self.position]
            if char == "[":
                depth += 1
                inner = self.position + 1 + (self.pattern[self.position + 1] == "^")
                if self.pattern[inner] == "]":
                    self.refuse("[]", "an empty set")
            self.position += 2 if char == "\\" else 1
            depth -= char == "]"
            if depth == 0:
                return self.pattern[start : self.position]

    def escaped(self, fold: bool) -> Node:
        found = _PROPERTY.match(self.pattern, self.position)
        if found:
            self.position = found.end()
            return self.folded(found[0], fold)
        found = _CODE.match(self.pattern, self.position)
        if found:
            self.position = found.end()
            code = int(found["short"] or found["long"] or found["byte"], 16)
            if code > 0x10FFFF or 0xD800 <= code < 0xE000:
                self.refuse(found[0], "no character has this number")
            return self.character(chr(code), fold)
        char = self.pattern[self.position + 1]
        self.position += 2
        if char == "z":
            return END_OF_TEXT
        if char in SETS:
            return self.folded(f"\\{char}", fold)
        if char in CONTROLS:
            return self.character(CONTROLS[char], fold)
        if char in "bB":
            self.refuse(
                f"\\{char}",
                "a word boundary is not supported; an automaton that keeps the character before would be needed",
            )
        if char.isalnum():
            self.refuse(f"\\{char}", "an escape that is not supported")
        return self.character(char, fold)

    def character(self, char: str, fold: bool) -> Atom:
        if fold and len(char.casefold()) > 1:
            self.refuse(char, "without regard to case it matches several characters")
        return literal(char, fold)

    def folded(self, text: str, fold: bool) -> Atom:
        if not fold:
            return Atom(text)
        text = f"(?i:{text})"
        for several in _several():
            if matches_whole(text, several):
                self.refuse(text, f"without regard to case it matches the characters {several!r} at once")
        return Atom(text)

    def check_fold(self, parts: list[Node]) -> None:
        """Refuse ``(?i:ss)``, which would match the German sharp s as well."""
        runs = "".join(_run(Chain(tuple(parts))))
        for several in _several():
            if several in runs.casefold():
                self.refuse(
                    several, "without regard to case it matches one character that stands for several"
                )

    def take(self, text: str) -> bool:
        if not self.pattern.startswith(text, self.position):
            return False
        self.position += len(text)
        return True

    def refuse(self, found: str, why: str) -> NoReturn:
        raise ArgumentError(f"pattern {self.pattern!r} has {found!r} near position {self.position}: {why}")


def matches_whole(text: str, string: str) -> bool:
    from tokenizers import Regex, decoders

    return decoders.Replace(Regex(rf"\A(?:{text})\z"), "").decode([string]) == ""


def _bounds(found: re.Match) -> tuple[int, int | None]:
    if found["low"] is None:
        return {"?": (0, 1), "*": (0, None), "+": (1, None)}[found[0]]
    low = int(found["low"])
    if not found["comma"]:
        return low, low
    return low, int(found["high"]) if found["high"] else None


def _matches_nothing(node: Node) -> bool:
    match node:
        case Atom():
            return False
        case Look():
            return True
        case Repeat():
            return node.low == 0 or _matches_nothing(node.part)
        case Chain():
            return all(map(_matches_nothing, node.parts))
        case Choice():
            return any(map(_matches_nothing, node.options))


def _run(node: Node) -> Iterator[str]:
    """The string that a chain spells; NUL for what is no character."""
    match node:
        case Chain(parts):
            for part in parts:
                yield from _run(part)
        case Atom(text) if found := re.fullmatch(r"(?:\(\?i:)?\\x\{([0-9A-F]+)\}\)?", text):
            yield chr(int(found[1], 16))
        case _:
            yield "\0"


@cache
def _several() -> frozenset[str]:
    """Strings that one character stands for, without regard to case."""
    found = set()
    # There are none outside of the first plane, and in it only in a few blocks.
    for block in range(0, 0x10000, 256):
        chars = "".join(map(chr, range(block, block + 256)))
        if len(chars.casefold()) > len(chars):
            found.update(char.casefold() for char in chars if len(char.casefold()) > 1)
    return frozenset(found)
