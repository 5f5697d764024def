"""Draft trees, and top-down verification: against fractions, and with faults planted."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
import torch
from scipy.stats import chisquare

from tests.transport.toys import as_draft_tree, distance, distribution_given, package_distribution, pair, rows
from tokenlab.chapters.transport.exact import (
    Tree,
    block_efficiency,
    branching,
    draft_trees,
    output_given_tree,
    sequences,
    target_distribution,
)
from tokenlab.errors import ArgumentError, DtypeError, ProbabilityError, ShapeError
from tokenlab.transport.node.reference import decide
from tokenlab.transport.node.verdict import Verdict, output_distribution
from tokenlab.transport.rules import DEFINED, RULES
from tokenlab.transport.trees import top_down
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


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_rows(count: int, vocab: int, seed: int, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(count, vocab, generator=generator(seed), dtype=torch.float64).softmax(-1).to(dtype)


def bushy() -> DraftTree:
    """Seven nodes out of level order: 0 - (2, 5), 1 - 3 - (4, 6)."""
    parents = torch.tensor([-1, -1, 0, 1, 3, 0, 3])
    tokens = torch.tensor([2, 2, 1, 1, 0, 3, 1])
    return DraftTree(tokens, parents, torch.full((8, 4), 0.25), "iid")


def test_children_stand_in_the_order_of_their_draws():
    tree = bushy()
    assert tree.children(-1) == [0, 1] and tree.children(0) == [2, 5] and tree.children(6) == []
    assert tree.children(0, 1) == [2, 3, 5]
    assert tree.paths == [[0, 2], [1, 3, 4], [0, 5], [1, 3, 6]]
    assert tree.path(-1) == [] and tree.depths.tolist() == [1, 1, 2, 2, 3, 2, 3]


def test_nodes_with_the_same_tokens_after_them():
    assert bushy().same_prefix.tolist() == [0, 0, 2, 2, 4, 5, 6]


def test_a_node_sees_its_path():
    tree = bushy()
    mask = tree.attention_mask()
    assert mask.dtype == torch.bool
    for node in range(len(tree)):
        assert mask[node].nonzero().flatten().tolist() == tree.path(node)


def test_text_shows_the_tree():
    assert str(bushy()).splitlines() == [
        "DraftTree: 7 nodes, depth 3, iid",
        "├─ 2  (0.25)",
        "│  ├─ 1  (0.25)",
        "│  └─ 3  (0.25)",
        "└─ 2  (0.25)",
        "   └─ 1  (0.25)",
        "      ├─ 0  (0.25)",
        "      └─ 1  (0.25)",
    ]


def test_a_chain():
    draft_probs = random_rows(3, 5, seed=1)
    tree = DraftTree.from_chain(torch.tensor([4, 0, 2]), draft_probs)
    assert tree.is_chain and tree.parents.tolist() == [-1, 0, 1] and tree.vocab_size == 5
    assert torch.equal(tree.draft_probs[:3], draft_probs)
    assert all(torch.equal(tree.drawn_from(node), draft_probs[node]) for node in range(3))
    assert not bushy().is_chain


def test_sequences_keep_their_copies():
    draft_probs = random_rows(3, 4, seed=2).unsqueeze(1).repeat(1, 2, 1)
    draft_probs[:, 0] = draft_probs[0, 0]
    draft_probs[1, 1] = draft_probs[0, 1]
    tree = DraftTree.from_sequences(torch.tensor([[1, 0], [1, 3], [2, 0]]), draft_probs)
    assert tree.tokens.tolist() == [1, 1, 2, 0, 3, 0]
    assert tree.parents.tolist() == [-1, -1, -1, 0, 1, 2]
    assert tree.same_prefix.tolist() == [0, 0, 2, 3, 4, 5]
    for sequence, step in itertools.product(range(3), range(2)):
        assert torch.equal(tree.drawn_from(3 * step + sequence), draft_probs[sequence, step])


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


def assert_lossless(rule, sampling, growth, vocab, seed=11):
    """The package's distribution over all trees is the target's."""
    target, draft = pair(vocab, 3, seed)
    distribution = package_distribution(target, draft, growth, rule, sampling, 3)
    assert distance(distribution, target_distribution(target, 3)) < 1e-12


# Plans are not unique: "optimal" is compared over all trees only.
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


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule not in ("spechub", "greedy")])
def test_the_quick_way_along_a_chain_is_the_same_distribution(rule):
    """chain_tests and chain_residual against the rule at each node."""
    vocab, length = 7, 3
    draft_probs, target_probs = random_rows(length, vocab, 1), random_rows(length + 1, vocab, 2)
    tree = DraftTree.from_chain(torch.tensor([3, 0, 6]), draft_probs)
    tests = top_down.chain_tests(tree, target_probs, rule)
    for node in range(length):
        token = tree.tokens[node : node + 1]
        left = top_down.chain_residual(tree, target_probs[node], rule, node)
        quick = Verdict(tests[node : node + 1], left / left.sum())
        # A plan for 7 tokens and one draft is the maximal coupling as well.
        exact = decide(target_probs[node], draft_probs[node], token, rule, "iid")
        assert torch.allclose(
            output_distribution(quick, token), output_distribution(exact, token), atol=1e-12, rtol=0
        )


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
    """Chi-square of counts against the exact distribution; outcomes that the distribution does not have give 0."""
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


def as_distribution(distribution: torch.Tensor, tokens: torch.Tensor) -> Verdict:
    """A verdict that has this distribution of outputs: no test, and a last draw."""
    return Verdict(torch.zeros(tokens.shape, dtype=distribution.dtype), distribution)


def decided(tree, target, children, tokens, rule):
    draft = tree.drawn_from(children[0]).double()
    return output_distribution(decide(target, draft, tokens, rule, tree.sampling), tokens)


def without_repeats(at_node):
    """Siblings that are equal count once."""

    def mutant(tree, target, children, rule):
        tokens = torch.tensor(list(dict.fromkeys(tree.tokens[children].tolist())))
        return as_distribution(decided(tree, target, children, tokens, rule), tree.tokens[children])

    return mutant


def sorted_again(at_node):
    """Siblings in the order of their probabilities, not of their draws."""

    def mutant(tree, target, children, rule):
        draft = tree.drawn_from(children[0])
        tokens = torch.tensor(sorted(tree.tokens[children].tolist(), key=lambda token: -draft[token]))
        return as_distribution(decided(tree, target, children, tokens, rule), tree.tokens[children])

    return mutant


def residual_of_the_root(at_node):
    """The correction comes from what is left at the root, wherever the walk stops."""
    first: dict[int, torch.Tensor] = {}

    def mutant(tree, target, children, rule):
        verdict = at_node(tree, target, children, rule)
        return Verdict(verdict.accept, first.setdefault(id(tree), verdict.residual))

    return mutant


def bonus_from_the_draft(ends):
    """After a leaf the token comes from the draft model."""

    def mutant(tree, target_probs, rule):
        for node, probability, distribution in ends(tree, target_probs, rule):
            leaf = node >= 0 and not tree.children(node)
            yield node, probability, tree.drawn_from(node) if leaf else distribution

    return mutant


FAULTS = {
    "without repeats": ("at_node", without_repeats, "kseq", "iid", sequences(2, 2), 2),
    "sorted again": ("at_node", sorted_again, "recursive", "without_replacement", branching(2, 1), 3),
    "residual of the root": ("at_node", residual_of_the_root, "recursive", "iid", sequences(2, 2), 2),
    "bonus from the draft": ("ends", bonus_from_the_draft, "recursive", "iid", sequences(2, 2), 2),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_caught(fault, monkeypatch):
    function, mutate, rule, sampling, growth, vocab = FAULTS[fault]
    assert_lossless(rule, sampling, growth, vocab)
    monkeypatch.setattr(top_down, function, mutate(getattr(top_down, function)))
    with pytest.raises(AssertionError):
        assert_lossless(rule, sampling, growth, vocab)


@pytest.mark.parametrize("rule", ["recursive", "kseq"])
def test_going_on_in_the_first_of_equal_siblings_only_is_lossless_but_costs(rule, monkeypatch):
    growth = sequences(2, 2)
    target, draft = pair(2, 3, seed=11)

    def accepted():
        return sum(
            float(probability)
            * expected_accepted_length(as_draft_tree(tree, draft, "iid"), rows(target, tree), rule)
            for tree, probability in draft_trees(draft, growth, "iid").items()
        )

    in_all = accepted()
    of_several = DraftTree.children
    monkeypatch.setattr(DraftTree, "children", lambda self, *nodes: of_several(self, nodes[0]))
    assert_lossless(rule, "iid", growth, 2)
    assert accepted() < in_all - 0.01


TOKENS, PARENTS = torch.tensor([0, 1, 1]), torch.tensor([-1, -1, 0])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"tokens": [0, 1, 1]}, DtypeError, "tokens must be a torch.Tensor, found list"),
        ({"tokens": TOKENS.float()}, DtypeError, "tokens has dtype float32, expected one of int64"),
        ({"tokens": TOKENS[None]}, ShapeError, "tokens has shape"),
        ({"parents": PARENTS[:2]}, ShapeError, "parents has 2 entries, expected 3"),
        ({"draft_probs": HALF[:3]}, ShapeError, "draft_probs has 3 rows, expected 4"),
        ({"draft_probs": HALF[0]}, ShapeError, "draft_probs has shape"),
        ({"draft_probs": HALF.long()}, DtypeError, "draft_probs has dtype int64"),
        ({"sampling": "beam"}, ArgumentError, "sampling is 'beam', expected one of"),
        ({"parents": torch.tensor([-1, -2, 0])}, ArgumentError, r"parents\[1\] is -2"),
        ({"parents": torch.tensor([-1, 1, 0])}, ArgumentError, r"parents\[1\] is 1, .* before 1"),
        ({"parents": torch.tensor([1, -1, 0])}, ArgumentError, r"parents\[0\] is 1"),
        ({"tokens": torch.tensor([0, 2, 1])}, ArgumentError, r"tokens\[1\] is 2, expected an id from 0 to 1"),
        ({"tokens": torch.tensor([0, -1, 1])}, ArgumentError, r"tokens\[1\] is -1"),
        ({"draft_probs": HALF * 0.9}, ProbabilityError, r"draft_probs\[0\] sums to 0.9"),
        (
            {"draft_probs": torch.tensor([[0.5, 0.5], [1.0, 0.0], [0.5, 0.5], [0.5, 0.5]])},
            ArgumentError,
            r"tokens\[2\] is 1, which has probability 0 in draft_probs\[1\]",
        ),
        (
            {"tokens": torch.tensor([1, 1, 1]), "sampling": "without_replacement"},
            ArgumentError,
            r"tokens of the children of the root are \[1, 1\], but sampling 'without_replacement' repeats none",
        ),
        (
            {"tokens": torch.tensor([1, 0, 1]), "sampling": "greedy"},
            ArgumentError,
            r"\[1, 0\], expected the most probable ones first, \[0\]",
        ),
        (
            {"sampling": "spechub"},
            ArgumentError,
            "the children of node 0 are 1, but sampling 'spechub' draws two",
        ),
    ],
)
def test_trees_that_cannot_be(change, error, message):
    arguments = {"tokens": TOKENS, "parents": PARENTS, "draft_probs": HALF, "sampling": "iid"}
    DraftTree(**arguments)
    with pytest.raises(error, match=message):
        DraftTree(**(arguments | change))


def test_spechub_needs_its_hub():
    row = torch.tensor([[0.2, 0.5, 0.3]]).repeat(3, 1)
    DraftTree(torch.tensor([2, 1]), torch.tensor([-1, -1]), row, "spechub")
    with pytest.raises(ArgumentError, match="expected the most probable one, 1, among them"):
        DraftTree(torch.tensor([2, 0]), torch.tensor([-1, -1]), row, "spechub")


def test_copies_must_agree():
    parents = torch.tensor([-1, -1, 0, 1])
    draft_probs = torch.full((5, 2), 0.5)
    draft_probs[2] = torch.tensor([0.25, 0.75])
    with pytest.raises(ProbabilityError, match=r"draft_probs\[2\] differs from draft_probs\[1\]"):
        DraftTree(torch.tensor([1, 1, 0, 0]), parents, draft_probs, "iid")
    tree = DraftTree(torch.tensor([1, 0, 0, 0]), parents, draft_probs, "iid")
    assert tree.same_prefix.tolist() == [0, 1, 2, 3]
    tree = DraftTree(torch.tensor([1, 1, 0, 0]), parents, torch.full((5, 2), 0.5), "iid")
    with pytest.raises(ProbabilityError, match=r"target_probs\[2\] differs from target_probs\[1\]"):
        verify_tree(tree, draft_probs, "recursive")
    roots = torch.tensor([[[0.5, 0.5]], [[0.25, 0.75]]])
    with pytest.raises(ProbabilityError, match="sequences, which share the root"):
        DraftTree.from_sequences(torch.tensor([[0], [1]]), roots)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: DraftTree.from_chain(TOKENS, HALF), ShapeError, "draft_probs has 4 rows, expected 3"),
        (lambda: DraftTree.from_sequences(TOKENS[None], HALF[None]), ShapeError, r"\(1, 3, vocab\)"),
        (lambda: DraftTree.from_sequences(TOKENS, HALF[None]), ShapeError, "sequences has shape"),
        (
            lambda: DraftTree.from_sequences(torch.zeros(2, 0, dtype=torch.int64), torch.zeros(2, 0, 3)),
            ArgumentError,
            "length is 0",
        ),
    ],
)
def test_constructors_name_what_is_wrong(call, error, message):
    with pytest.raises(error, match=message):
        call()


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
