"""Texts that grow by bytes, and the distribution of the next byte after each.

The distribution is a sum over open covers: each is a context of tokens with its probability, and a range of
tokens that its next one is in. A byte narrows the ranges. The model is asked only for contexts
that end where a text ends, all texts of a batch together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self
from weakref import WeakSet

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from tokenlab.bytelevel.covers import Contexts, CoverFrontier, OpenCover, last_tokens
from tokenlab.bytelevel.masses.api import byte_log_masses
from tokenlab.bytelevel.model.context_forest import ContextForest
from tokenlab.bytelevel.model.scores import ByteScore
from tokenlab.bytelevel.tokenizer.text import check_bytes
from tokenlab.bytelevel.tokenizer.vocabulary import END
from tokenlab.errors import ArgumentError, ShapeError

#: Bytes of a known text whose contexts are computed in one forward.
AHEAD = 64


#: Texts in a forest. Its contexts lie in one row of the cache, and each looks at all of it.
FOREST_TEXTS = 8


@dataclass(eq=False)
class _Text:
    """One text of a batch."""

    frontier: CoverFrontier
    forest: ContextForest
    forest_nodes: dict[int, int]
    weights: dict[int, float]
    text: bytearray = field(default_factory=bytearray)
    leaks: list[float] = field(default_factory=list)
    pruned: list[float] = field(default_factory=list)
    masses: Float64[Tensor, "open_covers 257"] | None = None
    byte_log_probs: list[float] = field(default_factory=list)
    #: contexts after which the text may end though it is not over: the empty text before its dummy
    ends: list[int] = field(default_factory=list)
    logits: dict[int, tuple[Tensor, float]] = field(default_factory=dict)


class ByteStreams:
    """Several texts that grow by bytes; made by :meth:`~tokenlab.bytelevel.ByteLM.streams`.

    Parameters
    ----------
    byte_lm : ByteLM
        The model.
    context_ids : sequence of sequences of int
        The tokens before each text.
    states : sequence, optional
        What the rules know of the tokens before each text, where these spell its beginning; None
        for a text that begins after them, with the dummy space if there is one.
    before : sequence of bytes, optional
        That beginning.
    end_anywhere : bool
        Whether a text may end after any whole character, also where the tokenizer would not have
        ended it so: more text follows elsewhere.

    Attributes
    ----------
    texts : list of bytes
        The texts so far, prefixes included.
    """

    def __init__(
        self,
        byte_lm,
        context_ids: Sequence[Sequence[int]],
        states: Sequence | None = None,
        *,
        before: Sequence[bytes] | None = None,
        end_anywhere: bool = False,
    ) -> None:
        self.byte_lm, self.end_anywhere = byte_lm, end_anywhere
        groups = range(0, len(context_ids), FOREST_TEXTS)
        self._forests = [ContextForest(byte_lm.model) for _ in groups]
        self._siblings: WeakSet[ByteStreams] = WeakSet([self])
        self._rows = []
        rules = byte_lm.rules
        begins = [states is None or states[row] is None for row in range(len(context_ids))]
        for row, ids in enumerate(context_ids):
            state = rules.start if begins[row] else states[row]
            frontier = CoverFrontier(byte_lm.vocabulary, rules, Contexts(state))
            forest = self._forests[row // FOREST_TEXTS]
            root = forest.root(list(ids))
            self._rows.append(_Text(frontier, forest, forest_nodes={0: root}, weights={0: 0.0}))
            if before is not None:
                self._rows[-1].text += before[row]
            if begins[row] and byte_lm.dummy:
                self._rows[-1].ends = [0]
        self._distribution: tuple[Tensor, list[float], list[float]] | None = None
        if any(begins):
            for byte in byte_lm.dummy:
                self._read([byte if begin else None for begin in begins])

    def copy(self) -> ByteStreams:
        """Streams that go on from here by themselves; what is computed is shared."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._rows = [
            _Text(
                row.frontier.copy(),
                row.forest,
                row.forest_nodes,
                dict(row.weights),
                bytearray(row.text),
                list(row.leaks),
                list(row.pruned),
                row.masses,
                list(row.byte_log_probs),
                list(row.ends),
                dict(row.logits),
            )
            for row in self._rows
        ]
        self._siblings.add(other)
        return other

    @property
    def texts(self) -> list[bytes]:
        return [bytes(row.text) for row in self._rows]

    @property
    def log_probs(self) -> Float64[Tensor, "rows 257"]:
        """Log-probability of each next byte; the last entry is the end of the text.

        Each row sums to one: the mass of sequences that are not viable is left out and the rest
        is normalised. How much was left out is in :attr:`leaks`.
        """
        return self._next()[0]

    @property
    def leaks(self) -> list[float]:
        """For each text, the share of its probability that no viable next token carries on.

        It holds tokens that make an encoding the tokenizer does not write, and special tokens other
        than the end.
        """
        return list(self._next()[1])

    @property
    def cover_log_probs(self) -> list[float]:
        """For each text, the log of the sum of its covers' probabilities."""
        return list(self._next()[2])

    @property
    def log_probs_of_texts(self) -> list[float]:
        """For each text, the sum of the log-probabilities of the bytes pushed so far."""
        return [float(sum(row.byte_log_probs)) for row in self._rows]

    def frontier(self, row: int) -> CoverFrontier:
        """The covers of one text; not to be changed."""
        return self._rows[row].frontier

    def log_probs_of_covers(self, row: int) -> Float64[Tensor, "covers"]:
        """Log-probability of each cover of one text, in the order of :func:`last_tokens`."""
        text = self._rows[row]
        self._evaluate([(text, open_cover.node) for open_cover in text.frontier.open_covers])
        groups = list(last_tokens(text.frontier))
        log_probs = []
        for open_cover, (node, places, _) in zip(text.frontier.open_covers, groups):
            logits, total = text.logits[node]
            ids = self.byte_lm.vocabulary.order[torch.from_numpy(places)].to(logits.device)
            log_probs.append(text.weights[open_cover.node] + logits[ids].double().cpu() - total)
        exact = [text.weights[node] for node in text.frontier.exact]
        return torch.cat([*log_probs, torch.tensor(exact, dtype=torch.float64)])

    def log_probs_of_tokens(self, row: int, node: int) -> Float64[Tensor, "vocab"]:
        """Log-probability of each token after a context that ends where a text ends.

        Those that may not follow have -inf; an end has its own where the text may be over.
        """
        text = self._rows[row]
        self._evaluate([(text, node)])
        logits, total = text.logits[node]
        log_probs = logits.double().cpu() - total
        allowed = self.byte_lm.rules.allowed(text.frontier.contexts.states[node])
        may_follow = torch.zeros(len(log_probs), dtype=torch.bool)
        may_follow[self.byte_lm.vocabulary.order[torch.from_numpy(np.flatnonzero(allowed))]] = True
        if self._may_end(text, node):
            may_follow[self.byte_lm.end_ids] = True
        return log_probs.masked_fill(~may_follow, -math.inf)

    def log_prob_of_nothing(self, row: int) -> Float64[Tensor, ""]:
        """Log-probability that a text is over before its dummy space; -inf if it has none, or begun."""
        text = self._rows[row]
        self._evaluate([(text, node) for node in text.ends])
        return torch.tensor(_log_sum([self._end(text, node) for node in text.ends]), dtype=torch.float64)

    def push(self, byte_values: Sequence[int | None]) -> None:
        """Read one byte of each text; None leaves a text as it is.

        Raises
        ------
        ShapeError
            If there is not one entry for each text.
        ArgumentError
            If an entry is no byte, or a byte cannot follow: no viable sequence spells it.
        """
        self._push(byte_values)
        self._forget()

    def _push(self, byte_values: Sequence[int | None]) -> None:
        if len(byte_values) != len(self._rows):
            raise ShapeError(f"byte_values has {len(byte_values)} entries, expected {len(self._rows)}")
        for byte in byte_values:
            if byte is not None and not (type(byte) is int and 0 <= byte < END):
                raise ArgumentError(
                    f"byte_values holds {byte!r}, expected whole numbers from 0 to 255, or None"
                )
        log_probs, leaks, _ = self._next()
        # All are looked at before any text takes its byte.
        for row, byte, distribution in zip(self._rows, byte_values, log_probs, strict=True):
            if byte is not None and distribution[byte] == -math.inf:
                raise self._cannot_follow(row.text, byte)
        for row, byte, distribution, leak in zip(self._rows, byte_values, log_probs, leaks, strict=True):
            if byte is not None:
                row.byte_log_probs.append(float(distribution[byte]))
                row.leaks.append(leak)
                row.pruned.append(0.0)
        self._read(byte_values)
        for row, byte in zip(self._rows, byte_values, strict=True):
            if byte is not None:
                row.text.append(byte)
                row.ends = []

    @property
    def num_tokens(self) -> int:
        """Tokens that the model has read so far, for all texts."""
        return sum(forest.num_tokens for forest in self._forests)

    @property
    def num_forwards(self) -> int:
        """Calls of the model so far."""
        return sum(forest.num_forwards for forest in self._forests)

    def scores(self, *, ended: bool = False) -> list[ByteScore]:
        """Log-probabilities and leaks of the bytes that were pushed, or read with ``score=True``.

        Parameters
        ----------
        ended : bool
            Whether the end of the text is one more entry.
        """
        distribution, leaks, covers = self._next()
        scores = []
        for number, row in enumerate(self._rows):
            columns = list(row.byte_log_probs), list(row.leaks), list(row.pruned)
            if ended:
                for column, last in zip(
                    columns, (float(distribution[number, END]), leaks[number], 0.0), strict=True
                ):
                    column.append(last)
            tensors = (torch.tensor(column, dtype=torch.float64) for column in columns)
            scores.append(ByteScore(*tensors, cover_log_prob=covers[number]))
        return scores

    def extend(self, data: Sequence[bytes], *, score: bool = True) -> None:
        """Read several bytes of each text.

        Parameters
        ----------
        data : sequence of bytes
            What comes next in each text.
        score : bool
            Whether the probability of each byte is computed and summed up. Without it, the model
            reads only the contexts that the end of the text hangs on.

        Raises
        ------
        ArgumentError
            If bytes cannot follow.
        """
        data = [check_bytes("data", part) for part in data]
        if len(data) != len(self._rows):
            raise ShapeError(f"data has {len(data)} entries, expected {len(self._rows)}")
        if self.byte_lm.beam_width is not None:
            # Which contexts live on hangs on their probabilities.
            for place in range(max(map(len, data), default=0)):
                self.push([part[place] if place < len(part) else None for part in data])
        elif score:
            for start in range(0, max(map(len, data), default=0), AHEAD):
                parts = [part[start : start + AHEAD] for part in data]
                self._read_ahead(parts)
                for place in range(max(map(len, parts))):
                    self._push([part[place] if place < len(part) else None for part in parts])
                self._forget()
        else:
            self._skip(data)

    def _next(self):
        """Distribution, leak and cover sum of each text, computed once for each state."""
        if self._distribution is None:
            self._distribution = self._compute()
        return self._distribution

    def _compute(self) -> tuple[Float64[Tensor, "rows 257"], list[float], list[float]]:
        self._evaluate([(row, node) for row in self._rows for node in {*row.frontier.exact, *row.ends}])
        open_covers = [row.frontier.all_open_covers() for row in self._rows]
        masses = self._masses(
            [
                (row, open_cover)
                for row, own in zip(self._rows, open_covers, strict=True)
                for open_cover in own
            ]
        )
        distribution, covers = [], []
        for row, own_open_covers, own in zip(
            self._rows, open_covers, masses.split([*map(len, open_covers)]), strict=True
        ):
            weights = [row.weights[open_cover.node] for open_cover in own_open_covers]
            row.masses = own + torch.tensor(weights, dtype=torch.float64).unsqueeze(1)
            distribution.append(torch.logsumexp(row.masses, 0))
            distribution[-1][END] = self._end_log_prob(row)
            covers.append(_cover_log_prob(row))
        distribution = torch.stack(distribution)
        total = torch.logsumexp(distribution, 1)
        for row, kept in zip(self._rows, total.tolist(), strict=True):
            if kept == -math.inf:
                raise ArgumentError(
                    f"nothing can follow {bytes(row.text[-40:])!r}: the model gives no mass to any viable token"
                )
        leaks = [
            max(0.0, -math.expm1(kept - cover)) for kept, cover in zip(total.tolist(), covers, strict=True)
        ]
        return distribution - total.unsqueeze(1), leaks, covers

    def _masses(self, open_covers: list[tuple[_Text, OpenCover]]) -> Float64[Tensor, "open_covers 257"]:
        """Log mass of each next byte in each open cover's range."""
        lm = self.byte_lm
        lines = [row.logits[open_cover.node] for row, open_cover in open_covers]
        device = lm.model.device
        allowed = None
        if lm.tokenization == "valid":
            masks = [
                lm.rules.allowed(row.frontier.contexts.states[open_cover.node])
                for row, open_cover in open_covers
            ]
            allowed = torch.from_numpy(np.stack(masks)).to(device)
        places = torch.tensor(
            [(open_cover.lo, open_cover.hi, open_cover.depth) for _, open_cover in open_covers], device=device
        )
        masses = byte_log_masses(
            torch.stack([logits for logits, _ in lines]),
            lm.vocabulary,
            *places.unbind(1),
            allowed=allowed,
            normalizer=torch.tensor([total for _, total in lines], dtype=torch.float64, device=device),
            backend=lm.backend,
            validate=False,
        )
        return masses.cpu()

    def _end_log_prob(self, row: _Text) -> float:
        """Log-probability that the text is over: from contexts that are its encoding."""
        nodes = [*row.ends, *(node for node in row.frontier.exact if self._may_end(row, node))]
        return _log_sum([self._end(row, node) for node in nodes])

    def _may_end(self, row: _Text, node: int) -> bool:
        state = row.frontier.contexts.states[node]
        if self.end_anywhere:
            return not self.byte_lm.rules.inside_character(state)
        return self.byte_lm.rules.may_end(state)

    def _end(self, row: _Text, node: int) -> float:
        """Log-probability of a context and an end after it."""
        logits, total = row.logits[node]
        return row.weights[node] + _log_sum(logits[self.byte_lm.end_ids].tolist()) - total

    def _read(self, byte_values: Sequence[int | None]) -> None:
        """Narrow the open covers, and weigh the contexts that end here."""
        self._evaluate([(row, node) for row in self._rows for node in row.frontier.exact])
        for row, byte in zip(self._rows, byte_values, strict=True):
            if byte is not None:
                row.frontier.read(byte, self._beam(row, byte))
                for node in row.frontier.exact:
                    self._weigh(row, node)
        self._distribution = None

    def _beam(self, row: _Text, byte: int) -> Callable[[list[int]], list[int]] | None:
        """How the open covers that a byte can follow are chosen: the most probable ones, up to the width."""
        width = self.byte_lm.beam_width
        # The dummy space, read before any byte, narrows the one open cover there is.
        if width is None or row.masses is None:
            return None

        def keep(numbers: list[int]) -> list[int]:
            weights = row.masses[numbers, byte]
            kept = weights.argsort(descending=True, stable=True)[:width]
            lost = torch.logsumexp(weights[kept], 0) - torch.logsumexp(weights, 0)
            row.pruned[-1] = max(0.0, -math.expm1(float(lost)))
            return [numbers[place] for place in kept.tolist() if weights[place] > -math.inf]

        return keep

    def _weigh(self, row: _Text, node: int) -> None:
        parent, token = row.frontier.contexts.parents[node], row.frontier.contexts.tokens[node]
        logits, total = row.logits[parent]
        row.weights[node] = row.weights[parent] + float(logits[token]) - total

    def _forest_node(self, row: _Text, node: int) -> int:
        """The forest's handle of a context; nothing is computed."""
        missing = []
        # A context that was forgotten may come again, by a copy of this stream.
        while row.forest_nodes.get(node, -1) not in row.forest:
            missing.append(node)
            node = row.frontier.contexts.parents[node]
        for child in reversed(missing):
            parent, token = row.frontier.contexts.parents[child], row.frontier.contexts.tokens[child]
            (row.forest_nodes[child],) = row.forest.children([(row.forest_nodes[parent], token)])
            node = child
        return row.forest_nodes[node]

    def _evaluate(self, wanted: list[tuple[_Text, int]]) -> None:
        """Next-token logits of contexts that have none yet, in one call of the model."""
        wanted = [(row, node) for row, node in wanted if node not in row.logits]
        if not wanted:
            return
        for forest in self._forests:
            group = [(row, node) for row, node in wanted if row.forest is forest]
            if not group:
                continue
            logits = forest.logits([self._forest_node(row, node) for row, node in group])
            totals = torch.logsumexp(logits.double(), 1).tolist()
            for (row, node), line, total in zip(group, logits, totals, strict=True):
                # A row of its own: what is kept must not hold the others.
                row.logits[node] = line.clone(), total

    def _child_log_probs(self, pairs: list[tuple[ContextForest, int, int]]) -> list[float]:
        """Log-probability of a token after a context, for contexts of several forests."""
        found = [0.0] * len(pairs)
        for forest in self._forests:
            places = [place for place, (owner, *_) in enumerate(pairs) if owner is forest]
            log_probs = forest.child_log_probs([pairs[place][1:] for place in places])
            for place, log_prob in zip(places, log_probs.tolist(), strict=True):
                found[place] = log_prob
        return found

    def _read_ahead(self, parts: list[bytes]) -> None:
        """Compute all contexts that the next bytes lead to, in one go."""
        wanted = []
        for row, part in zip(self._rows, parts, strict=True):
            ahead = row.frontier.copy()
            wanted += [(row, node) for node in ahead.exact]
            for byte in part:
                ahead.read(byte)
                wanted += [(row, node) for node in ahead.exact]
        self._evaluate(wanted)

    def _skip(self, data: list[bytes]) -> None:
        """Read bytes without their probabilities: weigh only what is alive at the end."""
        frontiers, pairs, places = [], [], []
        for row, part in zip(self._rows, data, strict=True):
            frontier, seen = row.frontier.copy(), set(row.weights)
            for place, byte in enumerate(part):
                frontier.read(byte)
                if not frontier.is_alive:
                    raise self._cannot_follow(row.text + part[:place], byte)
            for node in {*(open_cover.node for open_cover in frontier.open_covers), *frontier.exact}:
                while node not in seen:
                    seen.add(node)
                    parent, token = frontier.contexts.parents[node], frontier.contexts.tokens[node]
                    pairs.append((row.forest, self._forest_node(row, parent), token))
                    places.append((row, node, parent))
                    node = parent
            frontiers.append(frontier)
        log_probs = self._child_log_probs(pairs)
        self._evaluate(
            [
                (row, open_cover.node)
                for row, frontier in zip(self._rows, frontiers, strict=True)
                for open_cover in frontier.open_covers
            ]
        )
        # Nothing can fail any more. A path's weight is the sum along it, parents first.
        for row, frontier, part in zip(self._rows, frontiers, data, strict=True):
            row.frontier = frontier
            row.text += part
            if part:
                row.ends = []
        for (row, node, parent), log_prob in sorted(
            zip(places, log_probs, strict=True), key=lambda entry: entry[0][1]
        ):
            row.weights[node] = row.weights[parent] + log_prob
        self._forget()
        self._distribution = None

    def _forget(self) -> None:
        """Drop what no cover hangs on any more."""
        for row in self._rows:
            alive = {
                *(open_cover.node for open_cover in row.frontier.open_covers),
                *row.frontier.exact,
                *row.ends,
            }
            row.logits = {node: value for node, value in row.logits.items() if node in alive}
            row.weights = {node: value for node, value in row.weights.items() if node in alive}
        rows = [(stream, row) for stream in self._siblings for row in stream._rows]
        for forest in self._forests:
            forest.keep(
                [
                    stream._forest_node(row, node)
                    for stream, row in rows
                    if row.forest is forest
                    for node in row.weights
                ]
            )

    def _cannot_follow(self, text: bytes, byte: int) -> ArgumentError:
        return ArgumentError(
            f"byte 0x{byte:02x} cannot follow {bytes(text[-40:])!r}: {self.byte_lm._why_not(text, byte)}"
        )


