"""Which characters patterns tell apart: the coarsest classes, over all of Unicode.

Membership is what the ``tokenizers`` library's own engine answers, with its own Unicode tables.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Int64, UInt32

from tokenlab.bytelevel.tokenizer.patterns import Atom
from tokenlab.errors import ArgumentError, DtypeError, check_int

LAST = 0x10FFFF

SURROGATES = range(0xD800, 0xE000)

#: Most classes, so that one fits in a byte.
MOST_CLASSES = 256

#: Where stretches begin in which Unicode tells nothing apart: planes 4 to 14 hold no characters,
#: planes 15 and 16 are for private use, and the last two of each plane never are characters.
_BLANK = sorted(
    {0xE1000, LAST + 1}
    | {plane << 16 for plane in range(4, 17)}
    | {(plane << 16) + 0xFFFE for plane in range(4, 17)}
)

#: The exception in plane 14. Like the planes before 4, it is asked character by character.
_TAGS = range(0xE0000, 0xE1000)


class CharacterClasses:
    r"""The coarsest partition of all characters by membership in atoms.

    ``members[atom, class]``: whether the atom holds the class. ArgumentError if the engine does not
    read an atom, or there are more than 256 classes.

    Examples
    --------
    >>> classes = CharacterClasses([Atom(r"\p{L}"), Atom(r"\x{61}")])
    >>> a, b, dot = classes.classes_of("ab.")
    >>> classes.num_classes, classes.members[:, [a, b, dot]].astype(int).tolist()
    (3, [[1, 1, 0], [1, 0, 0]])
    >>> classes.classes_of_range(0, 0x60) == {b, dot}
    True
    """

    def __init__(self, atoms: Sequence[Atom]) -> None:
        turns = [_turns(atom) for atom in atoms]
        self._starts: Int64[np.ndarray, "runs"] = np.unique(np.concatenate([np.zeros(1, np.int64), *turns]))
        members = np.array(
            [np.searchsorted(turn, self._starts, side="right") % 2 == 1 for turn in turns], bool
        ).reshape(len(atoms), len(self._starts))
        columns, run_class = np.unique(members, axis=1, return_inverse=True)
        self.num_classes = columns.shape[1] if len(atoms) else 1
        if self.num_classes > MOST_CLASSES:
            raise ArgumentError(
                f"atoms tell {self.num_classes} classes of characters apart, expected {MOST_CLASSES} at most"
            )
        self.members: Bool[np.ndarray, "atoms classes"] = columns
        self._run_class = run_class.reshape(-1)
        self._start_list, self._class_list = self._starts.tolist(), self._run_class.tolist()

    def class_of(self, char: str) -> int:
        """Class of one character; ArgumentError for half of a surrogate pair."""
        if not isinstance(char, str):
            raise DtypeError(f"char must be a str, found {type(char).__name__}")
        if len(char) != 1 or ord(char) in SURROGATES:
            raise ArgumentError(f"char is {char!r}, expected one character")
        return self._class_list[bisect_right(self._start_list, ord(char)) - 1]

    def classes_of(self, text: str) -> list[int]:
        """Class of each character; ArgumentError for half of a surrogate pair."""
        if not isinstance(text, str):
            raise DtypeError(f"text must be a str, found {type(text).__name__}")
        try:
            codes = _codes(text)
        except UnicodeEncodeError as error:
            raise ArgumentError(f"text has {text[error.start]!r} at {error.start}: no character") from None
        return self._run_class[np.searchsorted(self._starts, codes, side="right") - 1].tolist()

    def classes_of_range(self, first: int, last: int) -> frozenset[int]:
        """Classes of ``first`` to ``last``, both included; ArgumentError if these are no characters."""
        check_int("first", first, low=0, high=LAST)
        check_int("last", last, low=first, high=LAST)
        # Surrogates are no characters.
        parts = (first, min(last, SURROGATES.start - 1)), (max(first, SURROGATES.stop), last)
        found: set[int] = set()
        for low, high in parts:
            if low <= high:
                runs = slice(bisect_right(self._start_list, low) - 1, bisect_right(self._start_list, high))
                found.update(self._class_list[runs])
        if not found:
            raise ArgumentError(f"first and last are {first} and {last}: only surrogates, no characters")
        return frozenset(found)


@lru_cache(maxsize=256)
def _turns(atom: Atom) -> Int64[np.ndarray, "turns"]:
    """Where membership turns: the first member, the next character that is none, and so on."""
    if char := re.fullmatch(r"\\x\{([0-9A-F]+)\}", atom.text):
        code = int(char[1], 16)
        return np.array([code, SURROGATES.stop if code + 1 in SURROGATES else code + 1])
    codes, text, stretches = _asked()
    # An atom that names characters of the stretches may tell apart what Unicode does not.
    named = [int(code, 16) for code in re.findall(r"[0-9A-Fa-f]{5,6}", atom.text)]
    held = None
    if max([*named, *map(ord, atom.text)]) < _BLANK[0]:
        held = _members(atom, codes, text)
    if held is None or (held[stretches] != held[stretches[:, :1]]).any():
        codes, text = _text(np.delete(np.arange(LAST + 1), SURROGATES))
        held = _members(atom, codes, text)
    turns = codes[np.flatnonzero(np.diff(held, prepend=False))]
    turns.setflags(write=False)
    return turns


@lru_cache(maxsize=1)
def _asked() -> tuple[Int64[np.ndarray, "asked"], str, Int64[np.ndarray, "stretches 3"]]:
    """Characters to ask for, and where first, middle and last of each stretch stand."""
    stretches = np.array(
        [
            (first, (first + after) // 2, after - 1)
            for first, after in itertools.pairwise(_BLANK)
            if first != _TAGS.start
        ]
    )
    asked = np.zeros(LAST + 1, bool)
    asked[: _BLANK[0]] = True
    asked[_TAGS] = asked[stretches] = True
    asked[SURROGATES] = False
    codes, text = _text(np.flatnonzero(asked))
    return codes, text, np.searchsorted(codes, stretches)


def _text(codes: Int64[np.ndarray, "asked"]) -> tuple[Int64[np.ndarray, "asked"], str]:
    return codes, codes.astype("<u4").tobytes().decode("utf-32-le")


def _codes(text: str) -> UInt32[np.ndarray, "chars"]:
    return np.frombuffer(text.encode("utf-32-le"), "<u4")


@lru_cache(maxsize=1)
def _ascii_letters() -> str:
    """The letters of ASCII in any case, with the long s and the Kelvin sign."""
    codes, text, _ = _asked()
    return "".join(map(chr, codes[_members(Atom("(?i:[a-z])"), codes, text)]))


def _members(atom: Atom, codes: Int64[np.ndarray, "asked"], text: str) -> Bool[np.ndarray, "asked"]:
    if atom.by == "regex":
        # Few characters are a letter of ASCII but for the case: the others need not be asked.
        text = _ascii_letters() if re.fullmatch(r"\(\?i:\\x\{[4-7][0-9A-F]\}\)", atom.text) else text
        held = np.zeros(LAST + 1, bool)
        held[_codes(text)] = True
        held[_codes(_without(atom.text, text))] = False
        return held[codes]
    held = np.zeros(len(codes), bool)
    position, member = 0, False
    # Pieces alternate, and the first character, NUL, is neither a digit nor punctuation.
    for length in _lengths(atom.by, text):
        held[position : position + length] = member
        position, member = position + length, not member
    return held


def _without(regex: str, text: str) -> str:
    from tokenizers import Regex, decoders

    try:
        # A decoder replaces in a plain string; a normalizer would keep track of every offset.
        return decoders.Replace(Regex(f"(?:{regex})+"), "").decode([text])
    except Exception as error:  # the library raises nothing more special
        raise ArgumentError(f"atoms hold {regex!r}, which is no regular expression: {error}") from error


def _lengths(rule: str, text: str) -> list[int]:
    from tokenizers import PreTokenizedString, pre_tokenizers

    rules = {
        "Digits": lambda: pre_tokenizers.Digits(individual_digits=False),
        "Punctuation": lambda: pre_tokenizers.Punctuation("contiguous"),
    }
    pieces = PreTokenizedString(text)
    rules[rule]().pre_tokenize(pieces)
    return [len(piece) for piece, _, _ in pieces.get_splits(offset_type="byte")]
