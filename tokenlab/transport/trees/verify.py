"""Public functions: verify a draft tree, list how that may end, and how many drafts are accepted."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from tokenlab.errors import (
    ArgumentError,
    ShapeError,
    check_choice,
    check_generator,
    check_probs,
    check_tensor,
)
from tokenlab.ops import open_uniform
from tokenlab.transport.rules import DEFINED, RULES, resolve
from tokenlab.transport.trees import bottom_up, top_down
from tokenlab.transport.trees.draft_tree import DraftTree, check_same_rows

#: The bottom-up rules, and the samplings that they are defined for. A block is a chain: its single
#: drafts come from the draft distribution with every sampling.
BOTTOM_UP: dict[str, tuple[str, ...]] = {
    "block": ("iid", "without_replacement", "greedy"),
    "traversal": ("iid", "without_replacement"),
    "traversal_kseq": DEFINED["kseq"],
    "traversal_greedy": DEFINED["greedy"],
    "traversal_optimal": DEFINED["optimal"],
}


#: All rules that verify trees.
TREE_RULES: tuple[str, ...] = (*RULES, *BOTTOM_UP)


class VerifiedPath(NamedTuple):
    """Accepted ``tokens`` and a final one; accepted ``nodes`` from the root on."""

    tokens: Int64[Tensor, " accepted_plus_1"]
    nodes: Int64[Tensor, " accepted"]


class AcceptedPath(NamedTuple):
    """One way in which verification may end; ``next_probs`` is for the final token."""

    nodes: tuple[int, ...]
    probability: float
    next_probs: Float64[Tensor, " vocab"]


def verify_tree(
    tree: DraftTree,
    target_probs: Float[Tensor, "nodes_plus_1 vocab"],
    rule: str,
    *,
    generator: torch.Generator | None = None,
    validate: bool = True,
) -> VerifiedPath:
    """Accept a path of the tree and draw one more token, so that all follow the target's distribution.

    Parameters
    ----------
    target_probs
        The target's distributions: row 0 at the root, row i + 1 after node i.
    rule
        One of ``RULES`` from the root down, or bottom-up: ``"block"`` for chains, ``"traversal"``, which
        is recursive rejection with a way back up, and in the same way ``"traversal_kseq"``,
        ``"traversal_greedy"`` and ``"traversal_optimal"``.

    Raises
    ------
    ArgumentError, ShapeError, ProbabilityError
        If the rule is not defined for such a tree, or ``target_probs`` are not one distribution for the
        root and each node, the same after the same tokens.

    Examples
    --------
    >>> tree = DraftTree.from_chain(torch.tensor([1]), torch.tensor([[0.25, 0.75]]))
    >>> verify_tree(tree, torch.tensor([[0.0, 1.0], [1.0, 0.0]]), "recursive")
    VerifiedPath(tokens=tensor([1, 0]), nodes=tensor([0]))

    Reference: Sun et al. 2023, arXiv 2310.15141 (sequences); Jeon et al. 2024, arXiv 2402.14160 (trees
    without replacement); Sun, Mendlovic et al. 2024, arXiv 2403.10444 (block); Weng et al. 2025, arXiv
    2505.12398 (traversal); Weng, Hu and Yairi 2026, arXiv 2605.04543 (other rules bottom-up).
    """
    _check_verification(tree, target_probs, rule, validate)
    check_generator(generator, tree.tokens.device)
    # A test for each node, and at each level, the root's too, a draw.
    uniform = open_uniform((2 * len(tree) + 1,), generator=generator, device=tree.tokens.device)
    if rule in BOTTOM_UP:
        node, token = bottom_up.verify(tree, target_probs, rule, iter(uniform.tolist()))
    elif tree.is_chain:
        node, token = top_down.verify_chain(tree, target_probs, rule, uniform)
    else:
        node, token = top_down.verify(tree, target_probs, rule, iter(uniform.tolist()))
    nodes = torch.tensor(tree.path(node), dtype=torch.int64, device=tree.tokens.device)
    return VerifiedPath(torch.cat([tree.tokens[nodes], nodes.new_tensor([token])]), nodes)


def accepted_paths(
    tree: DraftTree, target_probs: Float[Tensor, "nodes_plus_1 vocab"], rule: str, *, validate: bool = True
) -> list[AcceptedPath]:
    """Every way in which :func:`verify_tree` may end, given the tree; the probabilities sum to one.

    Arguments and errors are those of :func:`verify_tree`.

    Examples
    --------
    >>> tree = DraftTree.from_chain(torch.tensor([1]), torch.tensor([[0.25, 0.75]]))
    >>> for path in accepted_paths(tree, torch.tensor([[0.75, 0.25], [0.5, 0.5]]), "block"):
    ...     print(path.nodes, round(path.probability, 4), path.next_probs.tolist())
    (0,) 0.3333 [0.5, 0.5]
    () 0.6667 [1.0, 0.0]
    """
    _check_verification(tree, target_probs, rule, validate)
    ends = bottom_up.ends if rule in BOTTOM_UP else top_down.ends
    return [
        AcceptedPath(tuple(tree.path(node)), probability, next_probs)
        for node, probability, next_probs in ends(tree, target_probs, rule)
        if probability > 0
    ]


def expected_accepted_length(
    tree: DraftTree, target_probs: Float[Tensor, "nodes_plus_1 vocab"], rule: str, *, validate: bool = True
) -> float:
    r"""Expected number of accepted drafts, :math:`\sum_{\text{paths}} \Pr[\text{path}]\, \text{length}`.

    Add one for the tokens that a target call gives. Arguments and errors are those of :func:`verify_tree`.

    Examples
    --------
    >>> tree = DraftTree.from_chain(torch.tensor([1, 0]), torch.tensor([[0.25, 0.75]] * 2))
    >>> target_probs = torch.tensor([[0.75, 0.25]] * 3)
    >>> for rule in ("recursive", "block"):
    ...     print(rule, round(expected_accepted_length(tree, target_probs, rule), 4))
    recursive 0.6667
    block 2.0
    """
    paths = accepted_paths(tree, target_probs, rule, validate=validate)
    return sum(path.probability * len(path.nodes) for path in paths)


def _check_verification(tree: DraftTree, target_probs: Tensor, rule: str, validate: bool) -> None:
    if not isinstance(tree, DraftTree):
        raise ArgumentError(f"tree must be a DraftTree, found {type(tree).__name__}")
    check_choice("rule", rule, TREE_RULES)
    if rule not in BOTTOM_UP:
        # How many drafts there are is seen node by node.
        resolve(rule, tree.sampling, 2 if tree.sampling == "spechub" else 1, tree.vocab_size)
    elif tree.sampling not in BOTTOM_UP[rule]:
        raise ArgumentError(
            f"rule {rule!r} is not defined for sampling {tree.sampling!r}, expected one of "
            f"{', '.join(map(repr, BOTTOM_UP[rule]))}"
        )
    if rule == "block" and not tree.is_chain:
        raise ArgumentError(
            "rule 'block' verifies chains, but a node of the tree has several children, or the nodes "
            "do not stand in one row; expected each node to be the child of the one before, or "
            "rule 'traversal', which is its form on trees"
        )
    check_tensor("target_probs", target_probs, min_dims=2, max_dims=2)
    if tuple(target_probs.shape) != (len(tree) + 1, tree.vocab_size):
        raise ShapeError(
            f"target_probs has shape {tuple(target_probs.shape)}, expected "
            f"{(len(tree) + 1, tree.vocab_size)}: a row for the root and each node"
        )
    if target_probs.device != tree.tokens.device:
        raise ArgumentError(
            f"target_probs is on {target_probs.device}, expected {tree.tokens.device} as the tree"
        )
    if validate:
        check_probs("target_probs", target_probs)
        nodes = torch.arange(len(tree), device=tree.tokens.device)
        check_same_rows(tree, "target_probs", target_probs, nodes)
