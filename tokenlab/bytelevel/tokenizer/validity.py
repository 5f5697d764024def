"""Which tokens may follow: the encodings that a tokenizer writes, read from left to right.

A sequence of tokens is *viable* if the encoding of some text begins with it. A
:class:`~tokenlab.bytelevel.tokenizer.pretokenizer.Splitter` keeps each division into pieces that may
still turn out true; inside a piece all neighbours must be valid pairs
(:class:`~tokenlab.bytelevel.tokenizer.merges.MergeTable`).

Reference: Phan, Amos et al. 2024, arXiv 2410.09303 (valid encodings); Hayase et al. 2025,
arXiv 2506.14123 (pairwise validity, pre-tokenizers that look ahead).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from tokenlab.bytelevel.tokenizer.added_tokens import Literals
from tokenlab.bytelevel.tokenizer.merges import MergeTable
from tokenlab.bytelevel.tokenizer.pretokenizer import Splitter
from tokenlab.bytelevel.tokenizer.text import divide, is_normalized, may_combine
from tokenlab.bytelevel.tokenizer.token_runs import TokenRuns
from tokenlab.bytelevel.tokenizer.tokenization import Tokenization
from tokenlab.errors import ArgumentError

#: Masks of allowed tokens that are remembered; one has a byte for each token.
MASKS = 128


class Hypothesis(NamedTuple):
    """One way in which the tokens so far may lie in pieces."""

    state: int  # of the splitter, before the character that is not complete
    pending: bytes = b""  # first bytes of that character
    begins: bool = False  # whether that character begins a piece
    begun: bool = False  # whether the piece has a token already
    whole: bool = False  # whether it is a token that no merges make, so that it cannot go on
    complete: bool = True  # whether it may end here, as far as its tokens say
    word: bytes = b""  # its bytes, where it may be a token that merges do not make
    tail: str = ""  # the text from the last character that others may combine with
    forbidden: tuple[int, ...] = ()  # beginnings of added tokens that must not be completed


class State(NamedTuple):
    """The last token, every hypothesis that fits so far, and whether it is the only token."""

    last: int
    hypotheses: tuple[Hypothesis, ...]
    alone: bool = False


class Validity:
    """Viable sequences of a tokenizer, one token after the other, from the state ``start`` on.

    All that is viable is found. So is, wrongly, a piece that must go on while merges forbid every token
    that could: then nothing may follow, and its probability is in the leak of that step.
    """

    def __init__(self, tokenization: Tokenization) -> None:
        self.tokenization, self.vocabulary = tokenization, tokenization.vocabulary
        try:
            self.splitter = Splitter.from_json(tokenization.splits)
        except ArgumentError as error:
            raise ArgumentError(f"tokenizer has a pre-tokenizer that is not supported: {error}") from error
        self.merges = MergeTable(tokenization.merges, tokenization.base, self.vocabulary.vocab_size)
        reachable = self.merges.reachable[self.vocabulary.order.numpy()]
        self._starts_piece = np.ones_like(reachable) if tokenization.ignore_merges else reachable
        self._runs = TokenRuns(tokenization, self.splitter, reachable)
        self.literals = Literals(tokenization.literals.values(), self.vocabulary)
        # Those that the model has: the text of the others has no encoding of probability above 0.
        added = [token for token in tokenization.literals if token < self.vocabulary.vocab_size]
        self._added = self.vocabulary.positions[added]
        # A dummy space counts as text.
        self.start = State(-1, (Hypothesis(self.splitter.start),))

    def allowed(self, state: State) -> Bool[np.ndarray, "tokens"]:
        """Which tokens, in the vocabulary's order, may follow."""
        # What was before the last token no longer matters, but where the piece may have to be complete soon.
        hypotheses = frozenset(
            h if self._ends_soon[h.state] else h._replace(word=b"") for h in state.hypotheses
        )
        return self._mask(state.last, hypotheses)

    def after(self, state: State, token: int) -> State | None:
        """The state after one more token; None if the sequence is not viable."""
        position = int(self.vocabulary.positions[token])
        if position < 0:
            return None
        if token in self.tokenization.literals:
            found = [self._take(hypothesis, token) for hypothesis in state.hypotheses]
        else:
            found = [
                self._extend(state.last, hypothesis, token, position, begins)
                for hypothesis in state.hypotheses
                for begins in ((True, False) if hypothesis.begun else (False,))
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
        return any(h.complete and self.splitter.may_end[h.state] for h in state.hypotheses)

    def inside_character(self, state: State) -> bool:
        """Whether the sequence ends inside a character."""
        return all(hypothesis.pending for hypothesis in state.hypotheses)

    # One token: plain code, which the masks below repeat for all tokens at once.

    def _extend(
        self, last: int, hypothesis: Hypothesis, token: int, position: int, begins: bool
    ) -> Hypothesis | None:
        """The hypothesis after a token that begins a piece or goes on with one."""
        string = self.vocabulary.strings[position]
        first_token = begins or not hypothesis.begun
        first = begins
        if hypothesis.pending:
            if begins:
                return None
            first = hypothesis.begins
        if first_token:
            if not hypothesis.complete or not self._starts_piece[position]:
                return None
        elif hypothesis.whole or not self.merges.is_valid_pair(last, token):
            return None
        divided = self._runs.divide(hypothesis.pending + string, bool(hypothesis.pending), position)
        if divided is None:
            return None
        text, partial = divided
        state = self._runs.run(hypothesis.state, text, first)
        if state < 0:
            return None
        first = first and not text
        if partial and not self._runs.can_complete(state, partial, first):
            return None
        tail = self._tail(hypothesis.tail, text)
        forbidden = self.literals.read(hypothesis.forbidden, string)
        if tail is None or forbidden is None:
            return None
        word = string if begins else hypothesis.word + string
        found = Hypothesis(
            state=state,
            pending=partial,
            begins=first and bool(partial),
            begun=True,
            whole=first_token and not self.merges.reachable[token],
            # A piece that is a token as a whole would have been written as this token.
            complete=not partial and (first_token or word not in self._whole_pieces),
            word=word if self.tokenization.ignore_merges else b"",
            tail=tail,
            forbidden=forbidden,
        )
        return None if self._is_stuck(found) else found

    def _is_stuck(self, hypothesis: Hypothesis) -> bool:
        """Whether the piece can neither go on nor be complete, as whole pieces are written."""
        if not self.tokenization.ignore_merges:
            return False
        may_close = hypothesis.complete and self._runs.closes[hypothesis.state]
        may_go_on = not hypothesis.whole and (hypothesis.pending or self._runs.goes_on[hypothesis.state])
        return not (may_close or may_go_on)

    def _take(self, hypothesis: Hypothesis, token: int) -> Hypothesis | None:
        """The hypothesis after an added token, before which the text must be complete."""
        if not self._may_take(hypothesis):
            return None
        literal, tail = self.tokenization.literals[token], ""
        if self.tokenization.normal_form and token not in self.tokenization.early:
            # The text is normalized before this token is cut out of it.
            tail = self._tail(hypothesis.tail, literal.decode())
        forbidden = self.literals.take(hypothesis.forbidden, literal)
        if tail is None or forbidden is None:
            return None
        return Hypothesis(self.splitter.start, tail=tail, forbidden=forbidden)

    def _may_take(self, hypothesis: Hypothesis) -> bool:
        return bool(hypothesis.complete and self.splitter.may_end[hypothesis.state])

    def _tail(self, tail: str, text: str) -> str | None:
        """What later characters may combine with; None if some do already."""
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

    # All tokens at once.

    @cached_property
    def _mask(self) -> Callable[[int, frozenset[Hypothesis]], Bool[np.ndarray, "tokens"]]:
        return lru_cache(maxsize=MASKS)(self._find_mask)

    def _find_mask(self, last: int, hypotheses: frozenset[Hypothesis]) -> Bool[np.ndarray, "tokens"]:
        mask = np.zeros(len(self.vocabulary), bool)
        for hypothesis in hypotheses:
            mask |= self._allowed(last, hypothesis)
        mask.setflags(write=False)
        return mask

    def _allowed(self, last: int, hypothesis: Hypothesis) -> Bool[np.ndarray, "tokens"]:
        mask = self._ordinary(last, hypothesis)
        if self.tokenization.literals:
            completing = self.literals.completing(hypothesis.forbidden)
            mask &= ~(completing | self.literals.holding)
            # One further left would be taken instead.
            mask[self._added] = self._may_take(hypothesis) & ~completing[self._added]
            for position, text in self._combining_literals:
                mask[position] &= self._tail(hypothesis.tail, text) is not None
        return mask

    @cached_property
    def _combining_literals(self) -> list[tuple[int, str]]:
        """Positions and texts of the added tokens that may combine with what stands before them."""
        found = self.tokenization
        texts = [
            (token, string.decode())
            for token, string in found.literals.items()
            if token not in found.early and token < self.vocabulary.vocab_size
        ]
        return [
            (int(self.vocabulary.positions[token]), text)
            for token, text in texts
            if found.normal_form and may_combine(text[0])
        ]

    def _ordinary(self, last: int, hypothesis: Hypothesis) -> Bool[np.ndarray, "tokens"]:
        """As if there were no added tokens."""
        if hypothesis.pending:
            return self._inside(last, hypothesis)
        mask = np.zeros(len(self.vocabulary), bool)
        if not hypothesis.begun:
            mask |= self._runs.alive(hypothesis.state, False)[0] & self._starts_piece
        else:
            if hypothesis.complete:
                mask |= self._runs.alive(hypothesis.state, True)[0] & self._starts_piece
            if not hypothesis.whole:
                mask |= self._going_on(last, hypothesis)
        for position in np.flatnonzero(mask & self._runs.combining).tolist():
            text, _ = divide(self.vocabulary.strings[position])
            mask[position] = self._tail(hypothesis.tail, text) is not None
        return mask

    def _inside(self, last: int, hypothesis: Hypothesis) -> Bool[np.ndarray, "tokens"]:
        """Tokens that go on inside a character: few begin so, and each is looked at."""
        mask = np.zeros(len(self.vocabulary), bool)
        if not hypothesis.whole:
            for position in np.flatnonzero(self._follows(last) & self._runs.inside).tolist():
                token = int(self.vocabulary.order[position])
                mask[position] = self._extend(last, hypothesis, token, position, False) is not None
        return mask

    def _going_on(self, last: int, hypothesis: Hypothesis) -> Bool[np.ndarray, "tokens"]:
        alive, last_ones = self._runs.alive(hypothesis.state, False)
        mask = alive & self._follows(last)
        if self.tokenization.ignore_merges:
            for position in last_ones[mask[last_ones]].tolist():
                mask[position] = hypothesis.word + self.vocabulary.strings[position] not in self._whole_pieces
        return mask

    def _follows(self, last: int) -> Bool[np.ndarray, "tokens"]:
        return self.merges.follows(last)[self.vocabulary.order.numpy()]

    @cached_property
    def _ends_soon(self) -> Bool[np.ndarray, "states"]:
        """States in which a piece may have to be complete soon, so that its bytes matter."""
        soon = np.zeros(len(self.splitter), bool)
        while self.tokenization.ignore_merges:
            after = np.append(soon | ~self._runs.goes_on, False)[self.splitter.go_on].any(1)
            if (after == soon).all():
                break
            soon = after
        return soon

    @cached_property
    def _whole_pieces(self) -> frozenset[bytes]:
        """Pieces that are always written as one token."""
        return frozenset(self.vocabulary.strings if self.tokenization.ignore_merges else ())
