"""A tree of drafts with the distributions that they were drawn from."""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from tokenlab.errors import (
    SUM_TOLERANCE,
    ArgumentError,
    ProbabilityError,
    ShapeError,
    check_choice,
    check_int,
    check_probs,
    check_tensor,
)
from tokenlab.ops import top_k
from tokenlab.transport.rules import SAMPLINGS


@dataclass(frozen=True, eq=False, repr=False)
class DraftTree:
    """Drafted tokens as a tree, and the distributions that they were drawn from.

    Parameters
    ----------
    tokens
        The token of each node. Siblings stand in the order of their draws, equal ones separately.
    parents
        Index of each node's parent, -1 for the root. A parent stands before its children.
    draft_probs
        Row 0 is what the root's children were drawn from, row i + 1 the same for node i. Rows of leaves
        are not read.
    sampling
        How the children of one node were drawn, a name in ``SAMPLINGS``.

    Raises
    ------
    DtypeError, ShapeError, ProbabilityError, ArgumentError
        If types or shapes do not fit, a row is not a distribution or differs after the same tokens, a
        child stands before its parent, or ``sampling`` cannot have drawn the children of a node.

    Examples
    --------
    >>> rows = torch.tensor([[0.5, 0.5], [0.25, 0.75], [1.0, 0.0], [1.0, 0.0]])
    >>> tree = DraftTree(torch.tensor([1, 0, 1]), torch.tensor([-1, -1, 0]), rows, "without_replacement")
    >>> print(tree)
    DraftTree: 3 nodes, depth 2, without_replacement
    ├─ 1  (0.5)
    │  └─ 1  (0.75)
    └─ 0  (0.5)
    """

    tokens: Int64[Tensor, " nodes"]
    parents: Int64[Tensor, " nodes"]
    draft_probs: Float[Tensor, "nodes_plus_1 vocab"]
    sampling: str
    validate: InitVar[bool] = True

    def __post_init__(self, validate: bool) -> None:
        check_tensor("tokens", self.tokens, dtypes=(torch.int64,), max_dims=1)
        check_tensor("parents", self.parents, dtypes=(torch.int64,), max_dims=1)
        check_tensor("draft_probs", self.draft_probs, min_dims=2, max_dims=2)
        check_choice("sampling", self.sampling, SAMPLINGS)
        nodes = len(self)
        if len(self.parents) != nodes:
            raise ShapeError(f"parents has {len(self.parents)} entries, expected {nodes} as tokens")
        if len(self.draft_probs) != nodes + 1:
            raise ShapeError(
                f"draft_probs has {len(self.draft_probs)} rows, expected {nodes + 1}: "
                f"one for the root and one for each of {nodes} nodes"
            )
        if not self.tokens.device == self.parents.device == self.draft_probs.device:
            raise ArgumentError(
                f"tokens are on {self.tokens.device}, parents on {self.parents.device} and "
                f"draft_probs on {self.draft_probs.device}, expected one device"
            )
        if validate:
            _check_values(self)

    def __len__(self) -> int:
        """How many nodes, the root not counted."""
        return self.tokens.numel()

    @classmethod
    def from_chain(
        cls,
        tokens: Int64[Tensor, " length"],
        draft_probs: Float[Tensor, "length vocab"],
        sampling: str = "iid",
        *,
        validate: bool = True,
    ) -> DraftTree:
        """A chain: one token after the other, each drawn from its row."""
        check_tensor("tokens", tokens, dtypes=(torch.int64,), max_dims=1)
        check_tensor("draft_probs", draft_probs, min_dims=2, max_dims=2)
        if len(draft_probs) != len(tokens):
            raise ShapeError(f"draft_probs has {len(draft_probs)} rows, expected {len(tokens)} as tokens")
        parents = torch.arange(-1, len(tokens) - 1, device=tokens.device)
        return cls(tokens, parents, _with_leaves(draft_probs, 1), sampling, validate=validate)

    @classmethod
    def from_sequences(
        cls,
        sequences: Int64[Tensor, "drafts length"],
        draft_probs: Float[Tensor, "drafts length vocab"],
        *,
        validate: bool = True,
    ) -> DraftTree:
        """Independent sequences, as in SpecTr: node ``i * drafts + j`` is token i of sequence j.

        Sequences that begin alike keep their own nodes; verification goes on in all of them at once.

        Examples
        --------
        >>> tree = DraftTree.from_sequences(torch.tensor([[2, 0], [2, 1]]), torch.full((2, 2, 3), 1 / 3))
        >>> tree.tokens.tolist(), tree.parents.tolist(), tree.same_prefix.tolist()
        ([2, 2, 0, 1], [-1, -1, 0, 1], [0, 0, 2, 3])

        Reference: Sun et al. 2023, arXiv 2310.15141.
        """
        check_tensor("sequences", sequences, dtypes=(torch.int64,), min_dims=2, max_dims=2)
        check_tensor("draft_probs", draft_probs, min_dims=3, max_dims=3)
        drafts, length = sequences.shape
        if tuple(draft_probs.shape[:2]) != (drafts, length):
            raise ShapeError(
                f"draft_probs has shape {tuple(draft_probs.shape)}, expected ({drafts}, {length}, vocab) "
                "as sequences"
            )
        check_int("drafts", drafts, low=1)
        check_int("length", length, low=1)
        if validate and _apart(draft_probs[:, 0], draft_probs[:1, 0]):
            raise ProbabilityError("draft_probs[:, 0] differs between sequences, which share the root")
        rows = draft_probs[:, 1:].transpose(0, 1).flatten(0, 1)
        rows = torch.cat([draft_probs[:1, 0], _with_leaves(rows, drafts)])
        nodes = torch.arange(drafts * length, device=sequences.device)
        parents = (nodes - drafts).clamp_(min=-1)
        return cls(sequences.T.flatten(), parents, rows, "iid", validate=validate)

    @property
    def vocab_size(self) -> int:
        """How many tokens there are."""
        return self.draft_probs.shape[-1]

    @property
    def is_chain(self) -> bool:
        """Whether every node has one child at most."""
        return self._parents == list(range(-1, len(self) - 1))

    def children(self, *nodes: int) -> list[int]:
        """The children of a node (-1: the root), or of several, in the order of their draws."""
        return sorted(child for node in nodes for child in self._children[node + 1])

    def drawn_from(self, node: int) -> Float[Tensor, " vocab"]:
        """The distribution that a node's token was drawn from."""
        return self.draft_probs[self._parents[node] + 1]

    def path(self, node: int) -> list[int]:
        """The nodes from the root to this one; none for -1."""
        path = []
        while node >= 0:
            path.append(node)
            node = self._parents[node]
        return path[::-1]

    @property
    def paths(self) -> list[list[int]]:
        """The path to each leaf."""
        return [self.path(node) for node in range(len(self)) if not self.children(node)]

    @cached_property
    def depths(self) -> Int64[Tensor, " nodes"]:
        """How many tokens the path to each node has."""
        depths = []
        for parent in self._parents:
            depths.append(1 + depths[parent] if parent >= 0 else 1)
        return torch.tensor(depths, dtype=torch.int64, device=self.tokens.device)

    @cached_property
    def same_prefix(self) -> Int64[Tensor, " nodes"]:
        """For each node the first one with the same tokens from the root on."""
        first: dict[tuple[int, int], int] = {}
        same: list[int] = []
        for node, (token, parent) in enumerate(zip(self.tokens.tolist(), self._parents, strict=True)):
            same.append(first.setdefault((same[parent] if parent >= 0 else -1, token), node))
        return torch.tensor(same, dtype=torch.int64, device=self.tokens.device)

    def attention_mask(self) -> Bool[Tensor, "nodes nodes"]:
        """Whether node i sees node j: itself, and the nodes on its path.

        Examples
        --------
        >>> tokens, parents, rows = torch.tensor([0, 1, 1]), torch.tensor([-1, -1, 0]), torch.full((4, 2), 0.5)
        >>> DraftTree(tokens, parents, rows, "iid").attention_mask().int().tolist()
        [[1, 0, 0], [0, 1, 0], [1, 0, 1]]
        """
        mask = torch.eye(len(self), dtype=torch.bool, device=self.tokens.device)
        for depth in range(2, 1 + max(self.depths.tolist(), default=0)):
            level = (self.depths == depth).nonzero().squeeze(-1)
            mask[level] |= mask[self.parents[level]]
        return mask

    def __repr__(self) -> str:
        depth = max(self.depths.tolist(), default=0)
        return f"DraftTree: {len(self)} nodes, depth {depth}, {self.sampling}"

    def __str__(self) -> str:
        lines, pending = [repr(self)], [(child, "") for child in reversed(self.children(-1))]
        while pending:
            node, indent = pending.pop()
            parent, token = self._parents[node], int(self.tokens[node])
            corner, bar = ("└─ ", "   ") if node == self.children(parent)[-1] else ("├─ ", "│  ")
            lines.append(f"{indent}{corner}{token}  ({self.draft_probs[parent + 1, token].item():.4g})")
            pending += [(child, indent + bar) for child in reversed(self.children(node))]
        return "\n".join(lines)

    @cached_property
    def _parents(self) -> list[int]:
        return self.parents.tolist()

    @cached_property
    def _children(self) -> list[list[int]]:
        children: list[list[int]] = [[] for _ in range(len(self) + 1)]
        for child, parent in enumerate(self._parents):
            children[parent + 1].append(child)
        return children


