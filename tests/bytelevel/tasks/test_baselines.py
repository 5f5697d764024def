"""The baselines: their distributions from plain forwards, and how they compare with the exact distribution."""

from __future__ import annotations

import math

import pytest
import torch

from tests.bytelevel.brute import BOS, KINDS, MIDDLE, Brute, covers, texts, tiny_lm, tokenizer_of
from tests.bytelevel.tasks.test_completion import greedy, outcomes
from tests.support.planting import plant
from tests.support.tiny_models import EOS, plain_logits
from tokenlab.bytelevel import ByteLM, baselines, tasks
from tokenlab.bytelevel.tasks import forced
from tokenlab.bytelevel.tasks.baselines import (
    METHODS,
    continuation_scores,
    longest_match_next_byte_log_probs,
    plain_next_byte_log_probs,
    prompted_streams,
    transformers_complete,
)
from tokenlab.bytelevel.tasks.forced import MOST_TOKENS
from tokenlab.errors import ArgumentError, DtypeError
from tokenlab.lm import load
from tokenlab.lm.corpus import heldout_text

PROMPTS = (b"a", b"b", b"b a", b"a b  ", b"b   ")


@pytest.fixture(scope="module")
def lab():
    return ByteLM(*load("lab-draft"))


@pytest.mark.parametrize("kind", KINDS)
def test_plain_distribution_sums_tokens_by_their_first_byte(kind):
    byte_lm = tiny_lm(kind)
    decode, vocab = byte_lm.description.decode, byte_lm.vocabulary.vocab_size
    for prompt in (b"", *PROMPTS):
        ids = byte_lm.description.plain.encode(prompt.decode(), add_special_tokens=False).ids
        probs = plain_logits(byte_lm.model, [BOS, *ids]).softmax(-1)
        distribution = torch.zeros(257, dtype=torch.float64)
        distribution[256] = probs[EOS]
        for token in range(MIDDLE + 1, vocab):
            distribution[decode([token])[0]] += probs[token]
        found = plain_next_byte_log_probs(byte_lm, prompt)
        assert (found.log_probs.exp() - distribution / distribution.sum()).abs().max() < 1e-9
        assert float(found.left_out) == pytest.approx(1 - distribution.sum().item(), abs=1e-9)
        assert float(found.left_out) > 0.01


def test_plain_distribution_of_a_batch(lab):
    prompts = [b"def __ini", b"", b"import "]
    together = plain_next_byte_log_probs(lab, prompts)
    assert together.log_probs.shape == (3, 257) and together.left_out.shape == (3,)
    for row, prompt in enumerate(prompts):
        alone = plain_next_byte_log_probs(lab, prompt)
        assert (together.log_probs[row].exp() - alone.log_probs.exp()).abs().max() < 1e-5
    assert together.log_probs.logsumexp(-1).abs().max() < 1e-9


def test_plain_continuation_is_a_text_of_its_own():
    byte_lm = tiny_lm()
    for prompt in PROMPTS:
        ids = byte_lm.description.encode(prompt)
        brute = Brute(byte_lm, [BOS, *ids])
        streams = prompted_streams(byte_lm, [prompt], "plain")
        assert streams.texts == [prompt]
        for index in range(3):
            after = b"a b"[:index]
            assert (streams.log_probs[0].exp() - brute.distribution(after)).abs().max() < 1e-9
            streams.push([b"a b"[index]])


def taken_back(byte_lm, ids: list[int]) -> tuple[list[int], bytes]:
    """The rule in its own words, over all tokens that a text may begin with."""
    strings = [byte_lm.description.decode([token]) for token in ids]
    begins = {byte_lm.description.decode(cover[:1]) for cover in beginnings(byte_lm)}
    best = ids, b""
    for count in range(1, min(MOST_TOKENS, len(ids)) + 1):
        tail = b"".join(strings[-count:])
        if any(token.startswith(tail) and len(token) > len(tail) for token in begins):
            best = ids[:-count], tail
    return best


