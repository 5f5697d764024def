"""Contexts read from their first token on: the models that need it, and batches of paths."""

from __future__ import annotations

import warnings

import pytest
import torch

from tests.bytelevel.model.forests import EXACT, build, range_of, wander
from tests.support.planting import plant
from tests.support.tiny_models import plain_logits, tiny_model
from tokenlab.bytelevel import model as package
from tokenlab.bytelevel.model import context_forest, uncached_reader
from tokenlab.bytelevel.model.context_forest import ContextForest
from tokenlab.errors import ArgumentError, SlowPathWarning

OTHERS = {
    "mamba": (lambda: build("Mamba", state_size=4), "keeps a recurrent state: contexts cannot be taken back"),
    "bloom": (lambda: build("Bloom"), "counts positions by itself"),
    "gpt-neo": (
        lambda: build(
            "GPTNeo", num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]], window_size=4
        ),
        "local attention",
    ),
}


WINDOWS = {
    "mistral": lambda: build("Mistral", intermediate_size=48, num_key_value_heads=2, sliding_window=8),
    "gemma3": lambda: build(
        "Gemma3Text",
        intermediate_size=48,
        num_key_value_heads=2,
        head_dim=8,
        sliding_window=8,
        layer_types=["sliding_attention", "full_attention"],
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_models_read_each_context_afresh(name):
    make, words = OTHERS[name]
    model = make()
    with pytest.warns(SlowPathWarning, match=words):
        keeper = wander(model)
    assert not keeper.forest.cached and words in keeper.forest.why
    # Some of them have parts in float32.
    assert keeper.worst < 1e-4 and len(keeper.expected) > 10
    with pytest.raises(ArgumentError, match=words):
        ContextForest(model, cached=True)


@pytest.mark.parametrize("name", WINDOWS)
def test_a_sliding_window_is_no_hindrance_until_it_binds(name):
    model = WINDOWS[name]()
    forest = ContextForest(model)
    short, long = range_of(8), range_of(9)
    branches = [forest.root(short), forest.root([*short[:5], 7, 8, 9]), forest.root(short[:3])]
    for node, logits in zip(branches, forest.logits(branches), strict=True):
        assert (logits - plain_logits(model, forest.tokens(node))).abs().max() < 1e-6
    assert forest.cached and forest.num_tokens == 11
    with pytest.warns(SlowPathWarning, match="context of 9 tokens, .* a sliding window of 8"):
        found = forest.logits([forest.root(long)])[0]
    assert (found - plain_logits(model, long)).abs().max() < 1e-6
    assert not forest.cached and forest.num_tokens == 20
    keeper = wander(model)
    assert keeper.worst < 1e-4
    strict = ContextForest(model, cached=True)
    with pytest.raises(ArgumentError, match=r"window of 8, .* expected cached=None or False"):
        strict.logits([strict.root(long)])


def test_a_model_says_once_why_it_is_slow():
    """However many forests read its texts, and whatever filter shows every warning."""
    bloom, window = OTHERS["bloom"][0](), WINDOWS["mistral"]()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for length in (9, 10, 11):
            ContextForest(bloom)
            forest = ContextForest(window)
            forest.logits([forest.root(range_of(length))])
        ContextForest(OTHERS["bloom"][0]())
    said = [str(entry.message) for entry in caught if entry.category is SlowPathWarning]
    assert ["Bloom" in words for words in said] == [True, False, True]


@pytest.mark.parametrize("wrap", ["lora", "compiled"])
def test_wrapped_models_keep_their_cache(wrap):
    """The tokens that the model reads are those of the plain model."""
    counts = []
    for wrapped in (False, True):
        model, read = tiny_model(), []
        model.register_forward_pre_hook(
            lambda _, args, kwargs, read=read: read.append(kwargs["input_ids"].numel()), with_kwargs=True
        )
        if wrapped and wrap == "compiled":
            model = torch.compile(model, backend="eager")
        elif wrapped:
            peft = pytest.importorskip("peft")
            model = peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules="all-linear")).eval()
        forest = ContextForest(model)
        read.clear()  # of what looked at the model
        for end in range(1, 20):
            forest.logits([forest.root(range_of(end))])
        assert forest.cached
        counts.append(sum(read))
    assert counts[0] == counts[1] == 19


def test_with_and_without_a_cache():
    keeper = wander(tiny_model(), cached=False, seed=1)
    assert keeper.worst < EXACT and keeper.forest.why == "cached=False was asked for"


def test_contexts_on_one_path_share_a_forward(monkeypatch):
    forest = ContextForest(tiny_model(), cached=False)
    nodes = [forest.root(range_of(end)) for end in range(1, 21)]
    forest.logits(nodes)
    assert (forest.num_forwards, forest.num_tokens) == (1, 20)
    others = forest.children([(nodes[4], 1), (nodes[9], 1), (nodes[9], 2)])
    forest.logits([*others, nodes[2]])
    assert (forest.num_forwards, forest.num_tokens) == (2, 20 + 6 + 11 + 11)
    monkeypatch.setattr(uncached_reader, "BATCH", 20)
    forest.logits(others)
    assert forest.num_forwards == 5


def test_attention_without_a_mask():
    model = tiny_model()
    model.config._attn_implementation = "flash_attention_2"
    assert "attention 'flash_attention_2', which takes no mask" in context_forest.why_uncached(model, None)


def test_models_that_look_ahead():
    model = build("Roberta", intermediate_size=48, max_position_embeddings=40)
    with pytest.raises(
        ArgumentError, match="RobertaForCausalLM whose logits change with the tokens that follow"
    ):
        ContextForest(model, cached=False)
    with pytest.raises(ArgumentError, match="expected a causal model"):
        ContextForest(model)
    # GPT-NeoX says that it is no decoder, and is one.
    model = build("GPTNeoX", intermediate_size=48)
    assert model.config.is_decoder is False and wander(model, steps=15).worst < EXACT


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("row + row[-1:] * (width - len(row))", "row[-1:] * (width - len(row)) + row"),  # padded on the left
        ("column[self.tree[node].position] for node in nodes", "-1 for node in nodes"),
    ],
)
def test_planted_mistakes_without_a_cache_show(monkeypatch, old, new):
    plant(monkeypatch, package, old, new)
    assert wander(tiny_model(), cached=False).worst > 1e-3
