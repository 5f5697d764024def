"""The distribution over bytes of tiny random models, against sums over the tokenizers' own encodings.

The oracle asks the tokenizer for encodings of many continuations of a text. The beginnings of
these are its covers, and their probabilities come from plain forwards.
"""

from __future__ import annotations

import functools
import math
import sys
from importlib import import_module
from types import ModuleType

import pytest
import torch

from tests.bytelevel import oracle
from tests.bytelevel.tokenizers import (
    NAMES,
    SPECS,
    built,
    byte_level,
    described,
    lm_of,
    model_of,
    renumbered,
    tiny_for,
    with_added,
)
from tests.bytelevel.tokenizers import changed as with_change
from tests.support.planting import changed, plant
from tests.support.tiny_models import plain_logits
from tokenlab.bytelevel import ByteLM
from tokenlab.bytelevel import model as package
from tokenlab.bytelevel.tasks.explain import cover_encodings
from tokenlab.bytelevel.tokenizer.vocabulary import END
from tokenlab.errors import ArgumentError, DtypeError

EXACT = 1e-9


#: The empty one, one that ends where GPT-2 has not decided, and one that ends inside a character.
PREFIXES = (b"", b"it's\n ", "12 é".encode()[:-1])


class Plain:
    """Probabilities of token sequences from plain forwards."""

    def __init__(self, lm: ByteLM, start_ids=None) -> None:
        self.lm, self.start_ids = lm, tuple(lm.start_ids if start_ids is None else start_ids)
        self.rows: dict[tuple[int, ...], torch.Tensor] = {}

    def row(self, ids):
        if ids not in self.rows:
            self.rows[ids] = plain_logits(self.lm.model, [*self.start_ids, *ids]).log_softmax(-1)
        return self.rows[ids]

    def log_prob(self, ids) -> float:
        return math.fsum(float(self.row(ids[:index])[token]) for index, token in enumerate(ids))

    def log_sum(self, sequences) -> float:
        log_probs = torch.tensor([self.log_prob(ids) for ids in sequences], dtype=torch.float64)
        return float(torch.logsumexp(log_probs, 0)) if len(log_probs) else -math.inf

    def ended(self, sequences) -> float:
        ends = [
            self.log_prob(ids) + float(torch.logsumexp(self.row(ids)[self.lm.end_ids], 0))
            for ids in sequences
        ]
        return float(torch.logsumexp(torch.tensor(ends, dtype=torch.float64), 0)) if ends else -math.inf


def whole(name: str, text: bytes) -> list[oracle.Ids]:
    """The encodings of a text: of the empty one also the dummy alone, if it is written."""
    if oracle.pending(text):
        return []
    found = [ids for ids in oracle.encodings(name, [described(name).dummy + text]) if ids]
    return found if text else [(), *found]


def brute_distribution(name: str, lm: ByteLM, text: bytes) -> tuple[torch.Tensor, float, float]:
    """Log distribution of the next byte, leak, and log of the sum over covers."""
    plain = Plain(lm)
    joint = torch.full((257,), -math.inf, dtype=torch.float64)
    for byte, covers in oracle.covers_by_next_byte(name, text).items():
        joint[byte] = plain.log_sum(covers)
    joint[END] = plain.ended(whole(name, text))
    begins = plain.log_sum(oracle.covers(name, text)) if text else 0.0
    total = float(torch.logsumexp(joint, 0))
    return joint - total, -math.expm1(total - begins), begins


@pytest.fixture(scope="module")
def distributions():
    """The oracle's answers, remembered."""
    return functools.cache(lambda name, text: brute_distribution(name, lm_of(name), text))


def worst(name: str, distributions) -> float:
    """The largest error of a distribution, of a leak or of a sum over covers."""
    errors = []
    for text in PREFIXES if name in ("gpt2", "llama2", "metaspace first") else PREFIXES[1:]:
        stream, (distribution, leak, begins) = lm_of(name).stream(text), distributions(name, text)
        same_support = ((stream.log_probs > -math.inf) == (distribution > -math.inf)).all()
        errors += [
            (stream.log_probs.exp() - distribution.exp()).abs().max().item(),
            0.0 if same_support else 1.0,
        ]
        errors += [abs(stream.leak - leak), abs(stream.cover_log_prob - begins)]
    return max(errors)


