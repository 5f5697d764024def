"""Verification of trees: against fractions, by counting, and bad input."""

from __future__ import annotations

import itertools
import sys
from fractions import Fraction

import pytest
import torch
from scipy.stats import chisquare

from tests.transport.toys import (
    as_draft_tree,
    assert_lossless,
    bushy,
    distance,
    distribution_given,
    generator,
    pair,
    random_rows,
    rows,
)
from tokenlab.chapters.transport.exact import (
    Tree,
    block_efficiency,
    branching,
    draft_trees,
    output_given_tree,
    sequences,
)
from tokenlab.errors import ArgumentError, DtypeError, ProbabilityError, ShapeError
from tokenlab.transport.rules import DEFINED, RULES
from tokenlab.transport.trees import verify as tree_module
from tokenlab.transport.trees.draft_tree import DraftTree
from tokenlab.transport.trees.verify import (
    BOTTOM_UP,
    TREE_RULES,
    accepted_paths,
    expected_accepted_length,
    verify_tree,
)

HALF = torch.full((4, 2), 0.5, dtype=torch.float64)


def test_the_empty_tree_gives_one_token():
    tree = DraftTree.from_chain(torch.tensor([], dtype=torch.int64), torch.zeros(0, 3))
    assert len(tree) == 0 and tree.is_chain and tree.attention_mask().shape == (0, 0)
    for rule in ("recursive", "block", "traversal"):
        out = verify_tree(tree, torch.tensor([[0.0, 0.0, 1.0]]), rule)
        assert out.tokens.tolist() == [2] and out.nodes.tolist() == []


TOP_DOWN = [(rule, sampling) for rule in RULES for sampling in DEFINED[rule]]


def structure(sampling: str):
    """A growth in which the sampling has a few dozen trees of three tokens."""
    return {
        "iid": branching(2, 1),
        "without_replacement": branching(2, 1),
        "greedy": branching(2, 2),
        "spechub": branching(2, 2),
    }[sampling]


