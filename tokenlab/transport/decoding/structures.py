"""What is drafted, and the rules that are lossless with it."""

from __future__ import annotations

from collections.abc import Sequence

from tokenlab.errors import ArgumentError, check_choice, check_int
from tokenlab.transport.decoding.proposal import STRUCTURES
from tokenlab.transport.node.drafts import MAX_TUPLES

#: The rules that are lossless with each structure. ``"block"`` and the traversals decide about
#: whole branches, the others at one node after the other.
STRUCTURE_RULES: dict[str, tuple[str, ...]] = {
    "chain": ("recursive", "target_only", "naive", "kseq", "greedy", "optimal", "block", "traversal"),
    "iid_sequences": ("recursive", "target_only", "naive", "kseq", "optimal", "traversal", "traversal_kseq"),
    "without_replacement": ("recursive", "target_only", "naive", "greedy", "spechub", "optimal", "traversal"),
    "dynamic": ("recursive", "target_only", "naive", "traversal"),
}


#: With one draft at a node these are one rule, the maximal coupling.
SAME_ON_CHAINS = ("recursive", "naive", "kseq", "greedy", "optimal")


#: Nodes of a tree at most.
MAX_NODES = 1024


DEFAULT_LENGTH = 4


def check_structure(
    rule: str,
    structure: str,
    num_drafts: int | Sequence[int] | None,
    draft_length: int | None,
    vocab_size: int,
) -> tuple[str, str, int | tuple[int, ...], int]:
    """Check a rule with a structure; returns rule, distribution of the drafts, their number and depth.

    Raises
    ------
    ArgumentError
        If the rule is unknown, or not lossless with the structure, or a number is out of range.
    """
    check_choice("structure", structure, STRUCTURES)
    known = sorted({name for rules in STRUCTURE_RULES.values() for name in rules})
    check_choice("rule", rule, known)
    if rule not in STRUCTURE_RULES[structure]:
        raise ArgumentError(
            f"rule {rule!r} does not go with structure {structure!r}: {_reason(rule, structure)}; "
            f"expected one of {', '.join(map(repr, STRUCTURE_RULES[structure]))}"
        )
    levels = None
    if isinstance(num_drafts, Sequence) and not isinstance(num_drafts, str):
        if structure != "without_replacement":
            raise ArgumentError(
                f"num_drafts is {num_drafts!r} with structure {structure!r}, expected an int: "
                "only 'without_replacement' has a number for each level"
            )
        levels = tuple(check_int("num_drafts", number, low=1) for number in num_drafts)
        if not levels:
            raise ArgumentError("num_drafts is empty, expected a number for each level, at least one")
        if draft_length is not None and draft_length != len(levels):
            raise ArgumentError(f"draft_length is {draft_length}, but num_drafts has {len(levels)} levels")
        draft_length = len(levels)
    length = check_int("draft_length", DEFAULT_LENGTH if draft_length is None else draft_length, low=1)
    if structure == "chain":
        if num_drafts is not None and check_int("num_drafts", num_drafts, low=1) != 1:
            raise ArgumentError(f"num_drafts is {num_drafts} with structure 'chain', expected 1")
        return ("recursive" if rule in SAME_ON_CHAINS else rule), "iid", 1, length
    if num_drafts is None:
        raise ArgumentError(f"num_drafts is not given with structure {structure!r}, expected a number")
    if levels is None:
        num_drafts = check_int("num_drafts", num_drafts, low=1)
    nodes = num_drafts * length if structure == "iid_sequences" else num_drafts
    if structure == "without_replacement":
        levels = levels or (num_drafts,) * length
        nodes, level = 0, 1
        for number in levels:
            level *= number
            nodes += level
        if max(levels) > vocab_size:
            raise ArgumentError(
                f"num_drafts is {max(levels)}, but there are only {vocab_size} tokens to draw without repeats"
            )
        if rule == "spechub" and set(levels) != {2}:
            raise ArgumentError(f"num_drafts is {num_drafts}, but rule 'spechub' has two drafts at a node")
    if nodes > MAX_NODES:
        raise ArgumentError(
            f"num_drafts {num_drafts} and draft_length {length} make {nodes} drafts, at most {MAX_NODES}"
        )
    widest = max(levels) if levels else num_drafts
    if rule == "optimal" and vocab_size**widest > MAX_TUPLES:
        raise ArgumentError(
            f"rule 'optimal' lists all tuples of drafts: {widest} drafts of {vocab_size} tokens make more "
            f"than {MAX_TUPLES}; expected a smaller vocabulary, or another rule"
        )
    sampling = "iid"
    if structure != "iid_sequences":
        sampling = rule if rule in ("greedy", "spechub") else "without_replacement"
    return rule, sampling, levels or num_drafts, length


def _reason(rule: str, structure: str) -> str:
    if rule == "block":
        return "it verifies one sequence"
    if rule in ("greedy", "spechub"):
        return "it has drafts of its own, a fixed number of distinct ones at each node"
    if structure == "dynamic":
        return "it must know how many drafts a node will have before the first is drawn"
    return "it is lossless for i.i.d. drafts only"
