"""What is drafted: exact draft probabilities, the distribution of the children, the order of the dynamic tree."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import chisquare

from tests.support.tiny_models import plain_logits, tiny_model
from tokenlab.transport import draft_distribution
from tokenlab.transport.decoding import dynamic_tree
from tokenlab.transport.decoding.drafting import propose, shape_of
from tokenlab.transport.decoding.proposal import Drawing, draw_children, draw_each
from tokenlab.transport.decoding.tree_cache import Reader
from tokenlab.transport.trees.draft_tree import DraftTree

VOCAB = 29


TEXTS = [[3, 4, 5, 6, 7], [8, 9]]


STRUCTURES = {
    "chain": (1, 4, "iid"),
    "iid_sequences": (4, 3, "iid"),
    "without_replacement": ((3, 2, 1), 3, "without_replacement"),
    "dynamic": (9, 4, "without_replacement"),
}


def softmax(logits):
    return logits.softmax(-1)


def proposed(
    structure, model=None, *, seed=0, sampling="own", texts=TEXTS, process=softmax, number=None, length=None
):
    own_number, own_length, own_sampling = STRUCTURES[structure]
    model = model or tiny_model()
    reader = Reader(model, len(texts))
    drawing = Drawing(
        process, own_sampling if sampling == "own" else sampling, torch.Generator().manual_seed(seed)
    )
    with torch.inference_mode():
        found = propose(structure, reader, texts, number or own_number, length or own_length, drawing)
    return found, reader


def drafts(found, row):
    """Token and path of each draft of one row."""
    node, parents, tokens = found.node[row], found.parents[row], found.tokens[row].tolist()
    paths = []
    for draft, parent in enumerate(parents):
        paths.append([*(paths[parent] if parent >= 0 else []), tokens[node[draft]]])
    return paths


@pytest.mark.parametrize(
    ("structure", "sampling"),
    [
        *((structure, distribution) for structure in STRUCTURES for distribution in ("own", None)),
        ("without_replacement", "greedy"),
    ],
)
def test_probabilities_are_those_of_plain_forwards(structure, sampling):
    model = tiny_model()
    found, _ = proposed(structure, model, sampling=sampling)
    for row, text in enumerate(TEXTS):
        paths = drafts(found, row)
        inner = {-1, *found.parents[row]}
        for draft in inner:
            place = found.drawn_from[row][1 + draft]
            expected = plain_logits(model, text + (paths[draft] if draft >= 0 else [])).softmax(-1)
            assert (found.probs[row, place] - expected).abs().max() < 1e-10


@pytest.mark.parametrize("structure", STRUCTURES)
def test_nodes_see_their_ancestors(structure):
    found, _ = proposed(structure)
    for row in range(2):
        node, paths = found.node[row], drafts(found, row)
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
    found, reader = proposed("iid_sequences", tiny_model(vocab=3), texts=[[0, 2], [0, 1]])
    assert found.tokens.shape[1] < 12 and reader.calls == 3
    for row in range(2):
        prefixes = [tuple(path) for path in drafts(found, row)]
        assert len(prefixes) == 12
        nodes = dict(zip(prefixes, found.node[row], strict=True))
        assert len(set(found.node[row])) == len(set(prefixes)) == len(nodes)
        assert [nodes[prefix] for prefix in prefixes] == found.node[row]


@pytest.mark.parametrize(
    ("structure", "calls"), [("chain", 4), ("iid_sequences", 3), ("without_replacement", 3)]
)
def test_the_draft_model_is_called_once_a_level(structure, calls):
    assert proposed(structure)[1].calls == calls


@pytest.mark.parametrize("sampling", ["iid", "without_replacement", "greedy", "spechub"])
def test_children_follow_their_distribution(sampling):
    """Two children of one node, against the distribution of all pairs; two planted mistakes show."""
    model, text, rows = tiny_model(vocab=4), [0, 3, 2], 20_000
    drawing = Drawing(softmax, sampling, torch.Generator().manual_seed(11))
    probs = plain_logits(model, text).softmax(-1).expand(rows, 1, -1)
    if sampling == "iid":
        pairs = draw_each(probs, torch.zeros(rows, 2, dtype=torch.long), drawing)
    else:
        pairs = draw_children(probs, 2, drawing)[0][:, 0]
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

    number = (2, 2) if sampling == "spechub" else (3, 3)
    found, _ = proposed("without_replacement", sampling=sampling, process=two_tokens, number=number, length=2)
    for row in range(2):
        paths = drafts(found, row)
        assert len(paths) == 2 + 4 == len({tuple(path) for path in paths})
        node = found.node[row]
        places = [max(0, place) for place in found.drawn_from[row]]
        DraftTree(
            found.tokens[row, node],
            torch.tensor(found.parents[row]),
            found.probs[row, places],
            sampling or "without_replacement",
        )


def test_no_pair_where_one_token_is_left():
    """A node without a pair is a leaf."""

    def one_token(logits):
        return torch.zeros_like(logits).scatter(-1, logits.argmax(-1, keepdim=True), 1.0)

    found, _ = proposed("without_replacement", sampling="spechub", process=one_token, number=(2,), length=1)
    assert found.node == [[], []] and found.drawn_from == [[0], [0]]


@pytest.mark.parametrize("structure", STRUCTURES)
def test_greedy_drafts_are_the_most_probable_ones(structure):
    model = tiny_model()
    found, _ = proposed(structure, model, sampling=None)
    for row, text in enumerate(TEXTS):
        paths, parents = drafts(found, row), found.parents[row]
        for parent in {-1, *parents}:
            logits = plain_logits(model, text + (paths[parent] if parent >= 0 else []))
            children = [paths[i][-1] for i, p in enumerate(parents) if p == parent]
            if structure == "iid_sequences":
                assert set(children) == {int(logits.argmax())}
            else:
                assert children == logits.topk(len(children)).indices.tolist()


def out_of_order(found, row, length) -> int:
    """How many nodes do not fill the place that was worth most when they came."""
    tokens, parents = found.tokens[row].tolist(), found.parents[row]
    wrong, places, value, left = 0, {-1: 1.0}, {-1: 1.0}, {-1: 1.0}
    for node, parent in enumerate(parents):
        wrong += places[parent] < max(places.values()) * (1 - 1e-9)
        prob = found.probs[row, found.drawn_from[row][1 + parent], tokens[node]].item()
        # In the paper's terms: y was drawn from what was left, with R(y) = q(y) / left.
        ratio = prob / left[parent]
        value[node] = places[parent] * ratio
        places[parent] *= 1 - ratio
        left[parent] -= prob
        depth = len(drafts(found, row)[node])
        if depth < length:
            places[node], left[node] = value[node], 1.0
    return wrong


@pytest.mark.parametrize("seed", range(4))
def test_the_dynamic_tree_fills_the_best_place_first(seed):
    found, reader = proposed("dynamic", seed=seed)
    for row in range(2):
        assert len(found.node[row]) == 9
        assert found.depths[row].max() <= 4
        assert out_of_order(found, row, 4) == 0
    # One call for each node would be 10.
    assert reader.calls <= 6


def test_a_tree_that_ignores_what_is_left_is_out_of_order(monkeypatch):
    right = dynamic_tree._Growth._open

    def same_value_beside(self, value, parent, sibling):
        right(self, 1.0 if sibling else value, parent, sibling)

    monkeypatch.setattr(dynamic_tree._Growth, "_open", same_value_beside)
    found, _ = proposed("dynamic")
    assert out_of_order(found, 0, 4) + out_of_order(found, 1, 4) > 0


def test_a_row_does_not_depend_on_the_others():
    """Rows grow at their own pace, and read together."""
    model = tiny_model()
    both, _ = proposed("dynamic", model, sampling=None)
    for row, text in enumerate(TEXTS):
        alone, _ = proposed("dynamic", model, sampling=None, texts=[text])
        assert drafts(alone, 0) == drafts(both, row)


def test_a_small_vocabulary_limits_the_dynamic_tree():
    found, _ = proposed("dynamic", tiny_model(vocab=3), texts=[[0, 2]], number=20, length=2)
    assert len(found.node[0]) == 3 + 9


def test_shapes_are_trees():
    parents, depths, seen = shape_of((2, 3), torch.device("cpu"))
    assert parents == [-1, -1, 0, 0, 0, 1, 1, 1] and depths.tolist() == [1, 1] + [2] * 6
    assert seen.sum().item() == 2 + 6 * 2
