r"""A pre-tokenizer as an automaton that reads a text from left to right.

A pre-tokenizer divides a text into pieces and may look ahead to do so: with ``\s+(?!\S)`` two
newlines are one piece at the end of a text, and two pieces before a letter. Whoever reads a text
piece by piece must keep every division that may still turn out true. The automaton does: at each
character a division says whether it begins a piece (``cut``) or not (``go_on``), and leads to a
dead end as soon as no continuation of the text can make it the true one.

A regular expression is run as by Pike's virtual machine: a list of threads, in the order in which
a backtracking engine would try them. A division that ends a piece where one thread matches bets
that all threads before it will fail. They are carried along, as *rivals*: once one of them
matches, the bet is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int32

from tokenlab.bytelevel.tokenizer.characters import CharacterClasses
from tokenlab.bytelevel.tokenizer.patterns import ANY, Atom, Chain, Choice, Look, Node, Repeat, atoms
from tokenlab.bytelevel.tokenizer.pretokenizer_json import Stage, read_stages
from tokenlab.errors import ArgumentError

#: States and instructions of a program, beyond which a pre-tokenizer is refused.
MOST_STATES = 4096


class Splitter:
    """The divisions of a text that may still turn out true, as an automaton.

    Parameters
    ----------
    stages : sequence of Stage
        The first divides the text, each other one the pieces of the one before, which it sees as
        whole texts. None of them: the text is one piece.

    Attributes
    ----------
    num_classes : int
        Classes of characters that the patterns tell apart.
    start : int
        The state before the first character.
    go_on : Int32[ndarray, "states classes"]
        The next state when the piece goes on over this character.
    cut : Int32[ndarray, "states classes"]
        The next state when a piece ends right before this character, which begins the next one.
    may_end : Bool[ndarray, "states"]
        Whether the division is the true one if the text ends here.

    Raises
    ------
    ArgumentError
        If a stage drops text, or the automaton has too many states.

    Notes
    -----
    A division of a text has one run, ``go_on`` or ``cut`` at each character (``go_on`` at the
    first). It ends in a state with ``may_end`` if and only if it is what the pre-tokenizer does,
    and in ``DEAD`` if and only if it begins no division of any text.

    Examples
    --------
    >>> splitter = Splitter.from_json({"type": "ByteLevel", "add_prefix_space": False, "use_regex": True})
    >>> newline, letter = splitter.classes_of("\\na")
    >>> one = splitter.go_on[splitter.start, newline]
    >>> together, apart = splitter.go_on[one, newline], splitter.cut[one, newline]
    >>> bool(splitter.may_end[together]), bool(splitter.may_end[apart])  # two newlines: one piece,
    (True, False)
    >>> splitter.cut[[together, apart], letter] == Splitter.DEAD  # but before a letter two
    array([ True, False])

    Reference: Hayase et al. 2025, arXiv 2506.14123 (pre-tokenizers that look ahead); the threads
    follow Thompson 1968 and Pike 1987.
    """

    DEAD = -1
    start = 0

    def __init__(self, stages: Sequence[Stage]) -> None:
        stages = [Stage(Repeat(ANY, 1, None))] if not stages else list(stages)
        kinds = {
            atom: place
            for place, atom in enumerate(
                dict.fromkeys(atom for stage in stages for atom in atoms(stage.pattern))
            )
        }
        self._classes = CharacterClasses(list(kinds))
        self.num_classes = self._classes.num_classes
        tables = [_Machine(stage, kinds, self._classes.members).table() for stage in stages]
        table = tables[0] if len(tables) == 1 else _nested(tables)
        self.go_on: Int32[np.ndarray, "states classes"] = table.go_on
        self.cut: Int32[np.ndarray, "states classes"] = table.cut
        self.may_end: Bool[np.ndarray, "states"] = table.may_end
        for array in table:
            array.setflags(write=False)

    @classmethod
    def from_json(cls, spec: dict[str, Any] | None) -> Splitter:
        """The splitter of a pre-tokenizer of the ``tokenizers`` library.

        Parameters
        ----------
        spec : dict or None
            ``json.loads(tokenizer.to_str())["pre_tokenizer"]``. Spaces that ``Metaspace`` replaces
            are taken to be replaced already, and its dummy to be in the text.

        Returns
        -------
        Splitter
            In characters of the text, not in the alphabet to which ``ByteLevel`` maps its bytes.

        Raises
        ------
        ArgumentError
            If the pre-tokenizer drops or adds text, or is not supported: the message says what it
            is. Supported are Split, ByteLevel, Digits, Punctuation, Metaspace and sequences of them.

        Examples
        --------
        >>> Splitter.from_json({"type": "Whitespace"})
        Traceback (most recent call last):
        tokenlab.errors.ArgumentError: spec holds the pre-tokenizer 'Whitespace', which drops white...
        """
        return cls(read_stages(spec))

    def __len__(self) -> int:
        """Number of states."""
        return len(self.may_end)

    def class_of(self, char: str) -> int:
        """Class of one character."""
        return self._classes.class_of(char)

    def classes_of(self, text: str) -> list[int]:
        """Class of each character of a text."""
        return self._classes.classes_of(text)

    def classes_of_range(self, first: int, last: int) -> frozenset[int]:
        """Classes of the characters with numbers from ``first`` to ``last``, both included."""
        return self._classes.classes_of_range(first, last)


class _Table(NamedTuple):
    go_on: Int32[np.ndarray, "states classes"]
    cut: Int32[np.ndarray, "states classes"]
    may_end: Bool[np.ndarray, "states"]


class _Place(NamedTuple):
    """Where a division stands between two characters.

    ``threads``: how the piece may go on to a match, in order. ``gap``: what must not match if the
    piece is one that no match covers, all matches begun since it began; None if it is not.
    ``rivals``: what must not match if the borders so far are true.
    """

    threads: tuple[int, ...]
    gap: frozenset[int] | None
    rivals: frozenset[int]


class _Machine:
    """One stage. The program's instructions are (atom, next), (look, next) or a choice of nexts."""

    def __init__(self, stage: Stage, kinds: dict[Atom, int], members: Bool[np.ndarray, "atoms classes"]):
        self.gaps, self.kinds = stage.gaps, kinds
        self.num_classes = members.shape[1]
        # One more class: the end of the text, which no atom holds.
        self.end = self.num_classes
        self.members = [[*row, False] for row in members.tolist()]
        self.program: list[Any] = [None]
        first = self.build(stage.pattern, 0)
        # No thread comes back to this one, so the first place is met once.
        self.entry = self.add([first])
        looks = sorted({kinds[part[0].atom] for part in self.program if part and isinstance(part[0], Look)})
        # Two classes are the same to a list of threads if no look tells them apart.
        self.seen = [tuple(self.members[atom][kind] for atom in looks) for kind in range(self.end + 1)]
        self.expanded: dict[Hashable, tuple[tuple[int, ...], bool]] = {}
        self.survivors: dict[Hashable, frozenset[int] | None] = {}
        self.first = _Place((self.entry,), frozenset(), frozenset())

    def table(self) -> _Table:
        places, table = _explore(self.first, self.num_classes, self.go_on, self.cut, self.may_end)
        live = _live(table)
        if not self.gaps:
            self.check_gaps(places, table, live)
        return _smallest(table, live)

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
                    place = self.add([])
                    self.program[place] += [self.build(part, place), after]
                else:
                    place = after
                    for _ in range(high - low):
                        place = self.add([self.build(part, place), after])
                for _ in range(low):
                    place = self.build(part, place)
                return place

    def add(self, instruction: Any) -> int:
        if len(self.program) >= MOST_STATES:
            raise ArgumentError(f"a pattern has more than {MOST_STATES} instructions")
        self.program.append(instruction)
        return len(self.program) - 1

    def expand(self, threads: tuple[int, ...], kind: int) -> tuple[tuple[int, ...], bool]:
        """Threads that read the next character, in order, up to the first match; is there one?"""
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

    def go_on(self, place: _Place, kind: int) -> _Place | None:
        rivals = self.without_match(place.rivals, kind)
        if rivals is None:
            return None
        # If there is a match here, only a thread before it makes the piece longer.
        ahead, _ = self.expand(place.threads, kind)
        gap = None if place.gap is None else self.without_match(place.gap | {self.entry}, kind)
        return self.place(self.read(ahead, kind), gap, rivals)

    def cut(self, place: _Place, kind: int) -> _Place | None:
        if place == self.first:
            return None
        ahead, matched = self.expand(place.threads, kind)
        if not matched and not self.in_gap(place, kind):
            return None
        # After a gap there is a match: another gap would belong to the first.
        gap = self.without_match(frozenset({self.entry}), kind) if matched else None
        rivals = self.without_match(place.rivals | set(ahead) | (frozenset() if matched else place.gap), kind)
        if rivals is None:
            return None
        begun, _ = self.expand((self.entry,), kind)
        return self.place(self.read(begun, kind), gap, rivals)

    def may_end(self, place: _Place) -> bool:
        if place == self.first:
            return True
        _, matched = self.expand(place.threads, self.end)
        lost = self.without_match(place.rivals, self.end) is None
        return (matched or self.in_gap(place, self.end)) and not lost

    def in_gap(self, place: _Place, kind: int) -> bool:
        """Whether a gap may end here."""
        return place.gap is not None and self.without_match(place.gap, kind) is not None

    def place(
        self, threads: tuple[int, ...], gap: frozenset[int] | None, rivals: frozenset[int]
    ) -> _Place | None:
        return _Place(threads, gap, rivals) if threads or gap is not None else None

    def check_gaps(self, places: list[_Place], table: _Table, live: Bool[np.ndarray, "states"]) -> None:
        """Refuse a pattern that leaves text, which would be dropped."""
        alive = np.append(live, False)
        for state, place in enumerate(places):
            dropped = state and table.may_end[state] and self.in_gap(place, self.end)
            dropped = dropped or any(
                alive[table.cut[state, kind]] and self.in_gap(place, kind) for kind in range(self.num_classes)
            )
            if dropped and live[state]:
                raise ArgumentError(
                    "spec holds a Split that removes what its pattern does not match, and there are texts "
                    "that it does not match: they would be dropped"
                )