def _check_values(tree: DraftTree) -> None:
    """Order, vocabulary, distributions, and what the sampling never draws."""
    nodes = torch.arange(len(tree), device=tree.tokens.device)
    misplaced = (tree.parents < -1) | (tree.parents >= nodes)
    if bool(misplaced.any()):
        node = int(misplaced.nonzero()[0])
        raise ArgumentError(
            f"parents[{node}] is {int(tree.parents[node])}, expected -1 for the root or a node before {node}"
        )
    outside = (tree.tokens < 0) | (tree.tokens >= tree.vocab_size)
    if bool(outside.any()):
        node = int(outside.nonzero()[0])
        raise ArgumentError(
            f"tokens[{node}] is {int(tree.tokens[node])}, expected an id from 0 to {tree.vocab_size - 1}"
        )
    drawn_from = (tree.parents + 1).unique()
    for row in drawn_from.tolist():
        check_probs(f"draft_probs[{row}]", tree.draft_probs[row])
    impossible = ~(tree.draft_probs[tree.parents + 1, tree.tokens] > 0)
    if bool(impossible.any()):
        node = int(impossible.nonzero()[0])
        raise ArgumentError(
            f"tokens[{node}] is {int(tree.tokens[node])}, which has probability 0 in "
            f"draft_probs[{int(tree.parents[node]) + 1}]: it cannot have been drawn"
        )
    if tree.sampling == "iid":
        check_same_rows(tree, "draft_probs", tree.draft_probs, drawn_from - 1)
    else:
        for row in drawn_from.tolist():
            _check_siblings(tree, row - 1)