@pytest.mark.parametrize(
    ("rule", "sampling"),
    [case for case in TOP_DOWN if case not in (("optimal", "iid"), ("optimal", "without_replacement"))],
)
def test_the_distribution_given_a_tree_is_the_exact_one(rule, sampling):
    growth, target, draft = structure(sampling), *pair(3, 3, seed=7)
    trees = list(draft_trees(draft, growth, sampling))
    for tree in trees[:: 1 + len(trees) // 60]:
        exact = output_given_tree(target, draft, tree, rule, sampling)
        if rule == "optimal":  # the closed forms of greedy and spechub
            exact = output_given_tree(target, draft, tree, sampling, sampling)
        assert distance(distribution_given(target, draft, tree, rule, sampling), exact) < 1e-12


@pytest.mark.parametrize("sampling", ["iid", "without_replacement"])
def test_the_distribution_of_optimal_over_all_trees(sampling):
    assert_lossless("optimal", sampling, branching(2, 1), 2)


@pytest.mark.parametrize("rule", ["recursive", "naive", "kseq"])
def test_three_drafts(rule):
    assert_lossless(rule, "iid", branching(3, 1), 2)


def test_a_tree_whose_copies_have_different_numbers_of_children():
    """The first copy may be a leaf, whose row nobody filled in."""
    target, draft = pair(2, 3, seed=3)
    tree = Tree((0, 0, 1, 1), (-1, -1, 1, 1))
    drafted = as_draft_tree(tree, draft, "iid")
    drafted.draft_probs[1] = torch.nan
    drafted = DraftTree(drafted.tokens, drafted.parents, drafted.draft_probs, "iid")
    for rule in ("recursive", "traversal"):
        paths = accepted_paths(drafted, rows(target, tree), rule)
        assert sum(path.probability for path in paths) == pytest.approx(1, abs=1e-12)
        longest = max(paths, key=lambda path: len(path.nodes))
        assert longest.nodes == (1, 2)
        assert (
            distance(
                distribution_given(target, draft, tree, rule, "iid"),
                output_given_tree(target, draft, tree, rule, "iid"),
            )
            < 1e-12
        )


@pytest.mark.parametrize("rule", ["target_only", "naive", "recursive", "block", "traversal"])
def test_expected_length_is_exact(rule):
    growth = sequences(1 if rule == "block" else 2, 2)
    target, draft = pair(2, 3, seed=5)
    expected = 0.0
    for tree, probability in draft_trees(draft, growth, "iid").items():
        length = expected_accepted_length(as_draft_tree(tree, draft, "iid"), rows(target, tree), rule)
        distribution = output_given_tree(target, draft, tree, rule, "iid")
        exact = sum(chance * (len(tokens) - 1) for tokens, chance in distribution.items())
        assert length == pytest.approx(float(exact), abs=1e-12)
        expected += float(probability) * length
    assert 1 + expected == pytest.approx(float(block_efficiency(target, draft, growth, rule, "iid")))


def draws(tree: DraftTree, target_probs: torch.Tensor, rule: str, number: int) -> dict[tuple[int, ...], int]:
    counts: dict[tuple[int, ...], int] = {}
    source = generator(123)
    for _ in range(number):
        out = verify_tree(tree, target_probs, rule, generator=source, validate=False)
        tokens = tuple(out.tokens.tolist())
        assert tokens[:-1] == tuple(tree.tokens[out.nodes].tolist())
        assert out.nodes.tolist() == (tree.path(int(out.nodes[-1])) if len(out.nodes) else [])
        counts[tokens] = counts.get(tokens, 0) + 1
    return counts


def p_value(counts: dict, distribution: dict[tuple[int, ...], Fraction]) -> float:
    """Chi-square of counts against the exact distribution; 0 where an outcome of probability 0 came."""
    if set(counts) - set(distribution):
        return 0.0
    number = sum(counts.values())
    cells = [(counts.get(tokens, 0), float(chance) * number) for tokens, chance in distribution.items()]
    small = [cell for cell in cells if cell[1] < 5]
    cells = [cell for cell in cells if cell[1] >= 5]
    if small:
        cells.append(tuple(map(sum, zip(*small, strict=True))))
    found, expected = zip(*cells, strict=True)
    return float(chisquare(found, expected).pvalue)


STATISTICS = [
    ("recursive", "iid", Tree((1, 0), (-1, 0))),
    ("target_only", "iid", Tree((1, 0), (-1, 0))),
    ("block", "iid", Tree((1, 0), (-1, 0))),
    ("naive", "iid", Tree((1, 2, 1, 0, 1), (-1, -1, -1, 0, 2))),
    ("recursive", "without_replacement", Tree((1, 2, 0, 2), (-1, -1, 0, 0))),
    ("traversal", "iid", Tree((1, 2, 1, 0, 1), (-1, -1, -1, 0, 2))),
]


NUMBER = 600


@pytest.mark.parametrize(("rule", "sampling", "tree"), STATISTICS)
def test_draws_follow_the_exact_distribution(rule, sampling, tree, monkeypatch):
    target, draft = pair(3, 3, seed=21)
    drafted, target_probs = as_draft_tree(tree, draft, sampling), rows(target, tree)
    exact = output_given_tree(target, draft, tree, rule, sampling)
    assert p_value(draws(drafted, target_probs, rule, NUMBER), exact) > 1e-3

    # As many draws see the fault: one uniform for every test and every draw.
    def shared(shape, **options):
        return torch.rand((1,), generator=options["generator"], dtype=torch.float64).expand(shape)

    monkeypatch.setattr(tree_module, "open_uniform", shared)
    assert p_value(draws(drafted, target_probs, rule, NUMBER), exact) < 1e-9


def test_the_generator_decides():
    tree, target_probs = bushy(), random_rows(8, 4, seed=3)
    target_probs[2], target_probs[4] = target_probs[1], target_probs[3]
    for rule in ("recursive", "traversal"):
        runs = [
            [verify_tree(tree, target_probs, rule, generator=source).tokens.tolist() for _ in range(20)]
            for source in (generator(5), generator(5), generator(6))
        ]
        assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_other_dtypes_and_a_wide_vocabulary(dtype):
    vocab = 50_000 if dtype == torch.float32 else 300
    parents = torch.tensor([-1, -1, 0, 0, 1])
    draft_probs = random_rows(6, vocab, 1, dtype)
    tokens = (draft_probs[parents + 1].argmax(-1) + torch.arange(5)) % vocab
    tree = DraftTree(tokens, parents, draft_probs, "without_replacement")
    target_probs = random_rows(6, vocab, 2, dtype)
    for rule in ("target_only", "naive", "recursive", "traversal"):
        out = verify_tree(tree, target_probs, rule, generator=generator())
        assert len(out.tokens) == len(out.nodes) + 1 and 0 <= int(out.tokens[-1]) < vocab
        paths = accepted_paths(tree, target_probs, rule)
        assert sum(path.probability for path in paths) == pytest.approx(1)


@pytest.mark.parametrize("rule", ["naive", "recursive", "kseq", "block", "traversal", "traversal_kseq"])
def test_equal_and_disjoint_models(rule):
    growth = sequences(1 if rule == "block" else 2, 2)
    target, _ = pair(3, 3, seed=8)
    for tree in itertools.islice(draft_trees(target, growth, "iid"), 0, None, 7):
        length = expected_accepted_length(as_draft_tree(tree, target, "iid"), rows(target, tree), rule)
        assert length == pytest.approx(2, abs=1e-12)
    parents = torch.tensor([-1, 0 if rule == "block" else -1])
    tree = DraftTree(torch.tensor([0, 0]), parents, torch.eye(2)[[0, 0, 0]], "iid")
    target_probs = torch.eye(2)[[1, 1, 1]]
    assert expected_accepted_length(tree, target_probs, rule) == 0
    assert verify_tree(tree, target_probs, rule).tokens.tolist() == [1]


TOKENS, PARENTS = torch.tensor([0, 1, 1]), torch.tensor([-1, -1, 0])


@pytest.mark.parametrize("function", [verify_tree, accepted_paths, expected_accepted_length])
def test_verification_names_what_is_wrong(function):
    tree = DraftTree(TOKENS, PARENTS, HALF, "iid")
    with pytest.raises(ArgumentError, match="tree must be a DraftTree, found list"):
        function([0, 1], HALF, "recursive")
    with pytest.raises(ArgumentError, match="rule is 'best', expected one of"):
        function(tree, HALF, "best")
    with pytest.raises(ArgumentError, match="rule 'greedy' is not defined for sampling 'iid'"):
        function(tree, HALF, "greedy")
    with pytest.raises(ArgumentError, match="rule 'block' verifies chains"):
        function(tree, HALF, "block")
    with pytest.raises(ShapeError, match=r"target_probs has shape \(3, 2\), expected \(4, 2\)"):
        function(tree, HALF[:3], "recursive")
    with pytest.raises(ProbabilityError, match="target_probs sums to 0.9"):
        function(tree, HALF * 0.9, "recursive")
    greedy = DraftTree(TOKENS, PARENTS, HALF, "greedy")
    with pytest.raises(ArgumentError, match="rule 'traversal' is not defined for sampling 'greedy'"):
        function(greedy, HALF, "traversal")
    with pytest.raises(ArgumentError, match="rule 'kseq' is not defined for sampling 'greedy'"):
        function(greedy, HALF, "kseq")


def test_a_generator_must_be_one():
    with pytest.raises(DtypeError, match="generator must be a torch.Generator"):
        verify_tree(DraftTree(TOKENS, PARENTS, HALF, "iid"), HALF, "recursive", generator=7)


def test_values_are_not_read_without_validation():
    tree = DraftTree(TOKENS + 5, PARENTS, HALF * 3, "iid", validate=False)
    assert len(tree) == 3
    right = DraftTree(TOKENS, PARENTS, HALF, "iid")
    assert len(verify_tree(right, HALF * 3, "target_only", validate=False).tokens) >= 1


def test_the_table_of_rules():
    assert set(TREE_RULES) == {*RULES, *BOTTOM_UP}
    assert {*BOTTOM_UP} <= {"block", "traversal", *(f"traversal_{rule}" for rule in RULES)}


@pytest.mark.parametrize("rule", ["traversal", "traversal_kseq", "recursive"])
def test_a_tree_deeper_than_pythons_stack(rule):
    """Equal models accept every draft of the longest branch."""
    depth = sys.getrecursionlimit() + 500
    parents = torch.tensor([-1, *range(depth - 1), -1])
    rows = torch.full((depth + 2, 2), 0.5)
    tree = DraftTree(torch.tensor([0] * depth + [0]), parents, rows, "iid")
    found = verify_tree(tree, rows, rule, generator=torch.Generator().manual_seed(0))
    assert len(found.nodes) == depth and len(str(tree).splitlines()) == depth + 2
