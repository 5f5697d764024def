"""What is known of one text that grows by bytes, and what it asks the model."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Self

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from tokenlab.bytelevel.covers import CoverFrontier, last_tokens
from tokenlab.bytelevel.masses.api import log_sum_exp
from tokenlab.bytelevel.model.context_forest import ContextForest


class TextState:
    """One text: its covers, the log-probabilities of their contexts, and those of its bytes.

    Parameters
    ----------
    root, text
        The context before the covers, as a node of the forest, and what it spells of the text.
    may_be_empty, end_anywhere
        Whether the text may end right after its dummy space, and after any whole character.

    Attributes
    ----------
    text : bytearray
        The text so far.
    weights : dict of int to float
        Log-probability of each context that a cover hangs on.
    logits : dict of int to (Tensor, float)
        Of the token after a context, and the log of the sum of their exponentials.
    byte_log_probs, leaks, pruned : list of float
        Of each byte that was pushed; see :class:`~tokenlab.bytelevel.ByteScore`.
    """

    def __init__(
        self,
        frontier: CoverFrontier,
        forest: ContextForest,
        root: int,
        end_ids: Sequence[int],
        *,
        text: bytes = b"",
        may_be_empty: bool = False,
        end_anywhere: bool = False,
    ) -> None:
        self.frontier, self.forest = frontier, forest
        self.end_ids, self.end_anywhere = list(end_ids), end_anywhere
        self.text = bytearray(text)
        self.weights: dict[int, float] = {0: 0.0}
        self.logits: dict[int, tuple[Float[Tensor, "vocab"], float]] = {}
        self.byte_log_probs: list[float] = []
        self.leaks: list[float] = []
        self.pruned: list[float] = []
        self._forest_nodes = {0: root}  # shared by copies, as the frontier's contexts are
        self._masses: Float64[Tensor, "open_covers 257"] | None = None
        # Contexts after which the text may end though it is not over: the empty text before its dummy.
        self._early_ends = [0] if may_be_empty else []

    def copy(self) -> Self:
        """A text that goes on from here by itself."""
        other = copy.copy(self)
        other.frontier, other.text = self.frontier.copy(), bytearray(self.text)
        other.weights, other.logits = dict(self.weights), dict(self.logits)
        other.byte_log_probs, other.leaks = list(self.byte_log_probs), list(self.leaks)
        other.pruned, other._early_ends = list(self.pruned), list(self._early_ends)
        return other

    @property
    def context_states(self) -> list:
        """What the rules know of each context."""
        return self.frontier.contexts.states

    @property
    def alive(self) -> set[int]:
        """The contexts that a cover hangs on."""
        return {*(cover.node for cover in self.frontier.open_covers), *self.ending_contexts}

    @property
    def ending_contexts(self) -> set[int]:
        """The contexts that end where the text ends."""
        return {*self.frontier.exact, *self._early_ends}

    def forest_node(self, node: int) -> int:
        """A context's node in the forest; nothing is computed."""
        contexts, missing = self.frontier.contexts, []
        # A context that was forgotten may come again, by a copy of this text.
        while self._forest_nodes.get(node, -1) not in self.forest:
            missing.append(node)
            node = contexts.parents[node]
        for child in reversed(missing):
            pair = (self._forest_nodes[contexts.parents[child]], contexts.tokens[child])
            (self._forest_nodes[child],) = self.forest.children([pair])
            node = child
        return self._forest_nodes[node]

    def contexts_ahead(self, data: bytes) -> Iterator[int]:
        """The contexts that end where the text ends, now or after some of the next bytes."""
        frontier = self.frontier.copy()
        yield from frontier.exact
        for byte in data:
            frontier.read(byte)
            yield from frontier.exact

    def weigh_masses(
        self, masses: Float64[Tensor, "open_covers 257"]
    ) -> tuple[Float64[Tensor, "bytes"], float]:
        """Log-probability of text and next byte, and of the text, from each open cover's masses."""
        weights = [self.weights[cover.node] for cover in self.frontier.all_open_covers()]
        self._masses = masses + torch.tensor(weights, dtype=torch.float64).unsqueeze(1)
        distribution = torch.logsumexp(self._masses, 0)
        distribution[-1] = self._end_log_prob()
        return distribution, self._cover_log_prob()

    def read(self, byte: int, beam_width: int | None = None) -> None:
        """Narrow the open covers by a byte, and weigh the contexts that end after it.

        The others' logits must be there. The text itself grows by :meth:`append`.
        """
        self.frontier.read(byte, self._most_probable(byte, beam_width))
        contexts = self.frontier.contexts
        for node in self.frontier.exact:
            parent, token = contexts.parents[node], contexts.tokens[node]
            logits, total = self.logits[parent]
            self.weights[node] = self.weights[parent] + float(logits[token]) - total

    def append(self, data: bytes) -> None:
        if data:
            self.text += data
            self._early_ends = []

    def set_text(self, text: bytes) -> None:
        """Say what the text is of which the covers spell the end."""
        self.text = bytearray(text)

    def unweighed(self, frontier: CoverFrontier) -> list[tuple[int, int, int]]:
        """(node, parent, token) of each context without a weight on the way to another frontier."""
        steps, seen, contexts = [], set(self.weights), frontier.contexts
        for node in {*(cover.node for cover in frontier.open_covers), *frontier.exact}:
            while node not in seen:
                seen.add(node)
                parent = contexts.parents[node]
                steps.append((node, parent, contexts.tokens[node]))
                node = parent
        return steps

    def skip_to(
        self,
        frontier: CoverFrontier,
        data: bytes,
        steps: Sequence[tuple[int, int, int]],
        log_probs: Sequence[float],
    ) -> None:
        """Take another frontier, with the log-probabilities of its unweighed steps."""
        self.frontier = frontier
        self.append(data)
        # A path's weight is the sum along it, parents first.
        for (node, parent, _), log_prob in sorted(zip(steps, log_probs, strict=True)):
            self.weights[node] = self.weights[parent] + log_prob

    def reweigh(self, changes: Mapping[int, float]) -> None:
        """Add to the log-probabilities of contexts."""
        for node, change in changes.items():
            self.weights[node] += change

    def forget(self) -> None:
        """Drop what no cover hangs on any more."""
        alive = self.alive
        self.logits = {node: value for node, value in self.logits.items() if node in alive}
        self.weights = {node: value for node, value in self.weights.items() if node in alive}

    def log_probs_of_covers(self) -> Float64[Tensor, "covers"]:
        """Log-probability of each cover, in the order of :func:`~tokenlab.bytelevel.covers.last_tokens`."""
        open_covers = self.frontier.open_covers
        read_contexts((self, cover.node) for cover in open_covers)
        log_probs = []
        for cover, (node, positions, _) in zip(open_covers, last_tokens(self.frontier)):
            logits, total = self.logits[node]
            ids = self.frontier.vocabulary.order[torch.from_numpy(positions)].to(logits.device)
            log_probs.append(self.weights[cover.node] + logits[ids].double().cpu() - total)
        exact = [self.weights[node] for node in self.frontier.exact]
        return torch.cat([*log_probs, torch.tensor(exact, dtype=torch.float64)])

    def log_probs_of_tokens(self, node: int) -> Float64[Tensor, "vocab"]:
        """Log-probability of each token, or end, that may follow a context; -inf for the others."""
        read_contexts([(self, node)])
        logits, total = self.logits[node]
        log_probs = logits.double().cpu() - total
        allowed = np.flatnonzero(self.frontier.rules.allowed(self.context_states[node]))
        may_follow = torch.zeros(len(log_probs), dtype=torch.bool)
        may_follow[self.frontier.vocabulary.order[torch.from_numpy(allowed)]] = True
        if self._may_end(node):
            may_follow[self.end_ids] = True
        return log_probs.masked_fill(~may_follow, -math.inf)

    def log_prob_of_nothing(self) -> Float64[Tensor, ""]:
        """Log-probability that the text is over before its dummy space; -inf if it cannot be."""
        read_contexts((self, node) for node in self._early_ends)
        return torch.tensor(_log_sum([self._end(node) for node in self._early_ends]), dtype=torch.float64)

    def _most_probable(self, byte: int, width: int | None) -> Callable[[list[int]], list[int]] | None:
        """How a beam chooses among the open covers that a byte can follow."""
        # The dummy space, read before any byte, narrows the one open cover there is.
        if width is None or self._masses is None:
            return None

        def keep(numbers: list[int]) -> list[int]:
            weights = self._masses[numbers, byte]
            kept = weights.argsort(descending=True, stable=True)[:width]
            lost = torch.logsumexp(weights[kept], 0) - torch.logsumexp(weights, 0)
            self.pruned[-1] = max(0.0, -math.expm1(float(lost)))
            return [numbers[index] for index in kept.tolist() if weights[index] > -math.inf]

        return keep

    def _end_log_prob(self) -> float:
        nodes = [*self._early_ends, *(node for node in self.frontier.exact if self._may_end(node))]
        return _log_sum([self._end(node) for node in nodes])

    def _may_end(self, node: int) -> bool:
        rules, state = self.frontier.rules, self.context_states[node]
        return not rules.inside_character(state) if self.end_anywhere else rules.may_end(state)

    def _end(self, node: int) -> float:
        """Log-probability of a context and an end after it."""
        logits, total = self.logits[node]
        return self.weights[node] + _log_sum(logits[self.end_ids].tolist()) - total

    def _cover_log_prob(self) -> float:
        if self._early_ends:
            # Nothing is read yet: every sequence is a cover of the empty text.
            return 0.0
        beyond = self._masses[: len(self.frontier.open_covers)].flatten().tolist()
        return _log_sum([*beyond, *(self.weights[node] for node in self.frontier.exact)])