def _nested(tables: list[_Table]) -> _Table:
    """Stages one inside the other. A border is one of some stage: all that are possible are kept."""
    num_classes = tables[0].go_on.shape[1]
    go_on, cut = [table.go_on.tolist() for table in tables], [table.cut.tolist() for table in tables]
    may_end = [table.may_end.tolist() for table in tables]
    State = frozenset[tuple[int, ...]]
    first: State = frozenset({(Splitter.start,) * len(tables)})

    def kept(found: set[tuple[int, ...]]) -> State | None:
        return frozenset(states for states in found if Splitter.DEAD not in states) or None

    def goes_on(place: State, kind: int) -> State | None:
        return kept({tuple(table[state][kind] for table, state in zip(go_on, states)) for states in place})

    def cuts(place: State, kind: int) -> State | None:
        found = set()
        for states in place:
            for stage, state in enumerate(states):
                inner = range(stage + 1, len(states))
                # To the stages inside it, the border is the end of a text and the start of another.
                if all(may_end[deeper][states[deeper]] for deeper in inner):
                    outer = tuple(go_on[k][states[k]][kind] for k in range(stage))
                    anew = tuple(go_on[deeper][Splitter.start][kind] for deeper in inner)
                    found.add((*outer, cut[stage][state][kind], *anew))
        return kept(found)

    def ends(place: State) -> bool:
        return any(all(end[state] for end, state in zip(may_end, states)) for states in place)

    _, table = _explore(first, num_classes, goes_on, cuts, ends)
    return _smallest(table, _live(table))


