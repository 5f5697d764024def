"""Which tokens may follow: the encodings that a tokenizer writes, read from left to right.

A sequence of tokens is *viable* if the encoding of some text begins with it. Two things decide.
The pre-tokenizer divides a text into pieces, sometimes only after a look at what follows; a
:class:`~tokenlab.bytelevel.tokenizer.pretokenizer.Splitter` keeps every division that may still turn out true.
Inside a piece the merges decide, and there neighbours are enough: a sequence is what byte-pair
encoding writes if each two neighbours are (:class:`~tokenlab.bytelevel.tokenizer.merges.MergeTable`).

Reference: Phan et al. 2025, arXiv 2410.09303 (valid encodings); Hayase et al. 2025,
arXiv 2506.14123 (pairwise validity, pre-tokenizers that look ahead).
"""

from __future__ import annotations

import unicodedata
from collections import OrderedDict
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from tokenlab.bytelevel.tokenizer.added_tokens import Literals
from tokenlab.bytelevel.tokenizer.merges import MergeTable
from tokenlab.bytelevel.tokenizer.pretokenizer import Splitter
from tokenlab.bytelevel.tokenizer.text import CONTINUATION, code_points, divide, is_normalized
from tokenlab.bytelevel.tokenizer.tokenization import Tokenization
from tokenlab.bytelevel.tokenizer.vocabulary import SPACE
from tokenlab.errors import ArgumentError

#: Masks of allowed tokens that are kept; one has a byte for each token.
MASKS = 128


class Hypothesis(NamedTuple):
    """One way in which the tokens so far may lie in pieces.

    Attributes
    ----------
    place : int
        State of the splitter, before the character that is not complete.
    pending : bytes
        First bytes of a character whose last ones are in tokens to come.
    begins : bool
        Whether that character begins a piece.
    tokens : int
        Tokens of the piece so far: 0, 1, or 2 for more.
    whole : bool
        Whether the piece is a token that no merges make, so that it cannot go on.
    word : bytes
        The piece so far, where a whole piece may be a token that merges do not make.
    tail : str
        The text from the last character that others may combine with.
    promise : tuple of int
        Beginnings of added tokens that must not be completed.
    """

    place: int
    pending: bytes = b""
    begins: bool = False
    tokens: int = 0
    whole: bool = False
    word: bytes = b""
    tail: str = ""
    promise: tuple[int, ...] = ()


class State(NamedTuple):
    """The last token, whether it is the only one, and every hypothesis that fits the tokens so far."""

    last: int
    hypotheses: tuple[Hypothesis, ...]
    alone: bool = False


