"""Added tokens, which are cut out of a text before anything else looks at it.

The leftmost is taken, of several that begin there the longest; what lies between is encoded by itself.
So where other tokens have spelled the beginning of one, the text must not go on to complete it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, cached_property

import numpy as np
from jaxtyping import Bool

from tokenlab.bytelevel.tokenizer.automaton import DEAD
from tokenlab.bytelevel.tokenizer.vocabulary import ByteVocabulary

#: The beginning of every added token: no byte of it is read.
ROOT = 0


class Literals:
    """Added tokens as a tree of their bytes.

    What is *forbidden* is a set of nodes: beginnings of added tokens that the text ends with.

    Examples
    --------
    >>> vocabulary = ByteVocabulary([b"a", b" ", b"  "])
    >>> literals = Literals([b"  "], vocabulary)
    >>> forbidden = literals.read((), b" ")  # one space in its own token
    >>> vocabulary.strings, literals.completing(forbidden).tolist()  # another one would make the added token
    ([b' ', b'  ', b'a'], [True, True, False])
    """

    def __init__(self, strings: Iterable[bytes], vocabulary: ByteVocabulary) -> None:
        self.vocabulary = vocabulary
        self._children: list[dict[int, int]] = [{}]
        self._is_end = [False]
        for string in strings:
            node = ROOT
            for byte in string:
                if byte not in self._children[node]:
                    self._children[node][byte] = len(self._children)
                    self._children.append({})
                    self._is_end.append(False)
                node = self._children[node][byte]
            self._is_end[node] = True

    def read(self, forbidden: tuple[int, ...], string: bytes) -> tuple[int, ...] | None:
        """What is forbidden after bytes of other tokens; None if they complete an added token."""
        nodes = set(forbidden)
        for byte in string:
            nodes = {self._children[node][byte] for node in nodes | {ROOT} if byte in self._children[node]}
            if any(self._is_end[node] for node in nodes):
                return None
        return tuple(sorted(nodes))

    def take(self, forbidden: tuple[int, ...], string: bytes) -> tuple[int, ...] | None:
        """What is forbidden after an added token; None if one further left would have been taken."""
        nodes, taken = set(forbidden), ROOT
        for byte in string:
            nodes = {self._children[node][byte] for node in nodes if byte in self._children[node]}
            taken = self._children[taken][byte]
            if any(self._is_end[node] for node in nodes):
                return None
        # A longer one must not be completed either.
        return tuple(sorted(nodes | ({taken} if self._children[taken] else set())))

    def completing(self, forbidden: tuple[int, ...]) -> Bool[np.ndarray, "tokens"]:
        """Which tokens, added ones too, begin with what completes something forbidden."""
        mask = np.zeros(len(self.vocabulary), bool)
        for node in forbidden:
            for lo, hi in self._ranges(node):
                mask[lo:hi] = True
        return mask

    @cached_property
    def holding(self) -> Bool[np.ndarray, "tokens"]:
        """Which tokens hold an added token; each of these holds itself."""
        mask = np.zeros(len(self.vocabulary), bool)
        text, ends = b"".join(self.vocabulary.strings), np.cumsum(self.vocabulary.lengths)
        first_bytes = np.zeros(256, bool)
        first_bytes[list(self._children[ROOT])] = True
        starts = np.flatnonzero(first_bytes[np.frombuffer(text, np.uint8)])
        positions = np.searchsorted(ends, starts, side="right")
        for start, end, position in zip(starts.tolist(), ends[positions].tolist(), positions.tolist()):
            mask[position] |= self._begins_with_one(text[start:end])
        return mask

    @cached_property
    def _ranges(self) -> Callable[[int], list[tuple[int, int]]]:
        return cache(self._find_ranges)

    def _find_ranges(self, node: int) -> list[tuple[int, int]]:
        """Tokens that begin with what an added token lacks of which the node has been read.

        Both trees are gone down together, so that the many added tokens with which nothing goes on cost
        nothing.
        """
        found, waiting = [], [(node, b"", 0, len(self.vocabulary))]
        while waiting:
            node, read, lo, hi = waiting.pop()
            if read and self._is_end[node]:
                found.append((lo, hi))
                continue
            for byte, child in self._children[node].items():
                longer = read + bytes([byte])
                range_ = self.vocabulary.find(longer, lo, hi)
                if range_[0] < range_[1]:
                    waiting.append((child, longer, *range_))
        return found

    def _begins_with_one(self, string: bytes) -> bool:
        node = ROOT
        for byte in string:
            node = self._children[node].get(byte, DEAD)
            if node == DEAD or self._is_end[node]:
                return node != DEAD
        return False


def overlap(some: Sequence[str], others: Sequence[str]) -> tuple[str, str] | None:
    """One of each, such that a text may hold both with characters in common; None if there are none.

    Examples
    --------
    >>> overlap(["<a>", "<b>"], ["x", ">>"]), overlap(["<a>", "<b>"], ["x", "b"]), overlap(["ab"], ["c"])
    (('<a>', '>>'), ('<b>', 'b'), None)
    """
    found = _runs_into(some, others)
    if found is None and (found := _runs_into(others, some)) is not None:
        found = found[::-1]
    return found


def _runs_into(some: Sequence[str], others: Sequence[str]) -> tuple[str, str] | None:
    """One of ``some`` inside which, or at the end of which, one of ``others`` begins."""
    begun = {other[:size]: other for other in others for size in range(1, len(other) + 1)}
    whole = set(others)
    for one in some:
        for start in range(len(one)):
            if one[start:] in begun:
                return one, begun[one[start:]]
            for end in range(start + 1, len(one)):
                if one[start:end] in whole:
                    return one, one[start:end]
    return None
