"""What is drafted: exact draft probabilities, the distribution of the children, ancestors and equal prefixes."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import chisquare

from tests.support.tiny_models import plain_logits, tiny_model
from tests.transport.decoding.proposals import TEXTS, drafted_paths, propose, softmax
from tokenlab.transport import Branching, Chain, DraftTree, DynamicTree, Sequences, draft_distribution
from tokenlab.transport.decoding.drafting import branching_tree
from tokenlab.transport.decoding.proposal import DraftSampler

VOCAB = 29
DRAFTS = (Chain(4), Sequences(4, length=3), Branching(3, 2, 1), DynamicTree(9))
every = pytest.mark.parametrize("drafts", DRAFTS, ids=repr)


@pytest.mark.parametrize(
    ("drafts", "sampling"),
    [
        *((drafts, sampling) for drafts in DRAFTS for sampling in ("own", None)),
        (Branching(3, 2, 1), "greedy"),
    ],
    ids=str,
)
def test_probabilities_are_those_of_plain_forwards(drafts, sampling):
    model = tiny_model()
    found, _ = propose(drafts, model, sampling=sampling)
    for row, text in enumerate(TEXTS):
        paths = drafted_paths(found, row)
        inner = {-1, *found.parents[row]}
        for draft in inner:
            index = found.drawn_from[row][1 + draft]
            expected = plain_logits(model, text + (paths[draft] if draft >= 0 else [])).softmax(-1)
            assert (found.probs[row, index] - expected).abs().max() < 1e-10


@every
def test_nodes_see_their_ancestors(drafts):
    found, _ = propose(drafts)
    for row in range(2):
        node, paths = found.node[row], drafted_paths(found, row)
        rows = torch.full((len(node) + 1, VOCAB), 1 / VOCAB)
        tree = DraftTree(found.tokens[row, node], torch.tensor(found.parents[row]), rows, "iid")
        depths = found.depths.expand(2, -1)[row]
        assert depths[node].tolist() == [len(path) for path in paths] == tree.depths.tolist()
        seen = torch.ones(len(node), len(node)).tril() > 0 if found.seen is None else found.seen[row]
        same = tree.same_prefix
        merged = tree.attention_mask().int()
        # A draft at a node sees the nodes on its path.
        for draft, path in enumerate(merged):
            expected = {node[int(same[i])] for i in path.nonzero().flatten().tolist()}
            assert set(seen[node[draft]].nonzero().flatten().tolist()) == expected


def test_equal_prefixes_are_read_once_and_counted_as_often_as_drawn():
    found, tree_cache = propose(Sequences(4, length=3), tiny_model(vocab=3), texts=[[0, 2], [0, 1]])
    assert found.tokens.shape[1] < 12 and tree_cache.calls == 3
    for row in range(2):
        prefixes = [tuple(path) for path in drafted_paths(found, row)]
        assert len(prefixes) == 12
        nodes = dict(zip(prefixes, found.node[row], strict=True))
        assert len(set(found.node[row])) == len(set(prefixes)) == len(nodes)
        assert [nodes[prefix] for prefix in prefixes] == found.node[row]


@pytest.mark.parametrize(
    ("drafts", "calls"), [(Chain(4), 4), (Sequences(4, length=3), 3), (Branching(3, 2, 1), 3)], ids=str
)
def test_the_draft_model_is_called_once_a_level(drafts, calls):
    assert propose(drafts)[1].calls == calls


@pytest.mark.parametrize("sampling", ["iid", "without_replacement", "greedy", "spechub"])
def test_children_follow_their_distribution(sampling):
    """Two children of one node, against the distribution of all pairs; two planted mistakes show."""
    model, text, rows = tiny_model(vocab=4), [0, 3, 2], 20_000
    sampler = DraftSampler(softmax, sampling, torch.Generator().manual_seed(11))
    probs = plain_logits(model, text).softmax(-1).expand(rows, 1, -1)
    if sampling == "iid":
        pairs = sampler.each(probs, torch.zeros(rows, 2, dtype=torch.long))
    else:
        pairs = sampler.children(probs, 2)[0][:, 0]
    tuples, distribution = draft_distribution(plain_logits(model, text).softmax(-1), 2, sampling)

    def p_value(pairs):
        codes = (pairs * torch.tensor([4, 1])).sum(-1)
        counts = torch.bincount(codes, minlength=16)[(tuples * torch.tensor([4, 1])).sum(-1)]
        possible = distribution > 0
        assert counts.sum() == len(pairs) and not counts[~possible].any()
        expected = distribution[possible] * (len(pairs) / distribution.sum())
        return chisquare(counts[possible].numpy(), expected.numpy()).pvalue

    assert p_value(pairs) > 1e-3
    if sampling == "without_replacement":
        assert p_value(pairs.sort(-1).values.flip(-1)) < 1e-6
    if sampling == "iid":
        first = pairs[:, :1].expand(-1, 2)
        assert p_value(torch.where((torch.arange(rows) % 10 == 0).unsqueeze(1), first, pairs)) < 1e-6


@pytest.mark.parametrize("sampling", ["without_replacement", "greedy", "spechub", None])
def test_a_node_has_no_more_children_than_tokens(sampling):
    """Truncation may leave fewer tokens than a node should have children."""

    def two_tokens(logits):
        return logits.masked_fill(logits < logits.topk(2).values[..., -1:], -torch.inf).softmax(-1)

    drafts = Branching(2, 2) if sampling == "spechub" else Branching(3, 3)
    found, _ = propose(drafts, sampling=sampling, process=two_tokens)
    for row in range(2):
        paths = drafted_paths(found, row)
        assert len(paths) == 2 + 4 == len({tuple(path) for path in paths})
        node = found.node[row]
        drawn_from = [max(0, index) for index in found.drawn_from[row]]
        DraftTree(
            found.tokens[row, node],
            torch.tensor(found.parents[row]),
            found.probs[row, drawn_from],
            sampling or "without_replacement",
        )


def test_no_pair_where_one_token_is_left():
    """A node without a pair is a leaf."""

    def one_token(logits):
        return torch.zeros_like(logits).scatter(-1, logits.argmax(-1, keepdim=True), 1.0)

    found, _ = propose(Branching(2), sampling="spechub", process=one_token)
    assert found.node == [[], []] and found.drawn_from == [[0], [0]]


@every
def test_greedy_drafts_are_the_most_probable_ones(drafts):
    model = tiny_model()
    found, _ = propose(drafts, model, sampling=None)
    for row, text in enumerate(TEXTS):
        paths, parents = drafted_paths(found, row), found.parents[row]
        for parent in {-1, *parents}:
            logits = plain_logits(model, text + (paths[parent] if parent >= 0 else []))
            children = [paths[i][-1] for i, p in enumerate(parents) if p == parent]
            if isinstance(drafts, Sequences):
                assert set(children) == {int(logits.argmax())}
            else:
                assert children == logits.topk(len(children)).indices.tolist()


def test_branching_is_a_tree():
    parents, depths, seen = branching_tree((2, 3), torch.device("cpu"))
    assert parents == [-1, -1, 0, 0, 0, 1, 1, 1] and depths.tolist() == [1, 1] + [2] * 6
    assert seen.sum().item() == 2 + 6 * 2