class Validity:
    """Viable sequences of a tokenizer, one token after the other.

    Parameters
    ----------
    tokenization : Tokenization
        What :func:`~tokenlab.bytelevel.tokenizer.reading.read_tokenizer` has read.

    Attributes
    ----------
    start : State
        Before the first token. The dummy space, if there is one, counts as text.

    Notes
    -----
    All that is viable is found. What is found though no text continues it: a piece that must go on
    with characters of a class, where merges forbid each token that begins with one. Then nothing may
    follow, and its probability is in the leak of that step.
    """

    def __init__(self, tokenization: Tokenization) -> None:
        self.tokenization, self.vocabulary = tokenization, tokenization.vocabulary
        try:
            self.splitter = Splitter.from_json(tokenization.splits)
        except ArgumentError as error:
            raise ArgumentError(f"tokenizer has a pre-tokenizer that is not supported: {error}") from error
        self.merges = MergeTable(tokenization.merges, tokenization.base, self.vocabulary.vocab_size)
        self.start = State(-1, (Hypothesis(self.splitter.start),))
        self.literals = Literals(tokenization.literals.values(), self.vocabulary)
        self._go_on = _with_dead_row(self.splitter.go_on)
        self._cut = _with_dead_row(self.splitter.cut)
        self._partial: dict[bytes, list[int]] = {}
        #: Whether a piece may be complete in a state, and whether it may go on.
        self._closes = self.splitter.may_end | (self.splitter.cut >= 0).any(1)
        self._goes_on = (self.splitter.go_on >= 0).any(1)
        self._runs: OrderedDict[tuple[int, bool], tuple] = OrderedDict()
        self._masks: OrderedDict[object, Bool[np.ndarray, "tokens"]] = OrderedDict()
        self._read_tokens()

    def allowed(self, state: State) -> Bool[np.ndarray, "tokens"]:
        """Which tokens, in the vocabulary's order, make a viable sequence of a viable one."""
        # What was before the last token no longer matters, but for whether the piece may end.
        key = (
            state.last,
            frozenset(
                (
                    h.place,
                    h.pending,
                    h.begins,
                    h.tokens > 0,
                    h.whole,
                    self._may_close(h),
                    h.tail,
                    h.promise,
                    h.word if self._ends_soon[h.place] else b"",
                )
                for h in state.hypotheses
            ),
        )
        if key not in self._masks:
            mask = np.zeros(len(self.vocabulary), bool)
            for hypothesis in state.hypotheses:
                mask |= self._allowed(state.last, hypothesis)
            mask.setflags(write=False)
            _remember(self._masks, key, mask)
        self._masks.move_to_end(key)
        return self._masks[key]

    def after(self, state: State, token: int) -> State | None:
        """The state after one more token; None if the sequence is not viable."""
        place = self.vocabulary.positions[token]
        if place < 0:
            return None
        if token in self.tokenization.literals:
            found = [self._take(hypothesis, token) for hypothesis in state.hypotheses]
        else:
            found = [
                self._extend(state.last, hypothesis, token, int(place), begins)
                for hypothesis in state.hypotheses
                for begins in ((True, False) if hypothesis.tokens else (False,))
            ]
        hypotheses = tuple(sorted({hypothesis for hypothesis in found if hypothesis is not None}))
        return State(token, hypotheses, alone=state.last < 0) if hypotheses else None

    def may_end(self, state: State) -> bool:
        """Whether the sequence is the encoding of a whole text."""
        # An empty text gets no dummy space, any other one has more.
        dummy = self.tokenization.dummy
        needs_more = state.alone and dummy and not self.tokenization.dummy_ends
        if needs_more and self.vocabulary.strings[self.vocabulary.positions[state.last]] == dummy:
            return False
        return any(self._may_close(h) and self.splitter.may_end[h.place] for h in state.hypotheses)

    def inside_character(self, state: State) -> bool:
        """Whether the sequence ends inside a character."""
        return all(hypothesis.pending for hypothesis in state.hypotheses)

    def _may_close(self, hypothesis: Hypothesis) -> bool:
        """Whether the piece may be complete: all its bytes are there, and it is divided as it must be."""
        if hypothesis.pending:
            return False
        # A piece that is a token as a whole would have been written as this token.
        return (
            hypothesis.tokens < 2
            or not self.tokenization.ignore_merges
            or hypothesis.word not in self._whole_pieces
        )

    # One token: plain code, which the masks below repeat for all tokens at once.

    def _extend(
        self, last: int, hypothesis: Hypothesis, token: int, place: int, begins: bool
    ) -> Hypothesis | None:
        """The hypothesis after a token that begins a piece, or that goes on with one."""
        string = self.vocabulary.strings[place]
        first = begins
        if hypothesis.pending:
            if begins:
                return None
            first = hypothesis.begins
        if begins or not hypothesis.tokens:
            if not self._may_close(hypothesis) or not self._starts_piece[place]:
                return None
        elif hypothesis.whole or not self.merges.is_valid_pair(last, token):
            return None
        divided = self._divide(hypothesis.pending + string, bool(hypothesis.pending), place)
        if divided is None:
            return None
        text, partial = divided
        where = self._run(hypothesis.place, text, first)
        if where < 0:
            return None
        if partial:
            first = first and not text
            table = self._cut if first else self._go_on
            if all(table[where, kind] < 0 for kind in self._classes_after(partial)):
                return None
        else:
            first = False
        tail = self._tail(hypothesis.tail, text)
        promise = self.literals.read(hypothesis.promise, string)
        if tail is None or promise is None:
            return None
        tokens = 1 if begins else min(hypothesis.tokens + 1, 2)
        word = b"" if begins else hypothesis.word
        found = Hypothesis(
            place=where,
            pending=partial,
            begins=first,
            tokens=tokens,
            whole=tokens == 1 and not self.merges.reachable[token],
            word=word + string if self.tokenization.ignore_merges else b"",
            tail=tail,
            promise=promise,
        )
        return None if self._is_stuck(found) else found

    def _is_stuck(self, hypothesis: Hypothesis) -> bool:
        """Whether the piece can neither go on nor be complete, as whole pieces are written."""
        if not self.tokenization.ignore_merges:
            return False
        may_close = self._may_close(hypothesis) and self._closes[hypothesis.place]
        may_go_on = not hypothesis.whole and (hypothesis.pending or self._goes_on[hypothesis.place])
        return not (may_close or may_go_on)

    def _take(self, hypothesis: Hypothesis, token: int) -> Hypothesis | None:
        """The hypothesis after an added token, before which the text must be complete as it is."""
        if not self._may_close(hypothesis) or not self.splitter.may_end[hypothesis.place]:
            return None
        promise = self.literals.take(hypothesis.promise, self.tokenization.literals[token])
        return None if promise is None else Hypothesis(self.splitter.start, promise=promise)

    def _divide(self, string: bytes, after_pending: bool, place: int) -> tuple[str, bytes] | None:
        """Whole characters, and the first bytes of one that is not complete; None if impossible."""
        divided = divide(string)
        if divided is None or self.tokenization.kind == "byte_level":
            return divided
        # Characters with a token of their own are written with it, the others byte by byte.
        text, _ = divided
        is_byte = bool(self._is_byte[place])
        if after_pending and not is_byte:
            return None
        if is_byte and any(char in self.tokenization.characters for char in self._normal(text)):
            return None
        return divided

    def _run(self, place: int, text: str, begins: bool) -> int:
        """State of the splitter after characters of one piece, the first of which may begin it."""
        for char in self._normal(text):
            table = self._cut if begins else self._go_on
            place, begins = int(table[place, self.splitter.class_of(char)]), False
            if place < 0:
                break
        return place

    def _normal(self, text: str) -> str:
        """The text as the splitter sees it."""
        return text.replace(" ", SPACE) if self.tokenization.kind == "sentencepiece" else text

    def _tail(self, tail: str, text: str) -> str | None:
        """The end of the text that later characters may combine with; None if some do already."""
        form = self.tokenization.normal_form
        if form is None:
            return ""
        text = tail + text
        if not is_normalized(form, text):
            return None
        # Hangul syllables and most marks combine with what stands after the last starter.
        last = len(text) - 1
        while last > 0 and may_combine(text[last]):
            last -= 1
        return text[max(last, 0) :]

    def _classes_after(self, partial: bytes) -> list[int]:
        """Classes of the characters that begin with these bytes and may be written so."""
        if partial not in self._partial:
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
            self._partial[partial] = sorted(classes)
        return self._partial[partial]

    # All tokens at once.

    def _read_tokens(self) -> None:
        """Divide each token into characters, and number the different runs of their classes."""
        tokens = len(self.vocabulary)
        self._reachable = self.merges.reachable[self.vocabulary.order.numpy()]
        self._starts_piece = np.ones(tokens, bool) if self.tokenization.ignore_merges else self._reachable
        self._is_byte = np.zeros(tokens, bool)
        self._is_byte[self.vocabulary.positions[self.tokenization.fallback]] = True
        self._never, self._after, self._combining = (np.zeros(tokens, bool) for _ in range(3))
        self._partial_of = np.full(tokens, -1, np.int32)
        partials: dict[bytes, int] = {}
        texts = []
        for place, string in enumerate(self.vocabulary.strings):
            text, partial = "", b""
            if string[0] in CONTINUATION:
                self._after[place] = True
            elif (divided := self._divide(string, False, place)) is None:
                self._never[place] = True
            else:
                text, partial = divided
            if partial:
                self._partial_of[place] = partials.setdefault(partial, len(partials))
            texts.append(text)
        self._partials = list(partials)
        self._after_places = np.flatnonzero(self._after)
        self._number_runs([self._normal(text) for text in texts])
        if self.tokenization.normal_form is not None:
            self._find_combining(texts)

    def _number_runs(self, texts: list[str]) -> None:
        """Many tokens look alike to the splitter: it runs over each sequence of classes once."""
        ends = np.cumsum([len(text) for text in texts])
        classes = bytes(self.splitter.classes_of("".join(texts)))
        found: dict[bytes, int] = {}
        numbers = np.empty(len(texts), np.int32)
        start = 0
        for place, end in enumerate(ends.tolist()):
            numbers[place] = found.setdefault(classes[start:end], len(found))
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
        """Tokens that are not in the normal form, and those whose first character may combine."""
        form = self.tokenization.normal_form
        for place, text in enumerate(texts):
            if not text.isascii():
                self._never[place] |= not is_normalized(form, text)
                self._combining[place] = may_combine(text[0])

    def _allowed(self, last: int, hypothesis: Hypothesis) -> Bool[np.ndarray, "tokens"]:
        """The tokens that may follow one hypothesis."""
        mask = self._ordinary(last, hypothesis)
        if self.tokenization.literals:
            mask &= ~self.literals.breaks(hypothesis.promise)
            for token in self.tokenization.literals:
                mask[self.vocabulary.positions[token]] = self._take(hypothesis, token) is not None
        return mask

    def _ordinary(self, last: int, hypothesis: Hypothesis) -> Bool[np.ndarray, "tokens"]:
        """The tokens that may follow one hypothesis, as if there were no added ones."""
        mask = np.zeros(len(self.vocabulary), bool)
        if hypothesis.pending:
            # Few tokens begin inside a character.
            follows = self._follows(last) if hypothesis.tokens else self._starts_piece
            if not hypothesis.whole:
                for place in self._after_places[follows[self._after_places]].tolist():
                    token = int(self.vocabulary.order[place])
                    mask[place] = self._extend(last, hypothesis, token, place, False) is not None
            return mask
        if not hypothesis.tokens:
            mask |= self._alive(hypothesis.place, False)[0] & self._starts_piece
        else:
            if self._may_close(hypothesis):
                mask |= self._alive(hypothesis.place, True)[0] & self._starts_piece
            if not hypothesis.whole:
                mask |= self._going_on(last, hypothesis)
        for place in np.flatnonzero(mask & self._combining).tolist():
            text, _ = divide(self.vocabulary.strings[place])
            mask[place] = self._tail(hypothesis.tail, text) is not None
        return mask

    def _going_on(self, last: int, hypothesis: Hypothesis) -> Bool[np.ndarray, "tokens"]:
        """The tokens that the piece may go on with."""
        alive, last_ones = self._alive(hypothesis.place, False)
        mask = alive & self._follows(last)
        if self.tokenization.ignore_merges:
            for place in last_ones[mask[last_ones]].tolist():
                mask[place] = hypothesis.word + self.vocabulary.strings[place] not in self._whole_pieces
        return mask

    def _follows(self, last: int) -> Bool[np.ndarray, "tokens"]:
        """The tokens that may stand after the last one inside a piece."""
        return self.merges.follows(last)[self.vocabulary.order.numpy()]

    def _alive(
        self, place: int, begins: bool
    ) -> tuple[Bool[np.ndarray, "tokens"], Int[np.ndarray, "places"]]:
        """Which tokens are inside one piece from a state on, and can be completed to a text.

        Also the places of those after which the piece cannot go on.
        """
        key = place, begins
        if key not in self._runs:
            where = np.full(len(self._is_empty), place, np.int32)
            for depth, classes in enumerate(self._columns):
                table = self._cut if begins and depth == 0 else self._go_on
                where[: len(classes)] = table[where[: len(classes)], classes]
            ends = where[self._run_of]
            alive = ends >= 0
            with_partial = np.flatnonzero(self._partial_of >= 0)
            if len(with_partial):
                partial, run = self._partial_of[with_partial], self._run_of[with_partial]
                inside, at_start = self._alive_after
                first = self._is_empty[run] & begins
                alive[with_partial] &= np.where(
                    first, at_start[partial, ends[with_partial]], inside[partial, ends[with_partial]]
                )
            alive &= ~(self._never | self._after)
            # A whole piece is complete as it is; others may go on.
            alive &= self._reachable | (self._closes[ends] & (self._partial_of < 0))
            last_ones = np.flatnonzero(alive & ~self._goes_on[ends] & (self._partial_of < 0))
            _remember(self._runs, key, (alive, last_ones))
        self._runs.move_to_end(key)
        return self._runs[key]

    @cached_property
    def _alive_after(self) -> tuple[Bool[np.ndarray, "partials states"], Bool[np.ndarray, "partials states"]]:
        """For each incomplete character and state, whether some completion goes on, or begins a piece."""
        tables = self._go_on >= 0, self._cut >= 0
        return tuple(
            np.stack([table[:, self._classes_after(partial)].any(1) for partial in self._partials])
            for table in tables
        )

    @cached_property
    def _ends_soon(self) -> Bool[np.ndarray, "states"]:
        """States in which what the piece is decides how it goes on: it may have to be complete soon."""
        soon = np.zeros(len(self.splitter), bool)
        while self.tokenization.ignore_merges:
            after = np.append(soon | ~self._goes_on, False)[self.splitter.go_on].any(1)
            if (after == soon).all():
                break
            soon = after
        return soon

    @cached_property
    def _whole_pieces(self) -> frozenset[bytes]:
        return frozenset(self.vocabulary.strings)


def may_combine(char: str) -> bool:
    """Whether a character may combine with what stands before it."""
    return bool(unicodedata.combining(char)) or char in combining_starters()


@cache
def combining_starters() -> frozenset[str]:
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


def _with_dead_row(table: np.ndarray) -> np.ndarray:
    """Append the row that index -1 finds: from a dead state there is no way."""
    return np.concatenate([table, np.full((1, table.shape[1]), -1, table.dtype)])


def _remember(cache: OrderedDict, key: object, value: object) -> None:
    cache[key] = value
    if len(cache) > MASKS:
        cache.popitem(last=False)
