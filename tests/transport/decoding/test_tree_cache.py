"""The cache with a tree: every row of logits is what a plain forward of its own path says."""

from __future__ import annotations

import pytest
import torch

from tests.support.model_families import family_model
from tests.support.tiny_models import ARCHITECTURES, plain_logits, tiny_model
from tokenlab.errors import ArgumentError
from tokenlab.lm.cache import check_tree_cache
from tokenlab.transport.decoding import tree_cache
from tokenlab.transport.decoding.tree_cache import TreeCache

VOCAB = 29


EXACT = 1e-10


#: Two trees of five nodes, one for each row: parents, and for each of three rounds what is kept.
PARENTS = ([-1, -1, 0, 1, 2], [-1, 0, 1, 0, 3])


KEPT = (([0, 2, 4], [0]), ([], [0, 3, 4]), ([1, 3], []))


def path(parents: list[int], node: int) -> list[int]:
    return [] if node < 0 else [*path(parents, parents[node]), node]


def trees():
    depths = torch.tensor([[len(path(parents, node)) for node in range(5)] for parents in PARENTS])
    seen = torch.zeros(2, 5, 5, dtype=torch.bool)
    for row, parents in enumerate(PARENTS):
        for node in range(5):
            seen[row, node, path(parents, node)] = True
    return depths, seen


def largest_error(model, *, split: bool = False) -> float:
    """Three rounds of two rows of 6 and 3 tokens, each logit against a plain forward."""
    generator = torch.Generator().manual_seed(3)
    texts = [torch.randint(VOCAB, (n,), generator=generator).tolist() for n in (6, 3)]
    depths, seen = trees()
    cache, worst = TreeCache(model, 2), 0.0
    with torch.inference_mode():
        for kept in KEPT:
            tokens = torch.randint(VOCAB, (2, 5), generator=generator)
            if split:  # as the draft model reads: the text, then level by level
                parts = [cache.read(texts)]
                parts.append(cache.read(None, tokens[:, :2], depths[:, :2], seen[:, :2, :2]))
                parts.append(cache.read(None, tokens[:, 2:], depths[:, 2:], seen[:, 2:]))
                logits = torch.cat(parts, 1)
            else:
                logits = cache.read(texts, tokens, depths, seen)
            for row, text in enumerate(texts):
                for node in range(-1, 5):
                    branch = tokens[row, path(PARENTS[row], node)].tolist()
                    error = (logits[row, node + 1] - plain_logits(model, text + branch)).abs().max()
                    worst = max(worst, error.item())
            cache.settle([list(nodes) for nodes in kept])
            for row, text in enumerate(texts):
                # What was accepted, and the target's own token, which nobody has read yet.
                text += [*tokens[row, list(kept[row])].tolist(), 5 + row]
    return worst


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_tree_in_the_cache_is_its_paths(architecture, attention, split):
    # transformers' eager attention has a float32 softmax, also in float64 models.
    tolerance = 1e-4 if attention == "eager" and architecture != "gpt2" else EXACT
    assert largest_error(tiny_model(architecture, attention=attention), split=split) < tolerance


def test_a_chain_needs_no_mask():
    model = tiny_model()
    cache, text = TreeCache(model, 1), [3, 4, 5]
    with torch.inference_mode():
        for _ in range(3):
            tokens, depths = torch.tensor([[6, 7, 8]]), torch.arange(1, 4)
            logits = cache.read([text], tokens, depths)
            for length in range(4):
                expected = plain_logits(model, text + [6, 7, 8][:length])
                assert (logits[0, length] - expected).abs().max() < EXACT
            cache.settle([[0, 1]])
            text += [6, 7, 9]
    assert cache.settled == [len(text) - 1] and cache.calls == 3


def test_no_token_is_read_twice(monkeypatch):
    model, read = tiny_model(), []
    forward = type(model).forward
    monkeypatch.setattr(
        type(model),
        "forward",
        lambda self, input_ids, **k: read.append(input_ids) or forward(self, input_ids, **k),
    )
    cache, text = TreeCache(model, 1), [3, 4, 5]
    with torch.inference_mode():
        for _ in range(4):
            cache.read(
                [text], torch.tensor([[6, 7]]), torch.tensor([1, 1]), torch.eye(2, dtype=torch.bool)[None]
            )
            cache.settle([[1]])
            text += [7, 9]
    assert [ids.shape[1] for ids in read] == [5, 3, 3, 3]
    assert cache.cache.get_seq_length() == cache.settled[0] == len(text) - 1


def test_long_prompts_are_read_in_pieces(monkeypatch):
    monkeypatch.setattr(tree_cache, "CHUNK", 4)
    model = tiny_model()
    texts = [list(range(3, 17)), [9, 8, 7]]
    cache = TreeCache(model, 2)
    with torch.inference_mode():
        cache.catch_up(texts)
        assert cache.calls == 3 and cache.settled == [12, 2]
        logits = cache.read(texts)
    for row, text in enumerate(texts):
        assert (logits[row, 0] - plain_logits(model, text)).abs().max() < EXACT


