"""The forest of contexts: every row of logits is what a plain forward of its own path says."""

from __future__ import annotations

import pytest
import torch

from tests.bytelevel.model.forests import EXACT, VOCAB, range_of, wander
from tests.support.tiny_models import ARCHITECTURES, plain_logits, tiny_model
from tokenlab.bytelevel.model import context_forest
from tokenlab.bytelevel.model.context_forest import ContextForest
from tokenlab.errors import ArgumentError, DtypeError


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_context_is_its_path(architecture, attention):
    # transformers' eager attention has a float32 softmax, also in float64 models.
    tolerance = 1e-4 if attention == "eager" and architecture != "gpt2" else EXACT
    keeper = wander(tiny_model(architecture, attention=attention))
    assert keeper.forest.cached and keeper.forest.why is None
    assert keeper.worst < tolerance and len(keeper.expected) >= 20


@pytest.mark.parametrize("name", ["lab-draft", "lab-target"])
def test_lab_models(name):
    from tokenlab.lm import load

    model = load(name, dtype=torch.float64)[0]
    keeper = wander(model, vocab=4096, seed=2, steps=20)
    assert keeper.worst < EXACT and len(keeper.expected) > 8


def test_float32():
    keeper = wander(tiny_model(dtype=torch.float32))
    assert keeper.worst < 1e-3
    assert keeper.forest.logits(list(keeper.names.values())[:1]).dtype == torch.float32


def test_half_precision_gives_float32():
    forest = ContextForest(tiny_model(dtype=torch.bfloat16))
    assert forest.logits([forest.root([3, 4])]).dtype == torch.float32
    assert forest.logits([]).dtype == torch.float32


def test_a_level_is_one_forward():
    forest = ContextForest(tiny_model())
    start = forest.root([3, 4, 5])
    level = [start]
    for depth in range(1, 4):
        level = forest.children([(node, token) for node in level for token in (6, 7)])
        forest.logits(level)
        assert forest.num_forwards == depth
    assert forest.num_tokens == 3 + 2 + 4 + 8


def test_the_same_context_is_the_same_node():
    forest = ContextForest(tiny_model())
    long = forest.root([3, 4, 5])
    assert forest.children([(forest.root([3, 4]), 5), (forest.root([3]), 4)]) == [long, forest.root([3, 4])]
    assert forest.tokens(long) == [3, 4, 5] and forest.num_forwards == 0


def test_a_row_for_each_request():
    forest = ContextForest(tiny_model())
    one, two = forest.root([3]), forest.root([3, 4])
    rows = forest.logits([two, one, two])
    assert torch.equal(rows[0], rows[2]) and not torch.equal(rows[0], rows[1])
    assert forest.num_tokens == 2
    assert forest.logits([]).shape == (0, VOCAB)


def test_logits_are_computed_where_they_are_wanted():
    model, rows = tiny_model(), []
    forest = ContextForest(model)
    model.lm_head.register_forward_hook(lambda module, inputs, output: rows.append(output.shape[1]))
    start = forest.root(range_of(30))
    forest.logits([forest.root([3, 4]), start])
    forest.logits([start])
    assert rows == [2, 1]


@pytest.mark.parametrize("annotation", [None, "int"])
@pytest.mark.parametrize("cached", [None, False])
def test_forwards_of_other_signatures(annotation, cached):
    """Some know no ``logits_to_keep``, some only a number."""
    model = tiny_model()
    right = model.forward

    def plain(input_ids, attention_mask=None, position_ids=None, past_key_values=None, use_cache=None):
        return right(input_ids, attention_mask, position_ids, past_key_values, use_cache=use_cache)

    def number(
        input_ids,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        use_cache=None,
        logits_to_keep: int = 0,
    ):
        assert isinstance(logits_to_keep, int)
        options = {"use_cache": use_cache, "logits_to_keep": logits_to_keep}
        return right(input_ids, attention_mask, position_ids, past_key_values, **options)

    model.forward = plain if annotation is None else number
    assert wander(model, seed=3, steps=25, cached=cached).worst < EXACT


@pytest.mark.parametrize("cached", [None, False])
@pytest.mark.parametrize("rows", [2, 1000])
def test_a_prompt_is_weighed(monkeypatch, cached, rows):
    monkeypatch.setattr(context_forest, "LOGITS", rows * VOCAB)
    model = tiny_model()
    forest = ContextForest(model, cached=cached)
    ids = range_of(12)
    nodes = [forest.root(ids[:end]) for end in range(1, 12)]
    pairs = [(node, token) for node in nodes for token in (ids[len(forest.tokens(node))], 0)]
    found = forest.child_log_probs(pairs[::-1]).flip(0)
    with torch.inference_mode():
        distributions = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    expected = [distributions[len(forest.tokens(node)) - 1, token] for node, token in pairs]
    assert found.dtype == torch.float64
    assert (found - torch.stack(expected)).abs().max() < EXACT
    assert forest.child_log_probs([]).shape == (0,)
    if cached is None:
        assert forest.num_tokens == 11


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("cached", [None, False])
def test_logits_that_are_no_distribution(cached, value):
    model = tiny_model()
    forest = ContextForest(model, cached=cached)
    node = forest.root([3, 4])
    hook = model.lm_head.register_forward_hook(lambda module, inputs, output: torch.full_like(output, value))
    words = "NaN" if value != value else r"\+inf" if value > 0 else "-inf for every token"
    with pytest.raises(ArgumentError, match=f"model returns logits that are {words}"):
        forest.logits([node])
    with pytest.raises(ArgumentError, match=words):
        forest.child_log_probs([(node, 3)])
    assert forest.num_forwards == 0
    hook.remove()
    assert (forest.logits([node])[0] - plain_logits(model, [3, 4])).abs().max() < EXACT


