"""The oracle in fractions: encoders, distributions of tokens, covers, the stream; planted mistakes."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from fractions import Fraction
from itertools import islice, pairwise, permutations, product

import pytest

from tests.bytelevel.toys import (
    AA,
    BREAKS,
    CHAIN,
    ENCODERS,
    LINES,
    ORDER_THREE,
    PAIRS,
    TABLE,
    TWO,
    A,
    B,
    chain_model,
    distances,
    instances,
    lemma_misses,
    strings,
    valid,
    viable,
)
from tests.support.planting import plant
from tokenlab.chapters.bytelevel import exact
from tokenlab.chapters.bytelevel.exact import END, Allowed, Distribution, Model, Tokenizer
from tokenlab.errors import ArgumentError, DtypeError, EmptySupportError, ProbabilityError

THREE = (b"a", b" ", b"\n")


SPACES = exact.split_first(exact.bpe([(b" ", b" "), (b"a", b"a"), (b" ", b"a"), (b"\n", b"\n")], THREE))


def lowest_rank_first(merges, text: bytes) -> tuple[bytes, ...]:
    """BPE as it is usually told: look for the best pair again after every merge."""
    ranks, tokens = {pair: rank for rank, pair in enumerate(merges)}, [bytes([byte]) for byte in text]
    while places := [(ranks[pair], i) for i, pair in enumerate(pairwise(tokens)) if pair in ranks]:
        _, i = min(places)
        tokens[i : i + 2] = [tokens[i] + tokens[i + 1]]
    return tuple(tokens)


def library_bpe(merges, alphabet) -> Callable[[bytes], tuple[bytes, ...]]:
    """The same by the tokenizers library."""
    from tokenizers import Tokenizer as HuggingFaceTokenizer
    from tokenizers.models import BPE

    tokens = [*(byte.decode() for byte in alphabet), *((a + b).decode() for a, b in merges)]
    ids = {token: i for i, token in enumerate(tokens)}
    tokenizer = HuggingFaceTokenizer(BPE(ids, [(a.decode(), b.decode()) for a, b in merges]))
    return lambda text: tuple(token.encode() for token in tokenizer.encode(text.decode()).tokens)


@pytest.mark.parametrize("alphabet", [TWO, (A, B, b"C")], ids=["two letters", "three letters"])
def test_bpe_is_that_of_the_library(alphabet):
    for seed in range(12):
        rng, tokens, merges = random.Random(seed), list(alphabet), []
        while len(merges) < 6:
            pair = tuple(rng.choices(tokens, k=2))
            if b"".join(pair) not in tokens:
                merges.append(pair)
                tokens.append(b"".join(pair))
        ours, library = exact.bpe(merges, alphabet), library_bpe(merges, alphabet)
        for text in strings(alphabet, 0, 8 if len(alphabet) == 2 else 5):
            assert ours.encode(text) == library(text) == lowest_rank_first(merges, text), (merges, text)


def test_longest_match_takes_the_longest():
    tokenizer = exact.longest_match([A, B, b"AB", b"ABB", b"BA"])
    assert tokenizer.encode(b"ABABBBA") == (b"AB", b"ABB", b"BA")
    assert tokenizer.encode(b"ABAB") == (b"AB", b"AB")
    assert tokenizer.encode(b"") == ()


def test_pieces_are_those_of_gpt_2():
    """Letters and white space, through the library's own pattern."""
    from tokenizers.pre_tokenizers import ByteLevel

    split = ByteLevel(add_prefix_space=False, use_regex=True)
    for text in strings(THREE, 0, 7):
        expected = [text[start:end] for _, (start, end) in split.pre_tokenize_str(text.decode())]
        assert re.findall(exact.WORDS, text) == expected


def undecided(tokenizer: Tokenizer, reach: int, longest: int) -> list[tuple[bytes, int]]:
    """Texts and places up to which the borders change when all text from ``reach`` bytes on is cut."""

    def borders(text: bytes, place: int) -> set[int]:
        tokens = tokenizer.encode(text)
        ends = (len(exact.decode(tokens[:k])) for k in range(len(tokens) + 1))
        return {end for end in ends if end <= place}

    return [
        (text, place)
        for text in strings(tokenizer.alphabet, reach, longest)
        for place in range(len(text) - reach)
        if borders(text, place) != borders(text[: place + reach], place)
    ]