def beginnings(byte_lm) -> set[tuple[int, ...]]:
    return {ids for char in b"ab " for ids in covers(byte_lm.description, bytes([char])) if ids}


def longest_match_by_hand(byte_lm, prompt: bytes) -> torch.Tensor:
    """All paths of tokens, each drawn among those that agree with the bytes that were taken back."""
    kept, forced = taken_back(byte_lm, byte_lm.description.encode(prompt))
    decode = byte_lm.description.decode
    brute = Brute(byte_lm, [BOS, *kept])
    distribution = torch.zeros(257, dtype=torch.float64)

    def viable(ids: tuple[int, ...]) -> list[int]:
        tokens = range(MIDDLE + 1, byte_lm.vocabulary.vocab_size)
        return [
            token for token in tokens if (*ids, token) in covers(byte_lm.description, decode([*ids, token]))
        ]

    def follow(ids: tuple[int, ...], weight: float) -> None:
        rest, probs = forced[len(decode(ids)) :], brute.log_probs(ids).exp()
        if not rest:
            for token in viable(ids):
                distribution[decode([token])[0]] += weight * probs[token]
            if tuple(byte_lm.description.encode(decode(ids))) == ids:
                distribution[256] += weight * probs[EOS]
            return
        strings = {token: decode([token]) for token in viable(ids)}
        agree = {t: s for t, s in strings.items() if s.startswith(rest) or rest.startswith(s)}
        total = sum(float(probs[token]) for token in agree)
        for token, string in agree.items():
            chance = weight * float(probs[token]) / total
            if len(string) > len(rest):
                distribution[string[len(rest)]] += chance
            else:
                follow((*ids, token), chance)

    follow((), 1.0)
    return distribution / distribution.sum()


def worst_distribution() -> float:
    byte_lm, worst = tiny_lm(), 0.0
    for prompt in PROMPTS:
        found = longest_match_next_byte_log_probs(byte_lm, prompt).exp()
        worst = max(worst, float((found - longest_match_by_hand(byte_lm, prompt)).abs().max()))
    return worst


def test_longest_match_draws_among_tokens_that_agree():
    assert worst_distribution() < 1e-9


