"""Toy models in both worlds: exact trees as tensors, and the package's distribution of a block."""

from __future__ import annotations

from collections import defaultdict

import torch

from tokenlab.chapters.transport.exact import (
    Growth,
    Model,
    Tokens,
    Tree,
    completed,
    draft_trees,
    random_model,
    target_distribution,
)
from tokenlab.transport.trees.draft_tree import DraftTree
from tokenlab.transport.trees.verify import accepted_paths, expected_accepted_length


def pair(vocab: int, length: int, seed: int, zeros: bool = False) -> tuple[Model, Model]:
    """A target and a draft model; the target knows one step more than the draft needs."""
    return (
        random_model(vocab, length, 2 * seed, zeros=zeros),
        random_model(vocab, length, 2 * seed + 1, zeros=zeros),
    )


def rows(model: Model, tree: Tree) -> torch.Tensor:
    """A model's distribution at the root and after each node; zeros where it knows none."""
    vocab = len(model[()])
    known = [model.get(tree.prefix(node), (0,) * vocab) for node in range(-1, len(tree.tokens))]
    return torch.tensor([[float(value) for value in row] for row in known], dtype=torch.float64)


def as_draft_tree(tree: Tree, draft: Model, sampling: str) -> DraftTree:
    return DraftTree(
        torch.tensor(tree.tokens, dtype=torch.int64),
        torch.tensor(tree.parents, dtype=torch.int64),
        rows(draft, tree),
        sampling,
    )


def distribution_given(
    target: Model, draft: Model, tree: Tree, rule: str, sampling: str
) -> dict[Tokens, float]:
    """The package's distribution of a block, given the tree: what verify_tree would return how often."""
    distribution: dict[Tokens, float] = defaultdict(float)
    for path in accepted_paths(as_draft_tree(tree, draft, sampling), rows(target, tree), rule):
        accepted = tuple(tree.tokens[node] for node in path.nodes)
        for token, probability in enumerate(path.next_probs.tolist()):
            distribution[*accepted, token] += path.probability * probability
    return distribution


def package_distribution(
    target: Model, draft: Model, growth: Growth, rule: str, sampling: str, length: int
) -> dict[Tokens, float]:
    """The package's distribution of the first tokens, over all trees."""
    total: dict[Tokens, float] = defaultdict(float)
    for tree, probability in draft_trees(draft, growth, sampling).items():
        for tokens, chance in distribution_given(target, draft, tree, rule, sampling).items():
            total[tokens] += float(probability) * chance
    return completed(total, target, length)


def average_accepted(target: Model, draft: Model, growth: Growth, rule: str, sampling: str) -> float:
    """How many drafts the package accepts on average, over all trees."""
    return sum(
        float(probability)
        * expected_accepted_length(as_draft_tree(tree, draft, sampling), rows(target, tree), rule)
        for tree, probability in draft_trees(draft, growth, sampling).items()
    )


def distance(distribution: dict[Tokens, float], other: dict[Tokens, float]) -> float:
    """The largest difference of two distributions."""
    return max(
        abs(float(distribution.get(key, 0)) - float(other.get(key, 0))) for key in {*distribution, *other}
    )


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_rows(count: int, vocab: int, seed: int, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(count, vocab, generator=generator(seed), dtype=torch.float64).softmax(-1).to(dtype)


def bushy() -> DraftTree:
    """Seven nodes out of level order: 0 - (2, 5), 1 - 3 - (4, 6)."""
    parents = torch.tensor([-1, -1, 0, 1, 3, 0, 3])
    tokens = torch.tensor([2, 2, 1, 1, 0, 3, 1])
    return DraftTree(tokens, parents, torch.full((8, 4), 0.25), "iid")


def assert_lossless(rule, sampling, growth, vocab, seed=11):
    """The package's distribution over all trees is the target's."""
    target, draft = pair(vocab, 3, seed)
    distribution = package_distribution(target, draft, growth, rule, sampling, 3)
    assert distance(distribution, target_distribution(target, 3)) < 1e-12
