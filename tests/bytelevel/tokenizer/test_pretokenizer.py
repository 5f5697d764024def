"""The automaton of a pre-tokenizer against the library's own pre-tokenizer."""

from __future__ import annotations

import itertools
import json
import random
import unicodedata
from functools import cache

import numpy as np
import pytest

from tests.bytelevel.pretokenizers import (
    BYTES_ONLY,
    GPT2,
    METASPACE,
    SPECS,
    accepted,
    completions,
    divisions,
    library,
    sequence,
    split,
    true_borders,
)
from tests.support.planting import planted_copy
from tokenlab.bytelevel.tokenizer import automaton, pattern_machine, pretokenizer, pretokenizer_json
from tokenlab.bytelevel.tokenizer.characters import LAST, SURROGATES, CharacterClasses
from tokenlab.bytelevel.tokenizer.patterns import ANY, Atom, Chain, Choice, Look, Repeat, atoms, parse
from tokenlab.bytelevel.tokenizer.pretokenizer import Splitter
from tokenlab.errors import ArgumentError, DtypeError

#: One of each kind that the patterns above tell apart, and more of those that matter.
SOME = "abc'sreltvdmS É中かۃ٣1²½ \t\n\r\u00a0.!/-_▁€+😀\u0301\u200b\x00ǅʰſK\U000e0041\U0010fffd\ufffe"


#: Where most is decided: white space, letters, digits, short forms.
FEW = {
    "default": "a1 \n.'",
    "gpt2": "s' \nr1",
    "llama3": "s' \n1.",
    "metaspace": "a▁1.",
    "lab_spm": "a▁1\n.",
    "metaspace_digits": "a▁1.",
    "o200k": "sS' \n.",
    "string": "a1b",
    "three_digits": "a12",
}


@pytest.fixture(scope="module")
def splitters() -> dict[str, Splitter]:
    return {name: Splitter.from_json(spec) for name, spec in SPECS.items()}


@cache
def all_characters() -> str:
    return "".join(chr(code) for code in range(LAST + 1) if code not in SURROGATES)


def representatives(splitter: Splitter) -> dict[int, str]:
    """A character of each class."""
    found = {splitter.class_of(char): char for char in reversed(SOME)}
    if len(found) < splitter.num_classes:
        kinds, first = np.unique(splitter.classes_of(all_characters()), return_index=True)
        found = {kind: all_characters()[position] for kind, position in zip(kinds.tolist(), first)} | found
    return found


def strings(alphabet: str, length: int) -> list[str]:
    return [
        "".join(chars) for size in range(length + 1) for chars in itertools.product(alphabet, repeat=size)
    ]


def wrong_at_the_end(splitter: Splitter, spec: dict | None, texts: list[str]) -> list[str]:
    """Texts that do not end with exactly one division, the true one."""
    real = library(spec)
    return [text for text in texts if accepted(splitter, text) != [true_borders(real, text)]]


def wrong_on_the_way(splitter: Splitter, spec: dict | None, texts: list[str]) -> list[str]:
    """Texts with a division that is alive though its shortest completion is not true, or the other way round.

    The other way round: the true division of a text, up to some position, must be alive there.
    """
    real, chars, ends = library(spec), representatives(splitter), completions(splitter)
    wrong = []
    for text in texts:
        alive = divisions(splitter, text)
        for borders, state in alive.items():
            if ends[state] is None:
                wrong.append(text)
                continue
            completed = text + "".join(chars[kind] for kind, _ in ends[state])
            borders |= {len(text) + position for position, (_, cuts) in enumerate(ends[state]) if cuts}
            if true_borders(real, completed) != borders:
                wrong.append(completed)
        for char in chars.values():
            longer = text + char
            if frozenset(border for border in true_borders(real, longer) if border < len(text)) not in alive:
                wrong.append(longer)
    return wrong


