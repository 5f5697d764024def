"""The one way to a model's logits: every signature of forward, rows that are kept, trees, dtypes."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import pytest
import torch

from tests.support.tiny_models import plain_logits, tiny_model
from tokenlab.bytelevel.model.context_forest import ContextForest
from tokenlab.errors import ArgumentError, DtypeError, SlowPathWarning
from tokenlab.lm import forward
from tokenlab.lm.forward import cache_argument, check_decoder, check_is_model, check_model_logits, run_model
from tokenlab.sampling import generate
from tokenlab.transport import generate as draft_and_verify

IDS = torch.tensor([[3, 4, 5, 6], [3, 7, 8, 9]])


def as_it_is(model):
    pass


def without_logits_to_keep(model):
    right = model.forward

    def forward(input_ids, attention_mask=None, position_ids=None, past_key_values=None, use_cache=None):
        return right(input_ids, attention_mask, position_ids, past_key_values, use_cache=use_cache)

    model.forward = forward


def with_a_number_to_keep(model):
    right = model.forward

    def forward(
        input_ids, attention_mask=None, past_key_values=None, use_cache=None, logits_to_keep: int = 0
    ):
        assert isinstance(logits_to_keep, int)
        return right(
            input_ids,
            attention_mask,
            None,
            past_key_values,
            use_cache=use_cache,
            logits_to_keep=logits_to_keep,
        )

    model.forward = forward


def without_a_cache(model):
    right = model.forward
    model.forward = lambda input_ids, attention_mask=None: right(input_ids, attention_mask, use_cache=False)


@pytest.mark.parametrize("keep", [None, 1, 3, [0, 2], [3], [2, 1, 2]])
@pytest.mark.parametrize("change", [as_it_is, without_logits_to_keep, with_a_number_to_keep, without_a_cache])
@torch.inference_mode()
def test_kept_rows_are_those_of_all(change, keep):
    model = tiny_model()
    everything = model(IDS).logits
    change(model)
    found = run_model(model, IDS, keep=keep, position_ids=torch.arange(4).expand(2, -1))
    expected = everything[
        :, slice(None) if keep is None else slice(-keep, None) if type(keep) is int else keep
    ]
    torch.testing.assert_close(found.logits, expected, rtol=0, atol=1e-12)
    assert found.cache is None


@torch.inference_mode()
def test_logits_that_nobody_wants_are_not_computed():
    model, seen = tiny_model(), []
    model.lm_head.register_forward_hook(lambda module, args, output: seen.append(output.shape[1]))
    run_model(model, IDS, keep=1)
    run_model(model, IDS, keep=[0, 3])
    run_model(model, IDS)
    assert seen == [1, 2, 4]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@torch.inference_mode()
def test_a_row_holds_a_tree(attention):
    """After a text in the cache: two children, and a child of the first."""
    model = tiny_model(attention=attention)
    read = run_model(model, torch.tensor([[3, 4]]), use_cache=True)
    seen = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 0, 1, 0], [1, 1, 1, 0, 1]], dtype=torch.bool)
    found = run_model(
        model,
        torch.tensor([[5, 6, 7]]),
        attention_mask=seen[None, None],
        position_ids=torch.tensor([[2, 2, 3]]),
        cache=read.cache,
        use_cache=True,
    )
    for row, path in enumerate(([3, 4, 5], [3, 4, 6], [3, 4, 5, 7])):
        torch.testing.assert_close(found.logits[0, row], plain_logits(model, path), rtol=0, atol=1e-12)
    assert found.cache.get_seq_length() == 5


@torch.inference_mode()
def test_padding_is_not_seen():
    model, ids = tiny_model(), torch.tensor([[2, 2, 3, 4]])
    mask = torch.tensor([[0, 0, 1, 1]])
    positions = torch.tensor([[0, 0, 0, 1]])
    found = run_model(model, ids, keep=1, attention_mask=mask, position_ids=positions)
    torch.testing.assert_close(found.logits[0, 0], plain_logits(model, [3, 4]), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(torch.bfloat16, torch.float32), (torch.float32, torch.float32), (torch.float64, torch.float64)],
)
@torch.inference_mode()
def test_at_least_float32(dtype, expected):
    assert run_model(tiny_model(dtype=dtype), IDS).logits.dtype == expected


@pytest.mark.parametrize(("value", "found"), [(torch.nan, "NaN"), (torch.inf, r"\+inf")])
def test_broken_logits_are_refused_by_name(value, found):
    model = tiny_model(dtype=torch.bfloat16)
    with torch.no_grad():
        model.lm_head.weight[5] = value
    message = rf"draft returns logits that are ({found}|NaN), .* its dtype, bfloat16"
    with torch.inference_mode():
        run_model(model, IDS)
        with pytest.raises(ArgumentError, match=message):
            run_model(model, IDS, name="draft")


def test_no_distribution_at_all():
    check_model_logits("model", torch.tensor([[0.0, -torch.inf]]))
    with pytest.raises(ArgumentError, match="logits that are -inf for every token"):
        check_model_logits("model", torch.full((2, 3), -torch.inf))


def test_what_is_no_decoder():
    from transformers import T5Config, T5ForConditionalGeneration

    sizes = {"d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 1, "num_heads": 2}
    with pytest.raises(ArgumentError, match="model is a T5ForConditionalGeneration, an encoder-decoder"):
        check_decoder("model", T5ForConditionalGeneration(T5Config(vocab_size=11, **sizes)))
    with pytest.raises(
        DtypeError, match=r"model must be a transformers model, found tuple: tokenlab\.lm\.load"
    ):
        check_is_model("model", (tiny_model(), None))


class Renamed(SimpleNamespace):
    """What a model returns that knows its cache by both names, and warns of the earlier."""

    @property
    def past_key_values(self):
        warnings.warn("past_key_values is deprecated", FutureWarning, stacklevel=2)
        return self.cache


def with_a_cache_called_cache(model):
    """As transformers calls it from 5.24 on."""
    right, name = model.forward, cache_argument(model)

    def forward(
        input_ids, attention_mask=None, position_ids=None, cache=None, use_cache=None, logits_to_keep: int = 0
    ):
        options = {name: cache, "use_cache": use_cache, "logits_to_keep": logits_to_keep}
        output = right(input_ids, attention_mask=attention_mask, position_ids=position_ids, **options)
        return Renamed(logits=output.logits, cache=getattr(output, name))

    model.forward = forward


def test_a_cache_by_either_name():
    plain, renamed, draft = tiny_model(), tiny_model(), tiny_model(seed=1)
    with_a_cache_called_cache(renamed)
    assert cache_argument(renamed) == "cache"
    with warnings.catch_warnings():
        warnings.simplefilter("error", SlowPathWarning)
        warnings.simplefilter("error", FutureWarning)
        sampled = [generate(model, IDS, rule="greedy", max_new_tokens=8) for model in (plain, renamed)]
        drafted = [
            draft_and_verify(model, draft, IDS, max_new_tokens=8, do_sample=False)
            for model in (plain, renamed)
        ]
        forest = ContextForest(renamed)
    assert torch.equal(sampled[0].sequences, sampled[1].sequences)
    assert torch.equal(drafted[0].sequences, drafted[1].sequences)
    assert forest.cached


def test_no_cache_is_kept_unasked():
    """Some models know the switch only among their keywords, and keep a cache unless they are told."""
    model, given = tiny_model(), []
    right = model.forward

    def forward(input_ids, **options):
        given.append(options.get("use_cache", True))
        return right(input_ids, **options)

    model.forward = forward
    for use_cache in (False, True):
        assert (run_model(model, IDS, use_cache=use_cache).cache is None) is not use_cache
    assert given == [False, True]


def test_a_refused_cache_is_a_warning():
    model = tiny_model()
    without_a_cache(model)
    with pytest.warns(SlowPathWarning, match="LlamaForCausalLM takes no past_key_values"):
        generate(model, IDS, max_new_tokens=2)
    with pytest.warns(SlowPathWarning, match="LlamaForCausalLM, whose forward takes no past_key_values"):
        ContextForest(model)


def test_a_signature_is_read_once(monkeypatch):
    model, seen = tiny_model(), []
    right = forward.inspect.signature
    monkeypatch.setattr(
        forward.inspect, "signature", lambda function: seen.append(function) or right(function)
    )
    for _ in range(3):
        run_model(model, IDS)
    assert len(seen) == 1
    without_a_cache(model)
    assert cache_argument(model) is None and len(seen) == 2