def _check_siblings(tree: DraftTree, node: int) -> None:
    where = f"the children of node {node}" if node >= 0 else "the children of the root"
    children = tree.children(node)
    tokens = tree.tokens[children].tolist()
    row = tree.draft_probs[node + 1]
    if len(set(tokens)) < len(tokens):
        raise ArgumentError(f"tokens of {where} are {tokens}, but sampling {tree.sampling!r} repeats none")
    if tree.sampling == "greedy":
        first = top_k(row, len(tokens), validate=False).indices[:-1].tolist()
        if tokens[:-1] != first:
            raise ArgumentError(
                f"tokens of {where} are {tokens}, expected the most probable ones first, {first}, "
                "and then one draw, with sampling 'greedy'"
            )
    if tree.sampling == "spechub":
        if len(tokens) != 2:
            raise ArgumentError(f"{where} are {len(tokens)}, but sampling 'spechub' draws two drafts")
        hub = int(top_k(row, 1, validate=False).indices)
        if hub not in tokens:
            raise ArgumentError(
                f"tokens of {where} are {tokens}, expected the most probable one, {hub}, "
                "among them, with sampling 'spechub'"
            )


def check_same_rows(tree: DraftTree, name: str, rows: Tensor, nodes: Int64[Tensor, " some"]) -> None:
    """Check that ``nodes`` with the same tokens from the root on have the same row."""
    first: dict[int, int] = {}
    same = tree.same_prefix.tolist()
    for node in nodes.tolist():
        if node < 0:
            continue
        other = first.setdefault(same[node], node)
        if other != node and _apart(rows[node + 1], rows[other + 1]):
            raise ProbabilityError(
                f"{name}[{node + 1}] differs from {name}[{other + 1}], but nodes {node} and {other} "
                "have the same tokens from the root on"
            )


def _apart(rows: Tensor, others: Tensor) -> bool:
    """Whether rows differ by more than their dtype explains."""
    return bool(((rows.double() - others.double()).abs() > SUM_TOLERANCE[rows.dtype]).any())


def _with_leaves(rows: Float[Tensor, "rows vocab"], leaves: int) -> Float[Tensor, "more vocab"]:
    """Further rows, for leaves, which nobody reads."""
    return torch.nn.functional.pad(rows, (0, 0, 0, leaves))
