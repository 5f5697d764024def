"""What may follow: compared with what the tokenizers write, asked text by text."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest

from tests.bytelevel import oracle
from tests.bytelevel.tokenizers import (
    BUILDERS,
    NAMES,
    SPACE,
    SPECS,
    byte_level,
    described,
    texts,
    validity,
    with_added,
    with_bytes,
)
from tests.bytelevel.tokenizers import changed as changed_tokenizer
from tests.support.planting import planted_copy
from tokenlab.bytelevel.tokenizer import token_runs
from tokenlab.bytelevel.tokenizer import validity as validity_module
from tokenlab.bytelevel.tokenizer.reading import read_tokenizer
from tokenlab.bytelevel.tokenizer.validity import Validity
from tokenlab.errors import ArgumentError

#: A character of each kind.
ALPHABET = "a1 \n'sé\u0301😀."


def many_texts(seed: int = 0, number: int = 40) -> list[str]:
    draw = random.Random(seed)
    short = ["".join(chars) for size in range(3) for chars in product(ALPHABET, repeat=size)]
    return [*draw.sample(short, number // 2), "", " ", *texts(draw, number)]


def walk(rules: Validity, ids) -> list:
    """States after each token; shorter if one is not viable."""
    states = [rules.start]
    for token in ids:
        after = rules.after(states[-1], token)
        if after is None:
            break
        states.append(after)
    return states


def lost_texts(rules: Validity, tried: list[str]) -> int:
    """Texts whose own encoding is not viable, or may not end where it ends."""
    lost = 0
    for text in tried:
        ids = rules.tokenization.plain.encode(text, add_special_tokens=False).ids
        states = walk(rules, ids)
        lost += len(states) <= len(ids) or (bool(ids) and not rules.may_end(states[-1]))
    return lost


def wrong_masks(rules: Validity, tried: list[str]) -> int:
    """Tokens of which the mask says another thing than the rule for one token."""
    wrong = 0
    for text in tried:
        for state in walk(rules, rules.tokenization.plain.encode(text, add_special_tokens=False).ids):
            one_by_one = [rules.after(state, token) is not None for token in rules.vocabulary.order.tolist()]
            wrong += int((rules.allowed(state) != np.array(one_by_one)).sum())
    return wrong


def wrong_sequences(name: str, rules: Validity, number: int, seed: int = 0) -> tuple[int, int, int]:
    """Sequences viable though no text is found, not viable though one is, and wrong ends."""
    unsound, incomplete, ends = 0, 0, 0
    for ids in oracle.sequences(name, random.Random(seed), number):
        states = walk(rules, ids)
        viable, whole = len(states) > len(ids), oracle.is_whole(name, ids)
        if viable:
            ends += rules.may_end(states[-1]) != whole
            unsound += not whole and oracle.witness(name, ids) is None
        else:
            # The first token that cannot follow decides.
            ids = ids[: len(states)]
            incomplete += whole or oracle.witness(name, ids, oracle.FEW) is not None
    return unsound, incomplete, ends


@pytest.mark.parametrize("name", NAMES)
def test_the_canonical_path_is_alive(name):
    assert lost_texts(validity(name), many_texts()) == 0


@pytest.mark.parametrize("name", NAMES)
def test_masks_are_the_rule_for_one_token(name):
    tried = many_texts(seed=1)
    assert wrong_masks(validity(name), [tried[0], *tried[-2:]]) == 0


@pytest.mark.parametrize("name", NAMES)
def test_viable_is_what_some_text_begins_with(name):
    assert wrong_sequences(name, validity(name), 40) == (0, 0, 0)


@pytest.mark.parametrize("name", ["one piece", "gemma", "llama2"])
def test_pairs_are_encoded_again(name):
    """Inside one piece two tokens are valid if and only if their text is encoded so."""
    rules, draw = validity(name), random.Random(3)
    description = rules.tokenization
    reachable = np.flatnonzero(rules.merges.reachable)
    whole = {}
    for token in reachable.tolist():
        text = description.decode([token])
        if oracle.pending(text) == b"" and token not in description.fallback:
            whole[token] = text.decode()
    known = {text: token for token, text in whole.items()}
    pairs = [(draw.choice(list(whole)), draw.choice(list(whole))) for _ in range(300)]
    # What a token may be divided into.
    pairs += [
        (known[text[:position]], known[text[position:]])
        for text in known
        for position in range(1, len(text))
        if text[:position] in known and text[position:] in known
    ]
    joined = [whole[left] + whole[right] for left, right in pairs]
    found = description.plain_inside.encode_batch(joined, add_special_tokens=False)
    valid = [tuple(encoding.ids) == pair for pair, encoding in zip(pairs, found, strict=True)]
    assert [rules.merges.is_valid_pair(*pair) for pair in pairs] == valid
    assert 100 < sum(valid) < len(valid) - 100


def ids_of(name: str, *parts: str | bytes) -> list[int]:
    """Tokens by what they stand for; not those for single bytes where others stand for the same."""
    found = {}
    for string, token in zip(described(name).vocabulary.strings, described(name).vocabulary.order.tolist()):
        if string not in found or token not in described(name).fallback:
            found[string] = token
    return [found[part if isinstance(part, bytes) else part.encode()] for part in parts]


def test_two_newlines_before_a_letter():
    """GPT-2 leaves the last one of a run to the word: both ways are alive until it is decided."""
    rules = validity("gpt2")
    (two,), apart = ids_of("gpt2", "\n\n"), ids_of("gpt2", "\n", "\n")
    together, apart = walk(rules, [two])[-1], walk(rules, apart)[-1]
    assert rules.may_end(together) and not rules.may_end(apart)
    (letter,) = ids_of("gpt2", "a")
    assert rules.after(together, letter) is None and rules.after(apart, letter) is not None


def test_pieces_that_are_tokens_are_not_divided():
    """Llama 3 looks a piece up before it merges: no text has its parts, where nothing may follow."""
    rules = validity("llama3")
    parts = ids_of("llama3", "1", "2", "3")
    assert rules.merges.is_valid_pair(*parts[:2]) and rules.merges.is_valid_pair(*parts[1:])
    assert len(walk(rules, parts)) == 3  # "123" is a token, and digits go in threes
    assert len(walk(rules, ids_of("llama3", "'", "s"))) == 2
    (number,) = ids_of("llama3", "123")
    assert not rules.merges.reachable[number] and rules.may_end(walk(rules, [number])[-1])
    # A longer word may go on with its parts.
    parts = ids_of("llama3", " c", "at")
    assert not rules.may_end(walk(rules, parts)[-1])
    assert len(walk(rules, [*parts, *ids_of("llama3", "e")])) == 4
    # No piece ends with this one, so that it stands in no text.
    assert walk(rules, ids_of("llama3", "it'")) == [rules.start]


def test_characters_with_a_token_are_not_written_in_bytes():
    rules = validity("llama2")
    description = rules.tokenization
    (space,) = ids_of("llama2", " ")
    by_bytes = [int(description.fallback[byte]) for byte in b"a"]
    assert len(walk(rules, [space, *by_bytes])) == 2
    face = [int(description.fallback[byte]) for byte in "𝄞".encode()]
    states = walk(rules, [space, *face])
    assert len(states) == 6
    assert [rules.inside_character(state) for state in states] == [False, False, True, True, True, False]
    assert rules.may_end(states[-1]) and not any(map(rules.may_end, states[1:-1]))


def test_the_dummy_alone_is_no_text():
    for name, ends in (("llama2", False), ("metaspace first", True)):
        (space,) = ids_of(name, " ")
        rules = validity(name)
        assert rules.may_end(rules.after(rules.start, space)) == ends
        assert oracle.is_whole(name, (space,)) == ends


def test_the_normal_form_holds_across_tokens():
    assert composed(validity("qwen2"), "e") == 3  # the mark's first byte may begin another mark
    assert composed(validity("qwen2"), "x") == 4
    assert composed(mutant(*NO_TAIL)(described("qwen2")), "e") == 4
    assert described("qwen2").encode("e\u0301".encode())[0] not in ids_of("qwen2", "e")


def composed(rules: Validity, letter: str) -> int:
    """States on the way through a letter and an acute accent, byte by byte."""
    return len(walk(rules, ids_of("qwen2", letter, b"\xcc", b"\x81")))


def test_the_normal_form_is_the_librarys():
    """Python's tables know marks of later versions of Unicode, which the tokenizer does not move."""
    text = "q\u0308\u0899\u0301"
    ids = described("qwen2").plain.encode(text, add_special_tokens=False).ids
    assert described("qwen2").decode(ids) == text.encode()
    assert (
        lost_texts(validity("qwen2"), [text, "\u0344", "a\u0323\u0302", "\uf900", "\u1100\u1161\u11a8"]) == 0
    )