@pytest.mark.parametrize("name", SPECS)
def test_one_division_is_left_at_the_end_and_it_is_the_true_one(splitters, name):
    splitter = splitters[name]
    kinds = "".join(representatives(splitter).values())
    texts = strings(FEW.get(name, FEW["default"]), 5 if name in ("gpt2", "lab_spm") else 4) + strings(
        kinds, 2
    )
    generator = random.Random(name)
    texts += ["".join(generator.choices(kinds, k=generator.randint(3, 9))) for _ in range(300)]
    assert wrong_at_the_end(splitter, SPECS[name], texts) == []


@pytest.mark.parametrize("name", SPECS)
def test_a_division_is_alive_as_long_as_it_may_turn_out_true(splitters, name):
    splitter = splitters[name]
    texts = strings(FEW.get(name, FEW["default"]), 3)
    assert wrong_on_the_way(splitter, SPECS[name], texts) == []


@pytest.mark.parametrize("name", SPECS)
def test_the_true_division_of_long_texts_is_accepted(splitters, name):
    splitter, real, generator = splitters[name], library(SPECS[name]), random.Random(name)
    codes = [
        *range(0x20, 0x250),
        *range(0x370, 0x700),
        *range(0x900, 0x980),
        *range(0x3000, 0x3100),
        *range(0x4E00, 0x4F00),
        *range(0x1F600, 0x1F640),
    ]
    for _ in range(20):
        words = [
            "".join(map(chr, generator.choices(codes, k=generator.randint(1, 5))))
            if generator.random() < 0.3
            else generator.choice(
                ("it's", "We'LL", "x1234567", "  ", "\n\n", "\r\n ", " \t", "a//b", "(…)", "e\u0301")
            )
            for _ in range(80)
        ]
        text = generator.choice(("", " ")).join(words)
        # Metaspace's spaces are replaced before it divides.
        text = text.replace(" ", "▁") if "metaspace" in name else text
        borders, state = true_borders(real, text), splitter.start
        for position, kind in enumerate(splitter.classes_of(text)):
            state = (splitter.cut if position in borders else splitter.go_on)[state, kind]
            assert state != Splitter.DEAD, (text, position)
        assert splitter.may_end[state], text


def random_pattern(generator: random.Random, depth: int) -> str:
    choice, inner = generator.random(), lambda: random_pattern(generator, depth - 1)
    if depth == 0 or choice < 0.3:
        return generator.choice(("a", "b", "c", "[ab]", "[^a]", ".", "[bc]"))
    if choice < 0.5:
        return inner() + inner()
    if choice < 0.65:
        return f"(?:{inner()}|{inner()})"
    if choice < 0.85:
        return f"({inner()})" + generator.choice(("?", "*", "+", "{2}", "{1,2}", "{0,2}", "{2,}"))
    if choice < 0.92:
        return generator.choice(("a", "b", "[ab]")) + generator.choice(("?+", "*+", "++"))
    return inner() + generator.choice(("(?!a)", "(?=b)", "(?![bc])", "(?=[ab])", "$", r"\z"))


def test_random_patterns_divide_as_the_engine_does():
    generator, texts, tried = random.Random(5), strings("ab\n", 5), 0
    while tried < 120:
        spec = split("|".join(random_pattern(generator, 3) for _ in range(generator.randint(1, 3))))
        if tried % 3 == 0:
            spec = sequence(spec, split(random_pattern(generator, 2)))
        try:
            splitter = Splitter.from_json(spec)
        except ArgumentError as error:
            assert "matches the empty string" in str(error)
            continue
        tried += 1
        some = generator.sample(texts, 60)
        assert wrong_at_the_end(splitter, spec, some) == [], spec
        assert wrong_on_the_way(splitter, spec, some[:8]) == [], spec


def test_two_newlines_are_kept_as_one_piece_and_as_two():
    splitter = Splitter.from_json(GPT2)
    newline = splitter.class_of("\n")
    assert set(divisions(splitter, "\n\n")) == {frozenset(), frozenset({1})}
    assert accepted(splitter, "\n\n") == [frozenset()]
    assert accepted(splitter, "\n\na") == [frozenset({1, 2})]
    # A first piece cannot be empty.
    assert splitter.cut[splitter.start, newline] == Splitter.DEAD and splitter.may_end[splitter.start]