def test_tokens_without_mass_are_no_fault():
    model = tiny_model()
    model.lm_head.register_forward_hook(
        lambda module, inputs, output: output.index_fill(-1, torch.tensor([5]), float("-inf"))
    )
    forest = ContextForest(model)
    found = forest.child_log_probs([(forest.root([3]), 5), (forest.root([3]), 6)])
    assert found[0] == float("-inf") and found[1].isfinite()


def test_encoder_decoders():
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(vocab_size=VOCAB, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    for cached in (None, False):
        with pytest.raises(ArgumentError, match="T5ForConditionalGeneration, an encoder-decoder"):
            ContextForest(T5ForConditionalGeneration(config).eval(), cached=cached)


def test_what_is_no_model():
    with pytest.raises(DtypeError, match="model must be a transformers model, found tuple: tokenlab.lm.load"):
        ContextForest((tiny_model(), None))
    with pytest.raises(ArgumentError, match="model is in training mode"):
        ContextForest(tiny_model().train())
    for cached in (1, "no"):
        with pytest.raises(DtypeError, match="cached must be a bool or None"):
            ContextForest(tiny_model(), cached=cached)


@pytest.mark.parametrize("cached", [None, False])
def test_more_tokens_than_positions(cached):
    model = tiny_model("gpt2", positions=8)
    forest = ContextForest(model, cached=cached)
    full = forest.root(range_of(8))
    more = forest.children([(full, 3)])
    for ask in (
        lambda: forest.logits([full, *more]),
        lambda: forest.child_log_probs([(full, 1), (more[0], 1)]),
    ):
        with pytest.raises(
            ArgumentError, match="context of 9 tokens, expected at most the model's 8 positions"
        ):
            ask()
    assert forest.num_forwards == 0
    assert (forest.logits([full])[0] - plain_logits(model, range_of(8))).abs().max() < EXACT


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda f, n: f.root([]), ArgumentError, "ids is empty, expected at least one token"),
        (lambda f, n: f.root("ab"), DtypeError, "ids must be a list of token ids, found str"),
        (lambda f, n: f.root([3, VOCAB]), ArgumentError, r"ids\[1\] is 29, expected 0 to 28"),
        (lambda f, n: f.root([True]), DtypeError, r"ids\[0\] must be an int, found bool"),
        (
            lambda f, n: f.children([(n, 3), (n, -1)]),
            ArgumentError,
            r"pairs\[1\]\[1\] is -1, expected 0 to 28",
        ),
        (lambda f, n: f.children([(-1, 3)]), ArgumentError, r"pairs\[0\]\[0\] is -1, expected at least 0"),
        (lambda f, n: f.logits([n, 99]), ArgumentError, r"nodes\[1\] is 99, expected one of the 3 contexts"),
        (lambda f, n: f.logits([1.0]), DtypeError, r"nodes\[0\] must be an int, found float"),
        (lambda f, n: f.child_log_probs([(n, VOCAB)]), ArgumentError, r"pairs\[0\]\[1\] is 29"),
        (lambda f, n: f.keep([n, 2]), ArgumentError, r"nodes\[1\] is 2, a context that was forgotten"),
        (lambda f, n: f.tokens(2), ArgumentError, "node is 2, a context that was forgotten"),
    ],
)
def test_bad_input(call, error, words):
    forest = ContextForest(tiny_model())
    node = forest.root([3, 4])
    assert forest.children([(node, 5)]) == [2]
    forest.keep([node])
    with pytest.raises(error, match=words):
        call(forest, node)
    assert forest.num_forwards == 0


def test_other_whole_numbers_are_tokens():
    np = pytest.importorskip("numpy")
    forest = ContextForest(tiny_model())
    assert forest.root((np.int64(3), 4)) == forest.root([3, 4])
    assert forest.children([(1, np.int32(5))]) == [forest.root([3, 4, 5])]


def test_rotary_embeddings_that_change_with_the_length_end_where_they_change():
    """What was read with the short factors would be another distribution than the same context with the long ones."""
    from transformers import Phi3Config, Phi3ForCausalLM

    rope = {"rope_type": "longrope", "rope_theta": 10000.0, "original_max_position_embeddings": 16}
    rope |= {"short_factor": [1.0] * 8, "long_factor": [4.0] * 8}
    config = Phi3Config(
        vocab_size=VOCAB,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=48,
        max_position_embeddings=128,
        original_max_position_embeddings=16,
        rope_parameters=rope,
        pad_token_id=0,
    )
    forest = ContextForest(Phi3ForCausalLM(config).eval())
    forest.logits([forest.root(range_of(16))])
    with pytest.raises(
        ArgumentError, match="17 tokens, expected at most the model's 16 positions .* longrope"
    ):
        forest.logits([forest.root(range_of(17))])