@pytest.mark.parametrize("name", ["random", "lines", "spaces"])
def test_no_tokenizer_looks_further_ahead_than_it_says(name):
    toys = {"random": [t for _, t in instances(5, num_tokens=3)], "lines": [BREAKS], "spaces": [SPACES]}
    for tokenizer in toys[name]:
        longest = {2: 8, 3: 7}[len(tokenizer.alphabet)]
        assert undecided(tokenizer, tokenizer.look_ahead, longest) == [], tokenizer.vocabulary


def test_the_bound_on_looking_ahead_is_met():
    for tokenizer in (PAIRS, exact.bpe([(A, A)], TWO), exact.longest_match([A, B, b"ABBA"])):
        assert undecided(tokenizer, tokenizer.look_ahead - 1, 6) != []
    assert (b"\n\na", 1) in undecided(BREAKS, 1, 3)


def beginnings(tokenizer: Tokenizer, longest: int) -> set:
    """Every sequence that an encoding of a text up to a length begins with."""
    encodings = [tokenizer.encode(text) for text in strings(tokenizer.alphabet, 0, longest)]
    return {tokens[:k] for tokens in encodings for k in range(len(tokens) + 1)}


def test_for_bpe_and_longest_match_viable_is_valid():
    for _, tokenizer in instances(4, num_tokens=3):
        for length in range(5):
            for tokens in product(tokenizer.vocabulary, repeat=length):
                assert exact.is_viable(tokenizer, tokens) == exact.is_valid(tokenizer, tokens)


@pytest.mark.parametrize("tokenizer", [BREAKS, SPACES], ids=["lines", "spaces"])
def test_viable_sequences_are_those_that_encodings_begin_with(tokenizer):
    differs = 0
    seen = beginnings(tokenizer, 4 + (tokenizer.look_ahead if len(tokenizer.alphabet) == 2 else 3))
    for length in range(5):
        for tokens in product(tokenizer.vocabulary, repeat=length):
            if len(exact.decode(tokens)) <= 4:
                assert exact.is_viable(tokenizer, tokens) == (tokens in seen), tokens
                differs += exact.is_viable(tokenizer, tokens) != exact.is_valid(tokenizer, tokens)
    assert differs > 0


def test_ends_special_tokens_and_second_tokens():
    newline = b"\n"
    assert exact.is_viable(BREAKS, (newline, newline))
    assert not exact.is_viable(BREAKS, (newline, newline, END))
    assert exact.is_viable(BREAKS, (b"\n\n", END)) and exact.is_valid(BREAKS, (b"\n\n", END))
    for wrong in [((A, 2),), ("<pad>",), (END, A), (A, "<pad>"), ("<pad>", END)]:
        assert not exact.is_viable(PAIRS, wrong) and not exact.is_valid(PAIRS, wrong)
    assert exact.is_text(((A, 2), A, END)) and exact.is_text(())
    assert not any(exact.is_text(tokens) for tokens in [(END, A), ("<pad>", A), ("<pad>",)])


@pytest.mark.parametrize("stop", ["0", "1/5"])
def test_texts_sum_to_one_and_begin_as_they_should(stop):
    for order in (0, 1, 3):
        source = exact.random_source(TWO, order, seed=order, stop=Fraction(stop))
        texts = source.texts(6)
        assert sum(texts.values()) == 1 and max(map(len, texts)) == 6
        assert (min(map(len, texts)) == 6) == (source.stop == 0)
        for text in strings(TWO, 0, 6):
            assert source.begins(text) == sum(p for y, p in texts.items() if y.startswith(text))


def test_the_two_state_chain_is_stationary():
    """Whatever the place, its byte is A with 3/7."""
    texts = CHAIN.texts(5)
    for place in range(5):
        assert sum(p for text, p in texts.items() if text[place : place + 1] == A) == Fraction(3, 7)


@pytest.mark.parametrize(("alpha", "beta"), [("2/5", "3/10"), ("1/2", "1/2"), ("1/7", "8/9"), ("1", "1/3")])
def test_tokens_of_the_two_state_chain_in_closed_form(alpha, beta):
    closed = exact.two_state_tokens(alpha, beta)
    assert all(sum(row.values()) == 1 for row in closed.values())
    bpe = exact.bpe([(A, A)], TWO)
    for tokenizer in (PAIRS, bpe):
        texts = exact.two_state_chain(alpha, beta).texts(8)
        model = exact.token_model(texts, tokenizer)
        for text in strings(TWO, 0, 5):
            # After tokens of up to five bytes the next one is decided within eight.
            context = tokenizer.encode(text)
            last = context[-1] if context else b""
            row = {token: p for token, p in closed[last].items() if p}
            if exact.probability(model, context):
                assert model(context) == row, (tokenizer, context)