def test_characters_that_no_normal_form_holds():
    """U+F900 to U+F93F are written as other characters: nothing completes their first two bytes."""
    rules = validity("qwen2")
    assert len(walk(rules, ids_of("qwen2", b"\xef", b"\xa4"))) == 2
    assert len(walk(validity("gpt2"), ids_of("gpt2", b"\xef", b"\xa4", b"\x80"))) == 4


def test_tokens_without_bytes_never_follow():
    rules = validity("gpt2")
    assert [rules.after(rules.start, token) for token in (0, 1, 2)] == [None] * 3
    assert len(rules.allowed(rules.start)) == len(rules.vocabulary)


def test_pre_tokenizers_that_are_not_supported():
    from tokenizers import Tokenizer, pre_tokenizers

    tokenizer = Tokenizer.from_str(described("gpt2").json_text)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(), pre_tokenizers.ByteLevel(add_prefix_space=True)]
    )
    with pytest.raises(
        ArgumentError, match="tokenizer has a pre-tokenizer that is not supported.*add_prefix_space"
    ):
        Validity(read_tokenizer(tokenizer))


ADDED = {
    "runs of spaces": ("  ", "    ", "        "),
    "overlapping": ("ab", "bc", "abcd", "'s c"),
    "before normalization": ("<tool>", "<think>", "<"),
}


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("added", ADDED)
def test_added_tokens_are_the_leftmost_and_longest(added, normalized):
    tokenizer = with_added(byte_level(SPECS["gpt2"]), ADDED[added], normalized=normalized)
    description = read_tokenizer(tokenizer)
    assert sorted(description.literals.values()) == sorted(text.encode() for text in ADDED[added])
    rules = Validity(description)
    draw = random.Random(7)
    symbols = [*ADDED[added], *"".join(ADDED[added]), " ", "a", "b", "c", "\n", "d"]
    tried = ["".join(draw.choices(symbols, k=draw.randrange(1, 6))) for _ in range(80)]
    assert lost_texts(rules, tried) == 0
    assert wrong_masks(rules, tried[:3]) == 0
    # What is viable to the end is exactly one encoding of each text.
    for text in tried[:25]:
        assert whole_sequences(rules, text.encode()) == {tuple(description.encode(text.encode()))}


