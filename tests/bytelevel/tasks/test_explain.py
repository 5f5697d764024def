"""The covers of a text with their probabilities."""

from __future__ import annotations

import math

import pytest

from tests.bytelevel.tokenizers import built, model_of
from tests.support.tiny_models import plain_logits
from tokenlab.bytelevel import ByteLM
from tokenlab.bytelevel.tasks.explain import cover_encodings, explain
from tokenlab.errors import ArgumentError, DtypeError

TEXT = b"the ca"


@pytest.fixture(scope="module", params=["gpt2", "metaspace first"])
def lm(request) -> ByteLM:
    return ByteLM(model_of(request.param), built(request.param))


def test_covers_with_the_probabilities_of_plain_forwards(lm):
    found = explain(lm, TEXT, top=10_000)
    covers = cover_encodings(built_of(lm), TEXT)
    assert {cover.ids for cover in found.covers} == {cover.ids for cover in covers}
    assert found.num_covers == len(found.covers) == len(covers)
    for cover, log_prob, share in zip(found.covers, found.log_probs, found.shares, strict=True):
        ids = [*lm.start_ids, *cover.ids]
        expected = sum(
            float(plain_logits(lm.model, ids[:index]).log_softmax(-1)[ids[index]])
            for index in range(len(lm.start_ids), len(ids))
        )
        assert (
            abs(log_prob - expected) < 1e-9 and abs(share - math.exp(log_prob - found.cover_log_prob)) < 1e-12
        )
    assert abs(sum(found.shares) - 1) < 1e-9
    assert abs(math.log(sum(map(math.exp, found.log_probs))) - found.cover_log_prob) < 1e-9
    assert found.cover_log_prob == pytest.approx(lm.stream(TEXT).cover_log_prob, abs=1e-12)


def built_of(lm: ByteLM):
    from tokenizers import Tokenizer

    return Tokenizer.from_str(lm.description.json_text)


def test_the_most_probable_first(lm):
    everything, few = explain(lm, TEXT, top=10_000), explain(lm, TEXT, top=3)
    assert everything.log_probs == sorted(everything.log_probs, reverse=True)
    assert few.covers == everything.covers[:3] and few.shares == everything.shares[:3]
    assert few.num_covers == everything.num_covers and few.cover_log_prob == everything.cover_log_prob
    assert few.text == TEXT and isinstance(few.text, bytes)


def test_covers_of_a_beam():
    lm = ByteLM(model_of("gpt2"), built("gpt2"), "all", beam_width=10_000)
    found = explain(lm, b"it'", top=10_000)
    assert {cover.ids for cover in found.covers} == {
        c.ids for c in cover_encodings(built("gpt2"), b"it'", "all")
    }
    assert abs(sum(found.shares) - 1) < 1e-9


@pytest.mark.parametrize(
    ("text", "options", "error", "words"),
    [
        (b"", {}, ArgumentError, "text is empty, expected at least one byte"),
        ("a", {}, DtypeError, "text must be bytes, found str"),
        (b"a", {"top": 0}, ArgumentError, "top is 0, expected at least 1"),
        (b"\xff", {}, ArgumentError, "is not UTF-8"),
    ],
)
def test_bad_input(lm, text, options, error, words):
    with pytest.raises(error, match=words):
        explain(lm, text, **options)
