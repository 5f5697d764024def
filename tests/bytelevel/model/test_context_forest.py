"""The forest of contexts: every row of logits is what a plain forward of its own path says."""

from __future__ import annotations

import random
from types import ModuleType

import pytest
import torch

from tests.support.planting import changed
from tests.support.tiny_models import ARCHITECTURES, plain_logits, tiny_model
from tokenlab.bytelevel.model import context_forest
from tokenlab.bytelevel.model.context_forest import ContextForest
from tokenlab.errors import ArgumentError, DtypeError

VOCAB = 29


EXACT = 1e-9


class Bookkeeper:
    """A forest, what was asked of it, and what plain forwards say."""

    def __init__(self, model, kind=ContextForest, **options):
        self.model, self.forest = model, kind(model, **options)
        self.names: dict[tuple[int, ...], int] = {}  # path -> node
        self.read: set[tuple[int, ...]] = set()
        self.expected: dict[tuple[int, ...], torch.Tensor] = {}
        self.worst, self.num_tokens = 0.0, 0

    def root(self, ids):
        node = self.forest.root(list(ids))
        assert self.names.setdefault(tuple(ids), node) == node
        for end in range(1, len(ids)):
            self.names[tuple(ids[:end])] = self.forest.root(list(ids[:end]))

    def children(self, pairs):
        nodes = self.forest.children([(self.names[path], token) for path, token in pairs])
        for (path, token), node in zip(pairs, nodes, strict=True):
            assert self.names.setdefault((*path, token), node) == node
            assert self.forest.tokens(node) == [*path, token]

    def logits(self, paths):
        rows = self.forest.logits([self.names[path] for path in paths])
        for path, row in zip(paths, rows, strict=True):
            if path not in self.expected:
                self.expected[path] = plain_logits(self.model, list(path))
            error = (row - self.expected[path]).abs().max().item()
            self.worst = max(self.worst, error)
        asked = set(paths)
        needed = {path[:end] for path in asked for end in range(1, len(path) + 1)} - self.read
        self.num_tokens += len(needed) + len(asked - needed)
        self.read |= needed

    def keep(self, paths):
        self.forest.keep([self.names[path] for path in paths])
        kept = {path[:end] for path in paths for end in range(1, len(path) + 1)}
        self.names = {path: node for path, node in self.names.items() if path in kept}
        self.read &= kept