@pytest.mark.parametrize("name", NAMES)
def test_the_distribution_is_the_sum_over_viable_covers(name, distributions):
    assert worst(name, distributions) < EXACT


@pytest.mark.parametrize("name", NAMES)
def test_the_two_routes_to_the_probability_of_a_text(name):
    """Log of the cover sum = sum of log conditionals + sum of log(1 - leak)."""
    text = "It's 12\n\n  é. x".encode()
    score = lm_of(name).score(text)
    assert len(score.log_probs) == len(score.leaks) == len(text)
    assert abs(score.cover_log_prob - float((score.log_probs + torch.log1p(-score.leaks)).sum())) < EXACT
    assert (score.leaks > 0).any() and (score.pruned == 0).all()
    assert score.bits_per_byte == pytest.approx(-score.log_prob / len(text) / math.log(2))


@pytest.mark.parametrize("name", ["llama3", "nfkc"])
def test_distributions_sum_to_one_wherever_a_text_is_cut(name):
    lm = lm_of(name)
    text = "a 😀가 123's".encode()
    prefixes = [text[:end] for end in range(len(text) + 1)]
    distributions = lm.next_byte_log_probs(prefixes)
    assert distributions.shape == (len(prefixes), 257) and distributions.dtype == torch.float64
    assert (distributions.exp().sum(1) - 1).abs().max() < 1e-12
    for prefix, distribution in zip(prefixes, distributions, strict=True):
        inside = oracle.pending(prefix)
        assert (distribution[END] == -math.inf) == bool(inside)
        follow = [byte for byte in range(256) if distribution[byte] > -math.inf]
        # Nothing may follow but what makes UTF-8.
        assert all(oracle.pending(prefix + bytes([byte])) is not None for byte in follow)


@pytest.mark.parametrize("name", ["lab", "llama2"])
def test_the_numbers_of_tokens_do_not_matter(name):
    model, size = model_of(name), built(name).get_vocab_size()
    order = torch.randperm(size, generator=torch.Generator().manual_seed(1))
    tokenizer = renumbered(built(name), order.tolist())
    other = tiny_for(tokenizer)
    other.load_state_dict(model.state_dict())
    for layer in (other.model.embed_tokens, other.lm_head):
        layer.weight.data[order] = layer.weight.data.clone()
    eos = int(order[model.config.eos_token_id])
    assert tokenizer.token_to_id("<eos>") == eos == other.generation_config.eos_token_id
    lm, moved = lm_of(name), ByteLM(other, tokenizer)
    assert moved.start_ids != lm.start_ids
    for text in PREFIXES:
        assert (
            lm.next_byte_log_probs(text).exp() - moved.next_byte_log_probs(text).exp()
        ).abs().max() < EXACT
        assert lm.stream(text).leak == pytest.approx(moved.stream(text).leak, abs=EXACT)


def test_several_ends_are_one():
    model, tokenizer = tiny_for(built("gpt2")), built("gpt2")
    one = ByteLM(model, tokenizer).stream(b"the")
    model.generation_config.eos_token_id = [1, 2]
    lm = ByteLM(model, tokenizer)
    two = lm.stream(b"the")
    assert lm.end_ids == [1, 2] and two.leak < one.leak
    plain = Plain(lm)
    (ids,) = whole("gpt2", b"the")
    kept = math.log1p(-two.leak) + two.cover_log_prob
    assert abs(float(two.log_probs[END]) - (plain.ended([ids]) - kept)) < EXACT
    model.generation_config.eos_token_id = None
    lm = ByteLM(model, tokenizer, start_ids=[0])
    assert lm.end_ids == [] and lm.next_byte_log_probs(b"the")[END] == -math.inf