def whole_sequences(rules: Validity, text: bytes) -> set[tuple[int, ...]]:
    """All viable sequences that spell a text and may end there, found token by token."""
    vocabulary, found = rules.vocabulary, set()

    def go_on(state, ids, end):
        if end == len(text):
            if rules.may_end(state):
                found.add(ids)
            return
        for size in range(1, min(vocabulary.longest, len(text) - end) + 1):
            lo, hi = vocabulary.find(text[end : end + size])
            for position in range(lo, vocabulary.ended(size, lo, hi)):
                token = int(vocabulary.order[position])
                after = rules.after(state, token)
                if after is not None:
                    go_on(after, (*ids, token), end + size)

    go_on(rules.start, (), 0)
    return found


def test_added_tokens_that_merges_make():
    """As in Gemma: line breaks are cut out, runs of spaces are spelled with U+2581 and never found."""
    added = ("\n", "\n\n", "\n\n\n", SPACE * 2, SPACE * 4, "<table>")
    tokenizer = with_added(BUILDERS["gemma"](), added, normalized=False)
    tokenizer = changed_tokenizer(tokenizer, add_merges)
    description = read_tokenizer(tokenizer)
    assert sorted(description.literals.values()) == [b"\n", b"\n\n", b"\n\n\n", b"<table>"]
    tried = ["a    b", "  a\n\n\n\n  \n b", "<table>  \n<table", "\n  \n", "     ", *many_texts(number=20)]
    runs = tokenizer.encode("    a\n\n", add_special_tokens=False).tokens
    assert runs == [SPACE * 4, "a", "\n\n"]
    rules = Validity(description)
    assert lost_texts(rules, tried) == 0 == wrong_masks(rules, tried[:2])
    for text in tried[:5]:
        assert whole_sequences(rules, text.encode()) == {tuple(description.encode(text.encode()))}


