"""Streams: byte by byte, prefilled, in batches and scored, a text has one distribution."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from tests.bytelevel.tokenizers import NAMES, built, lm_of, model_of, tiny_for
from tests.support.planting import plant
from tests.support.tiny_models import tiny_model
from tokenlab.bytelevel import ByteLM
from tokenlab.bytelevel import model as package
from tokenlab.errors import ArgumentError, DtypeError, ShapeError

EXACT = 1e-9


TEXT = "it's\n\n 1é😀".encode()


def largest(*differences) -> float:
    """The largest difference of distributions in log-probabilities, where both are finite; inf if one is not."""
    worst = 0.0
    for one, other in differences:
        one, other = (torch.as_tensor(distribution, dtype=torch.float64) for distribution in (one, other))
        if not torch.equal(one == -math.inf, other == -math.inf):
            return math.inf
        worst = max(worst, float((one - other).nan_to_num(0.0).abs().max()))
    return worst


def disagreement(lm: ByteLM, text: bytes = TEXT) -> float:
    """How far the ways to the distribution after each byte of a text are apart."""
    stream, distributions, leaks, covers = lm.stream(), [], [], []
    for byte in text:
        distributions.append(stream.log_probs)
        leaks.append(stream.leak)
        covers.append(stream.cover_log_prob)
        stream.push(byte)
    prefixes = [text[:end] for end in range(len(text))]
    score = lm.score(text)
    batch = lm.streams(prefixes)
    in_parts = lm.stream()
    for index in range(0, len(text), 5):
        in_parts.extend(text[index : index + 5], score=index % 2 == 0)
    spelled = torch.tensor(
        [float(distribution[byte]) for distribution, byte in zip(distributions, text, strict=True)],
        dtype=torch.float64,
    )
    assert stream.text == in_parts.text == text and batch.texts == prefixes
    return largest(
        (torch.stack(distributions), batch.log_probs),
        (
            torch.stack(distributions[::4]),
            torch.stack([lm.next_byte_log_probs(prefix) for prefix in prefixes[::4]]),
        ),
        (leaks, batch.leaks),
        (leaks, score.leaks),
        (covers, batch.cover_log_probs),
        (spelled, score.log_probs),
        (stream.log_prob, score.log_prob),
        (stream.log_probs, in_parts.log_probs),
        (stream.cover_log_prob, score.cover_log_prob),
    )


@pytest.mark.parametrize("name", NAMES)
def test_all_ways_agree(name):
    assert disagreement(lm_of(name)) < EXACT


@pytest.mark.parametrize("name", ["gpt2", "llama2"])
@pytest.mark.parametrize("width", [3, 40])
def test_beams_agree(name, width):
    assert disagreement(ByteLM(model_of(name), built(name), "all", beam_width=width), b"it's 1") < EXACT


@pytest.mark.parametrize("architecture", ["gpt2", "qwen2"])
def test_other_architectures(architecture):
    model = tiny_model(architecture, vocab=built("lab").get_vocab_size())
    assert disagreement(ByteLM(model, built("lab")), TEXT[:12]) < EXACT


def test_half_precision_is_near():
    model = model_of("lab")
    half = tiny_for(built("lab")).to(torch.float32)
    difference = largest(
        (
            ByteLM(half, built("lab")).next_byte_log_probs(TEXT),
            ByteLM(model, built("lab")).next_byte_log_probs(TEXT),
        )
    )
    assert difference < 1e-3


@pytest.mark.parametrize("name", ["gpt2", "lab sentencepiece"])
def test_batches_of_different_lengths(name):
    lm = lm_of(name)
    texts = [b"", TEXT, b"the cat", TEXT[:6], b"1"]
    scores = lm.score(texts, ended=True)
    for text, score in zip(texts, scores, strict=True):
        alone = lm.score(text, ended=True)
        assert len(score.log_probs) == len(score.leaks) == len(score.pruned) == len(text) + 1
        assert largest(*zip(score[:3], alone[:3], strict=True)) < EXACT
        assert score.cover_log_prob == pytest.approx(alone.cover_log_prob, abs=EXACT)
        assert score.log_prob == pytest.approx(lm.log_prob(text, ended=True), abs=EXACT)
    streams = lm.streams(texts)
    streams.push([ord("a"), None, ord("s"), None, None])
    assert streams.texts == [b"a", TEXT, b"the cats", TEXT[:6], b"1"]
    assert largest((streams.log_probs, lm.next_byte_log_probs(streams.texts))) < EXACT


def test_more_texts_than_a_forest_holds():
    lm = lm_of("gpt2")
    texts = [b"the cat"[:end] for end in range(8)] * 3
    assert largest((lm.next_byte_log_probs(texts), lm.next_byte_log_probs(texts[:8]).repeat(3, 1))) < EXACT


def test_a_long_text_is_read_in_parts():
    model = tiny_for(built("gpt2"), positions=512)
    lm, text = ByteLM(model, built("gpt2")), b"the cat's hat, " * 5
    stream, log_probs = lm.stream(), []
    for byte in text:
        log_probs.append(float(stream.log_probs[byte]))
        stream.push(byte)
    assert largest((lm.score(text).log_probs, log_probs)) < EXACT


def test_copies_go_on_by_themselves():
    lm = lm_of("llama3")
    stream = lm.stream(b"it'")
    other = stream.copy()
    distribution = stream.log_probs
    other.push(ord("s"))
    other.extend(b" 12")
    assert stream.text == b"it'" and other.text == b"it's 12" and stream.log_prob == 0.0
    assert torch.equal(stream.log_probs, distribution)
    stream.push(ord("l"))
    assert largest((stream.log_probs, lm.next_byte_log_probs(b"it'l"))) < EXACT
    assert largest((other.log_probs, lm.next_byte_log_probs(b"it's 12"))) < EXACT
    assert other.copy().log_prob == other.log_prob != stream.log_prob


def test_few_tokens_are_read():
    """At most one context is new with each byte, but where the pre-tokenizer has not decided."""
    model = tiny_for(built("gpt2"), positions=512)
    text = b"The cat's hat: it's the rat that sat on the mat, and they'll say they've seen a star."
    streams = ByteLM(model, built("gpt2")).streams([b""])
    counts = []
    for byte in text:
        streams.push([byte])
        streams.log_probs
        counts.append(streams.num_tokens)
    assert max(after - before for before, after in itertools.pairwise(counts)) <= 3
    assert counts[-1] - counts[0] < 1.6 * len(text)
    # Prefilled, what later bytes have ruled out is not read.
    assert ByteLM(model, built("gpt2")).streams([text]).num_tokens < counts[-1] / 1.5


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda s: s.push([ord("s")]), ShapeError, "byte_values has 1 entries, expected 2"),
        (
            lambda s: s.push([ord("s"), 256]),
            ArgumentError,
            "byte_values holds 256, expected whole numbers from 0",
        ),
        (lambda s: s.push(["s", None]), ArgumentError, "byte_values holds 's', expected whole numbers"),
        (lambda s: s.push([True, None]), ArgumentError, "byte_values holds True, expected whole numbers"),
        (lambda s: s.push([ord("s"), 0xFF]), ArgumentError, "byte 0xff cannot follow b'12': .*not UTF-8"),
        (lambda s: s.extend([b"s"]), ShapeError, "data has 1 entries, expected 2"),
        (lambda s: s.extend([b"s", "s"]), DtypeError, r"data\[1\] must be bytes, found str"),
        (lambda s: s.extend([b"s", b"3\xff"], score=False), ArgumentError, "byte 0xff cannot follow b'123'"),
        (
            lambda s: s.extend([b"s", b"x" * 99], score=False),
            ArgumentError,
            "at most the model's 64 positions",
        ),
        (lambda s: s.extend([b"s", b"x" * 99]), ArgumentError, "at most the model's 64 positions"),
    ],
)
def test_what_fails_changes_nothing(call, error, words):
    streams = lm_of("qwen2").streams([b"it'", b"12"])
    distribution = streams.log_probs
    with pytest.raises(error, match=words):
        call(streams)
    assert streams.texts == [b"it'", b"12"] and streams.log_probs_of_texts == [0.0, 0.0]
    assert torch.equal(streams.log_probs, distribution)
    streams.push([ord("s"), ord("3")])
    assert largest((streams.log_probs, lm_of("qwen2").next_byte_log_probs([b"it's", b"123"]))) < EXACT
    assert [len(score.log_probs) for score in streams.scores()] == [1, 1]


def test_a_model_that_fails_changes_nothing():
    model = tiny_for(built("lab"))
    lm = ByteLM(model, built("lab"))
    streams = lm.streams([b"the", b"a"])

    def fail(*_):
        raise RuntimeError("out of memory")

    for score in (True, False):
        hook = model.model.layers[1].register_forward_hook(fail)
        with pytest.raises(RuntimeError, match="out of memory"):
            streams.extend([b" cat", b" rat"], score=score)
        hook.remove()
        assert streams.texts == [b"the", b"a"]
    streams.extend([b" cat", b" rat"])
    assert largest((streams.log_probs, lm.next_byte_log_probs([b"the cat", b"a rat"]))) < EXACT


def test_characters_that_would_be_composed():
    stream = lm_of("qwen2").stream("e\u0301".encode()[:2])
    assert (
        stream.log_probs[0x81] == -math.inf and stream.log_probs[0xB3] > -math.inf
    )  # U+0333 composes with none
    with pytest.raises(ArgumentError, match=r"byte 0x81 cannot follow b'e\\xcc': the tokenizer never writes"):
        stream.push(0x81)


def test_where_the_model_gives_no_mass():
    model = tiny_for(built("lab"))
    model.lm_head.register_forward_hook(
        lambda module, inputs, output: torch.full_like(output, -math.inf).index_fill(
            -1, torch.tensor([2]), 0.0
        )
    )
    with pytest.raises(
        ArgumentError, match="nothing can follow b'': the model gives no mass to any viable token"
    ):
        ByteLM(model, built("lab")).next_byte_log_probs(b"")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("self.weights[node] = self.weights[parent] + log_prob", "self.weights[node] = log_prob"),
        (
            "self.weights[node] = self.weights[parent] + float(logits[token]) - total",
            "self.weights[node] = self.weights[parent] + float(logits[token])",
        ),
        ("        self.append(data)\n", "        self.text += data\n"),  # the empty text may still end
        ("state.leaks.append(leak)", "state.leaks.append(0.0)"),
    ],
)
def test_planted_mistakes_show(monkeypatch, old, new):
    plant(monkeypatch, package, old, new)
    assert disagreement(lm_of("llama2")) > 1e-6


@pytest.mark.parametrize("byte", [None, True, 256, -1, "a"])
def test_a_stream_of_one_text_takes_bytes_only(byte):
    stream = lm_of(NAMES[0]).stream(b"a")
    with pytest.raises(ArgumentError, match="byte is .*, expected a whole number from 0 to 255"):
        stream.push(byte)
    assert stream.text == b"a"


def test_what_was_read_ahead_is_not_read_again():
    lm, text = lm_of("gpt2"), b"the cat's"
    streams = lm.streams([b"", b"a"])
    streams.read_ahead([text, b" hat"])
    assert streams.texts == [b"", b"a"]
    read = streams.num_tokens, streams.num_forwards
    for index, byte in enumerate(text):
        streams.push([byte, b" hat"[index] if index < 4 else None], forget=False)
        streams.log_probs
    assert (streams.num_tokens, streams.num_forwards) == read
    streams.forget()
    assert largest((streams.log_probs, lm.next_byte_log_probs([text, b"a hat"]))) < EXACT


def test_contexts_are_weighed_anew():
    lm = lm_of("llama3")
    streams = lm.streams([b"the c", b"12"])
    before, covers = streams.log_probs, streams.cover_log_probs
    # The same change of all contexts cancels out.
    streams.reweigh(0, dict.fromkeys(streams.states[0].weights, -2.0))
    assert largest((streams.log_probs, before), (streams.cover_log_probs, [covers[0] - 2, covers[1]])) < EXACT
    # Reweighing its covers changes the distribution of the next byte, in this text alone.
    node = next(iter(streams.states[0].alive))
    copy = streams.copy()
    copy.reweigh(0, {node: -3.0})
    assert largest((streams.log_probs, before), (copy.log_probs[1], before[1])) < EXACT
    assert (copy.log_probs[0].exp() - before[0].exp()).abs().max() > 1e-3
