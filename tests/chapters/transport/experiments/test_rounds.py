"""Rounds of decoding, small; recorded ones are read and computed again."""

from __future__ import annotations

import math

import pytest
import torch

from tests.chapters.transport.experiments.conftest import Tokenizer
from tokenlab.chapters.transport import experiments
from tokenlab.chapters.transport.experiments import Setting, rounds
from tokenlab.errors import ArgumentError
from tokenlab.lm import corpus
from tokenlab.transport.trees.verify import expected_accepted_length


@pytest.mark.parametrize(
    ("rule", "sampling", "branching"),
    [
        ("recursive", "without_replacement", (3, 2, 1)),
        ("greedy", "greedy", (2, 2)),
        ("kseq", "iid", (3, 1, 1)),
        ("traversal", "iid", (1, 1, 1)),
    ],
)
def test_a_round_reads_every_path_from_its_beginning(pair, rule, sampling, branching):
    text = torch.tensor([[0, 5, 9]])
    generator = torch.Generator().manual_seed(4)
    found = experiments.decode_round(
        *pair, text, branching, rule=rule, sampling=sampling, generator=generator, setting=Setting(0.8)
    )
    tree = found.tree
    sizes = [math.prod(branching[: level + 1]) for level in range(len(branching))]
    assert len(tree) == sum(sizes) and [tree.depths.tolist().count(d + 1) for d in range(len(sizes))] == sizes
    for node in (-1, *range(len(tree))):
        path = tree.tokens[tree.path(node)].unsqueeze(0)
        for model, rows in zip(pair, (found.target_probs, tree.draft_probs), strict=True):
            with torch.inference_mode():
                expected = (model(torch.cat([text, path], 1)).logits[0, -1] / 0.8).softmax(-1)
            torch.testing.assert_close(rows[node + 1], expected)
    tokens, nodes = found.verified
    assert len(tokens) == len(nodes) + 1 and torch.equal(tokens[:-1], tree.tokens[nodes])


def test_rounds_hang_on_the_generator_alone(pair):
    text = torch.tensor([[0, 5, 9]])
    seeds = (0, 0, 1)
    found = [
        experiments.decode_round(*pair, text, generator=torch.Generator().manual_seed(seed)) for seed in seeds
    ]
    assert torch.equal(found[0].tree.tokens, found[1].tree.tokens)
    assert torch.equal(found[0].verified.tokens, found[1].verified.tokens)
    assert not torch.equal(found[0].tree.tokens, found[2].tree.tokens)


def test_rounds_follow_one_another(pair):
    text, seed = torch.tensor([[0, 5, 9]]), 7
    found = experiments.decode_rounds(*pair, text, 3, (2, 1), generator=torch.Generator().manual_seed(seed))
    generator = torch.Generator().manual_seed(seed)
    for expected in found:
        again = experiments.decode_round(*pair, text, (2, 1), generator=generator)
        assert torch.equal(again.verified.tokens, expected.verified.tokens)
        text = torch.cat([text, again.verified.tokens[None]], 1)
    assert len(found) == 3


def test_rounds_without_drafts_are_tokens_of_the_target(pair):
    """The mean over many seeds is the target's distribution."""
    text = torch.tensor([[0, 5, 9]])
    draw = [
        experiments.decode_rounds(*pair, text, 1, (), generator=torch.Generator().manual_seed(seed))[0]
        for seed in range(300)
    ]
    assert all(len(found.tree) == 0 and len(found.verified.tokens) == 1 for found in draw)
    with torch.inference_mode():
        target = pair[0](text).logits[0, -1].softmax(-1)
    drawn = torch.tensor([found.verified.tokens.item() for found in draw])
    likely = target.argmax()
    share = (drawn == likely).double().mean()
    assert abs(share - target[likely]) < 4 * (target[likely] * (1 - target[likely]) / 300).sqrt()
    with pytest.raises(ArgumentError, match="number is 0"):
        experiments.decode_rounds(*pair, text, 0, ())


def test_rules_of_a_round_are_compared_on_the_same_trees(pair):
    sampling, branching, rules = rounds.ROUND_WAYS["3 sequences of 4"]
    found = experiments.measure_rounds(*pair, Tokenizer(), "3 sequences of 4", Setting(), 6, trees=2)
    assert list(found) == list(rules)
    ids = Tokenizer()(corpus.prompts()[6]["text"]).input_ids
    generator = torch.Generator().manual_seed(6)
    trees = [
        experiments.draft_tree(*pair, ids, branching, sampling=sampling, generator=generator)
        for _ in range(2)
    ]
    for rule in rules:
        expected = [1 + expected_accepted_length(tree, probs, rule) for tree, probs in trees]
        assert found[rule] == pytest.approx(sum(expected) / 2)
    assert found["target_only"] < found["recursive"]


def test_equal_models_accept_whole_chains(pair):
    found = experiments.measure_rounds(pair[0], pair[0], Tokenizer(), "chain of 4", Setting(), 0, trees=1)
    assert found == pytest.approx({"recursive": 5.0, "block": 5.0})


def test_every_way_of_a_round_drafts_as_many_tokens_as_its_texts(pair):
    for way, (_, branching, rules) in rounds.ROUND_WAYS.items():
        drafted = sum(math.prod(branching[: level + 1]) for level in range(len(branching)))
        assert drafted == (4 if way.startswith("chain") else 12)
        found = experiments.measure_rounds(*pair, Tokenizer(), way, Setting(), 1, trees=1)
        assert set(found) == set(rules) and all(1 <= value <= 5 for value in found.values())


def test_advantages_on_rounds_are_compared_tree_by_tree():
    results = {"rounds": {"T = 1": {"a": {"kseq": [2.0, 4.0], "naive": [1.5, 3.5]}}}}
    assert experiments.round_tokens(results, "T = 1", "a", "kseq").mean == 3
    advantage = experiments.round_advantage(results, "T = 1", "a", "kseq", "naive")
    assert advantage == pytest.approx((0.5, 0.5, 0.5))


def test_recorded_rounds_hold_for_one_prompt(lab):
    recorded = experiments.load_results("rounds")
    for way in ("3 sequences of 4", "tree 3-1-1-1"):
        again = experiments.recompute_rounds(*lab, "T = 1", way, 11)
        for rule, value in again.items():
            assert value == pytest.approx(recorded["rounds"]["T = 1"][way][rule][11], rel=6e-6)