def test_values_of_the_closed_form():
    rows = exact.two_state_tokens("2/5", "3/10")
    assert {last: [str(p) for p in row.values()] for last, row in rows.items()} == {
        b"": ["9/35", "6/35", "4/7"],
        AA: ["9/25", "6/25", "2/5"],
        A: ["0", "0", "1"],
        B: ["9/50", "3/25", "7/10"],
    }


def test_the_token_model_is_the_distribution_of_encodings():
    """Counted text by text, also where the pre-tokenizer looks ahead."""
    for source, tokenizer in [(LINES, BREAKS), *islice(instances(2, stop="1/4"), 4)]:
        texts = source.texts(7)
        model = exact.token_model(texts, tokenizer)
        for text in list(texts)[::9]:
            encoding = (*tokenizer.encode(text), END)
            assert exact.probability(model, encoding) == texts[text]
            for k in range(len(encoding)):
                share = sum(p for y, p in texts.items() if tokenizer.encode(y)[:k] == encoding[:k])
                assert exact.probability(model, encoding[:k]) == share


@pytest.mark.parametrize("prompt", TABLE, ids=bytes.decode)
def test_table_of_the_two_state_chain(prompt):
    covers, mass, true, canonical = TABLE[prompt]
    model, allowed = chain_model(), valid(PAIRS)
    assert set(exact.covers(prompt, PAIRS.vocabulary, allowed)) == covers
    assert exact.cover_probability(prompt, model, PAIRS.vocabulary, allowed) == Fraction(mass)
    assert CHAIN.begins(prompt) == Fraction(mass) and CHAIN.next_byte(prompt)[A] == Fraction(true)
    assert exact.canonical_next_byte(prompt, model, PAIRS).get(A, 0) == Fraction(canonical)
    by_covers = exact.next_byte_distribution(prompt, model, PAIRS.vocabulary, allowed)
    assert by_covers == CHAIN.next_byte(prompt) == exact.stream(prompt, model, allowed)[-1].distribution


def test_an_odd_run_makes_the_model_certain_and_wrong():
    for run in (1, 3, 5, 7):
        distribution = exact.canonical_next_byte(b"B" + A * run, chain_model(), PAIRS)
        assert distribution == {B: 1}
        assert exact.total_variation(distribution, CHAIN.next_byte(A * run)) == Fraction(3, 5)


def first_cover(text: bytes, tokens) -> tuple | None:
    """The shortest beginning that spells the text, by trying all."""
    beginnings = (tokens[:k] for k in range(len(tokens) + 1))
    return next((tokens for tokens in beginnings if exact.decode(tokens).startswith(text)), None)


def test_covers_are_what_encodings_of_longer_texts_begin_with():
    toys = [(BREAKS, 4), (SPACES, 2), *((tokenizer, 4) for _, tokenizer in instances(4, num_tokens=3))]
    for tokenizer, longest in toys:
        # The last token is at most four bytes, of which one lies in the text, and is decided then.
        ahead = min(3 + tokenizer.look_ahead, {2: 6, 3: 5}[len(tokenizer.alphabet)])
        tails, allowed = strings(tokenizer.alphabet, 0, ahead), viable(tokenizer)
        for text in strings(tokenizer.alphabet, 0, longest):
            expected = {first_cover(text, tokenizer.encode(text + tail)) for tail in tails}
            found = exact.covers(text, tokenizer.vocabulary, allowed)
            assert set(found) == expected and len(found) == len(expected), (tokenizer.vocabulary, text)


def test_covers_over_all_tokenizations():
    """One letter, tokens of one and two bytes, of which the last may reach over: Fibonacci numbers."""
    fibonacci = [1, 1]
    for n in range(1, 9):
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
        found = exact.covers(A * n, [A, AA], exact.is_text)
        assert len(found) == len(set(found)) == fibonacci[n + 1]
        assert {first_cover(A * n, tokens) for tokens in found} == set(found)


def test_no_sequence_begins_with_two_covers():
    for _, tokenizer in instances(3, num_tokens=3):
        for text in strings(TWO, 1, 4):
            for one, other in permutations(exact.covers(text, tokenizer.vocabulary, exact.is_text), 2):
                assert other[: len(one)] != one


@pytest.mark.parametrize("stop", ["0", "1/6"])
def test_covers_have_the_probability_of_every_text_up_to_length_seven(stop):
    """Order 1 to 3, BPE and longest match."""
    for source, tokenizer in instances(6, stop=stop):
        assert lemma_misses(source, tokenizer, 7, 9) == (0, 255), (source, tokenizer.vocabulary)