def add_merges(state: dict) -> None:
    model = state["model"]
    for token in state["added_tokens"]:
        if token["content"].startswith(SPACE):
            model["vocab"].setdefault(token["content"], token["id"])
    model["merges"] = [[SPACE, SPACE], [SPACE * 2, SPACE * 2]] + [
        merge for merge in model["merges"] if "".join(merge) not in (SPACE * 2, SPACE * 4)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_each_text_has_one_encoding(name):
    rules, description = validity(name), described(name)
    for text in texts(random.Random(5), 6, 9):
        ids = description.plain.encode(text, add_special_tokens=False).ids
        assert whole_sequences(rules, description.decode(ids)) == {tuple(ids)}


def mutant(*changes: tuple[str, str]) -> type[Validity]:
    """The class with mistakes in its source, or in that of the tokens' runs."""
    return planted_copy([token_runs, validity_module], *changes).Validity


NO_PAIRS = (
    ("elif hypothesis.whole or not self.merges.is_valid_pair(last, token):", "elif hypothesis.whole:"),
    ("mask = alive & self._follows(last)", "mask = alive.copy()"),
)


NEVER_STUCK = (
    ("return None if self._is_stuck(found) else found", "return found"),
    (
        "        if self.tokenization.ignore_merges:\n            for position",
        "        if False:\n            for position",
    ),
    ("alive &= self._reachable | (self.closes[ends] & (self._partial_of < 0))", "pass"),
)


NOTHING_PENDING = (("divide(hypothesis.pending + string, bool", "divide(string, bool"),)


ALWAYS_ENDS = (
    ("return any(h.complete and self.splitter.may_end[h.state] for h in state.hypotheses)", "return True"),
)


DUMMY_ENDS = (("if needs_more and", "if False and"),)


MASK_WITHOUT_CUT = (("self._runs.alive(hypothesis.state, True)[0] & self._starts_piece", "False"),)


BYTES_FOR_ALL = (("if is_byte and any(", "if False and any("),)


NO_TAIL = (("if not is_normalized(form, text):\n            return None", "pass"),)


DIVIDED_PIECES = (("(first_token or word not in self._whole_pieces)", "True"),)


def test_planted_mistakes_lose_texts():
    rules = mutant(*NOTHING_PENDING)(described("gpt2"))
    assert lost_texts(rules, many_texts()) > 0


@pytest.mark.parametrize(
    ("name", "changes", "number"),
    [
        ("gpt2", NO_PAIRS, 60),
        ("gemma", NO_PAIRS, 60),
        ("llama3", DIVIDED_PIECES, 150),
        ("llama2", BYTES_FOR_ALL, 60),
    ],
)
def test_planted_mistakes_are_unsound(name, changes, number):
    assert wrong_sequences(name, mutant(*changes)(described(name)), number)[0] > 0


@pytest.mark.parametrize(("name", "changes"), [("lab", ALWAYS_ENDS), ("gpt2", ALWAYS_ENDS)])
def test_planted_mistakes_end_anywhere(name, changes):
    assert wrong_sequences(name, mutant(*changes)(described(name)), 60)[2] > 0


def test_a_dummy_that_ends_shows():
    rules = mutant(*DUMMY_ENDS)(described("llama2"))
    (space,) = ids_of("llama2", " ")
    assert rules.may_end(rules.after(rules.start, space)) and not oracle.is_whole("llama2", (space,))


def test_pieces_that_are_stuck_show():
    rules = mutant(*NEVER_STUCK)(described("llama3"))
    parts = ids_of("llama3", "1", "2", "3")
    assert len(walk(rules, parts)) == 4 and oracle.witness("llama3", tuple(parts)) is None


def test_a_mask_without_borders_shows():
    assert wrong_masks(mutant(*MASK_WITHOUT_CUT)(described("lab")), ["a cat's 12"]) > 0


def test_the_o200k_pattern_goes_with_bytes():
    """Some pre-tokenizers stand in the list without the step that writes bytes."""
    assert with_bytes("o200k")["pretokenizers"][-1]["type"] == "ByteLevel"