class OneText:
    """The one text of a batch of one."""

    def __init__(self, streams) -> None:
        self._streams = streams

    @property
    def text(self) -> bytes:
        """The text so far, the prefix included."""
        return self._streams.texts[0]

    @property
    def log_probs(self) -> Float64[Tensor, "257"]:
        """Log-probability of each next byte; the last entry is the end of the text."""
        return self._streams.log_probs[0]

    @property
    def log_prob(self) -> float:
        """The sum of the log-probabilities of the bytes that were pushed."""
        return self._streams.log_probs_of_texts[0]

    def push(self, byte: int) -> None:
        """Read one byte.

        Raises
        ------
        ArgumentError
            If it is no byte, or cannot follow: no viable sequence spells the text with it.
        """
        if type(byte) is not int or not 0 <= byte < END:
            raise ArgumentError(f"byte is {byte!r}, expected a whole number from 0 to 255")
        self._streams.push([byte])

    def extend(self, data: bytes, *, score: bool = True) -> None:
        """Read several bytes; see :meth:`ByteStreams.extend`."""
        self._streams.extend([data], score=score)

    def copy(self) -> Self:
        """A stream that goes on from here by itself."""
        return type(self)(self._streams.copy())


class ByteStream(OneText):
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
        """The share of the text's probability that no viable next token carries on."""
        return self._streams.leaks[0]

    @property
    def cover_log_prob(self) -> float:
        """The log of the sum of the covers' probabilities."""
        return self._streams.cover_log_probs[0]


def _cover_log_prob(row: _Text) -> float:
    """A cover is a last token in the range of an open cover, or a context that ends where the text ends."""
    if row.ends:
        # Nothing is read yet: every sequence is a cover of the empty text.
        return 0.0
    beyond = row.masses[: len(row.frontier.open_covers)].flatten().tolist()
    return _log_sum([*beyond, *(row.weights[node] for node in row.frontier.exact)])


def _log_sum(values: Sequence[float]) -> float:
    """log of the sum of exponentials; -inf for nothing."""
    return float(torch.logsumexp(torch.tensor(values, dtype=torch.float64), 0)) if values else -math.inf