def test_the_lemma_over_three_bytes_and_more_tokens():
    for source, tokenizer in instances(3, alphabet=(A, B, b"C"), num_tokens=9):
        assert lemma_misses(source, tokenizer, 4, 6) == (0, 121)


def test_the_lemma_with_the_tokens_of_eight():
    """Tokens that overlap in many ways; a third of the canonical encodings never occurs."""
    vocabulary = [A, B, b"AB", b"BB", b"ABA", b"BBAB", AA, b"ABABB"]
    greedy = exact.longest_match(vocabulary)
    merges = [(A, B), (B, B), (b"AB", A), (b"BB", b"AB"), (A, A), (b"ABA", b"BB")]
    merged = exact.bpe(merges, TWO)
    assert set(merged.vocabulary) == set(vocabulary)
    for tokenizer in (greedy, merged):
        assert lemma_misses(ORDER_THREE, tokenizer, 7, 10) == (0, 255)
    model = exact.token_model(ORDER_THREE.texts(8 + greedy.look_ahead), greedy)
    prompts = strings(TWO, 3, 7)
    undefined = [x for x in prompts if exact.canonical_next_byte(x, model, greedy) == {}]
    assert (len(undefined), len(prompts)) == (74, 248)


def test_the_lemma_after_a_pre_tokenizer_that_looks_ahead():
    for tokenizer, source, longest in [
        (BREAKS, LINES, 6),
        (SPACES, exact.random_source(THREE, 2, seed=3, stop=Fraction(1, 8)), 3),
    ]:
        texts = source.texts(longest + (3 if tokenizer is BREAKS else 4))
        model, allowed = exact.token_model(texts, tokenizer), viable(tokenizer)
        for text in strings(tokenizer.alphabet, 0, longest):
            mass = exact.cover_probability(text, model, tokenizer.vocabulary, allowed)
            assert mass == source.begins(text)
            if mass:
                distribution = exact.next_byte_distribution(text, model, tokenizer.vocabulary, allowed)
                assert distribution == {b: p for b, p in source.next_byte(text).items() if p}
                assert distribution == exact.stream(text, model, allowed)[-1].distribution


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


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: exact.longest_match(["A"]), DtypeError, "vocabulary must be bytes, found str 'A'"),
        (lambda: exact.longest_match([A, b"AB"]), ArgumentError, "vocabulary holds b'AB'"),
        (lambda: exact.longest_match([A, b""]), ArgumentError, "at least one byte"),
        (lambda: exact.longest_match([A, A]), ArgumentError, "a token twice"),
        (lambda: PAIRS.encode("AB"), DtypeError, "text must be bytes, found str"),
        (lambda: PAIRS.encode(b"AC"), ArgumentError, "text holds b'C', which is no token"),
        (lambda: exact.bpe([(A, A)], TWO).encode(b"C"), ArgumentError, "text holds b'C'"),
        (lambda: exact.bpe([], [b"AB"]), ArgumentError, "alphabet holds b'AB', expected single bytes"),
        (lambda: exact.bpe([(AA, A)], [A]), ArgumentError, "of which a part does not exist before"),
        (lambda: exact.bpe([(A, A), (A, A)], [A]), ArgumentError, "merges make b'AA' twice"),
        (lambda: BREAKS.encode(b"a1"), ArgumentError, r"pattern .* cuts b'a1' into \[b'a'\]"),
        (lambda: exact.split_first(PAIRS, look_ahead=-1), ArgumentError, "look_ahead is -1"),
        (lambda: exact.random_tokenizer(TWO, 2, "unigram", 0), ArgumentError, "kind is 'unigram'"),
        (lambda: exact.random_tokenizer(TWO, 29, "bpe", 0), ArgumentError, "num_tokens is 29, .* 28"),
        (lambda: exact.MarkovSource(1, {}, Fraction(1)), ProbabilityError, "stop is 1"),
        (lambda: exact.MarkovSource(-1, {}), ArgumentError, "order is -1"),
        (lambda: exact.MarkovSource(0, {b"": {A: Fraction(1, 2)}}), ProbabilityError, "sum to 1/2"),
        (
            lambda: exact.MarkovSource(0, {b"": {A: Fraction(3, 2), B: Fraction(-1, 2)}}),
            ProbabilityError,
            "the least is -1/2",
        ),
        (lambda: CHAIN.next_byte(b"C"), ArgumentError, "text ends in b'C'"),
        (lambda: CHAIN.next_byte("A"), DtypeError, "text must be bytes"),
        (lambda: CHAIN.texts(-1), ArgumentError, "length is -1"),
        (lambda: exact.spell("<pad>"), ArgumentError, "'<pad>' is a special token"),
        (lambda: exact.covers("A", [A], exact.is_text), DtypeError, "text must be bytes, found str 'A'"),
        (lambda: exact.stream("A", chain_model(), exact.is_text), DtypeError, "text must be bytes"),
        (
            lambda: exact.stream(b"C", chain_model(), exact.is_text),
            EmptySupportError,
            "text is b'C', which has probability 0",
        ),
        (
            lambda: exact.next_byte_distribution(b"C", chain_model(), [A, B, AA], exact.is_text),
            EmptySupportError,
            "text is b'C', which has probability 0",
        ),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def check_table() -> None:
    for prompt in TABLE:
        test_table_of_the_two_state_chain(prompt)


