"""One division of a text, by a pattern, as a machine that reads characters from left to right.

Its threads stand in the order in which a backtracking engine tries them. A division that ends a
piece where one thread matches bets that those before it, its *rivals*, will fail.

Reference: Thompson 1968 and Pike 1987 (threads).
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool

from tokenlab.bytelevel.tokenizer.automaton import Table, explore, live_states, smallest
from tokenlab.bytelevel.tokenizer.patterns import Atom, Chain, Choice, Look, Node, Repeat
from tokenlab.bytelevel.tokenizer.pretokenizer_json import Stage
from tokenlab.errors import ArgumentError

#: Instructions of a program, beyond which a pattern is refused.
MOST_INSTRUCTIONS = 4096


class Configuration(NamedTuple):
    """Where a division stands between two characters.

    ``threads``: how the piece may go on to a match, in order. ``gap``: what must not match if the piece
    is one that no match covers; None if it is not. ``rivals``: what must not match if the borders so far
    are true.
    """

    threads: tuple[int, ...]
    gap: frozenset[int] | None
    rivals: frozenset[int]


class PatternMachine:
    """One stage. Instructions are (atom, next), (look, next) or a choice of nexts.

    ``kinds`` numbers the atoms; ``members`` says which classes of characters each one holds.
    """

    def __init__(self, stage: Stage, kinds: dict[Atom, int], members: Bool[np.ndarray, "atoms classes"]):
        self.gaps, self.kinds = stage.gaps, kinds
        self.num_classes = members.shape[1]
        # One more class: the end of the text, which no atom holds.
        self.end = self.num_classes
        self.members = [[*row, False] for row in members.tolist()]
        self.program: list[Any] = [None]
        first = self.build(stage.pattern, 0)
        # No thread comes back to this one, so the first configuration is met once.
        self.entry = self.add([first])
        looks = sorted({kinds[part[0].atom] for part in self.program if part and isinstance(part[0], Look)})
        # Two classes are the same to a list of threads if no look tells them apart.
        self.seen = [tuple(self.members[atom][kind] for atom in looks) for kind in range(self.end + 1)]
        self.expanded: dict[Hashable, tuple[tuple[int, ...], bool]] = {}
        self.survivors: dict[Hashable, frozenset[int] | None] = {}
        self.first = Configuration((self.entry,), frozenset(), frozenset())

    def table(self) -> Table:
        found, table = explore(self.first, self.num_classes, self.go_on, self.cut, self.may_end)
        live = live_states(table)
        if not self.gaps:
            self.check_gaps(found, table, live)
        return smallest(table, live)

    def build(self, node: Node, after: int) -> int:
        """Write the instructions that read a node, then go to ``after``; where they begin."""
        match node:
            case Atom() | Look():
                return self.add((node, after))
            case Choice():
                return self.add([self.build(option, after) for option in node.options])
            case Chain():
                for part in reversed(node.parts):
                    after = self.build(part, after)
                return after
            case Repeat(part, low, high):
                if high is None:
                    entry = self.add([])
                    self.program[entry] += [self.build(part, entry), after]
                else:
                    entry = after
                    for _ in range(high - low):
                        entry = self.add([self.build(part, entry), after])
                for _ in range(low):
                    entry = self.build(part, entry)
                return entry

    def add(self, instruction: Any) -> int:
        if len(self.program) >= MOST_INSTRUCTIONS:
            raise ArgumentError(f"a pattern has more than {MOST_INSTRUCTIONS} instructions")
        self.program.append(instruction)
        return len(self.program) - 1

    def expand(self, threads: tuple[int, ...], kind: int) -> tuple[tuple[int, ...], bool]:
        """Threads that read the next character, up to the first match; is there one?"""
        key = threads, self.seen[kind]
        if key not in self.expanded:
            self.expanded[key] = self._expand(threads, kind)
        return self.expanded[key]

    def _expand(self, threads: tuple[int, ...], kind: int) -> tuple[tuple[int, ...], bool]:
        found, known, waiting = [], set(), list(reversed(threads))
        while waiting:
            thread = waiting.pop()
            if thread in known:
                continue
            known.add(thread)
            match self.program[thread]:
                case None:
                    return tuple(found), True
                case list(options):
                    waiting.extend(reversed(options))
                case (Look(atom, negative), after):
                    if self.members[self.kinds[atom]][kind] != negative:
                        waiting.append(after)
                case _:
                    found.append(thread)
        return tuple(found), False

    def read(self, threads: tuple[int, ...], kind: int) -> tuple[int, ...]:
        """Expanded threads after the character."""
        after = {}
        for thread in threads:
            atom, following = self.program[thread]
            if self.members[self.kinds[atom]][kind]:
                after[following] = None
        return tuple(after)

    def without_match(self, threads: frozenset[int], kind: int) -> frozenset[int] | None:
        """The threads after the character; None if one of them matches before it."""
        key = threads, kind
        if key not in self.survivors:
            found, matched = self.expand(tuple(sorted(threads)), kind)
            self.survivors[key] = None if matched else frozenset(self.read(found, kind))
        return self.survivors[key]

    def go_on(self, at: Configuration, kind: int) -> Configuration | None:
        rivals = self.without_match(at.rivals, kind)
        if rivals is None:
            return None
        # If there is a match here, only a thread before it makes the piece longer.
        ahead, _ = self.expand(at.threads, kind)
        gap = None if at.gap is None else self.without_match(at.gap | {self.entry}, kind)
        return self.configuration(self.read(ahead, kind), gap, rivals)

    def cut(self, at: Configuration, kind: int) -> Configuration | None:
        if at == self.first:
            return None
        ahead, matched = self.expand(at.threads, kind)
        if not matched and not self.in_gap(at, kind):
            return None
        # After a gap there is a match: another gap would belong to the first.
        gap = self.without_match(frozenset({self.entry}), kind) if matched else None
        rivals = self.without_match(at.rivals | set(ahead) | (frozenset() if matched else at.gap), kind)
        if rivals is None:
            return None
        begun, _ = self.expand((self.entry,), kind)
        return self.configuration(self.read(begun, kind), gap, rivals)

    def may_end(self, at: Configuration) -> bool:
        if at == self.first:
            return True
        _, matched = self.expand(at.threads, self.end)
        lost = self.without_match(at.rivals, self.end) is None
        return (matched or self.in_gap(at, self.end)) and not lost

    def in_gap(self, at: Configuration, kind: int) -> bool:
        return at.gap is not None and self.without_match(at.gap, kind) is not None

    def configuration(
        self, threads: tuple[int, ...], gap: frozenset[int] | None, rivals: frozenset[int]
    ) -> Configuration | None:
        return Configuration(threads, gap, rivals) if threads or gap is not None else None

    def check_gaps(self, found: list[Configuration], table: Table, live: Bool[np.ndarray, "states"]) -> None:
        """Refuse a pattern that leaves text, which would be dropped."""
        alive = np.append(live, False)
        for state, at in enumerate(found):
            dropped = state and table.may_end[state] and self.in_gap(at, self.end)
            dropped = dropped or any(
                alive[table.cut[state, kind]] and self.in_gap(at, kind) for kind in range(self.num_classes)
            )
            if dropped and live[state]:
                raise ArgumentError(
                    "spec holds a Split that removes what its pattern does not match, and there are texts "
                    "that it does not match: they would be dropped"
                )