def biased(tokenizer, token: int, logit: float):
    """A model that gives one token more in each context."""
    model = tiny_for(tokenizer)
    model.lm_head.register_forward_hook(
        lambda module, inputs, output: (
            output + logit * torch.nn.functional.one_hot(torch.tensor(token), output.shape[-1])
        )
    )
    return model


def test_special_tokens_are_in_the_leak_alone():
    tokenizer = built("gpt2")
    before = ByteLM(tiny_for(tokenizer), tokenizer).stream()
    after = ByteLM(biased(tokenizer, tokenizer.token_to_id("<pad>"), 12.0), tokenizer).stream()
    assert after.leak > 0.9 > before.leak + 0.1
    assert (after.log_probs.exp() - before.log_probs.exp()).abs().max() < EXACT


def test_the_text_of_a_special_token_is_a_text():
    lm = lm_of("gpt2")
    assert {0, 1, 2}.isdisjoint(lm.vocabulary.order.tolist())
    covers = cover_encodings(built("gpt2"), b"a<eos>")
    assert covers and all({0, 1, 2}.isdisjoint(cover.ids) for cover in covers)
    # Typed into the tokenizer, it would be the special token.
    assert 1 in built("gpt2").encode("a<eos>").ids
    assert math.isfinite(lm.log_prob(b"a<eos>", ended=True))


def test_added_tokens_are_texts():
    """Not special: it takes part in the distribution."""
    tokenizer = with_added(built("gpt2"), ("    ",), normalized=False)
    model = biased(tokenizer, tokenizer.token_to_id("    "), 12.0)
    lm = ByteLM(model, tokenizer)
    distribution = lm.next_byte_log_probs([b"", b"  "]).exp()
    assert distribution[0, ord(" ")] > 0.9 and distribution[1, ord(" ")] > 0.9 and lm.stream().leak < 0.1
    ids = tokenizer.encode("a    ", add_special_tokens=False).ids
    assert ids[-1] == tokenizer.token_to_id("    ")
    assert ids in [list(cover.ids) for cover in cover_encodings(tokenizer, b"a    ")]


def test_contexts_of_ones_own():
    lm = lm_of("gpt2")
    other = ByteLM(model_of("gpt2"), built("gpt2"), start_ids=[2, 1])
    context = {"context_ids": (2, 1)}
    distribution = lm.next_byte_log_probs(b"th", **context)
    assert torch.equal(distribution, other.next_byte_log_probs(b"th")) and not torch.equal(
        distribution, lm.next_byte_log_probs(b"th")
    )
    assert (
        lm.score(b"th", **context).log_prob
        == other.log_prob(b"th")
        == lm.score([b"th"], **context)[0].log_prob
    )


