"""What is drafted says its rules, checks its numbers, and refuses what is not lossless with it."""

from __future__ import annotations

import dataclasses

import pytest

from tests.transport.decoding.pairs import every_kind
from tokenlab.chapters.transport import experiments
from tokenlab.errors import ArgumentError, DtypeError
from tokenlab.transport import SAMPLINGS, TREE_RULES, Branching, Chain, DynamicTree, Sequences
from tokenlab.transport.trees.verify import BOTTOM_UP


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Chain(0), ArgumentError, "length is 0, expected at least 1"),
        (lambda: Chain(1.5), DtypeError, "length must be an int, found float 1.5"),
        (lambda: Chain(True), DtypeError, "length must be an int"),
        (lambda: Sequences(0), ArgumentError, "num_sequences is 0"),
        (lambda: Sequences((2, 2)), DtypeError, "num_sequences must be an int, found tuple"),
        (lambda: Sequences(2, length=0), ArgumentError, "length is 0"),
        (
            lambda: Sequences(257, length=4),
            ArgumentError,
            "length=4.* makes 1028 drafts, expected at most 1024",
        ),
        (lambda: Branching(), ArgumentError, "children is empty, expected a number for each level"),
        (lambda: Branching(2, 0), ArgumentError, "children is 0"),
        (lambda: Branching((2, 2)), DtypeError, "children must be an int, found tuple"),
        (lambda: Branching(*[9] * 9), ArgumentError, "expected at most 1024"),
        (lambda: DynamicTree(0), ArgumentError, "num_nodes is 0"),
        (lambda: DynamicTree(5000), ArgumentError, "num_nodes is 5000, expected 1 to 1024"),
        (lambda: DynamicTree(5, depth=0), ArgumentError, "depth is 0"),
        (lambda: Sequences(), TypeError, "num_sequences"),
        (lambda: DynamicTree(), TypeError, "num_nodes"),
    ],
)
def test_bad_numbers(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize(
    ("drafts", "nodes"),
    [(Chain(4), 4), (Sequences(3, length=4), 12), (Branching(3, 2, 1), 15), (DynamicTree(12), 12)],
)
def test_how_many_tokens_are_drafted(drafts, nodes):
    assert drafts.num_nodes == nodes


@every_kind
def test_drafts_are_values(drafts):
    """They do not change, compare by what they say, and print as they are written."""
    import tokenlab.transport

    again = eval(repr(drafts), vars(tokenlab.transport))
    assert again == drafts and hash(again) == hash(drafts)
    field = dataclasses.fields(drafts)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(drafts, field, 1)


@every_kind
def test_rules_of_drafts(drafts):
    assert drafts.default_rule in drafts.rules and len(set(drafts.rules)) == len(drafts.rules)
    assert set(drafts.rules) <= set(TREE_RULES) and not set(drafts.rules) & set(drafts.refused)
    for rule in drafts.rules:
        assert drafts.sampling(rule) in SAMPLINGS
    assert drafts.resolve(None, 29) == drafts.default_rule


@every_kind
def test_the_docstring_names_the_rules(drafts):
    paragraph = type(drafts).__doc__.split("Rules: ")[1].split("Parameters")[0]
    for rule in TREE_RULES:
        assert (f'"{rule}"' in paragraph) == (rule in drafts.rules), rule
    assert f'``"{drafts.default_rule}"`` (default)' in paragraph


def test_on_a_chain_five_rules_are_one():
    found = {rule: Chain().resolve(rule, 29) for rule in Chain.rules}
    assert {rule for rule, resolved in found.items() if resolved == "recursive"} == {
        "recursive", "naive", "kseq", "greedy", "optimal",
    }  # fmt: skip
    assert {resolved for resolved in found.values() if resolved != "recursive"} == {
        "target_only",
        "block",
        "traversal",
    }
    assert Chain.default_rule in BOTTOM_UP


@pytest.mark.parametrize(
    ("drafts", "rule", "words"),
    [
        (Sequences(2), "block", "one sequence"),
        (Sequences(2), "greedy", "drafts of its own"),
        (Branching(2, 2), "kseq", "i.i.d. drafts only"),
        (DynamicTree(2), "kseq", "how many drafts"),
        (DynamicTree(2), "greedy", "drafts of its own"),
        (DynamicTree(2), "optimal", "how many drafts"),
        (Chain(2), "spechub", "drafts of its own"),
        (Chain(2), "spectr", "rule is 'spectr', expected one of 'recursive'"),
    ],
)
def test_rules_that_are_not_lossless_with_the_drafts_are_refused(drafts, rule, words):
    with pytest.raises(ArgumentError, match=words):
        drafts.resolve(rule, 29)


def test_the_vocabulary_limits_drafts_when_it_is_known():
    with pytest.raises(ArgumentError, match="has 4 children at a node, but there are only 3 tokens"):
        Branching(2, 4).resolve(None, 3)
    assert Sequences(4).resolve("optimal", 10) == "optimal"
    with pytest.raises(ArgumentError, match="4 drafts of 11 tokens make more than 10000"):
        Sequences(4).resolve("optimal", 11)
    with pytest.raises(ArgumentError, match="two drafts at a node"):
        Branching(2, 3).resolve("spechub", 29)


@pytest.mark.parametrize(
    ("way", "kind"), [("chain of 4", Chain), ("3 sequences of 4", Sequences), ("tree 3-1-1-1", Branching)]
)
def test_default_rules_keep_the_most_of_equal_drafts(way, kind):
    """In the chapter's recorded experiment, at both temperatures."""
    recorded = experiments.load_results("rounds")
    for label in recorded["rounds"]:
        kept = {
            rule: experiments.round_tokens(recorded, label, way, rule).mean
            for rule in recorded["rounds"][label][way]
        }
        assert max(kept, key=kept.get) == kind.default_rule
