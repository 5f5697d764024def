"""Toy models, and every tree that can be drawn."""

from __future__ import annotations

import pytest

from tokenlab.chapters.transport.exact import Tree, branching, draft_trees, random_model, sequences


def test_a_model_knows_every_prefix_and_sums_to_one():
    model = random_model(3, 3, seed=0)
    assert len(model) == 1 + 3 + 9
    assert all(sum(row) == 1 and min(row) > 0 for row in model.values())
    assert any(0 in row for row in random_model(3, 3, seed=0, zeros=True).values())
    assert model == random_model(3, 3, seed=0) != random_model(3, 3, seed=1)


@pytest.mark.parametrize(
    ("growth", "sampling", "trees"),
    [
        (sequences(2, 2), "iid", 3**4),
        (branching(2, 1), "iid", 3**4),
        (branching(2, 2), "without_replacement", 6**3),
        (branching(3, 1), "without_replacement", 6 * 3**3),
        (branching(2, 2), "greedy", 2 * 2 * 2),
        (branching(2), "spechub", 4),
    ],
)
def test_all_trees_are_listed(growth, sampling, trees):
    distribution = draft_trees(random_model(3, 3, seed=5), growth, sampling)
    assert len(distribution) == trees and sum(distribution.values()) == 1


def test_a_tree_by_hand():
    tree = Tree((1, 0), (-1, -1)).grown(1, (1, 1))
    assert tree == Tree((1, 0, 1, 1), (-1, -1, 1, 1))
    assert tree.children(-1) == (0, 1) and tree.children(0, 1) == (2, 3)
    assert tree.prefix(-1) == () and tree.prefix(3) == (0, 1)
