"""Texts that grow by bytes, and the distribution of the next byte after each.

It is a sum over open covers: each is a context of tokens with its probability, and a range that its next
token is in. A byte narrows the ranges. The model reads only contexts that end where a text ends.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Self
from weakref import WeakSet

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from tokenlab.bytelevel.covers import Contexts, CoverFrontier
from tokenlab.bytelevel.masses.api import byte_log_masses
from tokenlab.bytelevel.model.context_forest import ContextForest
from tokenlab.bytelevel.model.scores import ByteScore
from tokenlab.bytelevel.model.text_state import TextState, child_log_probs, read_contexts
from tokenlab.bytelevel.model.text_streams import AHEAD, TextStream, TextStreams
from tokenlab.bytelevel.tokenizer.vocabulary import END
from tokenlab.errors import ArgumentError

#: Texts in a forest. Its contexts lie in one row of the cache, and each looks at all of it.
FOREST_TEXTS = 8


class ByteStreams(TextStreams):
    """Several texts that grow by bytes; made by :meth:`~tokenlab.bytelevel.ByteLM.streams`.

    Parameters
    ----------
    context_ids
        The tokens before each text.
    rule_states, before
        If these spell its beginning: what the rules know of them, and that beginning. None for a text that
        begins after them, with the dummy space if there is one.
    end_anywhere
        Whether a text may end after any whole character, since more text follows elsewhere.
    """

    def __init__(
        self,
        byte_lm,
        context_ids: Sequence[Sequence[int]],
        rule_states: Sequence | None = None,
        *,
        before: Sequence[bytes] | None = None,
        end_anywhere: bool = False,
    ) -> None:
        self.byte_lm = byte_lm
        # Which contexts of a beam live on hangs on their probabilities.
        self.ahead = AHEAD if byte_lm.beam_width is None else 1
        groups = range(0, len(context_ids), FOREST_TEXTS)
        self._forests = [ContextForest(byte_lm.model) for _ in groups]
        self._siblings: WeakSet[ByteStreams] = WeakSet([self])
        self._next: tuple[Float64[Tensor, "rows 257"], list[float], list[float]] | None = None
        self.states: list[TextState] = []
        begins = [rule_states is None or rule_states[row] is None for row in range(len(context_ids))]
        for row, ids in enumerate(context_ids):
            start = byte_lm.rules.start if begins[row] else rule_states[row]
            forest = self._forests[row // FOREST_TEXTS]
            self.states.append(
                TextState(
                    CoverFrontier(byte_lm.vocabulary, byte_lm.rules, Contexts(start)),
                    forest,
                    forest.root(list(ids)),
                    byte_lm.end_ids,
                    text=b"" if before is None else before[row],
                    may_be_empty=begins[row] and bool(byte_lm.dummy),
                    end_anywhere=end_anywhere,
                )
            )
        if any(begins):
            for byte in byte_lm.dummy:
                self._read([byte if begin else None for begin in begins])

    def __len__(self) -> int:
        return len(self.states)

    def copy(self) -> Self:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.states = [state.copy() for state in self.states]
        self._siblings.add(other)
        return other

    def restore(self, before: Self) -> None:
        self.states, self._next = before.states, before._next

    @property
    def texts(self) -> list[bytes]:
        return [bytes(state.text) for state in self.states]

    @property
    def log_probs(self) -> Float64[Tensor, "rows 257"]:
        """Log-probability of each next byte and of the end, normalised without the :attr:`leaks`."""
        return self._distribution()[0]

    @property
    def leaks(self) -> list[float]:
        """Each text's :attr:`ByteStream.leak`."""
        return list(self._distribution()[1])

    @property
    def cover_log_probs(self) -> list[float]:
        """Each text's :attr:`ByteStream.cover_log_prob`."""
        return list(self._distribution()[2])

    @property
    def log_probs_of_texts(self) -> list[float]:
        return [float(sum(state.byte_log_probs)) for state in self.states]

    @property
    def num_tokens(self) -> int:
        """Tokens that the model has read so far."""
        return sum(forest.num_tokens for forest in self._forests)

    @property
    def num_forwards(self) -> int:
        """Calls of the model so far."""
        return sum(forest.num_forwards for forest in self._forests)

    def scores(self, *, ended: bool = False) -> list[ByteScore]:
        distribution, leaks, covers = self._distribution()
        scores = []
        for row, state in enumerate(self.states):
            columns = list(state.byte_log_probs), list(state.leaks), list(state.pruned)
            if ended:
                for column, last in zip(
                    columns, (float(distribution[row, END]), leaks[row], 0.0), strict=True
                ):
                    column.append(last)
            tensors = (torch.tensor(column, dtype=torch.float64) for column in columns)
            scores.append(ByteScore(*tensors, cover_log_prob=covers[row]))
        return scores

    def read_ahead(self, data: Sequence[bytes]) -> None:
        if self.byte_lm.beam_width is None:
            read_contexts(
                (state, node)
                for state, part in zip(self.states, data, strict=True)
                for node in state.contexts_ahead(part)
            )

    def reweigh(self, row: int, changes: Mapping[int, float]) -> None:
        """Add to the log-probabilities of some contexts of one text."""
        self.states[row].reweigh(changes)
        self._next = None

    def forget(self) -> None:
        for state in self.states:
            state.forget()
        states = [state for stream in self._siblings for state in stream.states]
        for forest in self._forests:
            own = (state for state in states if state.forest is forest)
            forest.keep([state.forest_node(node) for state in own for node in state.weights])

    def _push(self, byte_values: Sequence[int | None]) -> None:
        log_probs, leaks, _ = self._distribution()
        pushed = [
            (state, byte, float(row[byte]), leak)
            for state, byte, row, leak in zip(self.states, byte_values, log_probs, leaks, strict=True)
            if byte is not None
        ]
        # All are looked at before any text takes its byte.
        for state, byte, log_prob, _ in pushed:
            if log_prob == -math.inf:
                raise self._cannot_follow(state.text, byte)
        for state, _, log_prob, leak in pushed:
            state.byte_log_probs.append(log_prob)
            state.leaks.append(leak)
            state.pruned.append(0.0)
        self._read(byte_values)
        for state, byte, *_ in pushed:
            state.append(bytes([byte]))

    def _read(self, byte_values: Sequence[int | None]) -> None:
        """Narrow the open covers, and weigh the contexts that end here."""
        read_contexts((state, node) for state in self.states for node in state.frontier.exact)
        for state, byte in zip(self.states, byte_values, strict=True):
            if byte is not None:
                state.read(byte, self.byte_lm.beam_width)
        self._next = None

    def _skip(self, data: list[bytes]) -> None:
        # Only what is alive at the end is weighed.
        if self.byte_lm.beam_width is not None:
            return self._push_unscored(data)
        frontiers = []
        for state, part in zip(self.states, data, strict=True):
            frontier = state.frontier.copy()
            for index, byte in enumerate(part):
                frontier.read(byte)
                if not frontier.is_alive:
                    raise self._cannot_follow(state.text + part[:index], byte)
            frontiers.append(frontier)
        steps = [state.unweighed(frontier) for state, frontier in zip(self.states, frontiers, strict=True)]
        log_probs = child_log_probs(
            [
                (state, parent, token)
                for state, own in zip(self.states, steps, strict=True)
                for _, parent, token in own
            ]
        )
        read_contexts(
            (state, cover.node)
            for state, frontier in zip(self.states, frontiers, strict=True)
            for cover in frontier.open_covers
        )
        # Nothing can fail any more.
        found = iter(log_probs)
        for state, frontier, part, own in zip(self.states, frontiers, data, steps, strict=True):
            state.skip_to(frontier, part, own, [next(found) for _ in own])
        self.forget()
        self._next = None

    def _push_unscored(self, data: list[bytes]) -> None:
        """What a beam keeps hangs on every byte's probabilities; what it says of them is dropped."""
        known = [len(state.byte_log_probs) for state in self.states]
        self._push_all(data)
        for state, length in zip(self.states, known, strict=True):
            for column in (state.byte_log_probs, state.leaks, state.pruned):
                del column[length:]

    def _distribution(self) -> tuple[Float64[Tensor, "rows 257"], list[float], list[float]]:
        """Distribution, leak and cover sum of each text, computed once for each state."""
        if self._next is None:
            self._next = self._compute()
        return self._next

    def _compute(self) -> tuple[Float64[Tensor, "rows 257"], list[float], list[float]]:
        read_contexts((state, node) for state in self.states for node in state.ending_contexts)
        weighed = [
            state.weigh_masses(masses) for state, masses in zip(self.states, self._masses(), strict=True)
        ]
        distribution, covers = torch.stack([row for row, _ in weighed]), [cover for _, cover in weighed]
        total = torch.logsumexp(distribution, 1)
        for state, kept in zip(self.states, total.tolist(), strict=True):
            if kept == -math.inf:
                raise ArgumentError(
                    f"nothing can follow {bytes(state.text[-40:])!r}: the model gives no mass to any viable token"
                )
        leaks = [
            max(0.0, -math.expm1(kept - cover)) for kept, cover in zip(total.tolist(), covers, strict=True)
        ]
        return distribution - total.unsqueeze(1), leaks, covers

    def _masses(self) -> tuple[Float64[Tensor, "open_covers 257"], ...]:
        """For each text, the log mass of each next byte in each open cover's range."""
        lm, device = self.byte_lm, self.byte_lm.model.device
        open_covers = [state.frontier.all_open_covers() for state in self.states]
        rows = [(state, cover) for state, own in zip(self.states, open_covers, strict=True) for cover in own]
        logits, totals = zip(*(state.logits[cover.node] for state, cover in rows), strict=True)
        allowed = None
        if lm.tokenization == "valid":
            masks = [lm.rules.allowed(state.context_states[cover.node]) for state, cover in rows]
            allowed = torch.from_numpy(np.stack(masks)).to(device)
        ranges = torch.tensor([(cover.lo, cover.hi, cover.depth) for _, cover in rows], device=device)
        masses = byte_log_masses(
            torch.stack(logits),
            lm.vocabulary,
            *ranges.unbind(1),
            allowed=allowed,
            normalizer=torch.tensor(totals, dtype=torch.float64, device=device),
            backend=lm.backend,
            validate=False,
        )
        return masses.cpu().split([*map(len, open_covers)])

    def _cannot_follow(self, text: bytes, byte: int) -> ArgumentError:
        return ArgumentError(
            f"byte 0x{byte:02x} cannot follow {bytes(text[-40:])!r}: {self.byte_lm.why_not(text, byte)}"
        )


class ByteStream(TextStream[ByteStreams]):
    """One text that grows by bytes; made by :meth:`~tokenlab.bytelevel.ByteLM.stream`.

    Examples
    --------
    >>> from tokenlab.bytelevel import ByteLM
    >>> from tokenlab.lm import load
    >>> stream = ByteLM(*load("lab-draft")).stream(b"impor")
    >>> chr(int(stream.log_probs[:256].argmax()))
    't'
    >>> stream.push(ord("t"))
    >>> stream.text
    b'import'
    """

    @property
    def leak(self) -> float:
        """The share of the text's probability that no viable next token carries on.

        It is on tokens that the tokenizer does not write here, and special ones other than the end.
        """
        return self._streams.leaks[0]

    @property
    def cover_log_prob(self) -> float:
        """The log of the sum of the covers' probabilities."""
        return self._streams.cover_log_probs[0]
