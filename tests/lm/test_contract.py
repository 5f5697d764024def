"""What no distribution of the next token comes from is refused by name, by every function that runs a model."""

from __future__ import annotations

import pytest
import torch

from tests.support.model_families import family_model
from tests.support.planting import plant
from tests.support.tiny_models import tiny_model
from tokenlab.bytelevel.model.context_forest import ContextForest
from tokenlab.errors import ArgumentError, DtypeError
from tokenlab.lm import contract
from tokenlab.sampling import generate as sample
from tokenlab.transport import generate as draft_and_verify
from tokenlab.transport import multi_draft

IDS = torch.tensor([[3, 4]])
SIZES = {"vocab_size": 29, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
BERT = SIZES | {"intermediate_size": 16, "max_position_embeddings": 32}


def run_sampling(model):
    sample(model, IDS, max_new_tokens=3)


def run_target(model):
    draft_and_verify(model, tiny_model(), IDS, max_new_tokens=3)


def run_draft(model):
    draft_and_verify(tiny_model(), model, IDS, max_new_tokens=3)


def run_method(model):
    tiny_model().generate(IDS, max_new_tokens=3, custom_generate=multi_draft(model))


def run_contexts(model):
    forest = ContextForest(model)
    forest.logits([forest.root([3, 4])])


ENTRIES = (run_sampling, run_target, run_draft, run_method, run_contexts)
every_entry = pytest.mark.parametrize("run", ENTRIES, ids=lambda run: run.__name__)


def from_config(loader: str, config: str, **options):
    import transformers

    return getattr(transformers, loader).from_config(getattr(transformers, config)(**options)).eval()


def broken():
    model = tiny_model(seed=5)
    with torch.no_grad():
        model.model.norm.weight[0] = torch.nan
    return model


def t5():
    options = {"vocab_size": 29, "d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    return from_config("AutoModelForSeq2SeqLM", "T5Config", **options)


def bart():
    options = {"vocab_size": 29, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    return from_config("AutoModelForSeq2SeqLM", "BartConfig", **options, **heads)


def headless():
    return from_config("AutoModel", "LlamaConfig", intermediate_size=16, **SIZES)


def classifier():
    return from_config("AutoModelForSequenceClassification", "LlamaConfig", intermediate_size=16, **SIZES)


def tagger():
    return from_config("AutoModelForTokenClassification", "LlamaConfig", intermediate_size=16, **SIZES)


def masked():
    return from_config("AutoModelForMaskedLM", "BertConfig", **BERT)


def encoder_with_a_head():
    return from_config("AutoModelForCausalLM", "BertConfig", **BERT)


def xlm():
    """It has a dict for a cache, and looks ahead."""
    options = {"vocab_size": 29, "emb_dim": 16, "n_layers": 1, "n_heads": 2, "max_position_embeddings": 32}
    return from_config("AutoModelForCausalLM", "XLMConfig", **options)


def gemma_in_both_directions():
    return family_model("gemma3", use_bidirectional_attention=True)


def llama_in_both_directions():
    model = tiny_model()
    model.config.is_causal = False
    return model


MODELS = {
    "cpmant": (lambda: family_model("cpmant"), "is a CpmAntForCausalLM whose logits change with the tokens"),
    "gemma": (gemma_in_both_directions, "is a Gemma3ForCausalLM whose logits change with the tokens"),
    "llama": (
        llama_in_both_directions,
        "is a LlamaForCausalLM whose logits change with the tokens that follow",
    ),
    "xlm": (xlm, "is a XLMWithLMHeadModel whose logits change with the tokens that follow"),
    "broken": (broken, "returns logits that are NaN"),
    "training": (lambda: tiny_model().train(), "is in training mode, expected eval mode"),
    "t5": (t5, "is a T5ForConditionalGeneration, an encoder-decoder"),
    "bart": (bart, "is a BartForConditionalGeneration, an encoder-decoder"),
    "headless": (headless, "is a LlamaModel, which gives no distribution of the next token"),
    "classifier": (classifier, "is a LlamaForSequenceClassification, which gives no distribution"),
    "tagger": (tagger, "is a LlamaForTokenClassification, which gives no distribution"),
    "masked": (masked, "is a BertForMaskedLM"),
    "encoder": (encoder_with_a_head, "is a BertLMHeadModel whose logits change with the tokens that follow"),
}


@every_entry
@pytest.mark.parametrize("kind", MODELS)
def test_models_that_give_no_distribution(run, kind):
    make, words = MODELS[kind]
    with pytest.raises(ArgumentError, match=words):
        run(make())


@every_entry
@pytest.mark.parametrize(
    ("thing", "words"),
    [
        ("gpt2", r"found str 'gpt2': tokenlab\.lm\.load\('gpt2'\) returns"),
        ((tiny_model(), None), "found tuple: tokenlab.lm.load returns a model and its tokenizer"),
        (None, "found NoneType"),
        (torch.nn.Linear(2, 2), "found Linear"),
    ],
    ids=["str", "tuple", "none", "layer"],
)
def test_what_is_no_model(run, thing, words):
    with pytest.raises(DtypeError, match=f"must be a transformers model, {words}"):
        run(thing)


@every_entry
def test_a_tokenizer_in_the_models_place(run):
    from tokenlab.lm import load

    with pytest.raises(DtypeError, match="must be a transformers model, found .*, a tokenizer"):
        run(load("lab-draft")[1])


@every_entry
def test_logits_of_another_shape(run):
    model = tiny_model()
    right = model.forward

    def narrow(*args, **options):
        output = right(*args, **options)
        output.logits = output.logits[..., :7]
        return output

    narrow.__signature__ = __import__("inspect").signature(right)
    model.forward = narrow
    with pytest.raises(ArgumentError, match=r"logits have shape \(2, \d, 7\), expected \(2, tokens, 29\)"):
        run(model)


@every_entry
def test_a_cache_that_does_not_grow(run):
    model = tiny_model()
    right = model.forward

    def forgetful(input_ids, attention_mask=None, position_ids=None, past_key_values=None, use_cache=None):
        output = right(input_ids, position_ids=position_ids, use_cache=True)
        output.past_key_values.crop(-1)
        return output

    model.forward = forgetful
    with pytest.raises(ArgumentError, match=r"whose cache has \d tokens after \d were read"):
        run(model)


def test_rows_of_nan_under_padding_are_no_text():
    """Eager attention in float64 gives padding rows of NaN in some versions of transformers."""
    model = tiny_model()
    model.lm_head.register_forward_hook(
        lambda module, args, output: output.index_fill(0, torch.tensor(0), torch.nan)
    )
    ids, mask = torch.tensor([[2, 3], [4, 5]]), torch.tensor([[0, 1], [1, 1]])
    with pytest.raises(ArgumentError, match="returns logits that are NaN"):
        sample(model, ids, mask, max_new_tokens=2)


def test_a_short_text_that_is_nan_is_said_to_be():
    """After one token there is nothing finite that longer texts could be compared with."""
    model = tiny_model()
    model.lm_head.register_forward_hook(
        lambda module, args, output: output * (torch.nan if output.shape[1] == 1 else 1)
    )
    with pytest.raises(ArgumentError, match="returns logits that are NaN"):
        contract.check_causal("model", model)


def test_tokens_that_never_come_are_no_doubt():
    model = tiny_model()
    model.lm_head.register_forward_hook(
        lambda module, args, output: output.index_fill(-1, torch.tensor(5), -torch.inf)
    )
    contract.check_causal("model", model)


@pytest.mark.parametrize("vocab", [1, 2, 4])
def test_models_of_few_tokens(vocab):
    model = tiny_model(vocab=vocab, bos_token_id=None, eos_token_id=None, pad_token_id=None)
    assert contract.causal_model("model", model) is model


@pytest.mark.mutant
def test_mutant_asked_with_the_first_tokens(monkeypatch):
    """Token 0 is padding to some: a look at it sees nothing."""
    plant(monkeypatch, contract, "range(size // 2, size)", "(0, 0, 1)")
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        test_models_that_give_no_distribution(run_contexts, "cpmant")


@pytest.mark.mutant
def test_mutant_an_unlooked_at_encoder(monkeypatch):
    plant(monkeypatch, contract, "if model not in _CAUSAL_MODELS", "if False")
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        test_models_that_give_no_distribution(run_sampling, "encoder")
