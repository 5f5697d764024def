"""What is drafted in a round, each kind with the rules that are lossless with it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from typing import ClassVar

from tokenlab.errors import ArgumentError, DtypeError, check_choice, check_int
from tokenlab.transport.decoding.drafting import draft_branching, draft_chain, draft_sequences
from tokenlab.transport.decoding.dynamic_tree import draft_dynamic_tree
from tokenlab.transport.decoding.proposal import DraftSampler, Proposal
from tokenlab.transport.decoding.tree_cache import TreeCache
from tokenlab.transport.node.drafts import MAX_TUPLES

#: Nodes of a tree at most.
MAX_NODES = 1024

_ONE_SEQUENCE = "it verifies one sequence"
_OWN_DRAFTS = "it has drafts of its own, a fixed number of distinct ones at each node"
_ONLY_IID = "it is lossless for i.i.d. drafts only"
_NUMBER_FIRST = "it must know how many drafts a node will have before the first is drawn"


class Drafts(ABC):
    """What is drafted in a round: the base class.

    A subclass checks its arguments when it is made, and has the members below. Verification needs tokens and
    distributions of a ``Proposal``, not who drew them: a drafter that looks tokens up in the text, say,
    leaves ``tree_cache`` alone and draws from distributions with all mass on one token.

    The default rules look at whole branches. On the lab models they keep the most tokens; only for the
    dynamic tree, recorded texts do not tell ``"traversal"`` from ``"recursive"``.

    Attributes
    ----------
    rules, default_rule : tuple of str, str
        The rules that are lossless with these drafts, and the one taken where none is asked for.
    refused : dict of str
        For other rules, why they are not lossless.
    num_nodes : int
        Most tokens that are drafted in a round.
    """

    rules: ClassVar[tuple[str, ...]]
    default_rule: ClassVar[str]
    refused: ClassVar[dict[str, str]] = {}
    num_nodes: int

    def resolve(self, rule: str | None, vocab_size: int) -> str:
        """The rule asked for, or the default. ArgumentError: if drafts or vocabulary do not suit it."""
        if rule is None:
            return self.default_rule
        if isinstance(rule, str) and rule in self.refused:
            raise ArgumentError(
                f"rule {rule!r} does not go with {type(self).__name__}: {self.refused[rule]}; "
                f"expected one of {', '.join(map(repr, self.rules))}"
            )
        return check_choice("rule", rule, self.rules)

    @abstractmethod
    def sampling(self, rule: str) -> str:
        """How the drafts of a node are drawn for a rule, a name in ``SAMPLINGS``."""

    @abstractmethod
    def propose(
        self, tree_cache: TreeCache, texts: list[list[int]], room: int, sampler: DraftSampler
    ) -> Proposal:
        """Draft tokens after the texts, at most ``room`` deep; ``tree_cache`` is the draft model."""


@dataclass(frozen=True)
class Chain(Drafts):
    """One sequence of tokens.

    Rules: ``"block"`` (default), ``"traversal"``, ``"target_only"``; and ``"recursive"``, ``"naive"``,
    ``"kseq"``, ``"greedy"`` and ``"optimal"``, which are one rule with one draft, the maximal coupling.
    Looking at the whole chain, ``"block"`` keeps at least as many.
    ArgumentError, DtypeError: if the length is not a positive int.

    Examples
    --------
    >>> Chain(4).num_nodes
    4

    Reference: Leviathan et al. 2022, arXiv 2211.17192; Sun, Mendlovic et al. 2024, arXiv 2403.10444 (block).
    """

    length: int = 4

    rules: ClassVar = ("recursive", "target_only", "naive", "kseq", "greedy", "optimal", "block", "traversal")
    default_rule: ClassVar = "block"
    refused: ClassVar = {"spechub": _OWN_DRAFTS, "traversal_kseq": "of one sequence it makes 'traversal'"}

    def __post_init__(self) -> None:
        check_int("length", self.length, low=1)

    @property
    def num_nodes(self) -> int:
        return self.length

    def resolve(self, rule: str | None, vocab_size: int) -> str:
        rule = super().resolve(rule, vocab_size)
        return "recursive" if rule in ("naive", "kseq", "greedy", "optimal") else rule

    def sampling(self, rule: str) -> str:
        return "iid"

    def propose(
        self, tree_cache: TreeCache, texts: list[list[int]], room: int, sampler: DraftSampler
    ) -> Proposal:
        return draft_chain(tree_cache, texts, min(self.length, room), sampler)


@dataclass(frozen=True)
class Sequences(Drafts):
    """Independent sequences of one length, as in SpecTr.

    Equal prefixes are read once by both models, and count as often as they were drawn.
    ArgumentError, DtypeError: if a number is not a positive int, or they make more than 1,024 drafts.

    Rules: ``"traversal_kseq"`` (default), ``"traversal"``, ``"kseq"``, ``"recursive"``, ``"naive"``,
    ``"target_only"``; and ``"optimal"``, a linear program at each node, for tiny vocabularies.

    Examples
    --------
    >>> Sequences(3, length=4).num_nodes
    12

    Reference: Sun et al. 2023, arXiv 2310.15141, section 3.
    """

    num_sequences: int
    length: int = 4

    rules: ClassVar = ("recursive", "target_only", "naive", "kseq", "optimal", "traversal", "traversal_kseq")
    default_rule: ClassVar = "traversal_kseq"
    refused: ClassVar = {"block": _ONE_SEQUENCE, "greedy": _OWN_DRAFTS, "spechub": _OWN_DRAFTS}

    def __post_init__(self) -> None:
        check_int("num_sequences", self.num_sequences, low=1)
        check_int("length", self.length, low=1)
        _check_nodes(self)

    @property
    def num_nodes(self) -> int:
        return self.num_sequences * self.length

    def resolve(self, rule: str | None, vocab_size: int) -> str:
        rule = super().resolve(rule, vocab_size)
        _check_tuples(rule, self.num_sequences, vocab_size)
        return rule

    def sampling(self, rule: str) -> str:
        return "iid"

    def propose(
        self, tree_cache: TreeCache, texts: list[list[int]], room: int, sampler: DraftSampler
    ) -> Proposal:
        return draft_sequences(tree_cache, texts, self.num_sequences, min(self.length, room), sampler)


@dataclass(frozen=True, init=False)
class Branching(Drafts):
    """A tree with a number of children for each level, as in RSD-C.

    Children are drawn without replacement, but for two rules: ``"greedy"`` takes the most probable tokens and
    one draw without them, ``"spechub"`` a pair with the most probable token.
    ArgumentError, DtypeError: if a number is not a positive int, there is none, or more than 1,024 drafts.

    Rules: ``"traversal"`` (default), ``"recursive"``, ``"naive"``, ``"target_only"``, ``"greedy"``,
    ``"spechub"``; and ``"optimal"``, as for :class:`Sequences`.

    Examples
    --------
    >>> Branching(3, 2, 1).num_nodes
    15

    Reference: Jeon et al. 2024, arXiv 2402.14160; Hu et al. 2025, arXiv 2502.18779 (greedy); Sun, Zhou et al.
    2024, arXiv 2411.05289 (spechub).
    """

    children: tuple[int, ...]

    rules: ClassVar = ("recursive", "target_only", "naive", "greedy", "spechub", "optimal", "traversal")
    default_rule: ClassVar = "traversal"
    refused: ClassVar = {"block": _ONE_SEQUENCE, "kseq": _ONLY_IID, "traversal_kseq": _ONLY_IID}

    def __init__(self, *children: int) -> None:
        if not children:
            raise ArgumentError("children is empty, expected a number for each level, at least one")
        for number in children:
            check_int("children", number, low=1)
        object.__setattr__(self, "children", children)
        _check_nodes(self)

    def __repr__(self) -> str:
        return f"Branching({', '.join(map(str, self.children))})"

    @property
    def num_nodes(self) -> int:
        return sum(accumulate(self.children, mul))

    def resolve(self, rule: str | None, vocab_size: int) -> str:
        rule = super().resolve(rule, vocab_size)
        widest = max(self.children)
        if widest > vocab_size:
            raise ArgumentError(
                f"{self} has {widest} children at a node, but there are only {vocab_size} tokens to draw "
                "without repeats"
            )
        if rule == "spechub" and set(self.children) != {2}:
            raise ArgumentError(f"drafts is {self}, but rule 'spechub' has two drafts at a node")
        _check_tuples(rule, widest, vocab_size)
        return rule

    def sampling(self, rule: str) -> str:
        return rule if rule in ("greedy", "spechub") else "without_replacement"

    def propose(
        self, tree_cache: TreeCache, texts: list[list[int]], room: int, sampler: DraftSampler
    ) -> Proposal:
        return draft_branching(tree_cache, texts, self.children[:room], sampler)


@dataclass(frozen=True)
class DynamicTree(Drafts):
    """A tree that grows where the draft model expects acceptance, after DySpec.

    Rules: ``"traversal"`` (default), ``"recursive"``, ``"naive"``, ``"target_only"``. How it grows, and why
    no others: :mod:`tokenlab.transport.decoding.dynamic_tree`.
    ArgumentError, DtypeError: if a number is not a positive int, or ``num_nodes`` is above 1,024.

    Examples
    --------
    >>> DynamicTree(12, depth=8).default_rule
    'traversal'

    Reference: Xiong et al. 2024, arXiv 2410.11744.
    """

    num_nodes: int
    depth: int = 4

    rules: ClassVar = ("recursive", "target_only", "naive", "traversal")
    default_rule: ClassVar = "traversal"
    refused: ClassVar = {
        "block": _ONE_SEQUENCE,
        "greedy": _OWN_DRAFTS,
        "spechub": _OWN_DRAFTS,
        "kseq": _NUMBER_FIRST,
        "traversal_kseq": _NUMBER_FIRST,
        "optimal": _NUMBER_FIRST,
    }

    def __post_init__(self) -> None:
        check_int("num_nodes", self.num_nodes, low=1, high=MAX_NODES)
        check_int("depth", self.depth, low=1)

    def sampling(self, rule: str) -> str:
        return "without_replacement"

    def propose(
        self, tree_cache: TreeCache, texts: list[list[int]], room: int, sampler: DraftSampler
    ) -> Proposal:
        return draft_dynamic_tree(tree_cache, texts, self.num_nodes, min(self.depth, room), sampler)


def check_is_drafts(drafts) -> None:
    if isinstance(drafts, Drafts):
        return
    found = (
        f"the class {drafts.__name__}" if isinstance(drafts, type) else f"{type(drafts).__name__} {drafts!r}"
    )
    raise DtypeError(f"drafts must be a Chain, Sequences, Branching or DynamicTree, found {found}")


def _check_nodes(drafts: Drafts) -> None:
    if drafts.num_nodes > MAX_NODES:
        raise ArgumentError(f"{drafts} makes {drafts.num_nodes} drafts, expected at most {MAX_NODES}")


def _check_tuples(rule: str, num_drafts: int, vocab_size: int) -> None:
    if rule == "optimal" and vocab_size**num_drafts > MAX_TUPLES:
        raise ArgumentError(
            f"rule 'optimal' lists all tuples of drafts: {num_drafts} drafts of {vocab_size} tokens make more "
            f"than {MAX_TUPLES}; expected a smaller vocabulary, or another rule"
        )
