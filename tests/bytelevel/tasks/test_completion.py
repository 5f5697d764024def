"""Completing a prompt with tokens: the distribution of the first byte by trying all draws, and the rest."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from scipy.stats import chisquare

from tests.bytelevel.brute import BOS, KINDS, MIDDLE, Brute, tiny_lm, tokenizer_of
from tests.support.planting import plant
from tests.support.tiny_models import EOS, plain_logits
from tokenlab.bytelevel import ByteLM, complete
from tokenlab.bytelevel.model import sampling
from tokenlab.bytelevel.tasks import completion as module
from tokenlab.bytelevel.tasks.completion import continue_tokens
from tokenlab.errors import ArgumentError, DtypeError
from tokenlab.lm import load

PROMPTS = (b"", b"a", b"ab", b"b a", b"ab  ")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def outcomes(run) -> list[tuple[float, object]]:
    """What a function of random draws returns for every way in which they may fall, and how probable.

    Tokens after the first draws are left out, so that their number stays small.
    """
    found, scripts = [], [[]]
    while scripts:
        script, drawn = scripts.pop(), []
        chance = 0.0

        def draw(log_probs, generator=None):
            nonlocal chance
            distribution = log_probs[0].log_softmax(-1)
            possible = distribution.isfinite().nonzero().flatten().tolist()
            index = len(drawn)
            if index == len(script):
                scripts.extend([*drawn, other] for other in possible[1:])
                script.append(possible[0])
            drawn.append(script[index])
            chance += float(distribution[script[index]])
            return torch.tensor([script[index]])

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sampling, "sample_categorical", draw)
            patch.setattr(module, "continue_tokens", lambda *ids, **options: ([], False))
            result = run()
        found.append((chance, result))
    return found


def first_byte_distribution(byte_lm, prompt: bytes, **options) -> torch.Tensor:
    """Probability of each first new byte, and of the end."""
    distribution = torch.zeros(257, dtype=torch.float64)
    for chance, found in outcomes(lambda: module.complete(byte_lm, prompt, 1, **options)):
        distribution[256 if found.ended else found.text[0]] += math.exp(chance)
    return distribution


def worst_distribution(kind: str) -> float:
    byte_lm, worst = tiny_lm(kind), 0.0
    brute = Brute(byte_lm, [BOS])
    for prompt in PROMPTS:
        found = first_byte_distribution(byte_lm, prompt)
        assert found.sum().item() == pytest.approx(1, abs=1e-12)
        worst = max(worst, float((found - brute.distribution(prompt)).abs().max()))
    return worst


@pytest.mark.parametrize("kind", KINDS)
def test_first_byte_has_the_distribution_of_enumeration(kind):
    byte_lm = tiny_lm(kind)
    assert byte_lm.stream(b"a").leak > 0.001, "with a leak the two could differ"
    assert worst_distribution(kind) < 1e-9


MUTANTS = {
    "covers count with what is lost after them": (
        "log_probs[index] += state.log_probs_of_tokens(node).logsumexp(0)",
        "pass",
        "byte_level",
    ),
    "an empty text cannot be over": (
        "torch.cat([log_probs, state.log_prob_of_nothing()[None]])",
        "torch.cat([log_probs, torch.tensor([-torch.inf])])",
        "sentencepiece",
    ),
    "all covers alike": (
        "drawn = int(draw(log_probs[None], temperature",
        "drawn = int(draw(log_probs[None].clamp(-1, -1), temperature",
        "byte_level",
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_enumeration_finds_planted_mistakes(monkeypatch, mutant):
    old, new, kind = MUTANTS[mutant]
    plant(monkeypatch, module, old, new)
    assert worst_distribution(kind) > 1e-4


def test_first_byte_has_the_distribution_of_a_beam():
    everything = ByteLM(tiny_lm().model, tokenizer_of("byte_level"), "all", beam_width=30)
    for prompt in (b"", b"ab", b"b a"):
        distribution = everything.next_byte_log_probs(prompt).exp()
        assert (first_byte_distribution(everything, prompt) - distribution).abs().max() < 1e-9


def test_first_byte_after_a_context():
    byte_lm, context = tiny_lm(), [BOS, MIDDLE, BOS]
    distribution = Brute(byte_lm, context).distribution(b"a")
    assert (first_byte_distribution(byte_lm, b"a", context_ids=context) - distribution).abs().max() < 1e-9


@pytest.mark.parametrize("kind", KINDS)
def test_covers_have_their_share(kind):
    byte_lm = tiny_lm(kind)
    brute = Brute(byte_lm, [BOS])
    covers = brute.covers(b"b ")
    found = {}
    for chance, result in outcomes(lambda: module.complete(byte_lm, b"b ", 0)):
        assert chance == pytest.approx(result.cover_log_prob, abs=1e-9)
        assert b"".join(result.cover.strings) == byte_lm.dummy + b"b " + result.cover.beyond
        assert result.text == result.cover.beyond and not result.ids and not result.ended
        found[result.cover.ids] = result.cover_log_prob
    assert set(found) == set(covers)
    # Covers that reach beyond are in proportion to their probability.
    beyond = [ids for ids in covers if len(byte_lm.description.decode(ids)) > len(byte_lm.dummy) + 2]
    shift = {round(found[ids] - brute.log_prob(ids), 9) for ids in beyond}
    assert len(beyond) > 1 and len(shift) == 1


def greedy(byte_lm, ids: list[int], count: int) -> tuple[list[int], bool]:
    """The plain loop, without special tokens other than the end."""
    new = []
    for _ in range(count):
        logits = plain_logits(byte_lm.model, [*ids, *new]).clone()
        logits[[token for token in range(MIDDLE + 1) if token != EOS]] = -torch.inf
        new.append(int(logits.argmax()))
        if new[-1] == EOS:
            return new[:-1], True
    return new, False


def test_temperature_zero_takes_the_most_probable_cover_and_tokens():
    for seed in range(3):
        byte_lm = tiny_lm(seed=seed)
        for prompt in PROMPTS:
            found = complete(byte_lm, prompt, 6, temperature=0)
            everything = [result for _, result in outcomes(lambda: module.complete(byte_lm, prompt, 0))]
            best = max(everything, key=lambda result: result.cover_log_prob)
            assert found.cover == best.cover
            # The first token after a whole cover is one that the tokenizer may write.
            count = 6 if found.cover.beyond else 5
            ids = [BOS, *found.cover.ids, *(() if found.cover.beyond else found.ids[:1])]
            if not (found.ended and not found.ids):
                new, ended = greedy(byte_lm, ids, count)
                assert (found.ids[6 - count :], found.ended) == (new, ended)
            assert found.text == found.cover.beyond + byte_lm.description.decode(found.ids)


def test_tokens_after_are_the_models():
    byte_lm = tiny_lm()
    ids, draws = [BOS, 6, 7], 150
    generator = seeded(3)
    counts = Counter(tuple(continue_tokens(byte_lm, ids, 1, generator=generator)[0]) for _ in range(draws))
    distribution = plain_logits(byte_lm.model, ids).clone()
    distribution[[token for token in range(MIDDLE + 1) if token != EOS]] = -torch.inf
    distribution = distribution.softmax(-1)
    # The end is no token of the text.
    expected = {(): float(distribution[EOS])} | {
        (token,): float(distribution[token]) for token in range(MIDDLE + 1, len(distribution))
    }
    assert set(counts) <= set(expected)
    observed = [counts[key] for key in expected]
    assert chisquare(observed, [draws * chance for chance in expected.values()]).pvalue > 1e-3
    # A distribution that is a little colder would not pass.
    colder = (distribution.log() / 0.6).softmax(-1)
    wrong = [colder[key[0] if key else EOS].item() * draws for key in expected]
    assert chisquare(observed, wrong).pvalue < 1e-3


def test_top_p_and_temperature_reach_covers_and_tokens():
    byte_lm = tiny_lm()
    everything = outcomes(lambda: module.complete(byte_lm, b"a", 0))
    few = outcomes(lambda: module.complete(byte_lm, b"a", 0, top_p=0.5))
    assert 0 < len(few) < len(everything)
    best = max(chance for chance, _ in everything)
    colder = outcomes(lambda: module.complete(byte_lm, b"a", 0, temperature=0.5))
    assert max(chance for chance, _ in colder) > best
    # With next to no mass allowed, sampling is greedy.
    sampled = complete(byte_lm, b"a", 6, top_p=1e-9, generator=seeded())
    assert sampled == complete(byte_lm, b"a", 6, temperature=0)


def test_noise_is_the_generators():
    byte_lm = tiny_lm()
    before = torch.random.get_rng_state()
    found = [complete(byte_lm, b"a", 8, generator=seeded(seed)) for seed in (0, 0, 1, 2, 3)]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert found[0] == found[1]
    assert len({result.text for result in found}) > 1


def test_prompts_end_anywhere():
    byte_lm = ByteLM(*load("lab-draft"))
    for prompt in (b"def __ini", b"import ", b"x = 'caf\xc3", "# 漢".encode()[:-1], b"    ", b""):
        found = complete(byte_lm, prompt, 3, temperature=0)
        assert b"".join(found.cover.strings) == prompt + found.cover.beyond
        assert found.cover_log_prob <= 0
        assert len(found.ids) <= 3
    assert complete(byte_lm, b"x = 'caf\xc3", 1, temperature=0).text[0] in range(0x80, 0xC0)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("a",), {}, DtypeError, "prompt must be bytes, found str"),
        ((b"\xff",), {}, ArgumentError, "prefix is not UTF-8"),
        ((b"a", -1), {}, ArgumentError, "max_new_tokens is -1"),
        ((b"a", 1.5), {}, DtypeError, "max_new_tokens must be an int"),
        ((b"a",), {"temperature": -1}, ArgumentError, "temperature is -1"),
        ((b"a",), {"top_p": 1.5}, ArgumentError, "top_p is 1.5"),
        ((b"a",), {"generator": 3}, DtypeError, "generator must be a torch.Generator"),
        ((b"a",), {"context_ids": [99]}, ArgumentError, r"context_ids\[0\] is 99"),
        ((b"b" * 70,), {}, ArgumentError, "positions"),
        ((b"b" * 50, 20), {"temperature": 0}, ArgumentError, "positions"),
    ],
)
def test_wrong_arguments(arguments, options, error, message):
    with pytest.raises(error, match=message):
        complete(tiny_lm(), *arguments, **options)