MUTANTS = {
    "covers weighed as whole paths": ("        streams.reweigh(row, _lost(byte_lm, state, rest))\n", ""),
    "the shortest match": ("range(min(most, len(ids)), 0, -1)", "range(1, min(most, len(ids)) + 1)"),
    "the token itself goes on": ("vocabulary.ended(len(forced), lo, hi) : hi", "lo : hi"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_enumeration_finds_planted_mistakes(monkeypatch, mutant):
    plant(monkeypatch, tasks, *MUTANTS[mutant])
    monkeypatch.setitem(
        globals(), "longest_match_next_byte_log_probs", baselines.longest_match_next_byte_log_probs
    )
    assert worst_distribution() > 1e-6


def disagreements(byte_lm) -> int:
    """How often it is said wrongly of a token whether it agrees with bytes."""
    wrong, strings, start = 0, byte_lm.vocabulary.strings, byte_lm.rules.start
    states = [start, *(byte_lm.rules.after(start, token) for token in range(MIDDLE + 1, MIDDLE + 4))]
    for state in states:
        allowed = byte_lm.rules.allowed(state)
        for rest in texts(1, 4):
            found = forced.agreeing_tokens(byte_lm, state, rest)
            for index, token in enumerate(byte_lm.vocabulary.order.tolist()):
                agrees = strings[index].startswith(rest) or rest.startswith(strings[index])
                wrong += bool(found[token]) != bool(agrees and allowed[index])
            wrong += int(found[: MIDDLE + 1].sum())
    return wrong


def test_tokens_agree_that_begin_with_bytes_or_are_their_beginning(monkeypatch):
    byte_lm = tiny_lm()
    assert disagreements(byte_lm) == 0
    plant(monkeypatch, tasks, "for length in range(1, len(rest)):", "for length in range(2, len(rest)):")
    assert disagreements(byte_lm) > 0


def test_what_is_taken_back_follows_the_rule(lab):
    byte_lm = tiny_lm()
    for prompt in texts(0, 4):
        ids = byte_lm.description.encode(prompt)
        assert forced.rewind(byte_lm, ids) == taken_back(byte_lm, ids)
    for text, kept, left in (
        (b"def __ini", b"def __", b"ini"),
        (b"import importlib", b"import importlib", b""),
        (b"a = isinst", b"a =", b" isinst"),
    ):
        ids = lab.description.encode(text)
        assert forced.rewind(lab, ids) == (lab.description.encode(kept), left)


def test_completions_draw_from_the_distribution():
    byte_lm = tiny_lm()
    for prompt in PROMPTS:
        distribution = torch.zeros(257, dtype=torch.float64)
        for chance, found in outcomes(lambda: baselines.longest_match_complete(byte_lm, prompt, 1)):
            distribution[256 if found.ended else found.text[0]] += math.exp(chance)
            assert b"".join(found.cover.strings) == prompt + found.cover.beyond
        expected = longest_match_next_byte_log_probs(byte_lm, prompt).exp()
        assert (distribution - expected).abs().max() < 1e-9


def test_plain_completion_is_the_greedy_text():
    byte_lm = tiny_lm()
    for prompt in PROMPTS:
        ids = byte_lm.description.encode(prompt)
        found = baselines.plain_complete(byte_lm, prompt, 6, temperature=0)
        assert (found.ids, found.ended) == greedy(byte_lm, [BOS, *ids], 6)
        assert found.text == byte_lm.description.decode(found.ids)
        assert found.cover.ids == tuple(ids) and found.cover_log_prob == 0


@pytest.mark.parametrize("method", METHODS)
def test_scores_are_those_of_the_streams(method):
    byte_lm = tiny_lm()
    prompts, after = [b"b a", b"ab"], [b"b a", b" "]
    scores = continuation_scores(byte_lm, prompts, after, method, ended=True)
    for prompt, data, score in zip(prompts, after, scores, strict=True):
        streams, expected = prompted_streams(byte_lm, [prompt], method), []
        for byte in data:
            expected.append(float(streams.log_probs[0, byte]))
            assert streams.log_probs[0].logsumexp(0).item() == pytest.approx(0, abs=1e-12)
            streams.push([byte])
        expected.append(float(streams.log_probs[0, 256]))
        assert score.log_probs.tolist() == pytest.approx(expected, abs=1e-9)


def test_exact_needs_fewest_bits_after_prompts_cut_inside_tokens(lab):
    text = heldout_text("source")[200:600].encode()
    ids = lab.description.encode(text)
    ends = set()
    for token in ids:
        ends.add(max(ends, default=0) + len(lab.description.decode([token])))
    cuts = [index for index in range(40, 300) if index not in ends][::12]
    prompts, after = [text[:cut] for cut in cuts], [text[cut : cut + 4] for cut in cuts]
    bits = {
        method: sum(score.bits_per_byte for score in continuation_scores(lab, prompts, after, method))
        / len(cuts)
        for method in METHODS
    }
    assert bits["exact"] < bits["longest_match"] < bits["plain"]
    assert bits["exact"] < bits["plain"] - 1


def test_sentencepiece_prompts_are_taken_back_with_their_dummy_space():
    byte_lm = tiny_lm("sentencepiece")
    streams = prompted_streams(byte_lm, [b"a", b"b"], "longest_match")
    assert streams.texts == [b"a", b"b"]
    assert forced.rewind(byte_lm, byte_lm.description.encode(b"a")) == ([], b" a")
    assert streams.log_probs.logsumexp(-1).abs().max() < 1e-12
    found = baselines.longest_match_complete(byte_lm, b"a", 1, temperature=0)
    assert b"".join(found.cover.strings) == b" a" + found.cover.beyond


def test_transformers_prefers_and_strips():
    model, tokenizer = load("lab-draft")
    found = transformers_complete(model, tokenizer, b"def __ini", 2, temperature=0)
    assert found.kept and found.text.startswith(b"def __ini")
    stripped = transformers_complete(model, tokenizer, b"    x = ", 2, temperature=0)
    assert not stripped.kept and stripped.text.startswith(b"x =")
    # One token in which the prompt ends is all that it looks at; its bias is no constraint.
    lost = transformers_complete(model, tokenizer, b" x", 2, temperature=0)
    assert not lost.kept
    # It adds to logits what the exact distribution does not need.
    exact = ByteLM(model, tokenizer).next_byte_log_probs(b"import o")
    assert chr(int(exact.argmax())) == "s"
    assert not transformers_complete(model, tokenizer, b"import o", 1, temperature=0).text.startswith(
        b"import os"
    )


def test_transformers_draws_with_the_generators_noise():
    model, tokenizer = load("lab-draft")
    before = torch.random.get_rng_state()
    drawn = [
        transformers_complete(model, tokenizer, b"x = ma", 6, generator=torch.Generator().manual_seed(seed))
        for seed in (0, 0, 1, 2)
    ]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert drawn[0] == drawn[1] and len({found.text for found in drawn}) > 1


def test_transformers_is_refused_where_it_cannot_heal():
    model, tokenizer = load("lab-other")
    with pytest.raises(ArgumentError, match="transformers cannot heal prompt 'import o'"):
        transformers_complete(model, tokenizer, b"import o", 2, temperature=0)
    model, tokenizer = load("lab-draft")
    tokenizer.bos_token = None
    with pytest.raises(ArgumentError, match="tokenizer has no bos_token"):
        transformers_complete(model, tokenizer, b"a", 2)


CALLS = {
    "plain distribution": lambda prompt, **options: plain_next_byte_log_probs(tiny_lm(), prompt),
    "plain": lambda prompt, **options: baselines.plain_complete(tiny_lm(), prompt, **options),
    "longest match distribution": lambda prompt, **options: longest_match_next_byte_log_probs(
        tiny_lm(), prompt
    ),
    "longest match": lambda prompt, **options: baselines.longest_match_complete(tiny_lm(), prompt, **options),
    "streams": lambda prompt, **options: prompted_streams(tiny_lm(), [prompt], "plain"),
    "transformers": lambda prompt, **options: transformers_complete(*load("lab-draft"), prompt, **options),
}


@pytest.mark.parametrize("call", CALLS)
def test_wrong_prompts(call):
    with pytest.raises(DtypeError, match="prompt must be bytes, found str"):
        CALLS[call]("a")
    with pytest.raises(ArgumentError, match="prompt is not UTF-8"):
        CALLS[call](b"a\xc3")


@pytest.mark.parametrize("call", ["plain", "longest match", "transformers"])
def test_wrong_sampling(call):
    for options, message in (
        ({"max_new_tokens": -1}, "max_new_tokens is -1"),
        ({"temperature": -1}, "temperature is -1"),
        ({"top_p": 0}, "top_p is 0"),
    ):
        with pytest.raises(ArgumentError, match=message):
            CALLS[call](b"a", **options)


def test_wrong_methods():
    with pytest.raises(ArgumentError, match="method is 'healed', expected one of 'exact'"):
        prompted_streams(tiny_lm(), [b"a"], "healed")
    everything = ByteLM(tiny_lm().model, tokenizer_of("byte_level"), "all", beam_width=4)
    for method in METHODS[1:]:
        with pytest.raises(ArgumentError, match="tokenization='all', expected 'valid'"):
            prompted_streams(everything, [b"a"], method)
    assert prompted_streams(everything, [b"a"], "exact").texts == [b"a"]
    with pytest.raises(ArgumentError, match="cannot follow"):
        continuation_scores(tiny_lm(), [b"a"], [b"c"], "plain")
