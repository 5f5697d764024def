"""The lemma one byte at a time, against all sequences; leaks, ends and second tokens."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations, product

import pytest

from tests.bytelevel.toys import (
    AA,
    BREAKS,
    ENCODERS,
    LINES,
    ORDER_THREE,
    PAIRS,
    TWO,
    A,
    B,
    instances,
    strings,
    valid,
    viable,
)
from tests.chapters.bytelevel.exact.instances import first_cover
from tokenlab.chapters.bytelevel import exact
from tokenlab.chapters.bytelevel.exact import END, Allowed, Distribution, Model, Tokenizer


def test_contexts_that_are_encodings_lose_the_line_break():
    """After two breaks comes a letter with 7/10. The encoding of the prompt says: never."""
    texts, prompt = LINES.texts(10), b"a\n\n"
    model = exact.token_model(texts, BREAKS)
    step = exact.stream(prompt, model, viable(BREAKS))[-1]
    assert step.distribution == LINES.next_byte(prompt) == {b"a": Fraction(7, 10), b"\n": Fraction(3, 10)}
    assert set(step.contexts) == {(b"a", b"\n\n"), (b"a", b"\n", b"\n")} and step.leak == 0
    before, lossy = exact.stream(prompt, model, valid(BREAKS))[-2:]
    assert lossy.distribution == exact.canonical_next_byte(prompt, model, BREAKS) == {b"\n": 1}
    # Seven tenths of the text's probability, which is three tenths of that of one break.
    assert lossy.mass == Fraction(3, 10) * step.mass and before.leak == Fraction(21, 100)


def test_the_end_has_its_probability_and_the_model_is_asked_once_a_byte():
    checks = 0
    for source, tokenizer in instances(4, stop="1/5"):
        model, allowed = exact.token_model(source.texts(9), tokenizer), valid(tokenizer)
        for text in strings(TWO, 6, 6):
            steps = exact.stream(text, model, allowed)
            assert len(steps) == 7
            for n, step in enumerate(steps):
                assert step.distribution == source.next_byte(text[:n]) and step.distribution[END] == Fraction(
                    1, 5
                )
                assert step.mass == source.begins(text[:n]) and step.leak == 0
                assert len(step.contexts) <= 1 and set(step.contexts) <= {tokenizer.encode(text[:n])}
                checks += 1
    assert checks == 8 * 64 * 7


def by_all_sequences(
    text: bytes, model: Model, vocabulary: list, allowed: Allowed
) -> tuple[Fraction, Fraction]:
    """P(x) and P(x, end) by listing every sequence of as many tokens as the text has bytes, plus one."""
    begins = ends = Fraction(0)
    specials = [token for token in vocabulary if isinstance(token, str)]
    for tokens in product(vocabulary, repeat=len(text) + 1):
        stop = next((k for k, token in enumerate(tokens) if token in specials), len(tokens))
        # After a special token nothing counts: one continuation stands for all.
        if any(token != vocabulary[0] for token in tokens[stop + 1 :]):
            continue
        cover = first_cover(text, tokens[:stop])
        if cover is None or not all(allowed(cover[:k]) for k in range(len(cover) + 1)):
            continue
        upto = min(stop + 1, len(tokens))
        mass = exact.probability(model, tokens[:upto])
        begins += mass
        if stop < len(tokens) and exact.decode(tokens[:stop]) == text and allowed(tokens[: stop + 1]):
            ends += mass
    return begins, ends


LEAKY = [
    ("pairs", PAIRS, [A, B, AA, END]),
    ("with a special token", exact.bpe([(A, B)], TWO), [A, B, b"AB", END, "<pad>"]),
    ("a token twice", PAIRS, [A, B, AA, (A, 2), END]),
    ("lines", BREAKS, [b"a", b"\n", b"\n\n", b"aa", END]),
]


@pytest.mark.parametrize("distribution", ["valid", "all"])
@pytest.mark.parametrize(("name", "tokenizer", "vocabulary"), LEAKY, ids=[name for name, *_ in LEAKY])
def test_leaky_models_against_all_sequences(name, tokenizer, vocabulary, distribution):
    allowed = viable(tokenizer) if distribution == "valid" else exact.is_text
    with_bytes = [token for token in vocabulary if not isinstance(token, str)]
    model = exact.random_model(vocabulary, seed=5)
    prefix = b"" if name != "lines" else b"\n"
    leaks = []
    for text in (prefix + text for text in strings(tokenizer.alphabet, 0, 2)):
        begins, ends = by_all_sequences(text, model, vocabulary, allowed)
        assert exact.cover_probability(text, model, with_bytes, allowed) == begins
        masses = {END: ends}
        for byte in tokenizer.alphabet:
            masses[byte], _ = by_all_sequences(text + byte, model, vocabulary, allowed)
        expected = {outcome: mass / begins for outcome, mass in masses.items() if mass}
        assert exact.next_byte_distribution(text, model, with_bytes, allowed) == expected

        step = exact.stream(text, model, allowed)[-1]
        assert step.mass == begins
        assert step.leak == 1 - sum(expected.values())
        assert step.distribution == {outcome: p / (1 - step.leak) for outcome, p in expected.items()}
        leaks.append(step.leak)
    assert (max(leaks) > 0) == (distribution == "valid" or "<pad>" in vocabulary) and min(leaks) >= 0


def leak_identity(text: bytes, model: Model, tokenizer: Tokenizer, vocabulary, allowed: Allowed) -> None:
    steps = exact.stream(text, model, allowed)
    mass = Fraction(1)
    for n, step in enumerate(steps):
        assert sum(step.distribution.values()) == 1 and 0 <= step.leak < 1
        assert step.mass == mass == exact.cover_probability(text[:n], model, vocabulary, allowed)
        mass *= step.distribution.get(text[n : n + 1], 0) * (1 - step.leak)


def test_the_cover_sum_is_the_product_of_conditionals_and_of_what_does_not_leak():
    for seed, (_, tokenizer) in enumerate(instances(3, num_tokens=4)):
        model = exact.random_model((*tokenizer.vocabulary, END, "<pad>"), seed)
        for text in strings(TWO, 5, 5):
            leak_identity(text, model, tokenizer, tokenizer.vocabulary, valid(tokenizer))
        leak_identity(b"ABA", model, tokenizer, tokenizer.vocabulary, exact.is_text)
    model = exact.random_model((*BREAKS.vocabulary, END), 1)
    for text in strings(BREAKS.alphabet, 4, 4):
        leak_identity(text, model, BREAKS, BREAKS.vocabulary, viable(BREAKS))


def test_all_tokenizations_of_a_model_without_mass_on_invalid_ones_change_nothing():
    tokenizer = ENCODERS["bpe"]
    model = exact.token_model(ORDER_THREE.texts(8), tokenizer)
    for text in strings(TWO, 5, 5):
        assert exact.stream(text, model, exact.is_text) == exact.stream(text, model, valid(tokenizer))


def test_a_second_token_of_the_same_bytes_shares_its_mass():
    """Split the mass of A over two tokens that lead on alike: the distribution over all tokenizations stays."""
    plain = exact.random_model([A, B, AA, END], seed=8)

    def twinned(context) -> Distribution:
        distribution = dict(plain(tuple(exact.spell(token) for token in context)))
        mass = distribution.pop(A)
        return distribution | {A: mass / 3, (A, 2): mass * 2 / 3}

    for text in strings(TWO, 0, 4):
        ours, theirs = (exact.stream(text, model, exact.is_text)[-1] for model in (twinned, plain))
        assert (
            ours.distribution == theirs.distribution
            and ours.mass == theirs.mass
            and ours.leak == theirs.leak == 0
        )
    # Among encodings the second token never occurs: what it has is leak.
    step = exact.stream(b"", twinned, valid(PAIRS))[-1]
    assert step.leak == plain(())[A] * 2 / 3


def test_the_order_of_tokens_does_not_matter():
    vocabulary = (A, B, AA, (B, 2), END)
    model = exact.random_model(vocabulary, seed=2)
    for order in list(permutations(vocabulary))[::17]:

        def shuffled(context, order=order) -> Distribution:
            distribution = model(context)
            return {token: distribution[token] for token in order}

        with_bytes = [token for token in order if token != END]
        for allowed in (valid(PAIRS), exact.is_text):
            for text in (b"", b"A", b"ABA"):
                steps = [exact.stream(text, m, allowed)[-1] for m in (shuffled, model)]
                assert steps[0].distribution == steps[1].distribution and steps[0].leak == steps[1].leak
                distribution = exact.next_byte_distribution(text, shuffled, with_bytes, allowed)
                assert distribution == exact.next_byte_distribution(text, model, [A, B, AA, (B, 2)], allowed)
