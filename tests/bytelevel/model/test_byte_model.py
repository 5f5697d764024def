"""What one model and several have in common: the same calls are refused, with the same words."""

from __future__ import annotations

import pytest
import torch

from tests.bytelevel.tokenizers import lm_of
from tokenlab.bytelevel import ByteLM, ensemble
from tokenlab.errors import ArgumentError, DtypeError, ShapeError


@pytest.fixture(scope="module")
def lm() -> ByteLM:
    return lm_of("qwen2")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda lm: lm.next_byte_log_probs("ab"),
            DtypeError,
            r"prefix must be bytes, found str: encode it first",
        ),
        (lambda lm: lm.next_byte_log_probs([b"a", "b"]), DtypeError, r"prefix\[1\] must be bytes, found str"),
        (
            lambda lm: lm.next_byte_log_probs([]),
            ArgumentError,
            "prefix is an empty list, expected at least one",
        ),
        (lambda lm: lm.streams(b"ab"), DtypeError, "prefixes must be a list of bytes, found bytes"),
        (lambda lm: lm.log_prob("ab"), DtypeError, "text must be bytes, found str"),
        (lambda lm: lm.log_prob([b"ab"]), DtypeError, "text must be bytes, found list"),
        (
            lambda lm: lm.next_byte_log_probs(b"ab\xffc"),
            ArgumentError,
            "prefix is not UTF-8: invalid start byte at byte 2",
        ),
        (
            lambda lm: lm.score(b"\xed\xa0\x80"),
            ArgumentError,
            "text is not UTF-8: invalid continuation byte at byte 0",
        ),
        (
            lambda lm: lm.score("xe\u0301".encode()),
            ArgumentError,
            "text is not in the normal form NFC, in which",
        ),
        (
            lambda lm: lm.next_byte_log_probs(b"a", context_ids=[]),
            ArgumentError,
            "context_ids is empty, expected",
        ),
        (
            lambda lm: lm.next_byte_log_probs(b"a", context_ids=[1, 440]),
            ArgumentError,
            r"context_ids\[1\] is 440, expected 0 to 439",
        ),
        (
            lambda lm: lm.next_byte_log_probs(b"a", context_ids="a"),
            DtypeError,
            "context_ids must be a list of token ids, found str",
        ),
        (
            lambda lm: lm.next_byte_log_probs(b"xq" * 40),
            ArgumentError,
            "context of 8[01] tokens, expected at most the model's 64 positions",
        ),
        (lambda lm: lm.score(b"xq" * 40), ArgumentError, "tokens, expected at most the model's 64 positions"),
        (lambda lm: lm.sample(b"a", -1), ArgumentError, "max_new_bytes is -1, expected at least 0"),
        (lambda lm: lm.sample(b"a", temperature=-1), ArgumentError, "temperature is -1, expected a number"),
        (lambda lm: lm.sample(b"a", top_p=0), ArgumentError, "top_p is 0, expected a number"),
    ],
)
def test_bad_input(lm, call, error, words):
    with pytest.raises(error, match=words):
        call(lm)


@pytest.mark.parametrize("kind", ["one model", "several"])
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda m: m.next_byte_log_probs("ab"), DtypeError, "prefix must be bytes, found str"),
        (lambda m: m.next_byte_log_probs([]), ArgumentError, "prefix is an empty list"),
        (lambda m: m.streams(b"ab"), DtypeError, "prefixes must be a list of bytes, found bytes"),
        (lambda m: m.log_prob([b"ab"]), DtypeError, "text must be bytes, found list"),
        (lambda m: m.score([]), ArgumentError, "prefix is an empty list"),
        (lambda m: m.stream(b"a").push(True), ArgumentError, "byte is True, expected a whole number"),
        (lambda m: m.streams([b"a"]).push([True]), ArgumentError, "byte_values holds True, expected whole"),
        (lambda m: m.streams([b"a"]).push([97.0]), ArgumentError, "byte_values holds 97.0, expected whole"),
        (lambda m: m.streams([b"a"]).push([256]), ArgumentError, "byte_values holds 256, expected whole"),
        (lambda m: m.streams([b"a"]).push([]), ShapeError, "byte_values has 0 entries, expected 1"),
        (lambda m: m.streams([b"a"]).extend([]), ShapeError, "data has 0 entries, expected 1"),
        (lambda m: m.streams([b"a"]).extend(["a"]), DtypeError, "data must be bytes, found str"),
        (lambda m: m.sample(b"a", True), DtypeError, "max_new_bytes must be an int, found bool"),
        (lambda m: m.sample(b"a", top_p=0), ArgumentError, "top_p is 0, expected a number"),
        (lambda m: m.sample(b"a", generator=3), DtypeError, "generator must be a torch.Generator"),
    ],
)
def test_one_model_and_several_refuse_the_same(lm, kind, call, error, words):
    with pytest.raises(error, match=words):
        call(lm if kind == "one model" else ensemble([lm, lm]))


@pytest.mark.parametrize("kind", ["one model", "several"])
def test_what_is_refused_changes_no_text(lm, kind):
    streams = (lm if kind == "one model" else ensemble([lm, lm])).streams([b"it'", b"12"])
    before = streams.log_probs
    with pytest.raises(ArgumentError, match="byte_values holds True"):
        streams.push([ord("s"), True])
    assert streams.texts == [b"it'", b"12"] and torch.equal(streams.log_probs, before)
