"""Contexts in one KV cache: masks, positions, slots that are freed, and forwards that fail."""

from __future__ import annotations

import pytest

from tests.bytelevel.model.forests import EXACT, VOCAB, Bookkeeper, range_of, wander
from tests.support.planting import plant
from tests.support.tiny_models import plain_logits, tiny_model
from tokenlab.bytelevel import model as package
from tokenlab.bytelevel.model import cached_reader, context_forest
from tokenlab.bytelevel.model.context_forest import ContextForest
from tokenlab.errors import ArgumentError


@pytest.mark.parametrize("seed", range(4))
def test_each_node_is_read_once(seed):
    """And once more for each later request, since rows of logits are not kept."""
    keeper = wander(tiny_model(), seed=seed, steps=80)
    assert keeper.worst < EXACT
    assert keeper.forest.num_tokens == keeper.num_tokens > 50


@pytest.mark.parametrize(("chunk", "rows"), [(1, 1), (2, 9), (3, 2), (5, 1)])
def test_borders_of_pieces(monkeypatch, chunk, rows):
    monkeypatch.setattr(cached_reader, "CHUNK", chunk)
    monkeypatch.setattr(context_forest, "LOGITS", rows * VOCAB)
    keeper = wander(tiny_model(), seed=5)
    assert keeper.worst < EXACT and keeper.forest.num_tokens == keeper.num_tokens


def test_forgetting_frees_slots():
    forest = ContextForest(tiny_model())
    start = forest.root([3, 4, 5])
    tips = forest.children([(start, token) for token in range(10)])
    forest.logits(tips)
    assert forest.reader.cache.get_seq_length() == 13
    forest.keep(tips[:4])  # six of 13 slots are dead: not worth a copy
    assert forest.reader.cache.get_seq_length() == 13
    forest.keep(tips[1:2])
    assert forest.reader.cache.get_seq_length() == 4
    error = forest.logits(forest.children([(tips[1], 7)]))[0] - plain_logits(forest.model, [3, 4, 5, 1, 7])
    assert error.abs().max() < EXACT and forest.num_tokens == 14
    forest.keep([])
    assert forest.reader.cache.get_seq_length() == 0
    # A forgotten context that comes again is another node.
    assert forest.root([3, 4, 5]) not in (start, *tips)


def test_what_was_never_read_costs_nothing(monkeypatch):
    forest = ContextForest(tiny_model())
    start = forest.root([3])
    forest.logits([start])
    forest.children([(start, token) for token in range(VOCAB)])
    before = forest.reader.cache.layers[0].keys
    forest.keep([start])
    assert forest.reader.cache.layers[0].keys is before
    assert forest.num_forwards == forest.num_tokens == 1


def test_the_stack_of_runs_stays_short():
    """The cost of a mask is the number of forks on the way, not the number of tokens."""
    forest = ContextForest(tiny_model(positions=4096))
    forest.logits([forest.root(range_of(1000))])
    assert set(forest.reader._run_starts) == {0}


def go_on_after(failure) -> Bookkeeper:
    """A forward that stops in the second layer, when the first one has the new token already."""
    model = tiny_model()
    keeper = Bookkeeper(model)
    keeper.root([3, 4, 5])
    keeper.logits([(3, 4, 5)])
    keeper.children([((3, 4, 5), 6), ((3, 4), 7)])

    def fail(*_) -> None:
        raise failure

    hook = model.model.layers[1].register_forward_hook(fail)
    with pytest.raises(type(failure)):
        keeper.forest.logits([keeper.names[3, 4, 5, 6]])
    hook.remove()
    keeper.logits([(3, 4, 7), (3, 4, 5, 6)])
    keeper.children([((3, 4, 5, 6), 8)])
    keeper.logits([(3, 4, 5, 6, 8)])
    return keeper


@pytest.mark.parametrize("failure", [RuntimeError("out of memory"), KeyboardInterrupt()])
def test_a_forward_that_fails_changes_nothing(failure):
    keeper = go_on_after(failure)
    assert keeper.worst < EXACT and keeper.forest.num_tokens == keeper.num_tokens


def test_models_that_ignore_a_cache():
    model = tiny_model()
    right = model.forward

    def forgetful(input_ids, position_ids=None, past_key_values=None, attention_mask=None, use_cache=None):
        return right(input_ids, position_ids=position_ids)

    model.forward = forgetful
    forest = ContextForest(model)
    with pytest.raises(ArgumentError, match="whose cache has 0 tokens after 2 were read"):
        forest.logits([forest.root([3, 4])])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seen[row, front + row] = True", "seen[row, : front + row + 1] = True"),  # siblings are seen
        ("seen[row, first : last + 1] = True", "seen[row, last] = True"),  # ancestors are left out
        ("follows = slot > 0 and parent == self._nodes[slot - 1]", "follows = slot > 0"),  # runs cross a fork
        ("self.tree[node].position for node in block]", "front + row for row, node in enumerate(block)]"),
        ("position = above.position + 1", "position = above.position"),
        (
            "layer.keys[..., alive, :], layer.values[..., alive, :]",
            "layer.keys[..., : len(alive), :], layer.values[..., : len(alive), :]",
        ),
        (
            "nodes = [self._nodes[slot] for slot in alive]",
            "nodes = [self._nodes[slot] for slot in alive][::-1]",
        ),
        ("if order == list(nodes):", "if len(order) == len(nodes):"),  # rows as they were read
    ],
)
def test_planted_mistakes_show(monkeypatch, old, new):
    plant(monkeypatch, package, old, new)
    assert max(wander(tiny_model(), seed=seed).worst for seed in range(3)) > 1e-3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("                self._slots.pop(node, None)\n", "                pass\n"),
        ("            self._trim(front)\n", ""),
        ("            del self._nodes[front:], self._run_starts[front:]\n", ""),
    ],
)
def test_planted_traces_of_a_failure_show(monkeypatch, old, new):
    plant(monkeypatch, package, old, new)
    try:
        assert go_on_after(RuntimeError("out of memory")).worst > 1e-3
    except RuntimeError as error:  # the mask does not fit to the keys
        assert "must match the size" in str(error)


def test_a_token_that_was_looked_at_twice_leaves_the_cache(monkeypatch):
    """Planted: it stays there."""
    plant(monkeypatch, package, "        self._trim(len(self._nodes))\n", "")
    with pytest.raises(RuntimeError, match="must match the size"):
        wander(tiny_model())


def test_a_planted_second_reading_shows(monkeypatch):
    plant(monkeypatch, package, "and node not in seen:", "and True:")
    keeper = wander(tiny_model(), seed=1)
    assert keeper.forest.num_tokens != keeper.num_tokens