@pytest.mark.parametrize("model, name", [("lab-target", "lab_bytes"), ("lab-other", "lab_spm")])
def test_the_patterns_of_the_lab_models_are_among_these(root, model, name):
    path = root / "tokenlab" / "assets" / "models" / model / "tokenizer.json"
    assert pretokenizer_json.read_stages(
        json.loads(path.read_text(encoding="utf-8"))["pre_tokenizer"]
    ) == pretokenizer_json.read_stages(SPECS[name])


# Classes of characters.
def test_classes_say_of_every_character_what_the_engine_says():
    from tokenizers import Regex, decoders

    kinds = sorted(
        {
            atom
            for name in ("o200k", "deepseek")
            for stage in pretokenizer_json.read_stages(SPECS[name])
            for atom in atoms(stage.pattern)
            if not atom.text.startswith(r"\x")
        }
    )
    classes, text = CharacterClasses(kinds), all_characters()
    found = np.array(classes.classes_of(text))
    for position, atom in enumerate(kinds):
        others = decoders.Replace(Regex(f"(?:{atom.text})+"), "").decode([text])
        expected = ~np.isin(codes(text), codes(others), assume_unique=True)
        assert (classes.members[position, found] == expected).all(), atom
    # The coarsest partition: no two classes are the same, none is empty.
    assert len(np.unique(classes.members, axis=1).T) == classes.num_classes == len(np.unique(found))


def codes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le"), "<u4")


@pytest.mark.parametrize(
    "text, chars, others",
    [
        (r"\p{L}", "aÉ中\u02b0", "1 .\u0301"),
        (r"(?i:\x{73})", "sSſ", "ß5"),
        (r"(?i:\x{6B})", "kKK", "к"),
        (r"[^\s\p{L}]", "1.\x00\U0010ffff", "a\u00a0"),
        (
            r"[\x{40000}-\x{50000}\x{F1234}]",
            "\U00040000\U0004abcd\U00050000\U000f1234",
            "\U00050001\U000f1233",
        ),
        (r"[\p{L}&&[^a-z]]", "AÉ", "az"),
        (r".", "a\r\U000e0001", "\n"),
    ],
)
def test_members_of_an_atom(text, chars, others):
    classes = CharacterClasses([Atom(text)])
    assert [bool(classes.members[0, kind]) for kind in classes.classes_of(chars + others)] == (
        [True] * len(chars) + [False] * len(others)
    )


@pytest.mark.parametrize("rule", ["Digits", "Punctuation"])
def test_members_of_a_rule_are_what_the_library_splits_off(rule):
    spec = {"type": rule, "individual_digits": True, "behavior": "Isolated"}
    real, classes = library(spec), CharacterClasses([Atom(rule, by=rule)])
    chars = [chr(code) for code in range(LAST) if code < 0x700 or unicodedata.category(chr(code))[0] in "NP"]
    for char in chars:
        assert classes.members[0, classes.class_of(char)] == (len(real.pre_tokenize_str(f"a{char}a")) == 3), (
            char
        )


def test_classes_of_a_range_are_those_of_its_characters():
    splitter, generator = Splitter.from_json(SPECS["o200k"]), random.Random(0)
    for _ in range(300):
        first = generator.choice((0, 0x7F, 0x2000, 0xD700, 0xE000, 0x1F000, 0xE0000)) + generator.randrange(
            300
        )
        last = min(first + generator.choice((0, 1, 63, 500)), LAST)
        chars = [chr(code) for code in range(first, last + 1) if code not in SURROGATES]
        if chars:
            assert splitter.classes_of_range(first, last) == {splitter.class_of(char) for char in chars}
    assert splitter.classes_of_range(0, LAST) == set(range(splitter.num_classes))
    assert splitter.classes_of("a中 \n") == [splitter.class_of(char) for char in "a中 \n"]


