"""Blocks of tokens in fractions: lossless rules, bottom-up ones, and what adaptive trees allow."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.transport.toys import pair
from tokenlab.chapters.transport.exact import (
    Tree,
    branching,
    draft_trees,
    output_given_tree,
    sequence_distribution,
    sequences,
    target_distribution,
)
from tokenlab.errors import ArgumentError
from tokenlab.transport.rules import DEFINED

#: Every rule with every sampling: top-down, and bottom-up with a way back.
TOP_DOWN = [(rule, sampling) for rule in DEFINED for sampling in DEFINED[rule]]


BOTTOM_UP = [("traversal", "iid"), ("traversal", "without_replacement")] + [
    (f"traversal_{rule}", sampling) for rule, sampling in TOP_DOWN
]


def is_lossless(target, draft, growth, rule, sampling, length):
    distribution = sequence_distribution(target, draft, growth, rule, sampling, length)
    return distribution == target_distribution(target, length)


STRUCTURES = {
    "two sequences": (sequences(2, 2), 3),
    "three sequences": (sequences(3, 2), 2),
    "two children": (branching(2, 2), 2),
    "two children, different": (branching(2, 2), 3),
    "three children": (branching(3, 1), 3),
}


def fits(structure: str, sampling: str) -> bool:
    if sampling == "iid":
        return "sequences" in structure or structure == "two children"
    if sampling == "spechub":
        return structure == "two children, different"
    return structure in ("two children, different", "three children")


@pytest.mark.parametrize(
    ("structure", "rule", "sampling"),
    [
        (structure, rule, sampling)
        for structure in STRUCTURES
        for rule, sampling in TOP_DOWN + BOTTOM_UP
        if fits(structure, sampling)
    ],
)
def test_the_output_has_the_distribution_of_the_target(structure, rule, sampling):
    growth, vocab = STRUCTURES[structure]
    target, draft = pair(vocab, 3, seed=len(structure))
    assert is_lossless(target, draft, growth, rule, sampling, 3)


@pytest.mark.parametrize("rule", ["recursive", "kseq", "optimal", "block", "traversal", "traversal_kseq"])
@pytest.mark.parametrize("seed", range(8))
def test_zeros_in_both_models(rule, seed):
    growth = sequences(1 if rule == "block" else 2, 2)
    target, draft = pair(3, 3, 100 + seed, zeros=True)
    assert is_lossless(target, draft, growth, rule, "iid", 3)


@pytest.mark.parametrize("rule", ["block", "traversal"])
@pytest.mark.parametrize(("vocab", "length"), [(2, 4), (3, 3)])
def test_chains(rule, vocab, length):
    for seed in range(5):
        target, draft = pair(vocab, length, seed)
        assert is_lossless(target, draft, sequences(1, length - 1), rule, "iid", length)


def every_tree(growth, sampling, vocab, length, seed):
    target, draft = pair(vocab, length, seed)
    return [(target, draft, tree) for tree in draft_trees(draft, growth, sampling)]


def test_traversal_of_a_chain_is_block_verification():
    for seed in range(10):
        for target, draft, tree in every_tree(sequences(1, 2), "iid", 3, 3, seed):
            block = output_given_tree(target, draft, tree, "block", "iid")
            assert block == output_given_tree(target, draft, tree, "traversal", "iid")


@pytest.mark.parametrize("rule", ["naive", "kseq", "optimal"])
def test_every_rule_bottom_up_on_a_chain_is_block_verification(rule):
    for target, draft, tree in every_tree(sequences(1, 2), "iid", 3, 3, seed=1):
        block = output_given_tree(target, draft, tree, "block", "iid")
        assert block == output_given_tree(target, draft, tree, f"traversal_{rule}", "iid")


@pytest.mark.parametrize(
    ("growth", "sampling"), [(sequences(2, 2), "iid"), (branching(2, 2), "without_replacement")]
)
def test_traversal_is_recursive_rejection_with_a_way_back(growth, sampling):
    for target, draft, tree in every_tree(growth, sampling, 3, 3, seed=2):
        traversal = output_given_tree(target, draft, tree, "traversal", sampling)
        assert traversal == output_given_tree(target, draft, tree, "traversal_recursive", sampling)


def test_bottom_up_changes_nothing_for_target_only():
    for target, draft, tree in every_tree(sequences(2, 2), "iid", 2, 3, seed=2):
        top_down = output_given_tree(target, draft, tree, "target_only", "iid")
        assert top_down == output_given_tree(target, draft, tree, "traversal_target_only", "iid")


def sibling_after_a_look_below(tree: Tree):
    """Another child of the root only for some tokens below the first; later draws likewise."""
    match len(tree.tokens):
        case 0:
            return -1, 1
        case 1:
            return 0, 1
        case 2:
            return (-1, 1) if tree.tokens[1] == 1 else None
        case 3:
            return (2, 1) if tree.tokens[2] == 0 else (0, 1)
        case 4:
            return (-1, 1) if tree.tokens[3] == 0 and len(tree.children(-1)) < 3 else None
        case 5:
            return 4, 1
    return None


def counts_fixed_in_time(tree: Tree):
    """How many children is a matter of earlier tokens; at one prefix it is fixed at once."""
    if not tree.tokens:
        return -1, 2
    if not tree.children(1):
        return 1, 1 if tree.tokens[0] == 0 else 2
    if not tree.children(0):
        return 0, 1 if tree.tokens[0] != tree.tokens[1] and tree.tokens[2] == 1 else 2
    return None


def stop_at_zero(tree: Tree):
    """A chain that ends where token 0 was drawn."""
    nodes = len(tree.tokens)
    return None if nodes == 2 or 0 in tree.tokens else (nodes - 1, 1)


@pytest.mark.parametrize("sampling", ["iid", "without_replacement"])
@pytest.mark.parametrize("rule", ["target_only", "naive", "recursive", "traversal", "traversal_naive"])
def test_siblings_may_be_drawn_after_a_look(rule, sampling):
    target, draft = pair(3, 3, 51)
    assert is_lossless(target, draft, sibling_after_a_look_below, rule, sampling, 3)


@pytest.mark.parametrize("rule", ["kseq", "optimal", "traversal_kseq", "traversal_optimal"])
def test_rules_that_count_their_drafts_are_wrong_then(rule):
    target, draft = pair(3, 3, 50)
    assert not is_lossless(target, draft, sibling_after_a_look_below, rule, "iid", 3)


def test_by_how_much_counting_is_wrong():
    """One node: a second draft only if the first is token 0, which gives it away."""

    def second_after_zero(tree):
        return (-1, 1) if len(tree.tokens) == 0 or tree.tokens == (0,) else None

    third = (Fraction(1, 3),) * 3
    target = {(): (Fraction(1, 5), Fraction(1, 2), Fraction(3, 10)), (0,): third, (1,): third, (2,): third}
    draft = {(): third}
    assert is_lossless(target, draft, second_after_zero, "recursive", "iid", 2)
    right = target_distribution(target, 2)
    for rule, at_least in (("kseq", 0.005), ("optimal", 0.05)):
        distribution = sequence_distribution(target, draft, second_after_zero, rule, "iid", 2)
        assert sum(abs(distribution.get(tokens, 0) - right[tokens]) for tokens in right) / 2 > at_least


@pytest.mark.parametrize(
    "rule", ["recursive", "kseq", "optimal", "traversal", "traversal_kseq", "traversal_optimal"]
)
def test_counts_may_depend_on_earlier_tokens(rule):
    target, draft = pair(2, 3, 50)
    assert is_lossless(target, draft, counts_fixed_in_time, rule, "iid", 3)


@pytest.mark.parametrize("rule", ["block", "traversal"])
def test_chains_may_stop_where_they_like(rule):
    for seed in range(5):
        target, draft = pair(3, 3, seed)
        assert is_lossless(target, draft, stop_at_zero, rule, "iid", 3)


def test_pruning_after_the_draw_is_lossless_for_target_only_alone():
    """Two drafts without replacement, of which only the more probable one is kept."""
    target, draft = pair(3, 2, seed=4)
    distributions = {}
    for rule in ("target_only", "naive", "recursive", "traversal"):
        total = dict.fromkeys(target_distribution(target, 1), Fraction(0))
        for tree, probability in draft_trees(draft, branching(2), "without_replacement").items():
            kept = max(tree.tokens, key=lambda token: draft[()][token])
            pruned = Tree((kept,), (-1,))
            for tokens, chance in output_given_tree(
                target, draft, pruned, rule, "without_replacement"
            ).items():
                total[tokens[:1]] += probability * chance
        distributions[rule] = total
    assert distributions.pop("target_only") == target_distribution(target, 1)
    assert all(distribution != target_distribution(target, 1) for distribution in distributions.values())


def test_bad_input_is_named():
    target, draft = pair(2, 3, seed=0)
    fork = Tree((0, 1), (-1, -1))
    with pytest.raises(ArgumentError, match=r"parents are \(-1, -1\), expected a chain"):
        output_given_tree(target, draft, fork, "block", "iid")
    with pytest.raises(ArgumentError, match="rule is 'best'"):
        output_given_tree(target, draft, fork, "best", "iid")
    with pytest.raises(ArgumentError, match="length is 1, but a block has 2 tokens"):
        sequence_distribution(target, draft, sequences(1, 1), "recursive", "iid", 1)
    with pytest.raises(ArgumentError, match="'greedy' draws them at once"):
        draft_trees(draft, lambda tree: (-1, 1) if len(tree.tokens) < 2 else None, "greedy")
