"""Covers: what token sequences spell a text, read byte by byte, without a model.

A *cover* of a text is a sequence of tokens of which only the last may reach beyond its end. Covers
that differ in the last token alone are one :class:`OpenCover`: a context and a range of the sorted
vocabulary. To read a byte narrows ranges; a token that ends with the byte makes a new context.

Reference: Phan, Amos et al. 2024, arXiv 2410.09303 (cover encodings); Vieira et al. 2024,
arXiv 2412.03719 (covers of all tokenizations).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Bool, Int64

from tokenlab.bytelevel.tokenizer.validity import State
from tokenlab.bytelevel.tokenizer.vocabulary import ByteVocabulary


class Rules(Protocol):
    """Which sequences of tokens count, as ``Validity`` or :class:`Anything` says.

    ``allowed`` says which tokens, in the vocabulary's order, may follow in a state.
    """

    start: object

    def allowed(self, state) -> Bool[np.ndarray, "tokens"]: ...
    def after(self, state, token: int): ...
    def may_end(self, state) -> bool: ...
    def inside_character(self, state) -> bool: ...


class Anything:
    """All tokenizations count: every token may follow, and every sequence may end."""

    start = State(-1, ())

    def __init__(self, vocabulary: ByteVocabulary) -> None:
        self._all = np.ones(len(vocabulary), bool)

    def allowed(self, state) -> Bool[np.ndarray, "tokens"]:
        return self._all

    def after(self, state, token: int):
        return state

    def may_end(self, state) -> bool:
        return True

    def inside_character(self, state) -> bool:
        return False


class OpenCover(NamedTuple):
    """Covers with the same tokens but for the last one, which starts with the text's last bytes."""

    node: int  #: the context: all tokens but the last
    lo: int  #: the last tokens: positions in [lo, hi), as far as the rules allow them
    hi: int  #: see ``lo``
    depth: int  #: bytes of the text after the context


class Contexts:
    """Sequences of tokens as a tree; the same sequence is the same node.

    ``parents``, ``tokens`` and ``states`` are lists over nodes. Node 0, the start, has parent and token -1.
    """

    def __init__(self, start) -> None:
        self.parents, self.tokens, self.states = [-1], [-1], [start]
        self._known: dict[tuple[int, int], int] = {}

    def add(self, parent: int, token: int, state) -> int:
        """The node of one more token."""
        if (parent, token) not in self._known:
            self._known[parent, token] = len(self.parents)
            self.parents.append(parent)
            self.tokens.append(token)
            self.states.append(state)
        return self._known[parent, token]

    def path(self, node: int) -> list[int]:
        """The tokens of a node."""
        tokens = []
        while node > 0:
            tokens.append(self.tokens[node])
            node = self.parents[node]
        return tokens[::-1]


class CoverFrontier:
    """All covers of a text that grows by bytes; frontiers of different texts may share ``contexts``.

    Attributes
    ----------
    open_covers : list of OpenCover
        Covers whose last token reaches beyond the text.
    exact : list of int
        Contexts that end with the text: several only where the pre-tokenizer looks ahead.

    Examples
    --------
    >>> vocabulary = ByteVocabulary([b"a", b"ab", b"b"])
    >>> frontier = CoverFrontier(vocabulary, Anything(vocabulary), Contexts(Anything.start))
    >>> frontier.read(ord("a"))
    >>> frontier.open_covers, frontier.exact  # "ab" reaches beyond the text, "a" ends with it
    ([OpenCover(node=0, lo=1, hi=2, depth=1)], [1])
    """

    def __init__(self, vocabulary: ByteVocabulary, rules: Rules, contexts: Contexts) -> None:
        self.vocabulary, self.rules, self.contexts = vocabulary, rules, contexts
        self.open_covers: list[OpenCover] = []
        self.exact: list[int] = [0]

    def copy(self) -> CoverFrontier:
        """A frontier that goes on from here by itself."""
        other = CoverFrontier(self.vocabulary, self.rules, self.contexts)
        other.open_covers, other.exact = list(self.open_covers), list(self.exact)
        return other

    @property
    def is_alive(self) -> bool:
        """Whether any cover is left."""
        return bool(self.open_covers or self.exact)

    def all_open_covers(self) -> list[OpenCover]:
        """The open covers, and those of contexts that end here: no byte of their last token is read yet."""
        return [*self.open_covers, *(OpenCover(node, 0, len(self.vocabulary), 0) for node in self.exact)]

    def read(self, byte: int, keep: Callable[[list[int]], list[int]] | None = None) -> None:
        """Go on by one byte.

        ``keep`` gets the numbers of :meth:`all_open_covers` that the byte can follow, and chooses.
        """
        before = self.all_open_covers()
        ranges = [self._narrow(open_cover, byte) for open_cover in before]
        alive = [number for number, (lo, hi) in enumerate(ranges) if lo < hi]
        self.open_covers, self.exact = [], []
        for number in alive if keep is None else keep(alive):
            self.settle(before[number], *ranges[number])

    def _narrow(self, open_cover: OpenCover, byte: int) -> tuple[int, int]:
        """Positions of the tokens that go on with a byte."""
        start = self.vocabulary.strings[open_cover.lo][: open_cover.depth] if open_cover.depth else b""
        return self.vocabulary.find(start + bytes([byte]), open_cover.lo, open_cover.hi)

    def settle(self, open_cover: OpenCover, lo: int, hi: int) -> None:
        """Tokens that end here make contexts, the others an open cover."""
        depth, state = open_cover.depth + 1, self.contexts.states[open_cover.node]
        allowed = self.rules.allowed(state)
        ended = self.vocabulary.ended(depth, lo, hi)
        for position in range(lo, ended):
            if allowed[position]:
                token = int(self.vocabulary.order[position])
                self.exact.append(self.contexts.add(open_cover.node, token, self.rules.after(state, token)))
        if allowed[ended:hi].any():
            self.open_covers.append(OpenCover(open_cover.node, ended, hi, depth))


def last_tokens(frontier: CoverFrontier) -> Iterator[tuple[int, Int64[np.ndarray, "positions"], int]]:
    """Of each group of covers the context's node, positions of last tokens, and the bytes read of these."""
    vocabulary, contexts = frontier.vocabulary, frontier.contexts
    for open_cover in frontier.open_covers:
        allowed = frontier.rules.allowed(contexts.states[open_cover.node])
        yield (
            open_cover.node,
            open_cover.lo + np.flatnonzero(allowed[open_cover.lo : open_cover.hi]),
            open_cover.depth,
        )
    for node in frontier.exact:
        position = int(vocabulary.positions[contexts.tokens[node]])
        yield contexts.parents[node], np.array([position]), len(vocabulary.strings[position])
