"""Sources and tokenizers of two or three bytes, for the oracle's tests and the ledger."""

from __future__ import annotations

from fractions import Fraction
from functools import cache, partial
from itertools import product

from tokenlab.chapters.bytelevel import exact
from tokenlab.chapters.bytelevel.exact import Allowed, Distribution, Model, Tokenizer

A, B, AA = b"A", b"B", b"AA"
TWO = (A, B)

#: The two-state chain, and its tokens by longest match, which BPE with one merge makes as well.
CHAIN = exact.two_state_chain("2/5", "3/10")
PAIRS = exact.longest_match([A, B, AA])

#: For every prompt of the chain: covers, P(x), true and canonical probability of A.
TABLE = {
    b"A": ({(A,), (AA,)}, "3/7", "3/5", 0),
    b"AA": ({(AA,)}, "9/35", "3/5", "3/5"),
    b"AAA": ({(AA, A), (AA, AA)}, "27/175", "3/5", 0),
    b"BA": ({(B, A), (B, AA)}, "6/35", "3/5", 0),
    b"BAA": ({(B, AA)}, "18/175", "3/5", "3/5"),
    b"BAAA": ({(B, AA, A), (B, AA, AA)}, "54/875", "3/5", 0),
    b"AAAA": ({(AA, AA)}, "81/875", "3/5", "3/5"),
    b"AB": ({(A, B)}, "6/35", "3/10", "3/10"),
    b"AAAAA": ({(AA, AA, A), (AA, AA, AA)}, "243/4375", "3/5", 0),
}

#: An order-3 chain, and six tokens for it.
ORDER_THREE = exact.random_source(TWO, order=3, seed=0)
MERGES = [(A, B), (B, B), (b"AB", A), (A, A)]
ENCODERS = {
    "bpe": exact.bpe(MERGES, TWO),
    "longest_match": exact.longest_match([*TWO, *(left + right for left, right in MERGES)]),
}

#: Letters and line breaks; the pre-tokenizer leaves the last break of a run to what follows.
LINES = exact.MarkovSource(
    1,
    {
        b"": {b"a": Fraction(1), b"\n": Fraction(0)},
        b"a": {b"a": Fraction(4, 5), b"\n": Fraction(1, 5)},
        b"\n": {b"a": Fraction(7, 10), b"\n": Fraction(3, 10)},
    },
)
BREAKS = exact.split_first(exact.bpe([(b"a", b"a"), (b"\n", b"\n")], [b"a", b"\n"]))


@cache
def chain_model() -> Model:
    return exact.token_model(CHAIN.texts(10), PAIRS)


def strings(alphabet: tuple[bytes, ...], shortest: int, longest: int) -> list[bytes]:
    return [b"".join(p) for n in range(shortest, longest + 1) for p in product(alphabet, repeat=n)]


def valid(tokenizer: Tokenizer) -> Allowed:
    """With a memory: enough for BPE and longest match, where it is the same as viable."""
    return cache(partial(exact.is_valid, tokenizer))


def viable(tokenizer: Tokenizer) -> Allowed:
    return cache(partial(exact.is_viable, tokenizer))


def instances(number: int, alphabet: tuple[bytes, ...] = TWO, num_tokens: int = 5, stop: str = "0"):
    """Random chains of order 1 to 3, each with a random tokenizer of either kind."""
    for seed in range(number):
        source = exact.random_source(alphabet, 1 + seed % 3, seed, Fraction(stop))
        for kind in ("bpe", "longest_match"):
            yield source, exact.random_tokenizer(alphabet, num_tokens, kind, seed)


def lemma_misses(source: exact.MarkovSource, tokenizer: Tokenizer, longest: int, cut: int) -> tuple[int, int]:
    """Texts up to a length whose covers do not have their probability, and how many were tried."""
    model, allowed = exact.token_model(source.texts(cut), tokenizer), valid(tokenizer)
    tried = strings(tokenizer.alphabet, 0, longest)
    wrong = sum(
        exact.cover_probability(text, model, tokenizer.vocabulary, allowed) != source.begins(text)
        for text in tried
    )
    return wrong, len(tried)


def distances(kind: str, how: str, shortest: int = 3, longest: int = 7) -> list[Fraction | None]:
    """Total variation from the true next byte for prompts of the order-3 chain; None: undefined."""
    tokenizer = ENCODERS[kind]
    texts = ORDER_THREE.texts(longest + 1 + tokenizer.look_ahead)
    model = exact.token_model(texts, tokenizer)
    answer = {"canonical": exact.canonical_next_byte, "healed": exact.healed_next_byte}[how]
    found: list[Fraction | None] = []
    for prompt in strings(TWO, shortest, longest):
        distribution: Distribution = answer(prompt, model, tokenizer)
        found.append(
            exact.total_variation(distribution, ORDER_THREE.next_byte(prompt)) if distribution else None
        )
    return found
