"""Tokens as the splitter sees them: the characters of each, and where it leads from a state.

Many tokens share a sequence of character classes, and the splitter runs over each sequence once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property, lru_cache

import numpy as np
from jaxtyping import Bool, Int

from tokenlab.bytelevel.tokenizer.pretokenizer import Splitter
from tokenlab.bytelevel.tokenizer.text import CONTINUATION, code_points, divide, is_normalized, may_combine
from tokenlab.bytelevel.tokenizer.tokenization import Tokenization
from tokenlab.bytelevel.tokenizer.vocabulary import SPACE

#: Answers of :meth:`TokenRuns.alive` that are remembered; one has a byte for each token.
REMEMBERED = 128


class TokenRuns:
    """The tokens of a tokenizer, run through its splitter.

    ``reachable``: what merges make; other tokens are whole pieces or nothing. ``inside``, ``combining``:
    tokens that begin inside a character, or with one that may combine with the one before. ``closes``,
    ``goes_on``: states in which the piece may be complete, or go on.
    """

    def __init__(
        self, tokenization: Tokenization, splitter: Splitter, reachable: Bool[np.ndarray, "tokens"]
    ) -> None:
        self.tokenization, self.vocabulary, self.splitter = tokenization, tokenization.vocabulary, splitter
        self._reachable = reachable
        self._go_on, self._cut = _with_dead_row(splitter.go_on), _with_dead_row(splitter.cut)
        self.closes = splitter.may_end | (splitter.cut >= 0).any(1)
        self.goes_on = (splitter.go_on >= 0).any(1)
        self._read_tokens()

    # One token: plain code, which `alive` repeats for all tokens at once.

    def divide(self, string: bytes, after_pending: bool, position: int) -> tuple[str, bytes] | None:
        """Whole characters, and the first bytes of one that is not complete; None if impossible.

        ``position`` is that of the last token.
        """
        divided = divide(string)
        if divided is None or self.tokenization.kind == "byte_level":
            return divided
        # Characters with a token of their own are written with it, the others byte by byte.
        text, _ = divided
        is_byte = bool(self._is_byte[position])
        if after_pending and not is_byte:
            return None
        if is_byte and any(char in self.tokenization.characters for char in self._normal(text)):
            return None
        return divided

    def run(self, state: int, text: str, begins: bool) -> int:
        """State after characters of one piece, the first of which may begin it."""
        for char in self._normal(text):
            table = self._cut if begins else self._go_on
            state, begins = int(table[state, self.splitter.class_of(char)]), False
            if state < 0:
                break
        return state

    def can_complete(self, state: int, partial: bytes, begins: bool) -> bool:
        """Whether a character with these first bytes goes on with the piece, or begins one."""
        table = self._cut if begins else self._go_on
        return any(table[state, kind] >= 0 for kind in self._classes_after(partial))

    def _normal(self, text: str) -> str:
        return text.replace(" ", SPACE) if self.tokenization.kind == "sentencepiece" else text

    @cached_property
    def _classes_after(self) -> Callable[[bytes], list[int]]:
        return cache(self._find_classes_after)

    def _find_classes_after(self, partial: bytes) -> list[int]:
        """Classes of the characters with these first bytes that may be written so."""
        classes: set[int] = set()
        form = self.tokenization.normal_form
        for first, last in code_points(partial):
            known = {char for char in self.tokenization.characters if first <= ord(char) <= last}
            # In longer ranges there are characters in their normal form.
            if known or (form is not None and last - first < 4096):
                chars = [char for char in map(chr, range(first, last + 1)) if char not in known]
                if form is not None:
                    chars = [char for char in chars if is_normalized(form, char)]
                classes.update(self.splitter.classes_of("".join(chars)))
            else:
                classes.update(self.splitter.classes_of_range(first, last))
        return sorted(classes)

    # All tokens at once.

    @cached_property
    def alive(self) -> Callable[[int, bool], tuple[Bool[np.ndarray, "tokens"], Int[np.ndarray, "positions"]]]:
        """``alive(state, begins)``: tokens that stay in one piece and can be completed.

        The second array: positions of those after which the piece cannot go on.
        """
        return lru_cache(maxsize=REMEMBERED)(self._alive)

    def _alive(
        self, state: int, begins: bool
    ) -> tuple[Bool[np.ndarray, "tokens"], Int[np.ndarray, "positions"]]:
        ends = np.full(len(self._is_empty), state, np.int32)
        for depth, classes in enumerate(self._columns):
            table = self._cut if begins and depth == 0 else self._go_on
            ends[: len(classes)] = table[ends[: len(classes)], classes]
        ends = ends[self._run_of]
        alive = ends >= 0
        with_partial = np.flatnonzero(self._partial_of >= 0)
        if len(with_partial):
            partial, run = self._partial_of[with_partial], self._run_of[with_partial]
            inside, at_start = self._alive_after
            first = self._is_empty[run] & begins
            alive[with_partial] &= np.where(
                first, at_start[partial, ends[with_partial]], inside[partial, ends[with_partial]]
            )
        alive &= ~(self._never | self.inside)
        # A whole piece is complete as it is; others may go on.
        alive &= self._reachable | (self.closes[ends] & (self._partial_of < 0))
        last_ones = np.flatnonzero(alive & ~self.goes_on[ends] & (self._partial_of < 0))
        return alive, last_ones

    @cached_property
    def _alive_after(self) -> tuple[Bool[np.ndarray, "partials states"], Bool[np.ndarray, "partials states"]]:
        """Whether some completion goes on, or begins a piece."""
        tables = self._go_on >= 0, self._cut >= 0
        return tuple(
            np.stack([table[:, self._classes_after(partial)].any(1) for partial in self._partials])
            for table in tables
        )

    def _read_tokens(self) -> None:
        """Divide each token into characters, and number the runs of their classes."""
        tokens = len(self.vocabulary)
        self._is_byte = np.zeros(tokens, bool)
        self._is_byte[self.vocabulary.positions[self.tokenization.fallback]] = True
        self._never, self.inside, self.combining = (np.zeros(tokens, bool) for _ in range(3))
        self._partial_of = np.full(tokens, -1, np.int32)
        partials: dict[bytes, int] = {}
        texts = []
        for position, string in enumerate(self.vocabulary.strings):
            text, partial = "", b""
            if string[0] in CONTINUATION:
                self.inside[position] = True
            elif (divided := self.divide(string, False, position)) is None:
                self._never[position] = True
            else:
                text, partial = divided
            if partial:
                self._partial_of[position] = partials.setdefault(partial, len(partials))
            texts.append(text)
        self._partials = list(partials)
        self._number_runs([self._normal(text) for text in texts])
        if self.tokenization.normal_form is not None:
            self._find_combining(texts)

    def _number_runs(self, texts: list[str]) -> None:
        """One run for all tokens that look alike to the splitter."""
        ends = np.cumsum([len(text) for text in texts])
        classes = bytes(self.splitter.classes_of("".join(texts)))
        found: dict[bytes, int] = {}
        numbers = np.empty(len(texts), np.int32)
        start = 0
        for position, end in enumerate(ends.tolist()):
            numbers[position] = found.setdefault(classes[start:end], len(found))
            start = end
        # Longest first, so that the runs which still go on are the first ones.
        runs = list(found)
        lengths = np.array([len(run) for run in runs])
        order = np.argsort(-lengths, kind="stable")
        rank = np.empty(len(runs), np.int32)
        rank[order] = np.arange(len(runs))
        self._run_of = rank[numbers]
        lengths = lengths[order]
        self._is_empty = lengths == 0
        flat = np.frombuffer(b"".join(runs[number] for number in order), np.uint8)
        starts = np.cumsum(lengths) - lengths
        self._columns = []
        for depth in range(int(lengths[0])):
            going = np.searchsorted(-lengths, -depth)  # runs that are longer
            self._columns.append(flat[starts[:going] + depth])

    def _find_combining(self, texts: list[str]) -> None:
        """Tokens not in the normal form, and those that may combine."""
        form = self.tokenization.normal_form
        for position, text in enumerate(texts):
            if not text.isascii():
                self._never[position] |= not is_normalized(form, text)
                self.combining[position] = may_combine(text[0])


def _with_dead_row(table: np.ndarray) -> np.ndarray:
    """Append the row that index -1 finds: from a dead state there is no way."""
    return np.concatenate([table, np.full((1, table.shape[1]), -1, table.dtype)])
