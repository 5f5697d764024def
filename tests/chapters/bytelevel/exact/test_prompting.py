"""What a user gets who encodes the prompt, by counting texts."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest

from tests.bytelevel.toys import (
    AA,
    CHAIN,
    ENCODERS,
    ORDER_THREE,
    PAIRS,
    TABLE,
    TWO,
    A,
    B,
    chain_model,
    distances,
    strings,
    valid,
)
from tokenlab.chapters.bytelevel import exact
from tokenlab.chapters.bytelevel.exact import Distribution


def test_an_odd_run_makes_the_model_certain_and_wrong():
    for run in (1, 3, 5, 7):
        distribution = exact.canonical_next_byte(b"B" + A * run, chain_model(), PAIRS)
        assert distribution == {B: 1}
        assert exact.total_variation(distribution, CHAIN.next_byte(A * run)) == Fraction(3, 5)


@pytest.mark.parametrize("kind", ENCODERS)
def test_canonical_and_healed_distributions_by_counting_texts(kind):
    """Among texts whose encodings begin with the prompt's, or with all of it but the last token."""
    tokenizer = ENCODERS[kind]
    texts = ORDER_THREE.texts(5 + 1 + tokenizer.look_ahead)
    model = exact.token_model(texts, tokenizer)
    encodings = {y: tokenizer.encode(y) for y in texts}

    def distribution(prompt: bytes, keep: Callable) -> Distribution:
        masses: Distribution = {}
        for y, mass in texts.items():
            if keep(encodings[y]):
                byte = y[len(prompt) : len(prompt) + 1]
                masses[byte] = masses.get(byte, 0) + mass
        total = sum(masses.values())
        return {byte: mass / total for byte, mass in masses.items()}

    for prompt in strings(TWO, 1, 5):
        encoding = tokenizer.encode(prompt)
        k, last = len(encoding) - 1, encoding[-1]
        canonical = distribution(prompt, lambda tokens: tokens[: k + 1] == encoding)
        assert exact.canonical_next_byte(prompt, model, tokenizer) == canonical
        healed = distribution(
            prompt, lambda tokens: tokens[:k] == encoding[:k] and b"".join(tokens[k : k + 1]).startswith(last)
        )
        assert exact.healed_next_byte(prompt, model, tokenizer) == healed


def test_healing_is_right_for_pairs_and_only_closer_for_merges_of_merges():
    for prompt in TABLE:
        assert exact.healed_next_byte(prompt, chain_model(), PAIRS) == CHAIN.next_byte(prompt)
    canonical, healed = (distances("bpe", how, 3, 5) for how in ("canonical", "healed"))
    assert 0 < sum(healed) < sum(canonical)


def test_an_encoding_that_never_occurs_has_no_distribution():
    tokenizer = exact.longest_match([A, B, AA, b"AB"])
    texts = exact.random_source(TWO, 1, seed=4).texts(6)
    model = exact.token_model(texts, tokenizer)
    # After A there is always another byte, and with either one A is longer.
    assert tokenizer.encode(A) == (A,) and exact.canonical_next_byte(A, model, tokenizer) == {}
    assert exact.next_byte_distribution(A, model, tokenizer.vocabulary, valid(tokenizer)).keys() == {A, B}
