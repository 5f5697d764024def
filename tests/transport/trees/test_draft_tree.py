"""Draft trees: their shape, their text, and trees that cannot be."""

from __future__ import annotations

import itertools

import pytest
import torch

from tests.transport.toys import bushy, random_rows
from tokenlab.errors import ArgumentError, DtypeError, ProbabilityError, ShapeError
from tokenlab.transport.trees.draft_tree import DraftTree
from tokenlab.transport.trees.verify import verify_tree

HALF = torch.full((4, 2), 0.5, dtype=torch.float64)


def test_children_stand_in_the_order_of_their_draws():
    tree = bushy()
    assert tree.children(-1) == [0, 1] and tree.children(0) == [2, 5] and tree.children(6) == []
    assert tree.children(0, 1) == [2, 3, 5]
    assert tree.paths == [[0, 2], [1, 3, 4], [0, 5], [1, 3, 6]]
    assert tree.path(-1) == [] and tree.depths.tolist() == [1, 1, 2, 2, 3, 2, 3]


def test_nodes_with_the_same_tokens_from_the_root_on():
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