def read_contexts(wanted: Iterable[tuple[TextState, int]]) -> None:
    """Read the next-token logits of contexts that have none yet, in one call of each forest."""
    unread = [(state, node) for state, node in wanted if node not in state.logits]
    for forest, indices in _by_forest([state for state, _ in unread]):
        group = [unread[index] for index in indices]
        logits = forest.logits([state.forest_node(node) for state, node in group])
        totals = log_sum_exp(logits).tolist()
        for (state, node), row, total in zip(group, logits, totals, strict=True):
            # A row of its own: what is kept must not hold the others.
            state.logits[node] = row.clone(), total


def child_log_probs(pairs: Sequence[tuple[TextState, int, int]]) -> list[float]:
    """Log-probability of a token after a context of a text, in one call of each forest."""
    found = [0.0] * len(pairs)
    for forest, indices in _by_forest([state for state, *_ in pairs]):
        asked = [(pairs[index][0].forest_node(pairs[index][1]), pairs[index][2]) for index in indices]
        for index, log_prob in zip(indices, forest.child_log_probs(asked).tolist(), strict=True):
            found[index] = log_prob
    return found


def _by_forest(states: Sequence[TextState]) -> list[tuple[ContextForest, list[int]]]:
    groups: dict[int, tuple[ContextForest, list[int]]] = {}
    for index, state in enumerate(states):
        groups.setdefault(id(state.forest), (state.forest, []))[1].append(index)
    return list(groups.values())


def _log_sum(values: Sequence[float]) -> float:
    return float(torch.logsumexp(torch.tensor(values, dtype=torch.float64), 0)) if values else -math.inf
