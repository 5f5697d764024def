"""Added tokens that a text may hold: as the tokenizer takes them, the leftmost and longest."""

from __future__ import annotations

import itertools

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

import tokenlab.bytelevel.tokenizer.added_tokens
from tests.support.planting import changed
from tests.support.work import lines_run
from tokenlab.bytelevel.tokenizer.added_tokens import Literals
from tokenlab.bytelevel.tokenizer.reading import read_tokenizer
from tokenlab.bytelevel.tokenizer.validity import Validity
from tokenlab.bytelevel.tokenizer.vocabulary import ByteVocabulary
from tokenlab.errors import ArgumentError

#: They overlap, hold each other, and begin with what ordinary tokens end with.
ADDED = ("  ", "   ", "<t>", "ab<", "a ", "<t>a")


ALPHABET = "ab <t>"


def build(**options) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    text = ["the  cat   sat on <t> <tool> a   mat  ab abab"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=alphabet, special_tokens=["<e>"], show_progress=False
    )
    tokenizer.train_from_iterator(text * 5, trainer)
    tokenizer.add_tokens([AddedToken(content, normalized=True, **options) for content in ADDED])
    return tokenizer


def disagreements(tokenizer: Tokenizer, length: int, tokens: int) -> list:
    """Texts whose encoding dies, and sequences that validity and the tokenizer judge differently."""
    tokenization = read_tokenizer(tokenizer)
    validity, vocabulary = Validity(tokenization), tokenization.vocabulary

    def accepts(ids) -> bool:
        state = validity.start
        for token in ids:
            allowed = validity.allowed(state)[vocabulary.positions[token]]
            state = validity.after(state, token)
            assert allowed == (state is not None)
            if state is None:
                return False
        return validity.may_end(state)

    found = []
    for size in range(1, length + 1):
        for text in map("".join, itertools.product(ALPHABET, repeat=size)):
            if not accepts(tokenizer.encode(text).ids):
                found.append(text)
    known = set(ALPHABET.encode())
    ids = [int(token) for token, string in zip(vocabulary.order, vocabulary.strings) if set(string) <= known]
    for size in range(1, tokens + 1):
        for sequence in itertools.product(ids, repeat=size):
            whole = tokenizer.encode(tokenization.decode(sequence).decode()).ids
            if accepts(sequence) != (whole == list(sequence)):
                found.append(sequence)
    return found


def test_encodings_are_those_of_the_tokenizer():
    assert disagreements(build(), length=4, tokens=3) == []


@pytest.mark.parametrize(
    "old, new",
    [
        ("nodes | {ROOT} if byte", "nodes if byte"),
        (
            "return tuple(sorted(nodes | ({taken} if self._children[taken] else set())))",
            "return tuple(sorted(nodes))",
        ),
        ("if read and self._is_end[node]:", "if False:"),
        ("mask[position] |= self", "mask[position] |= start == 0 and self"),
        ("return node != DEAD", "return False"),
    ],
    ids=[
        "nothing is forbidden",
        "not the longest",
        "what is forbidden may come",
        "tokens may hold one inside",
        "tokens may hold one",
    ],
)
def test_a_planted_mistake_is_found(monkeypatch, old, new):
    module = tokenlab.bytelevel.tokenizer.added_tokens
    mutant: dict = {"__name__": module.__name__}
    exec(compile(changed(module, old, new), module.__file__, "exec"), mutant)
    monkeypatch.setattr("tokenlab.bytelevel.tokenizer.validity.Literals", mutant["Literals"])
    try:
        found = disagreements(build(), length=3, tokens=2)
    except AssertionError as error:
        found = [error]  # `allowed` and `after` disagree: found as well
    assert found


def test_a_special_token_is_text_like_any_other():
    tokenization = read_tokenizer(build())
    assert b"<e>" not in tokenization.literals.values()
    assert tokenization.decode(tokenization.encode(b"a<e>b")) == b"a<e>b"


def test_overlap_before_and_after_normalization_is_refused():
    tokenizer = build()
    tokenizer.add_tokens([AddedToken("t>x", normalized=False)])
    with pytest.raises(ArgumentError, match=r"'<t>' and 't>x'.*not supported"):
        read_tokenizer(tokenizer)


def test_what_is_forbidden():
    literals = Literals([b"aab"], ByteVocabulary([b"a", b"b", b"aa", b"ab", b"aab"]))
    one = literals.read((), b"a")
    two = literals.read(one, b"a")
    assert literals.read(two, b"b") is None
    assert len(two) == 2  # "aa" and "a" may both be the beginning
    assert literals.read(literals.read(two, b"a"), b"b") is None


def with_many(number: int) -> Tokenizer:
    """The tokenizer with many added tokens, as Gemma 3 has; half of them are looked for after normalization."""
    tokenizer = build()
    for normalized, name in ((True, "one"), (False, "two")):
        names = [f"[{name}-{index:04}]" for index in range(number // 2)]
        tokenizer.add_tokens([AddedToken(content, normalized=normalized) for content in names])
    return tokenizer


def test_the_work_is_not_of_every_added_token_with_every_other():
    """Twice as many cost about twice as much to read and to index, and nothing at a token."""
    read, first, later = [], [], []
    for number in (200, 400):
        tokenizer = with_many(number)
        read.append(lines_run(lambda: read_tokenizer(tokenizer)))
        validity = Validity(read_tokenizer(tokenizer))
        state = validity.after(validity.start, tokenizer.token_to_id("["))
        assert state.hypotheses[0].forbidden
        first.append(lines_run(lambda: validity.allowed(validity.start)))
        later.append(lines_run(lambda: validity.allowed(state)))
    assert read[1] < 2.1 * read[0] and first[1] < 2.1 * first[0]
    assert later[1] < later[0] + 100
