"""Added tokens, which are cut out of a text before anything else looks at it.

The leftmost is taken, of several that begin there the longest; what lies between is encoded by itself.
So where other tokens have spelled the beginning of one, the text must not go on to complete it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
from jaxtyping import Bool

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
    >>> vocabulary.strings, literals.breaks(forbidden).tolist()  # another one would make the added token
    ([b' ', b'  ', b'a'], [True, True, False])
    """

    def __init__(self, strings: Iterable[bytes], vocabulary: ByteVocabulary) -> None:
        self.vocabulary = vocabulary
        self._children: list[dict[int, int]] = [{}]
        self._prefix = [b""]
        self._is_end = [False]
        self._breaks: dict[int, Bool[np.ndarray, "tokens"]] = {}
        self.strings = sorted(strings)
        for string in self.strings:
            node = ROOT
            for byte in string:
                if byte not in self._children[node]:
                    self._children[node][byte] = len(self._children)
                    self._prefix.append(self._prefix[node] + bytes([byte]))
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

    def breaks(self, forbidden: tuple[int, ...]) -> Bool[np.ndarray, "tokens"]:
        """Which tokens complete what is forbidden, or hold an added token."""
        mask = self._holding.copy()
        for node in forbidden:
            mask |= self._completing(node)
        return mask

    def _completing(self, node: int) -> Bool[np.ndarray, "tokens"]:
        """Tokens that begin with what an added token lacks."""
        if node not in self._breaks:
            mask = np.zeros(len(self.vocabulary), bool)
            begun = self._prefix[node]
            for string in self.strings:
                if string.startswith(begun) and len(string) > len(begun):
                    lo, hi = self.vocabulary.find(string[len(begun) :])
                    mask[lo:hi] = True
            self._breaks[node] = mask
        return self._breaks[node]

    @cached_property
    def _holding(self) -> Bool[np.ndarray, "tokens"]:
        held = [any(literal in string for literal in self.strings) for string in self.vocabulary.strings]
        return np.array(held)
