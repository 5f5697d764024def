r"""A pre-tokenizer as an automaton that reads a text from left to right.

Pre-tokenizers look ahead: with ``\s+(?!\S)`` two newlines are one piece at the end of a text, two
before a letter. So every division that may still turn out true is kept. At each character one
says whether it begins a piece (``cut``) or not (``go_on``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Int32

from tokenlab.bytelevel.tokenizer.automaton import DEAD, START, Table, explore, live_states, smallest
from tokenlab.bytelevel.tokenizer.characters import CharacterClasses
from tokenlab.bytelevel.tokenizer.pattern_machine import PatternMachine
from tokenlab.bytelevel.tokenizer.patterns import ANY, Repeat, atoms
from tokenlab.bytelevel.tokenizer.pretokenizer_json import Stage, read_stages


class Splitter:
    """The divisions of a text that may still turn out true, as an automaton.

    A division has one run, ``go_on`` or ``cut`` at each character (``go_on`` at the first). It ends in
    a state with ``may_end`` if and only if it is what the pre-tokenizer does, and in ``DEAD`` if and
    only if it begins no division of any text. Each stage divides the pieces of the one before; without
    any the text is one piece. ArgumentError if a stage drops text, or there are too many states.

    Attributes
    ----------
    num_classes : int
        Classes of characters that the patterns tell apart.
    go_on, cut : Int32[ndarray, "states classes"]
        The next state when the character goes on with the piece, or begins one.
    may_end : Bool[ndarray, "states"]
        Whether the division is the true one if the text ends here.

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
    """

    DEAD, start = DEAD, START

    def __init__(self, stages: Sequence[Stage]) -> None:
        stages = [Stage(Repeat(ANY, 1, None))] if not stages else list(stages)
        kinds = {
            atom: number
            for number, atom in enumerate(
                dict.fromkeys(atom for stage in stages for atom in atoms(stage.pattern))
            )
        }
        self._classes = CharacterClasses(list(kinds))
        self.num_classes = self._classes.num_classes
        tables = [PatternMachine(stage, kinds, self._classes.members).table() for stage in stages]
        table = tables[0] if len(tables) == 1 else _nested(tables)
        self.go_on: Int32[np.ndarray, "states classes"] = table.go_on
        self.cut: Int32[np.ndarray, "states classes"] = table.cut
        self.may_end: Bool[np.ndarray, "states"] = table.may_end
        for array in table:
            array.setflags(write=False)

    @classmethod
    def from_json(cls, spec: dict[str, Any] | None) -> Splitter:
        """The splitter of ``json.loads(tokenizer.to_str())["pre_tokenizer"]``.

        It reads the text itself, not ``ByteLevel``'s alphabet; what ``Metaspace`` replaces, and the space
        that either puts before a text, is taken to be in the text already. ArgumentError if the pre-tokenizer
        drops text or adds it inside, or is not made of Split, ByteLevel, Digits, Punctuation and Metaspace.

        Examples
        --------
        >>> Splitter.from_json({"type": "Whitespace"})
        Traceback (most recent call last):
        tokenlab.errors.ArgumentError: spec holds the pre-tokenizer 'Whitespace', which drops white...
        """
        return cls(read_stages(spec))

    def __len__(self) -> int:
        return len(self.may_end)

    def class_of(self, char: str) -> int:
        """Class of one character."""
        return self._classes.class_of(char)

    def classes_of(self, text: str) -> list[int]:
        """Class of each character."""
        return self._classes.classes_of(text)

    def classes_of_range(self, first: int, last: int) -> frozenset[int]:
        """Classes of the characters with numbers ``first`` to ``last``."""
        return self._classes.classes_of_range(first, last)


def _nested(tables: list[Table]) -> Table:
    """Stages one inside the other: a border is one of some stage."""
    num_classes = tables[0].go_on.shape[1]
    go_on, cut = [table.go_on.tolist() for table in tables], [table.cut.tolist() for table in tables]
    may_end = [table.may_end.tolist() for table in tables]
    State = frozenset[tuple[int, ...]]
    first: State = frozenset({(START,) * len(tables)})

    def kept(found: set[tuple[int, ...]]) -> State | None:
        return frozenset(states for states in found if DEAD not in states) or None

    def goes_on(divisions: State, kind: int) -> State | None:
        return kept(
            {tuple(table[state][kind] for table, state in zip(go_on, states)) for states in divisions}
        )

    def cuts(divisions: State, kind: int) -> State | None:
        found = set()
        for states in divisions:
            for stage, state in enumerate(states):
                inner = range(stage + 1, len(states))
                # To the stages inside it, the border is the end of a text and the start of another.
                if all(may_end[deeper][states[deeper]] for deeper in inner):
                    outer = tuple(go_on[k][states[k]][kind] for k in range(stage))
                    anew = tuple(go_on[deeper][START][kind] for deeper in inner)
                    found.add((*outer, cut[stage][state][kind], *anew))
        return kept(found)

    def ends(divisions: State) -> bool:
        return any(all(end[state] for end, state in zip(may_end, states)) for states in divisions)

    _, table = explore(first, num_classes, goes_on, cuts, ends)
    return smallest(table, live_states(table))
