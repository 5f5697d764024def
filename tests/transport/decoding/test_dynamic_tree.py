"""The dynamic tree fills the best opening first, and each row grows at its own pace."""

from __future__ import annotations

import pytest

from tests.support.tiny_models import tiny_model
from tests.transport.decoding.proposals import TEXTS, drafted_paths, propose
from tokenlab.transport import DynamicTree
from tokenlab.transport.decoding import dynamic_tree


def out_of_order(found, row, length) -> int:
    """How many nodes do not fill the opening that was worth most when they came."""
    tokens, parents = found.tokens[row].tolist(), found.parents[row]
    wrong, openings, value, left = 0, {-1: 1.0}, {-1: 1.0}, {-1: 1.0}
    for node, parent in enumerate(parents):
        wrong += openings[parent] < max(openings.values()) * (1 - 1e-9)
        prob = found.probs[row, found.drawn_from[row][1 + parent], tokens[node]].item()
        # In the paper's terms: y was drawn from what was left, with R(y) = q(y) / left.
        ratio = prob / left[parent]
        value[node] = openings[parent] * ratio
        openings[parent] *= 1 - ratio
        left[parent] -= prob
        depth = len(drafted_paths(found, row)[node])
        if depth < length:
            openings[node], left[node] = value[node], 1.0
    return wrong


@pytest.mark.parametrize("seed", range(4))
def test_the_dynamic_tree_fills_the_best_opening_first(seed):
    found, tree_cache = propose(DynamicTree(9), seed=seed)
    for row in range(2):
        assert len(found.node[row]) == 9
        assert found.depths[row].max() <= 4
        assert out_of_order(found, row, 4) == 0
    # One call for each node would be 10.
    assert tree_cache.calls <= 6


def test_a_tree_that_ignores_what_is_left_is_out_of_order(monkeypatch):
    right = dynamic_tree.GrowingTree.add_opening

    def same_value_beside(self, value, parent, sibling):
        right(self, 1.0 if sibling else value, parent, sibling)

    monkeypatch.setattr(dynamic_tree.GrowingTree, "add_opening", same_value_beside)
    found, _ = propose(DynamicTree(9))
    assert out_of_order(found, 0, 4) + out_of_order(found, 1, 4) > 0


def test_a_row_does_not_depend_on_the_others():
    """Rows grow at their own pace, and read together."""
    model = tiny_model()
    both, _ = propose(DynamicTree(9), model, sampling=None)
    for row, text in enumerate(TEXTS):
        alone, _ = propose(DynamicTree(9), model, sampling=None, texts=[text])
        assert drafted_paths(alone, 0) == drafted_paths(both, row)


def test_a_small_vocabulary_limits_the_dynamic_tree():
    found, _ = propose(DynamicTree(20, depth=2), tiny_model(vocab=3), texts=[[0, 2]])
    assert len(found.node[0]) == 3 + 9