@pytest.mark.parametrize("saved", [False, True])
def test_padding_and_truncation_are_not_inherited(saved, tmp_path):
    """How a tokenizer was last used, or was saved, says nothing about the text."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    right = lm_of("gpt2")
    states = [
        *({"padding": "max_length", "max_length": 9, "padding_side": side} for side in ("left", "right")),
        {"padding": True, "pad_to_multiple_of": 8, "truncation": True, "max_length": 16},
        *({"truncation": True, "max_length": length} for length in (1, 2)),
        {"add_special_tokens": False, "split_special_tokens": True},
    ]
    for state in states:
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=with_change(built("gpt2"), lambda state: None),
            bos_token="<bos>",
            eos_token="<eos>",
            pad_token="<pad>",
        )
        tokenizer(["a", "the cat <eos>"], **state)
        if saved:
            tokenizer.save_pretrained(tmp_path)
            tokenizer = AutoTokenizer.from_pretrained(tmp_path)
        lm = ByteLM(model_of("gpt2"), tokenizer)
        assert lm.start_ids == right.start_ids == [0]
        assert lm.description.encode(b"the cat <eos>") == right.description.encode(b"the cat <eos>")
        assert torch.equal(lm.next_byte_log_probs(b"th"), right.next_byte_log_probs(b"th"))


def test_start_ids():
    gpt2 = built("gpt2")
    assert ByteLM(model_of("gpt2"), gpt2).start_ids == [0]
    silent = with_change(gpt2, lambda state: state.update(post_processor=None))
    model = tiny_for(gpt2)
    model.config.bos_token_id = 2
    assert ByteLM(model, silent).start_ids == [2]
    model.config.bos_token_id = None
    assert ByteLM(model, silent).start_ids == [1]  # the end of the text before
    model.generation_config.eos_token_id = None
    with pytest.raises(
        ArgumentError, match="start_ids is None, and neither the tokenizer nor the model names"
    ):
        ByteLM(model, silent)


@pytest.mark.parametrize("name", ["gpt2", "llama2"])
def test_a_wide_beam_is_the_sum_over_all_tokenizations(name):
    lm = ByteLM(model_of(name), built(name), "all", beam_width=10_000)
    plain = Plain(lm)
    for text in (b"at", b"s\xc3"):  # need not be UTF-8
        covers = [cover.ids for cover in cover_encodings(built(name), text, "all")]
        stream = lm.stream(text)
        assert abs(stream.cover_log_prob - plain.log_sum(covers)) < EXACT
        spelled = described(name).dummy + text
        exact = [ids for ids in covers if described(name).decode(ids) == spelled]
        kept = stream.cover_log_prob + math.log1p(-stream.leak)
        assert abs(float(stream.log_probs[END]) - plain.ended(exact) + kept) < EXACT
        for byte in (ord("s"), ord(" "), 0xA9):
            longer = [cover.ids for cover in cover_encodings(built(name), text + bytes([byte]), "all")]
            assert abs(float(stream.log_probs[byte]) - plain.log_sum(longer) + kept) < EXACT
        assert (stream.log_probs.exp().sum() - 1).abs() < 1e-12


def test_a_narrow_beam_says_what_it_drops():
    wide = ByteLM(model_of("gpt2"), built("gpt2"), "all", beam_width=10_000)
    text = b"the cat's"
    exact = wide.score(text)
    assert (exact.pruned == 0).all()
    last = -math.inf
    for width in (1, 2, 4, 16):
        score = ByteLM(model_of("gpt2"), built("gpt2"), "all", beam_width=width).score(text, ended=False)
        assert last <= score.cover_log_prob + EXACT and score.cover_log_prob <= exact.cover_log_prob + EXACT
        kept = torch.log1p(-score.leaks) + torch.log1p(-score.pruned)
        assert abs(score.cover_log_prob - float((score.log_probs + kept).sum())) < EXACT
        last = score.cover_log_prob
    assert (score.pruned < exact.pruned + 1).all() and ByteLM(
        model_of("gpt2"), built("gpt2"), "all", beam_width=1
    ).score(text).pruned.max() > 0.01


def test_valid_is_at_most_all():
    valid = lm_of("gpt2").score(b"the cat")
    everything = ByteLM(model_of("gpt2"), built("gpt2"), "all", beam_width=10_000).score(b"the cat")
    assert valid.cover_log_prob < everything.cover_log_prob
    assert everything.leaks.max() < valid.leaks.max()  # special tokens alone


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        (
            ("model", "tokenizer", "all"),
            {},
            ArgumentError,
            "beam_width is None, expected a number of open covers",
        ),
        (
            ("model", "tokenizer", "all"),
            {"beam_width": 0},
            ArgumentError,
            "beam_width is 0, expected at least 1",
        ),
        (("model", "tokenizer"), {"beam_width": 4}, ArgumentError, "beam_width is 4, expected None with"),
        (
            ("model", "tokenizer", "some"),
            {},
            ArgumentError,
            "tokenization is 'some', expected one of 'valid', 'all'",
        ),
        (("model", "tokenizer"), {"backend": "gpu"}, ArgumentError, "backend is 'gpu'"),
        (
            ("model", "tokenizer"),
            {"start_ids": []},
            ArgumentError,
            "start_ids is empty, expected at least one",
        ),
        (
            ("model", "tokenizer"),
            {"start_ids": [440]},
            ArgumentError,
            r"start_ids\[0\] is 440, expected 0 to 439",
        ),
        (("tokenizer", "model"), {}, DtypeError, "model must be a transformers model, found Tokenizer"),
        (("model", "model"), {}, DtypeError, "tokenizer is a LlamaForCausalLM, expected a fast tokenizer"),
    ],
)
def test_bad_arguments(arguments, options, error, words):
    given = {"model": model_of("qwen2"), "tokenizer": built("qwen2")}
    with pytest.raises(error, match=words):
        ByteLM(*(given.get(argument, argument) for argument in arguments), **options)


def test_a_tokenizer_of_another_model():
    with pytest.raises(ArgumentError, match="writes text in tokens up to 459, the model has rows for 440"):
        ByteLM(model_of("qwen2"), byte_level(SPECS["gpt2"], size=460))


def test_a_pre_tokenizer_that_drops_text():
    from tokenizers import Tokenizer, pre_tokenizers

    tokenizer = Tokenizer.from_str(built("gpt2").to_str())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    with pytest.raises(
        ArgumentError, match="tokenizer has a pre-tokenizer that is not supported.*drops white space"
    ):
        ByteLM(model_of("gpt2"), tokenizer)
    # All tokenizations need no pre-tokenizer.
    assert ByteLM(model_of("gpt2"), tokenizer, "all", beam_width=4).log_prob(b"a b") < 0


def test_logits_that_are_no_distribution():
    model = tiny_for(built("gpt2"))
    model.lm_head.weight.data[7] = math.nan
    with pytest.raises(ArgumentError, match="model returns logits that are NaN"):
        ByteLM(model, built("gpt2")).next_byte_log_probs(b"a")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("llama2", "for byte in byte_lm.dummy:", "for byte in ():"),
        ("gpt2", "allowed=allowed,", "allowed=None,"),
        ("gpt2", "if self._may_end(node))]", "if True)]"),
        ("gpt2", "max(0.0, -math.expm1(kept - cover)) for", "0.0 for"),
        ("llama2", "nodes = [*self._early_ends, *(node", "nodes = [*(node"),
        (
            "gpt2",
            "return distribution - total.unsqueeze(1), leaks",
            "return distribution - distribution.new_tensor(covers)[:, None], leaks",
        ),
        ("gpt2", "self.weights[node] = self.weights[parent] + log_prob", "self.weights[node] = log_prob"),
    ],
)
def test_planted_mistakes_show(monkeypatch, distributions, name, old, new):
    plant(monkeypatch, package, old, new)
    assert worst(name, distributions) > 1e-6


def test_special_tokens_with_bytes_show(monkeypatch):
    """Where everything counts, a text would be spelled with them."""
    right = ByteLM(model_of("gpt2"), built("gpt2"), "all", beam_width=99)
    roles = import_module("tokenlab.bytelevel.tokenizer.roles")
    planted = ModuleType(roles.__name__)
    monkeypatch.setitem(sys.modules, roles.__name__, planted)  # dataclasses look there
    source = changed(roles, "if token not in no_text}", "}")
    exec(compile(source, "planted", "exec"), planted.__dict__)
    monkeypatch.setattr(
        import_module("tokenlab.bytelevel.tokenizer.reading"), "read_roles", planted.read_roles
    )
    wrong = ByteLM(model_of("gpt2"), built("gpt2"), "all", beam_width=99)
    assert not {0, 1, 2}.isdisjoint(wrong.vocabulary.order.tolist())
    byte = ord("<")
    assert abs(right.next_byte_log_probs(b"")[byte] - wrong.next_byte_log_probs(b"")[byte]) > 1e-6


def test_a_model_without_a_distribution_of_the_next_token_is_refused():
    lm = lm_of(NAMES[0])
    with pytest.raises(
        ArgumentError, match="gives no distribution of the next token, expected a causal language model"
    ):
        ByteLM(lm.model.model, built(NAMES[0]))
