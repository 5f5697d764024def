"""Computations of the derivation of exact byte-level probabilities; the ledger is book/claims.yml."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

from tests.bytelevel.toys import (
    BREAKS,
    CHAIN,
    LINES,
    PAIRS,
    TABLE,
    TWO,
    A,
    chain_model,
    distances,
    instances,
    lemma_misses,
    strings,
    valid,
    viable,
)
from tests.claims.registry import computes
from tokenlab.chapters.bytelevel import exact
from tokenlab.chapters.bytelevel.exact import END

# --- the two-state chain ---------------------------------------------------------------


@computes("bytelevel-toy-true")
def toy_true() -> float:
    return float(CHAIN.next_byte(A)[A])


@computes("bytelevel-toy-canonical")
def toy_canonical() -> float:
    return float(exact.canonical_next_byte(A, chain_model(), PAIRS).get(A, 0))


@computes("bytelevel-toy-covers")
def toy_covers() -> float:
    return float(exact.next_byte_distribution(A, chain_model(), PAIRS.vocabulary, valid(PAIRS))[A])


@computes("bytelevel-toy-total-variation")
def toy_total_variation() -> float:
    """The same for every odd run."""
    prompts = (A, A * 3, A * 5)
    found = {
        exact.total_variation(exact.canonical_next_byte(x, chain_model(), PAIRS), CHAIN.next_byte(x))
        for x in prompts
    }
    (distance,) = found
    return float(distance)


@computes("bytelevel-toy-table")
def toy_table() -> str:
    """Covers, P(x), and P(A | x) of the source, of the encoded prompt and of the lemma."""
    right = tried = 0
    model, allowed = chain_model(), valid(PAIRS)
    for prompt, (covers, mass, true, canonical) in TABLE.items():
        cells = [
            (set(exact.covers(prompt, PAIRS.vocabulary, allowed)), covers),
            (exact.cover_probability(prompt, model, PAIRS.vocabulary, allowed), Fraction(mass)),
            (CHAIN.next_byte(prompt)[A], Fraction(true)),
            (exact.canonical_next_byte(prompt, model, PAIRS).get(A, 0), Fraction(canonical)),
            (exact.next_byte_distribution(prompt, model, PAIRS.vocabulary, allowed)[A], Fraction(true)),
        ]
        right += sum(found == expected for found, expected in cells)
        tried += len(cells)
    return f"{right} of {tried}"


# --- the lemma, and the stream ---------------------------------------------------------


@computes("bytelevel-lemma")
def lemma() -> str:
    """Chains of order 1 to 3, each with a tokenizer of either kind."""
    wrong = tried = 0
    for source, tokenizer in instances(3):
        missed, texts = lemma_misses(source, tokenizer, 7, 8)
        wrong, tried = wrong + missed, tried + texts
    return f"{tried - wrong:,} of {tried:,}"


@cache
def ended_stream() -> tuple[int, int, int]:
    """How many distributions are right, how many there are, and the most contexts that a byte needed.

    Texts end with 1/5.
    """
    right = tried = most = 0
    for source, tokenizer in instances(3, stop="1/5"):
        model, allowed = exact.token_model(source.texts(8), tokenizer), valid(tokenizer)
        for text in strings(TWO, 6, 6)[::5]:
            for n, step in enumerate(exact.stream(text, model, allowed)):
                right += step.distribution == source.next_byte(text[:n]) and END in step.distribution
                tried += 1
                most = max(most, len(step.contexts))
    return right, tried, most


@computes("bytelevel-stream-distributions")
def stream_distributions() -> str:
    return "{:,} of {:,}".format(*ended_stream()[:2])


@computes("bytelevel-stream-contexts")
def stream_contexts() -> float:
    return ended_stream()[2]


@computes("bytelevel-leak-identity")
def leak_identity() -> str:
    """P(x) by covers, and as the product over bytes of conditional and 1 - leak."""
    right = tried = 0
    for seed, (_, tokenizer) in enumerate(instances(3, num_tokens=4)):
        model, allowed = exact.random_model((*tokenizer.vocabulary, END), seed), valid(tokenizer)
        for text in strings(TWO, 5, 5):
            product = Fraction(1)
            for n, step in enumerate(exact.stream(text, model, allowed)[:-1]):
                product *= step.distribution[text[n : n + 1]] * (1 - step.leak)
            right += product == exact.cover_probability(text, model, tokenizer.vocabulary, allowed)
            tried += 1
    return f"{right} of {tried}"


# --- what is usually done instead ------------------------------------------------------


def mean(kind: str, how: str) -> float:
    found = [distance for distance in distances(kind, how) if distance is not None]
    return float(sum(found) / len(found))


@computes("bytelevel-order-three-canonical-bpe")
def order_three_canonical_bpe() -> float:
    return mean("bpe", "canonical")


@computes("bytelevel-order-three-canonical-longest-match")
def order_three_canonical_longest_match() -> float:
    return mean("longest_match", "canonical")


@computes("bytelevel-order-three-undefined")
def order_three_undefined() -> str:
    found = distances("longest_match", "canonical")
    return f"{found.count(None)} of {len(found)}"


@computes("bytelevel-order-three-healed-bpe")
def order_three_healed_bpe() -> float:
    return mean("bpe", "healed")


@computes("bytelevel-order-three-healed-longest-match")
def order_three_healed_longest_match() -> float:
    return mean("longest_match", "healed")


# --- a pre-tokenizer that looks ahead --------------------------------------------------


@cache
def after_two_breaks(contexts: str) -> exact.Step:
    allowed = {"viable": viable, "valid": valid}[contexts](BREAKS)
    return exact.stream(b"a\n\n", exact.token_model(LINES.texts(10), BREAKS), allowed)[-1]


@computes("bytelevel-breaks-viable")
def breaks_viable() -> float:
    return float(after_two_breaks("viable").distribution[b"a"])


@computes("bytelevel-breaks-valid")
def breaks_valid() -> float:
    return float(after_two_breaks("valid").distribution.get(b"a", 0))


@computes("bytelevel-breaks-lost")
def breaks_lost() -> float:
    return float(1 - after_two_breaks("valid").mass / after_two_breaks("viable").mass)