def wander(model, kind=ContextForest, *, seed=0, steps=50, vocab=VOCAB, deepest=16, **options) -> Bookkeeper:
    """Roots, children, questions and forgetting in a random order."""
    draw = random.Random(seed)
    keeper = Bookkeeper(model, kind, **options)
    actions = {"root": 2, "children": 4, "logits": 5, "keep": 1}
    for _ in range(steps):
        paths = list(keeper.names)
        action = draw.choices(list(actions), list(actions.values()))[0]
        if action == "root" or not paths:
            stem = list(draw.choice(paths))[:3] if paths and draw.random() < 0.5 else []
            keeper.root(stem + [draw.randrange(vocab) for _ in range(draw.randrange(1, 7))])
        elif action == "children":
            paths = [path for path in paths if len(path) < deepest] or paths[:1]
            parents = draw.choices(paths, k=draw.randrange(1, 6))
            keeper.children([(parent, draw.randrange(vocab)) for parent in parents])
        elif action == "logits":
            keeper.logits(draw.choices(paths, k=draw.randrange(1, 6)))
        else:
            keeper.keep(draw.sample(paths, k=len(paths) // 4))
    return keeper


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_context_is_its_path(architecture, attention):
    # transformers' eager attention has a float32 softmax, also in float64 models.
    tolerance = 1e-4 if attention == "eager" and architecture != "gpt2" else EXACT
    keeper = wander(tiny_model(architecture, attention=attention))
    assert keeper.forest.cached and keeper.forest.why is None
    assert keeper.worst < tolerance and len(keeper.expected) >= 20


@pytest.mark.parametrize("seed", range(4))
def test_each_node_is_read_once(seed):
    """And once more for each later request, since rows of logits are not kept."""
    keeper = wander(tiny_model(), seed=seed, steps=80)
    assert keeper.worst < EXACT
    assert keeper.forest.num_tokens == keeper.num_tokens > 50


@pytest.mark.parametrize(("chunk", "rows"), [(1, 1), (2, 9), (3, 2), (5, 1)])
def test_borders_of_pieces(monkeypatch, chunk, rows):
    monkeypatch.setattr(context_forest, "CHUNK", chunk)
    monkeypatch.setattr(context_forest, "LOGITS", rows * VOCAB)
    keeper = wander(tiny_model(), seed=5)
    assert keeper.worst < EXACT and keeper.forest.num_tokens == keeper.num_tokens


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
    model.lm_head.register_forward_hook(lambda module, inputs, output: rows.append(output.shape[1]))
    forest = ContextForest(model)
    start = forest.root(range_of(30))
    forest.logits([forest.root([3, 4]), start])
    forest.logits([start])
    assert rows == [2, 1]


def range_of(count: int) -> list[int]:
    return [3 + place % 20 for place in range(count)]


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


def test_forgetting_frees_slots():
    forest = ContextForest(tiny_model())
    start = forest.root([3, 4, 5])
    tips = forest.children([(start, token) for token in range(10)])
    forest.logits(tips)
    assert forest.cache.get_seq_length() == 13
    forest.keep(tips[:4])  # six of 13 slots are dead: not worth a copy
    assert forest.cache.get_seq_length() == 13
    forest.keep(tips[1:2])
    assert forest.cache.get_seq_length() == 4
    error = forest.logits(forest.children([(tips[1], 7)]))[0] - plain_logits(forest.model, [3, 4, 5, 1, 7])
    assert error.abs().max() < EXACT and forest.num_tokens == 14
    forest.keep([])
    assert forest.cache.get_seq_length() == 0
    # A forgotten context that comes again is another node.
    assert forest.root([3, 4, 5]) not in (start, *tips)


def test_what_was_never_read_costs_nothing(monkeypatch):
    forest = ContextForest(tiny_model())
    start = forest.root([3])
    forest.logits([start])
    forest.children([(start, token) for token in range(VOCAB)])
    before = forest.cache.layers[0].keys
    forest.keep([start])
    assert forest.cache.layers[0].keys is before
    assert forest.num_forwards == forest.num_tokens == 1


def test_the_stack_of_runs_stays_short():
    """The cost of a mask is the number of forks on the way, not the number of tokens."""
    forest = ContextForest(tiny_model(positions=4096))
    forest.logits([forest.root(range_of(1000))])
    assert set(forest._first) == {0}


def go_on_after(failure, kind=ContextForest) -> Bookkeeper:
    """A forward that stops in the second layer, when the first one has the new token already."""
    model = tiny_model()
    keeper = Bookkeeper(model, kind)
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


def build(name: str, **options):
    import transformers

    torch.manual_seed(0)
    options = {
        "vocab_size": VOCAB,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    } | options
    config = getattr(transformers, f"{name}Config")(**options, initializer_range=0.4)
    return transformers.AutoModelForCausalLM.from_config(config).double().eval()


OTHERS = {
    "mistral": (
        lambda: build("Mistral", intermediate_size=48, num_key_value_heads=2, sliding_window=4),
        "SlidingWindow",
    ),
    "gemma3": (
        lambda: build(
            "Gemma3Text",
            intermediate_size=48,
            num_key_value_heads=2,
            head_dim=8,
            sliding_window=4,
            layer_types=["sliding_attention", "full_attention"],
        ),
        "SlidingWindow",
    ),
    "mamba": (lambda: build("Mamba", state_size=4), "keeps a recurrent state: contexts cannot be taken back"),
    "bloom": (lambda: build("Bloom"), "counts positions by itself"),
    "gpt-neo": (
        lambda: build(
            "GPTNeo", num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]], window_size=4
        ),
        "local attention",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_models_read_each_context_afresh(name):
    make, words = OTHERS[name]
    model = make()
    keeper = wander(model)
    assert not keeper.forest.cached and words in keeper.forest.why
    # Some of them have parts in float32.
    assert keeper.worst < 1e-4 and len(keeper.expected) > 10
    with pytest.raises(ArgumentError, match=words):
        ContextForest(model, cached=True)


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
    monkeypatch.setattr(context_forest, "BATCH", 20)
    forest.logits(others)
    assert forest.num_forwards == 5


def test_attention_without_a_mask():
    model = tiny_model()
    model.config._attn_implementation = "flash_attention_2"
    assert "attention 'flash_attention_2', which takes no mask" in context_forest._why_not(model, None)


def test_encoder_decoders():
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(vocab_size=VOCAB, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    for cached in (None, False):
        with pytest.raises(ArgumentError, match="T5ForConditionalGeneration, an encoder-decoder"):
            ContextForest(T5ForConditionalGeneration(config).eval(), cached=cached)


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


def test_models_that_ignore_a_cache():
    model = tiny_model()
    right = model.forward

    def forgetful(input_ids, position_ids=None, past_key_values=None, attention_mask=None, use_cache=None):
        return right(input_ids, position_ids=position_ids)

    model.forward = forgetful
    forest = ContextForest(model)
    with pytest.raises(ArgumentError, match="whose cache has 0 tokens after 2 were read"):
        forest.logits([forest.root([3, 4])])


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


def mutant(old: str, new: str) -> type:
    """The class with a mistake in its source."""
    module = ModuleType(context_forest.__name__)
    exec(compile(changed(context_forest, old, new), context_forest.__file__, "exec"), module.__dict__)
    return module.ContextForest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seen[row, front + row] = True", "seen[row, : front + row + 1] = True"),  # siblings are seen
        ("seen[row, first : last + 1] = True", "seen[row, last] = True"),  # ancestors are left out
        ("after = slot > 0 and parent == self._slots[slot - 1]", "after = slot > 0"),  # runs cross a fork
        ("self._nodes[node].depth for node in block]", "front + row for row, node in enumerate(block)]"),
        ("depth = above.depth + 1", "depth = above.depth"),
        (
            "layer.keys[..., alive, :], layer.values[..., alive, :]",
            "layer.keys[..., : len(alive), :], layer.values[..., : len(alive), :]",
        ),
        (
            "nodes = [self._slots[slot] for slot in alive]",
            "nodes = [self._slots[slot] for slot in alive][::-1]",
        ),
        ("if order == list(nodes):", "if len(order) == len(nodes):"),  # rows as they were read
    ],
)
def test_planted_mistakes_show(old, new):
    assert max(wander(tiny_model(), mutant(old, new), seed=seed).worst for seed in range(3)) > 1e-3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("row + row[-1:] * (width - len(row))", "row[-1:] * (width - len(row)) + row"),  # padded on the left
        ("place[self._nodes[node].depth] for node in nodes", "-1 for node in nodes"),
    ],
)
def test_planted_mistakes_without_a_cache_show(old, new):
    assert wander(tiny_model(), mutant(old, new), cached=False).worst > 1e-3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("self._nodes[node].slot = -1", "pass"),
        ("            self._trim(front)\n", ""),
        ("            del self._slots[front:], self._first[front:]\n", ""),
    ],
)
def test_planted_traces_of_a_failure_show(old, new):
    try:
        assert go_on_after(RuntimeError("out of memory"), mutant(old, new)).worst > 1e-3
    except RuntimeError as error:  # the mask does not fit to the keys
        assert "must match the size" in str(error)


def test_a_token_that_was_looked_at_twice_leaves_the_cache():
    """Planted: it stays there."""
    with pytest.raises(RuntimeError, match="must match the size"):
        wander(tiny_model(), mutant("        self._trim(len(self._slots))\n", ""))


def test_a_planted_second_reading_shows():
    keeper = wander(tiny_model(), mutant("and node not in seen:", "and True:"), seed=1)
    assert keeper.forest.num_tokens != keeper.num_tokens


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
