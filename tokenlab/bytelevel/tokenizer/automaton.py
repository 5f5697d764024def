"""Automata that divide a text, as tables of what can be reached."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int32

from tokenlab.errors import ArgumentError

#: States of an automaton, beyond which a pre-tokenizer is refused.
MOST_STATES = 4096

#: The state before the first character, and the one from which there is no way.
START, DEAD = 0, -1


class Table(NamedTuple):
    """Next states if a character goes on with the piece or begins one; may the text end here?"""

    go_on: Int32[np.ndarray, "states classes"]
    cut: Int32[np.ndarray, "states classes"]
    may_end: Bool[np.ndarray, "states"]


def explore(
    first: Hashable,
    num_classes: int,
    go_on: Callable[[Any, int], Any],
    cut: Callable[[Any, int], Any],
    may_end: Callable[[Any], bool],
) -> tuple[list[Any], Table]:
    """Number every configuration within reach, and write down its steps."""
    numbers, configurations = {first: START}, [first]
    rows: tuple[list[list[int]], list[list[int]]] = [], []
    # The list grows while it is read.
    for configuration in configurations:
        for step, row in zip((go_on, cut), rows):
            row.append([])
            for kind in range(num_classes):
                after = step(configuration, kind)
                if after is not None and after not in numbers:
                    if len(configurations) >= MOST_STATES:
                        raise ArgumentError(f"spec needs an automaton of more than {MOST_STATES} states")
                    numbers[after] = len(configurations)
                    configurations.append(after)
                row[-1].append(DEAD if after is None else numbers[after])
    ends = np.array([may_end(configuration) for configuration in configurations])
    return configurations, Table(np.array(rows[0], np.int32), np.array(rows[1], np.int32), ends)


def live_states(table: Table) -> Bool[np.ndarray, "states"]:
    """States from which some text can be completed."""
    live = table.may_end
    while True:
        alive = np.append(live, False)  # the last one is DEAD's
        more = live | alive[table.go_on].any(1) | alive[table.cut].any(1)
        if (more == live).all():
            return live
        live = more


def smallest(table: Table, live: Bool[np.ndarray, "states"]) -> Table:
    """Cut off dead ends, and join states that nothing tells apart (Moore's refinement)."""
    # The start stays a state of its own. Dead ends are one group, the last.
    group = np.where(live, 1 + table.may_end, 3)
    group[START] = 0
    group = np.append(group, 3)
    count = 0
    while len(set(group.tolist())) > count:
        count = len(set(group.tolist()))
        rows = np.column_stack([group[:-1], group[table.go_on], group[table.cut]])
        _, first, numbers = np.unique(rows, axis=0, return_index=True, return_inverse=True)
        # Numbers in order of first occurrence, with every dead end last.
        dead = ~live[first]
        order = np.argsort(first + dead * len(live))
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        rank[dead] = (~dead).sum()
        group = np.append(rank[numbers.reshape(-1)], (~dead).sum())
    number = group.copy()
    number[np.append(~live, True)] = DEAD
    kept = np.unique(group[:-1][live], return_index=True)[1]
    kept = np.flatnonzero(live)[kept]
    return Table(
        number[table.go_on[kept]].astype(np.int32),
        number[table.cut[kept]].astype(np.int32),
        table.may_end[kept],
    )