def _explore(
    first: Hashable,
    num_classes: int,
    go_on: Callable[[Any, int], Any],
    cut: Callable[[Any, int], Any],
    may_end: Callable[[Any], bool],
) -> tuple[list[Any], _Table]:
    """Number everything that can be reached, and write the steps down."""
    numbers, places = {first: Splitter.start}, [first]
    rows: tuple[list[list[int]], list[list[int]]] = [], []
    # The list grows while it is read.
    for place in places:
        for step, row in zip((go_on, cut), rows):
            row.append([])
            for kind in range(num_classes):
                after = step(place, kind)
                if after is not None and after not in numbers:
                    if len(places) >= MOST_STATES:
                        raise ArgumentError(f"spec needs an automaton of more than {MOST_STATES} states")
                    numbers[after] = len(places)
                    places.append(after)
                row[-1].append(Splitter.DEAD if after is None else numbers[after])
    ends = np.array([may_end(place) for place in places])
    return places, _Table(np.array(rows[0], np.int32), np.array(rows[1], np.int32), ends)


def _live(table: _Table) -> Bool[np.ndarray, "states"]:
    """States from which some text can be completed."""
    live = table.may_end
    while True:
        alive = np.append(live, False)  # the last one is DEAD's
        more = live | alive[table.go_on].any(1) | alive[table.cut].any(1)
        if (more == live).all():
            return live
        live = more


def _smallest(table: _Table, live: Bool[np.ndarray, "states"]) -> _Table:
    """Dead ends cut off, and states that nothing tells apart made one (Moore's refinement)."""
    # The start stays a state of its own. Dead ends are one group, the last.
    group = np.where(live, 1 + table.may_end, 3)
    group[Splitter.start] = 0
    group = np.append(group, 3)
    count = 0
    while len(set(group.tolist())) > count:
        count = len(set(group.tolist()))
        rows = np.column_stack([group[:-1], group[table.go_on], group[table.cut]])
        _, first, numbers = np.unique(rows, axis=0, return_index=True, return_inverse=True)
        # Numbers in the order of first places, with every dead end last.
        dead = ~live[first]
        order = np.argsort(first + dead * len(live))
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        rank[dead] = (~dead).sum()
        group = np.append(rank[numbers.reshape(-1)], (~dead).sum())
    number = group.copy()
    number[np.append(~live, True)] = Splitter.DEAD
    kept = np.unique(group[:-1][live], return_index=True)[1]
    kept = np.flatnonzero(live)[kept]
    return _Table(
        number[table.go_on[kept]].astype(np.int32),
        number[table.cut[kept]].astype(np.int32),
        table.may_end[kept],
    )