# Refusals.
@pytest.mark.parametrize(
    "pattern, found",
    [
        ("a*", "matches the empty string"),
        ("a|", "matches the empty string"),
        ("(?!a)", "matches the empty string"),
        ("(?:a?)+b", "what is repeated without end"),
        ("a+?", "lazy"),
        ("a{2}+", "doubled"),
        ("a{101}", "at most 100"),
        ("(?:ab)++", "only one character can be repeated possessively"),
        ("(?=ab)a", "only one next character"),
        ("(?!a|b)a", "only one next character"),
        ("(?=a)+b", "no regular expression"),
        ("(?=a){2}b", "no regular expression|cannot be repeated"),
        ("(?<=a)b", "a look at what stands before"),
        ("(?>a)b", "a group of a kind"),
        ("(?<name>a)", "a group of a kind"),
        ("(?i)a", "a group of a kind"),
        (r"a\b", "a word boundary is not supported"),
        (r"(a)\1", "an escape that is not supported"),
        ("^a", "expected an escaped character"),
        ("$", "matches the empty string"),
        (r"a\Z", "an escape that is not supported"),
        ("a}", "expected an escaped character"),
        (r"a\X", "an escape that is not supported"),
        (r"\x{D800}a", "no character has this number"),
        ("[]a]", "an empty set"),
        ("(?i:ss)", "one character that stands for several"),
        ("(?i:s(?:t))", "one character that stands for several"),
        ("(?i:ß)", "several characters"),
        ("(?i:[ß])", "several characters|the characters 'ss' at once"),
        ("(a", "no regular expression"),
        ("a)", "no regular expression"),
        (r"\p{Nothing}", "no regular expression"),
    ],
)
def test_patterns_that_are_refused(pattern, found):
    with pytest.raises(ArgumentError, match=found) as error:
        Splitter.from_json(split(pattern))
    assert repr(pattern) in str(error.value)


@pytest.mark.parametrize(
    "spec, found",
    [
        ({"type": "Whitespace"}, "'Whitespace', which drops white space"),
        ({"type": "WhitespaceSplit"}, "'WhitespaceSplit', which drops white space"),
        ({"type": "BertPreTokenizer"}, "which drops"),
        ({"type": "CharDelimiterSplit", "delimiter": "x"}, "which drops"),
        ({"type": "UnicodeScripts"}, "'UnicodeScripts', which is not supported"),
        (
            sequence(split(r"\d"), {**GPT2, "add_prefix_space": True}),
            "add_prefix_space after another division, where it puts a space before each piece",
        ),
        (sequence(split(r"\d"), {"type": "ByteLevel"}), "add_prefix_space after another division"),
        (sequence(BYTES_ONLY, split("a")), "'Split' after ByteLevel"),
        (sequence(split("a"), METASPACE), "Metaspace after another division"),
        (split(r"\s+", "Removed"), "removes what .* matches"),
        (split(r"\p{L}+| ", "Removed", True), "they would be dropped"),
        (split(r"\s+(?!\S)|\S+", "Removed", True), "they would be dropped"),
        (split("ab", "MergedWithNext"), "for patterns of one character only"),
        (split("a", "MergedWithNext", True), "inverted Split"),
        ({"type": "Split", "behavior": "Isolated"}, "a Split without 'pattern'"),
        ({"type": "Split", "pattern": {"String": ""}, "behavior": "Isolated"}, "empty string"),
        ({"type": "Punctuation", "behavior": "Removed"}, "'Removed', which drops text"),
    ],
)
def test_pre_tokenizers_that_are_refused(spec, found):
    with pytest.raises(ArgumentError, match=found):
        Splitter.from_json(spec)


def test_an_automaton_that_grows_too_large_is_refused(monkeypatch):
    spec = split("[ab]{1,20}c[ab]{1,20}d")
    assert len(Splitter.from_json(spec)) > 40
    monkeypatch.setattr(automaton, "MOST_STATES", 40)
    monkeypatch.setattr(pattern_machine, "MOST_INSTRUCTIONS", 40)
    with pytest.raises(ArgumentError, match="more than 40 states|more than 40 instructions"):
        Splitter.from_json(spec)