def check_leaky(distribution: str) -> None:
    for leaky in LEAKY:
        test_leaky_models_against_all_sequences(*leaky, distribution)


@pytest.mark.parametrize(
    ("old", "new", "check"),
    [
        pytest.param(
            "if spell(token).startswith(rest) and allowed(longer)",
            "if spell(token) == rest and allowed(longer)",
            check_table,
            id="only covers that end exactly",
        ),
        pytest.param(
            "            elif rest.startswith(spell(token)) and allowed(longer):",
            "            if rest.startswith(spell(token)) and rest and allowed(longer):",
            check_table,
            id="a cover that ends exactly goes on",
        ),
        pytest.param(
            "return tokenizer.encode(decode(tokens)) == tokens",
            "return True",
            check_table,
            id="no sequence is invalid",
        ),
        pytest.param(
            "            if not p or not allowed(tokens):",
            "            if not p or token == '<pad>':",
            lambda: check_leaky("valid"),
            id="the stream forgets what is not allowed",
        ),
        pytest.param(
            "if path.rest[:1] == byte]",
            "if path.rest]",
            check_table,
            id="covers that wait for another byte stay",
        ),
        pytest.param(
            "return normalised(distribution | {END: end})",
            "return normalised(distribution)",
            lambda: check_leaky("all"),
            id="the end is forgotten",
        ),
        pytest.param(
            "end += path.weight * p",
            "end += p",
            lambda: check_leaky("all"),
            id="the end without its context's weight",
        ),
        pytest.param(
            "1 - (_total(paths) + end) / mass",
            "1 - _total(paths) / mass",
            lambda: check_leaky("all"),
            id="the end counted as leak",
        ),
        pytest.param(
            "if path.rest:", "if len(path.rest) > 1:", check_table, id="the model asked a byte early"
        ),
        pytest.param(
            "if decode(tokens) == text]",
            "]",
            lambda: check_leaky("valid"),
            id="the end after a cover that reaches over",
        ),
        pytest.param(
            "if allowed((*t, END))) / here",
            ") / here",
            lambda: check_leaky("valid"),
            id="the end after what is no encoding",
        ),
        pytest.param(
            "        return is_valid(tokenizer, tokens)\n",
            "        return is_viable(tokenizer, tokens[:-1])\n",
            test_ends_special_tokens_and_second_tokens,
            id="a text may end in a viable sequence",
        ),
        pytest.param(
            "for length in range(tokenizer.look_ahead + 1)",
            "for length in range(1)",
            test_the_lemma_after_a_pre_tokenizer_that_looks_ahead,
            id="viable taken for valid",
        ),
        pytest.param(
            "if token != END and token.startswith(last)}",
            "if token not in (END, last) and token.startswith(last)}",
            lambda: test_canonical_and_healed_distributions_by_counting_texts("bpe"),
            id="healing without the token itself",
        ),
        pytest.param(
            "distribution = by_byte(starts, len(last))",
            "distribution = by_byte(starts, 0)",
            lambda: test_canonical_and_healed_distributions_by_counting_texts("bpe"),
            id="healing counts the first byte",
        ),
        pytest.param(
            "tokens = (*tokenizer.encode(text), END)\n        for k",
            "tokens = tokenizer.encode(text)\n        for k",
            test_the_token_model_is_the_distribution_of_encodings,
            id="encodings without an end",
        ),
        pytest.param(
            "for left, right in merges:\n            i = 0",
            "for left, right in reversed(merges):\n            i = 0",
            lambda: test_bpe_is_that_of_the_library(TWO),
            id="the last merge first",
        ),
    ],
)
def test_planted_mistake_is_caught(monkeypatch, old, new, check):
    check()
    plant(monkeypatch, exact, old, new)
    with pytest.raises((AssertionError, EmptySupportError)):
        check()