def test_rows_can_leave():
    model = tiny_model()
    texts = [[3, 4, 5, 6, 7], [8, 9], [10, 11, 12]]
    cache = TreeCache(model, 3)
    with torch.inference_mode():
        cache.read(texts)
        cache.settle([[], [], []])
        cache.select([1, 2])
        # The longest row is gone, and its slots with it.
        assert cache.cache.get_seq_length() == 3
        texts = [texts[1] + [4], texts[2] + [5]]
        logits = cache.read(texts)
    for row, text in enumerate(texts):
        assert (logits[row, 0] - plain_logits(model, text)).abs().max() < EXACT


def test_positions_stay_in_the_table():
    """Rows that are almost done read drafts that nobody will use: learnt positions must not run out."""
    model = tiny_model("gpt2", positions=8)
    cache = TreeCache(model, 1)
    with torch.inference_mode():
        logits = cache.read([[3, 4, 5, 6, 7, 8]], torch.full((1, 5), 4), torch.arange(1, 6))
    assert (logits[0, 0] - plain_logits(model, [3, 4, 5, 6, 7, 8])).abs().max() < EXACT


def positions_by_slot(self, new_text, nodes, depths, right=TreeCache.positions):
    """Siblings stand after each other in the cache, but not in the text."""
    return right(self, new_text, nodes, self.tree - nodes + torch.arange(1, nodes + 1))


def causal_mask(self, new_text, nodes, seen, right=TreeCache.mask):
    """Every node sees the ones in front of it, siblings too."""
    if seen is not None:
        seen = torch.ones_like(seen).tril(seen.shape[-1] - nodes)
    return right(self, new_text, nodes, seen)


def parents_only(self, new_text, nodes, seen, right=TreeCache.mask):
    """A node sees itself and the text, not what stands between."""
    if seen is not None:
        seen = torch.eye(seen.shape[-1], dtype=torch.bool)[seen.shape[-1] - nodes :].expand_as(seen)
    return right(self, new_text, nodes, seen)


def garbage_seen(self, new_text, nodes, seen, right=TreeCache.mask):
    """Slots after a shorter row's text are not hidden."""
    mask = right(self, new_text, nodes, seen)
    mask[..., : self.front] = True
    return mask


def first_child(self, kept, right=TreeCache.settle):
    """The slots kept are the first ones, whatever was accepted."""
    return right(self, [list(range(len(nodes))) for nodes in kept])


def neighbours(self, kept, right=TreeCache.settle):
    """As many nodes as were accepted are kept, but of another branch."""
    return right(self, [[(node + 1) % 5 for node in nodes] for nodes in kept])


def not_moved(self, kept):
    """The cache is cut to the right length, but nothing is moved."""
    for row, nodes in enumerate(kept):
        self.settled[row] += self.unread[row] + len(nodes)
    self.cache.crop(max(self.settled) - (self.front + self.text + self.tree))
    self._begin_block()


@pytest.mark.parametrize(
    ("method", "mutant"),
    [
        ("positions", positions_by_slot),
        ("mask", causal_mask),
        ("mask", parents_only),
        ("mask", garbage_seen),
        ("settle", first_child),
        ("settle", neighbours),
        ("settle", not_moved),
    ],
)
@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_planted_mistakes_show(monkeypatch, method, mutant, architecture):
    monkeypatch.setattr(TreeCache, method, mutant)
    assert largest_error(tiny_model(architecture)) > 1e-3


def test_older_transformers_take_another_length_for_a_crop(monkeypatch):
    """There ``crop(0)`` kept nothing; a negative number has meant the same in all versions."""
    from transformers.cache_utils import DynamicLayer

    def crop(layer, max_length: int) -> None:
        length = layer.get_seq_length()
        keep = length + max_length if max_length < 0 else max_length
        if keep < length:
            layer.keys, layer.values = layer.keys[..., :keep, :], layer.values[..., :keep, :]

    monkeypatch.setattr(DynamicLayer, "crop", crop)
    assert largest_error(tiny_model()) < EXACT


def build(name: str, **options):
    import transformers

    config = getattr(transformers, f"{name}Config")(
        vocab_size=VOCAB, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, **options
    )
    return transformers.AutoModelForCausalLM.from_config(config)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: build("Bloom"), "position_ids"),
        (lambda: family_model("roberta"), "counts positions in a way of its own"),
        (
            lambda: build(
                "GPTNeo", num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]], window_size=8
            ),
            "local attention",
        ),
    ],
)
def test_other_caches_and_positions_are_refused(make, words):
    with pytest.raises(ArgumentError, match=words):
        check_tree_cache("draft", make())


def test_recurrent_states_are_refused():
    from transformers import MambaConfig, MambaForCausalLM

    model = MambaForCausalLM(MambaConfig(vocab_size=VOCAB, hidden_size=16, num_hidden_layers=1, state_size=4))
    with pytest.raises(ArgumentError, match="target is a MambaForCausalLM, which keeps a recurrent state"):
        check_tree_cache("target", model)


def test_encoder_decoders_are_refused():
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(vocab_size=VOCAB, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    with pytest.raises(ArgumentError, match="an encoder-decoder"):
        check_tree_cache("target", T5ForConditionalGeneration(config))


def test_attention_without_a_mask_is_refused():
    model = tiny_model()
    model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(ArgumentError, match="attention 'flash_attention_2', which takes no mask"):
        check_tree_cache("target", model)
