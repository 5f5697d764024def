"""Top-down verification: the quick way along a chain, and faults planted."""

from __future__ import annotations

import pytest
import torch

from tests.transport.toys import assert_lossless, average_accepted, pair, random_rows
from tokenlab.chapters.transport.exact import branching, sequences
from tokenlab.transport.node.reference import decide
from tokenlab.transport.node.verdict import Verdict, output_distribution
from tokenlab.transport.rules import RULES
from tokenlab.transport.trees import top_down
from tokenlab.transport.trees.draft_tree import DraftTree


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
    """The correction comes from what is left at the root, wherever verification stops."""
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
    in_all = average_accepted(target, draft, growth, rule, "iid")
    of_several = DraftTree.children
    monkeypatch.setattr(DraftTree, "children", lambda self, *nodes: of_several(self, nodes[0]))
    assert_lossless(rule, "iid", growth, 2)
    assert average_accepted(target, draft, growth, rule, "iid") < in_all - 0.01
