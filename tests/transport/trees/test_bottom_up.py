"""Bottom-up verification: block and traversal against fractions, and with faults planted."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from tests.transport.toys import (
    assert_lossless,
    average_accepted,
    distance,
    distribution_given,
    package_distribution,
    pair,
    random_rows,
)
from tokenlab.chapters.transport.exact import (
    branching,
    draft_trees,
    output_given_tree,
    sequences,
    target_distribution,
)
from tokenlab.transport.node.verdict import normalised
from tokenlab.transport.trees import bottom_up
from tokenlab.transport.trees.draft_tree import DraftTree
from tokenlab.transport.trees.verify import BOTTOM_UP, accepted_paths, expected_accepted_length, verify_tree

CASES = [
    ("block", "iid", sequences(1, 2), 3),
    ("traversal", "iid", sequences(1, 2), 3),
    ("traversal", "iid", sequences(2, 2), 2),
    ("traversal", "iid", branching(2, 1), 3),
    ("traversal", "iid", branching(2, 2), 2),
    ("traversal", "without_replacement", branching(2, 2), 3),
    ("traversal", "without_replacement", branching(3, 1), 3),
    ("traversal_kseq", "iid", sequences(2, 2), 2),
    ("traversal_kseq", "iid", branching(2, 1), 3),
    ("traversal_greedy", "greedy", branching(2, 2), 3),
    ("traversal_greedy", "greedy", branching(3, 2), 3),
]


@pytest.mark.parametrize(("rule", "sampling", "growth", "vocab"), CASES)
def test_the_distribution_given_a_tree_is_the_exact_one(rule, sampling, growth, vocab):
    target, draft = pair(vocab, 3, seed=13)
    trees = list(draft_trees(draft, growth, sampling))
    for tree in trees[:: 1 + len(trees) // 60]:
        exact = output_given_tree(target, draft, tree, rule, sampling)
        assert distance(distribution_given(target, draft, tree, rule, sampling), exact) < 1e-12


@pytest.mark.parametrize("sampling", BOTTOM_UP["traversal_optimal"])
def test_the_optimal_rule_bottom_up(sampling):
    growth = branching(2, 2) if sampling in ("greedy", "spechub") else branching(2, 1)
    assert_lossless("traversal_optimal", sampling, growth, 2)


@pytest.mark.parametrize(("rule", "growth"), [("block", sequences(1, 3)), ("traversal", sequences(2, 2))])
@pytest.mark.parametrize("seed", range(3))
def test_zeros_in_both_models(rule, growth, seed):
    length = 4 if rule == "block" else 3
    target, draft = pair(2, length, 300 + seed, zeros=True)
    distribution = package_distribution(target, draft, growth, rule, "iid", length)
    assert distance(distribution, target_distribution(target, length)) < 1e-12


@pytest.mark.parametrize("length", [1, 2, 5])
@pytest.mark.parametrize("rule", ["traversal", "traversal_kseq", "traversal_optimal"])
def test_a_chain_as_a_tree_has_the_tests_of_a_block(length, rule):
    draft_probs, target_probs = random_rows(length, 7, 1), random_rows(length + 1, 7, 2)
    tree = DraftTree.from_chain(torch.arange(length), draft_probs)
    block = list(bottom_up.block(tree, target_probs))
    as_tree = list(bottom_up.subtree_stops(tree, target_probs, rule, [-1], 1.0))
    assert [node for node, *_ in block] == list(range(length - 1, -2, -1))
    assert [node for node, *_ in as_tree] == list(range(length - 1, -2, -1))
    for (_, test, weights), (_, tree_test, tree_weights) in zip(block, as_tree, strict=True):
        assert test == pytest.approx(tree_test, abs=1e-12)
        assert torch.allclose(
            normalised(weights, weights), normalised(tree_weights, tree_weights), atol=1e-12
        )


@pytest.mark.parametrize("rule", ["block", "traversal", "traversal_kseq"])
def test_the_tests_are_probabilities_and_the_root_ends_them(rule):
    for seed in range(20):
        parents = torch.arange(-1, 4) if rule == "block" else torch.tensor([-1, -1, -1, 0, 2])
        draft_probs = random_rows(6, 3, seed)
        tree = DraftTree(torch.tensor([0, 1, 2, 1, 0]), parents, draft_probs, "iid")
        stops = list(bottom_up.stops(tree, random_rows(6, 3, 50 + seed), rule))
        assert stops[-1][:2] == (-1, 1)
        assert sorted(node for node, *_ in stops) == list(range(-1, 5))
        assert all(0 <= test <= 1 for _, test, _ in stops)


def test_children_are_tested_before_their_parents_and_in_their_order():
    parents = torch.tensor([-1, -1, 0, 1, 0])
    tree = DraftTree(torch.tensor([0, 1, 1, 2, 0]), parents, random_rows(6, 3, 1), "without_replacement")
    order = [node for node, *_ in bottom_up.stops(tree, random_rows(6, 3, 2), "traversal")]
    assert order == [2, 4, 0, 3, 1, -1]


def test_equal_siblings_share_one_subtree():
    """The copy's children are tested after the first, and the copy itself not again."""
    parents = torch.tensor([-1, -1, -1, 0, 2])
    tree = DraftTree(torch.tensor([1, 0, 1, 2, 0]), parents, random_rows(1, 3, 1).repeat(6, 1), "iid")
    target_probs = random_rows(1, 3, 2).repeat(6, 1)
    order = [node for node, *_ in bottom_up.stops(tree, target_probs, "traversal")]
    assert order == [3, 4, 0, 1, -1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rule", ["block", "traversal", "traversal_kseq"])
def test_equal_models_keep_the_longest_path(rule, dtype):
    """With p = q every mass cancels, up to rounding; nothing may become NaN."""
    probs = random_rows(7, 50, 4, dtype)
    parents = torch.arange(-1, 5) if rule == "block" else torch.tensor([-1, -1, 0, 1, 2, 2])
    tree = DraftTree(torch.arange(6), parents, probs, "iid")
    noise = torch.randn(probs.shape, generator=torch.Generator().manual_seed(0), dtype=dtype)
    shaken = probs * (1 + 1e-7 * noise)
    longest = 6 if rule == "block" else 3
    for target_probs in (probs, shaken / shaken.sum(-1, keepdim=True)):
        length = expected_accepted_length(tree, target_probs, rule)
        assert length == pytest.approx(longest, abs=1e-4)
        for path in accepted_paths(tree, target_probs, rule):
            assert bool(path.next_probs.isfinite().all())


def test_deep_trees():
    depth = 150
    parents = torch.tensor([-1, -1, *range(1, depth)])
    draft_probs = random_rows(1, 2, 1).repeat(depth + 2, 1)
    tree = DraftTree(torch.tensor([0] + [1] * depth), parents, draft_probs, "iid")
    assert not tree.is_chain
    assert len(verify_tree(tree, draft_probs, "traversal").nodes) in (1, depth)


def test_block_by_hand():
    """Two tokens, p = (3/4, 1/4), q = (1/4, 3/4): what is lost at the first token comes back.

    Token 1 enters with 1/3. After it m = (1/4, 1/12), so that token 0 enters with 1, and all is
    kept. Tested one by one, both are kept with 1/3 only.
    """
    draft_probs = torch.tensor([[0.25, 0.75]] * 2, dtype=torch.float64)
    target_probs = torch.tensor([[0.75, 0.25]] * 3, dtype=torch.float64)
    tree = DraftTree.from_chain(torch.tensor([1, 0]), draft_probs)
    assert bottom_up.block_rates(tree, target_probs) == pytest.approx([1, 1 / 3, 1])
    (path,) = accepted_paths(tree, target_probs, "block")
    assert path.nodes == (0, 1) and path.probability == 1
    assert expected_accepted_length(tree, target_probs, "recursive") == pytest.approx(2 / 3)


def entry_as_test(rest, rates):
    """The probability of entering a prefix taken for the probability of its own test."""
    return rates


def rate_kept(rest, back):
    """After a rejected child the target is updated, the node's rate is not."""
    return (rest / rest.sum() * (1 - back) if rest.sum() > 0 else rest), 1 - back


def target_kept(rest, back):
    """After a rejected child the rate is updated, the target loses nothing more than once."""
    kept = rest.sum()
    return rest, (kept / (kept + back)).item() if kept + back > 0 else 1.0


FAULTS = {
    "entry as test": ("block_tests", entry_as_test, "block", "iid", sequences(1, 2), 3),
    "rate kept": ("_given_failure", rate_kept, "traversal", "iid", sequences(2, 2), 2),
    "rate kept, different children": (
        "_given_failure",
        rate_kept,
        "traversal",
        "without_replacement",
        branching(2, 1),
        3,
    ),
    "target kept": ("_given_failure", target_kept, "traversal", "iid", sequences(2, 2), 2),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_caught(fault, monkeypatch):
    function, mutant, rule, sampling, growth, vocab = FAULTS[fault]
    assert_lossless(rule, sampling, growth, vocab)
    monkeypatch.setattr(bottom_up, function, mutant)
    with pytest.raises(AssertionError):
        assert_lossless(rule, sampling, growth, vocab)


@pytest.mark.parametrize(
    ("function", "mutant", "rule", "drafts"),
    [("block_tests", entry_as_test, "block", 1), ("_given_failure", rate_kept, "traversal", 2)],
)
def test_by_how_much_the_faults_are_wrong(function, mutant, rule, drafts, monkeypatch):
    """p = (3/4, 1/4) and q = (1/4, 3/4) after every prefix: a total variation of 1/6."""
    prefixes = [(), *((x,) for x in range(2)), *((x, y) for x in range(2) for y in range(2))]
    target = dict.fromkeys(prefixes, (Fraction(3, 4), Fraction(1, 4)))
    draft = dict.fromkeys(prefixes, (Fraction(1, 4), Fraction(3, 4)))
    monkeypatch.setattr(bottom_up, function, mutant)
    distribution, right = (
        package_distribution(target, draft, sequences(drafts, 2), rule, "iid", 3),
        target_distribution(target, 3),
    )
    assert sum(abs(distribution[tokens] - right[tokens]) for tokens in right) / 2 == pytest.approx(1 / 6)


def test_siblings_sorted_again_are_caught(monkeypatch):
    assert_lossless("traversal", "without_replacement", branching(2, 1), 3)
    in_order = DraftTree.children

    def by_probability(self, *nodes):
        def mass(child):
            return self.drawn_from(child)[self.tokens[child]]

        return sorted(in_order(self, *nodes), key=mass, reverse=True)

    monkeypatch.setattr(DraftTree, "children", by_probability)
    with pytest.raises(AssertionError):
        assert_lossless("traversal", "without_replacement", branching(2, 1), 3)


def test_copies_apart_are_lossless_but_cost(monkeypatch):
    """Keeping equal siblings apart, traversal may accept less than recursive rejection does."""
    growth, target, draft = sequences(2, 2), *pair(2, 3, seed=17)

    def accepted(rule):
        return average_accepted(target, draft, growth, rule, "iid")

    together, recursive = accepted("traversal"), accepted("recursive")
    children = DraftTree.children
    monkeypatch.setattr(DraftTree, "children", lambda self, *nodes: children(self, nodes[0]))
    assert_lossless("traversal", "iid", growth, 2)
    assert accepted("traversal") < recursive - 0.05 and recursive < together + 1e-9
