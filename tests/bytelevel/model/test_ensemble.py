"""Several models as one: distributions by hand, the chain rule, batches, and members that cannot go on."""

from __future__ import annotations

import math

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from tests.bytelevel.brute import BOS, SPECIAL, Brute, tiny_lm
from tests.support.planting import plant
from tests.support.tiny_models import tiny_model
from tokenlab.bytelevel import ByteLM, ByteStream, ensemble
from tokenlab.bytelevel.model import ensemble as module
from tokenlab.bytelevel.model.ensemble import HOW
from tokenlab.errors import ArgumentError, DtypeError, ProbabilityError, ShapeError
from tokenlab.lm import load
from tokenlab.lm.corpus import heldout_text

WEIGHTS = (0.25, 0.75)


TEXT = b"ab a  b"


@pytest.fixture(scope="module")
def pair():
    """Two random models whose tokenizers are of different kinds."""
    return [tiny_lm("byte_level"), tiny_lm("sentencepiece", seed=1)]


@pytest.fixture(scope="module")
def lab():
    return [ByteLM(*load("lab-draft")), ByteLM(*load("lab-other"))]


def by_hand(distributions: list[torch.Tensor], weights, how: str) -> torch.Tensor:
    """Probabilities, combined as the equations say."""
    if how == "mix":
        return sum(weight * distribution for weight, distribution in zip(weights, distributions, strict=True))
    product = torch.ones_like(distributions[0])
    for weight, distribution in zip(weights, distributions, strict=True):
        product = product * distribution**weight
    return product / product.sum()


def worst_distribution(members, how: str) -> float:
    """The largest difference from enumeration of the members, combined by hand."""
    worst, both = 0.0, ensemble(members, WEIGHTS, how)
    brutes = [Brute(member, [BOS]) for member in members]
    for index in range(len(TEXT) + 1):
        distribution = by_hand([brute.distribution(TEXT[:index]) for brute in brutes], WEIGHTS, how)
        found = both.next_byte_log_probs(TEXT[:index]).exp()
        worst = max(worst, float((found - distribution).abs().max()))
    return worst


@pytest.mark.parametrize("how", HOW)
def test_distribution_is_that_of_the_equations(pair, how):
    assert worst_distribution(pair, how) < 1e-9


