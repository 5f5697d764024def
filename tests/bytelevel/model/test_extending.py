"""What an extension counts as pushed, and that one which is refused leaves everything as it was."""

from __future__ import annotations

import pytest
import torch

from tests.bytelevel.brute import tiny_lm
from tests.bytelevel.tokenizers import built, lm_of, model_of
from tests.support.planting import plant
from tokenlab.bytelevel import ByteLM, ensemble
from tokenlab.bytelevel import model as package
from tokenlab.bytelevel.model.ensemble import HOW
from tokenlab.bytelevel.tasks.infilling import infilling_streams
from tokenlab.errors import ArgumentError

PREFIX, PUSHED = b"it's", b" 1"


def beam(width: int) -> ByteLM:
    """Every sequence, as far as a beam reaches; the widest drops none of these short texts."""
    return ByteLM(model_of("gpt2"), built("gpt2"), "all", beam_width=width)


def model_named(name: str):
    """A model, or two as one: the beam goes on with bytes that the other refuses."""
    if name in HOW:
        return ensemble([beam(4), lm_of("gpt2")], how=name)
    return {"valid": lm_of("gpt2"), "all": beam(10_000), "narrow beam": beam(3)}[name]


def assert_score_is_of_what_was_pushed(model) -> None:
    stream = model.streams([PREFIX])
    assert stream.log_probs_of_texts == [0.0]
    before = stream.scores()[0]
    assert len(before.log_probs) == 0 and before.log_prob == 0 and before.bits_per_byte == 0
    stream.extend([PUSHED])
    score = stream.scores()[0]
    both, first = model.score(PREFIX + PUSHED), model.score(PREFIX)
    assert len(score.log_probs) == len(PUSHED)
    torch.testing.assert_close(score.log_probs, both.log_probs[len(PREFIX) :], rtol=0, atol=1e-9)
    assert score.log_prob == pytest.approx(both.log_prob - first.log_prob, abs=1e-9)
    assert stream.log_probs_of_texts[0] == pytest.approx(score.log_prob)
    for column in set(score._fields) - {"cover_log_prob", "member_log_probs"}:
        assert len(getattr(score, column)) == len(PUSHED), column
    # Bytes that are read without a score count as little as a prefix, wherever they stand.
    stream.extend([b"0"], score=False)
    stream.extend([b"1"])
    assert len(stream.scores()[0].log_probs) == len(PUSHED) + 1


@pytest.mark.parametrize("name", ["valid", "all", "narrow beam", *HOW])
def test_score_is_of_what_was_pushed(name):
    assert_score_is_of_what_was_pushed(model_named(name))


def test_a_score_with_the_prefix_in_it_is_caught(monkeypatch):
    plant(monkeypatch, package, "return self._push_unscored(data)", "return self._push_all(data)")
    with pytest.raises(AssertionError):
        assert_score_is_of_what_was_pushed(beam(3))


def everything(streams) -> list:
    """What streams say of themselves, their members included."""
    members = [everything(member) for member in getattr(streams, "members", [])]
    scores = [
        [part.tolist() if hasattr(part, "tolist") else part for part in score] for score in streams.scores()
    ]
    return [list(streams.texts), streams.log_probs.tolist(), streams.log_probs_of_texts, scores, members]


def assert_all_or_nothing(model, score: bool) -> None:
    """No tokenizer writes byte FF, though a model over all sequences may: members differ in what they refuse."""
    streams = model.streams([b"it", b"the"])
    streams.extend([b"'s", b" c"])
    known = everything(streams)
    for refused in ([b"at", b"at" * 33 + b"\xff"], [b"\xff", b"at"]):
        with pytest.raises(ArgumentError, match="cannot follow"):
            streams.extend(refused, score=score)
        assert everything(streams) == known
    # They go on as if nothing had been tried.
    untouched = model.streams([b"it", b"the"])
    untouched.extend([b"'s", b" c"])
    for each in (streams, untouched):
        each.extend([b" 1", b"at"])
    assert streams.texts == untouched.texts == [b"it's 1", b"the cat"]
    torch.testing.assert_close(streams.log_probs, untouched.log_probs, rtol=0, atol=1e-9)


#: Models by name, and whether the bytes are scored. In a mixture one member that can go on is enough.
CASES = [("valid", True), ("valid", False), ("product", True), ("product", False), ("mix", False)]


@pytest.mark.parametrize(("name", "score"), CASES)
def test_a_refused_extension_changes_nothing(name, score):
    assert_all_or_nothing(model_named(name), score)


@pytest.mark.parametrize(("name", "score"), [("valid", True), ("product", False), ("mix", False)])
def test_an_extension_that_leaves_a_part_is_caught(name, score, monkeypatch):
    plant(monkeypatch, package, "self.restore(before)", "pass")
    with pytest.raises(AssertionError):
        assert_all_or_nothing(model_named(name), score)


def test_the_score_of_a_middle_is_of_the_middle():
    """Infilling reads its prefix as a stream does, also with every sequence counted."""
    lm = tiny_lm("byte_level", tokenization="all", beam_width=100)
    streams = infilling_streams(lm, [b"ab"], [b" ab"], fim_ids=[3, 4, 5])
    streams.extend([b"b"])
    (score,) = streams.scores()
    assert len(score.log_probs) == 1