def test_arguments_of_a_wrong_kind():
    splitter = Splitter.from_json(GPT2)
    with pytest.raises(DtypeError, match="spec must be a pre-tokenizer's or a normalizer's description"):
        Splitter.from_json("ByteLevel")
    with pytest.raises(DtypeError, match="pattern must be a str, found bytes"):
        parse(b"a")
    with pytest.raises(DtypeError, match="char must be a str, found int"):
        splitter.class_of(97)
    with pytest.raises(DtypeError, match="text must be a str, found bytes"):
        splitter.classes_of(b"a")
    for char in ("", "ab", "\ud800"):
        with pytest.raises(ArgumentError, match="char is .* expected one character"):
            splitter.class_of(char)
    with pytest.raises(ArgumentError, match=r"text has '\\ud800' at 1"):
        splitter.classes_of("a\ud800")
    with pytest.raises(ArgumentError, match="only surrogates"):
        splitter.classes_of_range(0xD800, 0xDFFF)
    with pytest.raises(ArgumentError, match="last is 4, expected 5 to"):
        splitter.classes_of_range(5, 4)
    with pytest.raises(ArgumentError, match="tell 3.. classes of characters apart, expected 256"):
        CharacterClasses([Atom(rf"\x{{{code:X}}}") for code in range(0x4E00, 0x4F50)])
    for array in (splitter.go_on, splitter.cut, splitter.may_end):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_a_possessive_character_is_one_that_no_other_follows():
    a = parse("a")
    assert parse("a++b") == Chain((Chain((Repeat(a, 1, None), Look(a, True))), parse("b")))
    assert parse("a?+b") == Chain((Choice((a, Look(a, True))), parse("b")))
    assert (
        pretokenizer_json.divided_at(a, "Contiguous").pattern == Repeat(a, 1, None) and ANY.text == r"[\s\S]"
    )


# Mistakes that the tests above must see.
MISTAKES = {
    "lower threads stay after a match": (
        "return tuple(found), True",
        "return (*found, *self._expand(tuple(reversed(waiting)), kind)[0]), True",
    ),
    "options in the wrong order": ("waiting.extend(reversed(options))", "waiting.extend(options)"),
    "rivals forgotten": ("at.rivals | set(ahead) | (frozenset() if matched else at.gap)", "at.rivals"),
    "rivals of a gap forgotten": ("(frozenset() if matched else at.gap)", "frozenset()"),
    "rivals may match at the end": ("and not lost", ""),
    "an atom holds the end of the text": ("[*row, False]", "[*row, True]"),
    "a look is taken the other way": ("[kind] != negative", "[kind] == negative"),
    "matches inside a gap are missed": ("at.gap | {self.entry}", "at.gap"),
    "a gap after a gap": ("frozenset({self.entry}), kind) if matched else None", "frozenset({self.entry}), kind)"),
    "dead ends are kept": ("live = table.may_end\n", "live = np.ones_like(table.may_end)\n"),
    "a piece inside may end anywhere": ("if all(may_end[deeper][states[deeper]] for deeper in inner):", "if True:"),
    "stages inside see no border": ("go_on[deeper][START][kind]", "go_on[deeper][states[deeper]][kind]"),
    "states that differ are one": ("group[table.go_on], group[table.cut]]", "group[table.go_on]]"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found(mistake):
    planted = planted_copy([automaton, pattern_machine, pretokenizer], MISTAKES[mistake])
    found = 0
    for name in ("gpt2", "deepseek", "three_digits", "gaps_that_look_ahead", "lab_spm"):
        wrong = planted.Splitter.from_json(SPECS[name])
        texts = strings(FEW.get(name, FEW["default"]), 3)
        found += len(wrong_at_the_end(wrong, SPECS[name], texts))
        found += len(wrong_on_the_way(wrong, SPECS[name], texts[:40]))
    assert found