MUTANTS = {
    "weights left out": ("self.ensemble.weights, dtype", "[1.0] * len(each), dtype", "product"),
    "mean of logarithms for a mixture": (
        "torch.logsumexp(has_say.log_softmax(0) + each, 0)",
        "(weights * each).sum(0).log_softmax(-1)",
        "mix",
    ),
    "product not normalised": ("return distribution - total", "return distribution", "product"),
    "weights of another order": ("self.ensemble.weights, dtype", "self.ensemble.weights[::-1], dtype", "mix"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_equations_find_planted_mistakes(monkeypatch, pair, mutant):
    old, new, how = MUTANTS[mutant]
    plant(monkeypatch, module, old, new)
    assert worst_distribution(pair, how) > 1e-3


@pytest.mark.parametrize("how", HOW)
def test_of_a_model_with_itself_is_the_model(pair, how):
    member = pair[0]
    both = ensemble([member, member], [0.3, 0.7], how)
    alone = ensemble([member], how=how)
    for index in range(len(TEXT)):
        distribution = member.next_byte_log_probs(TEXT[:index]).exp()
        assert (both.next_byte_log_probs(TEXT[:index]).exp() - distribution).abs().max() < 1e-12
        assert (alone.next_byte_log_probs(TEXT[:index]).exp() - distribution).abs().max() < 1e-12
    score, expected = both.score(TEXT, ended=True), member.score(TEXT, ended=True)
    assert score.log_prob == pytest.approx(expected.log_prob, abs=1e-9)
    assert torch.allclose(score.member_log_probs, expected.log_probs.expand(2, -1))


@pytest.mark.parametrize("how", HOW)
def test_chain_rule_and_one_stream(pair, how):
    both = ensemble(pair, WEIGHTS, how)
    stream, total = both.stream(), 0.0
    for byte in TEXT:
        distribution = stream.log_probs
        assert distribution.logsumexp(0).item() == pytest.approx(0, abs=1e-12)
        assert torch.allclose(distribution, both.next_byte_log_probs(stream.text), atol=1e-9)
        total += float(distribution[byte])
        stream.push(byte)
    assert stream.text == TEXT and stream.log_prob == pytest.approx(total, abs=1e-9)
    assert both.log_prob(TEXT) == pytest.approx(total, abs=1e-9)
    assert both.log_prob(TEXT, ended=True) == pytest.approx(total + float(stream.log_probs[256]), abs=1e-9)
    assert [type(member) for member in stream.members] == [ByteStream] * 2
    assert stream.members[1].text == TEXT


@pytest.mark.parametrize("how", HOW)
def test_copies_go_on_by_themselves(pair, how):
    stream = ensemble(pair, WEIGHTS, how).stream(b"a")
    before = stream.log_probs.clone()
    other = stream.copy()
    other.extend(b"b a")
    assert (stream.text, other.text) == (b"a", b"ab a")
    assert torch.equal(stream.log_probs, before)
    assert stream.log_prob == 0 and other.log_prob < 0
    stream.extend(b"b a", score=False)
    assert torch.allclose(stream.log_probs, other.log_probs, atol=1e-9)


@pytest.mark.parametrize("how", HOW)
def test_batches_are_what_each_text_is(pair, how):
    both = ensemble(pair, WEIGHTS, how)
    texts = [b"", b"a b", b"ab  ", b"ba" * 3]
    distributions = both.next_byte_log_probs(texts)
    scores = both.score(texts)
    for text, distribution, score in zip(texts, distributions, scores, strict=True):
        assert torch.allclose(distribution, both.next_byte_log_probs(text), atol=1e-9)
        assert score.log_prob == pytest.approx(both.log_prob(text), abs=1e-9)
        assert score.member_log_probs.shape == (2, len(text))
    drawn = both.sample(texts, 4, temperature=0)
    assert [sample.text for sample in drawn] == [both.sample(text, 4, temperature=0).text for text in texts]


def test_two_lab_models_on_held_out_text(lab):
    text = heldout_text("source")[:60].encode()
    one, other = (member.score(text) for member in lab)
    both = ensemble(lab).score(text)
    # A mixture needs at most the mean of its members' bits, byte by byte.
    mean = (one.log_probs + other.log_probs) / 2
    assert bool((both.log_probs >= mean - 1e-6).all())
    assert both.bits_per_byte < (one.bits_per_byte + other.bits_per_byte) / 2
    expected = torch.logsumexp(torch.stack([one.log_probs, other.log_probs]) + math.log(0.5), 0)
    assert torch.allclose(both.log_probs, expected, atol=1e-4)
    assert torch.allclose(both.member_log_probs, torch.stack([one.log_probs, other.log_probs]), atol=1e-4)
    # The product is a distribution as well, and no sum of the members' scores.
    product = ensemble(lab, how="product").score(text)
    assert bool((product.log_probs >= mean - 1e-6).all()), "normalising a geometric mean only adds"


def test_samples_have_their_log_probability(pair):
    both = ensemble(pair, WEIGHTS, "product")
    sample = both.sample(b"a", 6, generator=torch.Generator().manual_seed(1))
    assert sample == both.sample(b"a", 6, generator=torch.Generator().manual_seed(1))
    stream = both.stream(b"a")
    stream.extend(sample.text)
    end = float(stream.log_probs[256]) if sample.ended else 0.0
    assert stream.log_prob + end == pytest.approx(sample.log_prob, abs=1e-9)


def letters(*chars: str) -> ByteLM:
    """A model whose tokens are single letters."""
    pieces = [*SPECIAL, *chars]
    tokenizer = Tokenizer(models.BPE(vocab={piece: index for index, piece in enumerate(pieces)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    return ByteLM(tiny_model(vocab=len(pieces), layers=1), tokenizer)


def test_a_member_that_excludes_a_byte_excludes_it_from_a_product():
    both = ensemble([letters("a", "b"), letters("b", "c")], how="product")
    distribution = both.next_byte_log_probs(b"b")
    assert distribution.isfinite().nonzero().flatten().tolist() == [ord("b"), 256]
    with pytest.raises(ArgumentError, match="0x61 cannot follow b'b': excluded by members 1 of the product"):
        both.log_prob(b"ba")


def test_a_member_that_excludes_a_byte_has_no_say_in_the_rest_of_a_mixture():
    members = [letters("a", "b"), letters("b", "c"), letters("a", "b", "c")]
    weights = [0.2, 0.3, 0.5]
    mixture = ensemble(members, weights)
    distributions = [member.next_byte_log_probs(b"b").exp() for member in members]
    assert torch.allclose(mixture.next_byte_log_probs(b"b").exp(), by_hand(distributions, weights, "mix"))
    stream = mixture.stream(b"b")
    stream.push(ord("a"))
    stream.push(ord("b"))
    assert stream.members[1].text == b"b", "there it stands as it was"
    distributions = [members[index].next_byte_log_probs(b"bab").exp() for index in (0, 2)]
    rest = by_hand(distributions, [0.2 / 0.7, 0.5 / 0.7], "mix")
    assert torch.allclose(stream.log_probs.exp(), rest)
    # Again, all at once, beside a text that all can write.
    scores = mixture.score([b"bab", b"bbb"], ended=True)
    assert scores[0].member_log_probs[1].tolist()[1:] == [-math.inf] * 3
    assert bool(scores[1].member_log_probs.isfinite().all())
    assert scores[0].log_probs[3].item() == pytest.approx(math.log(rest[256]), abs=1e-9)
    with pytest.raises(
        ArgumentError, match="0x64 cannot follow b'b': excluded by members 0, 1, 2 of the mix"
    ):
        mixture.log_prob(b"bd")


def test_nothing_can_follow_where_members_have_nothing_in_common():
    one, other = letters("a"), letters("b")
    both = ensemble([one, other], how="product")
    distribution = both.next_byte_log_probs(b"")
    assert distribution.isfinite().nonzero().flatten().tolist() == [256] and distribution[
        256
    ].item() == pytest.approx(0)
    endless = letters("b")
    endless.end_ids = []
    with pytest.raises(ArgumentError, match="no byte is allowed by all members of the product"):
        ensemble([one, endless], how="product").next_byte_log_probs(b"")


def test_a_prefix_that_a_member_cannot_write_is_refused():
    with pytest.raises(ArgumentError, match="0x63 cannot follow"):
        ensemble([letters("a", "c"), letters("a")]).next_byte_log_probs(b"ac")


@pytest.mark.parametrize(
    ("weights", "how", "error", "message"),
    [
        (
            (1, 0),
            "mix",
            ProbabilityError,
            r"weights\[1\] is 0, expected a positive number: leave the model out",
        ),
        ((1.5, -0.5), "mix", ArgumentError, r"weights\[1\] is -0.5"),
        ((0.5, 0.4), "mix", ProbabilityError, "weights sum to 0.9, expected 1 within 1e-09"),
        ((0.5, 0.5 + 1e-8), "product", ProbabilityError, "weights sum to 1 .{2}1e-08"),
        ((1.0,), "mix", ShapeError, "weights has 1 entries, expected 2"),
        (("a", "b"), "mix", DtypeError, r"weights\[0\] must be a number"),
        ((math.nan, 1), "mix", ArgumentError, r"weights\[0\] is nan"),
        (None, "mean", ArgumentError, "how is 'mean', expected one of 'mix', 'product'"),
    ],
)
def test_wrong_weights(pair, weights, how, error, message):
    with pytest.raises(error, match=message):
        ensemble(pair, weights, how)


def test_wrong_members(pair):
    with pytest.raises(ArgumentError, match="byte_lms is empty"):
        ensemble([])
    with pytest.raises(DtypeError, match=r"byte_lms\[1\] must be a ByteLM, found Llama"):
        ensemble([pair[0], pair[0].model])


def test_wrong_texts(pair):
    both = ensemble(pair)
    for call in (both.next_byte_log_probs, both.log_prob, both.stream, both.sample):
        with pytest.raises(DtypeError, match="must be bytes, found str"):
            call("a")
        with pytest.raises(ArgumentError):
            call(b"\xff")
    with pytest.raises(ArgumentError, match="prefix is an empty list"):
        both.next_byte_log_probs([])
    stream = both.streams([b"a", b"b"])
    with pytest.raises(ShapeError, match="byte_values has 1 entries, expected 2"):
        stream.push([97])
    with pytest.raises(ShapeError, match="data has 1 entries, expected 2"):
        stream.extend([b"a"])
    for byte in (256, True):
        with pytest.raises(ArgumentError, match=f"byte_values holds {byte}"):
            stream.push([97, byte])
    for call in (both.next_byte_log_probs, both.score, both.sample):
        with pytest.raises(ArgumentError, match="context_ids are given to several models"):
            call(b"a", context_ids=[1])
    with pytest.raises(DtypeError, match="prefixes must be a list of bytes, found bytes"):
        both.streams(b"ab")
    with pytest.raises(DtypeError, match="text must be bytes, found list"):
        both.log_prob([b"a"])
    with pytest.raises(ArgumentError, match="max_new_bytes is -1"):
        both.sample(b"a", -1)
    with pytest.raises(ArgumentError, match="top_p is 2"):
        both.sample(b"a", top_p=2)
