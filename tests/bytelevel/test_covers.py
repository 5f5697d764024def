"""Covers: the frontier from byte to byte against the encodings of many continuations."""

from __future__ import annotations

import random
from importlib import import_module

import pytest

from tests.bytelevel import oracle
from tests.bytelevel.tokenizers import NAMES, built, described, texts, validity
from tests.support.planting import plant
from tokenlab.bytelevel import covers as module
from tokenlab.bytelevel.covers import Anything, Contexts, CoverFrontier, last_tokens
from tokenlab.bytelevel.tasks.explain import cover_encodings
from tokenlab.errors import ArgumentError, DtypeError

#: Ends inside a token, inside a character, and after what is decided only later.
TEXTS = ("it's\n ", "1 😀é")


def begin(name: str) -> CoverFrontier:
    rules = validity(name)
    return CoverFrontier(rules.vocabulary, rules, Contexts(rules.start))


def found(frontier: CoverFrontier) -> list[tuple[int, ...]]:
    order = frontier.vocabulary.order.tolist()
    return [
        (*frontier.contexts.path(node), order[position])
        for node, positions, _ in last_tokens(frontier)
        for position in positions.tolist()
    ]


def lost_covers(name: str, tried: list[str]) -> int:
    """How often the canonical cover is not among the covers of a text that ends at any byte."""
    lost = 0
    for text in tried:
        description = described(name)
        ids = tuple(description.plain.encode(text, add_special_tokens=False).ids)
        spelled = description.decode(ids)
        frontier = begin(name)
        for end, byte in enumerate(spelled, start=1):
            frontier.read(byte)
            if end > len(description.dummy):
                canonical = oracle.cover_of(name, spelled[len(description.dummy) : end], ids)
                lost += found(frontier).count(canonical) != 1
    return lost


@pytest.mark.parametrize("name", NAMES)
def test_the_canonical_cover_is_alive_at_every_byte(name):
    assert lost_covers(name, list(texts(random.Random(0), 4, 10))) == 0


@pytest.mark.parametrize("name", NAMES)
def test_covers_are_how_encodings_of_continuations_begin(name):
    for text, cut in zip(TEXTS, (0, 1), strict=True):
        data = text.encode()[: len(text.encode()) - cut]
        frontier, expected = begin(name), oracle.covers(name, data)
        for byte in described(name).dummy + data:
            frontier.read(byte)
        ids = found(frontier)
        assert len(set(ids)) == len(ids) and len(expected) > 0 and expected <= set(ids)
        # What the few continuations did not show, others do.
        assert all(oracle.witness(name, cover) for cover in set(ids) - expected)


@pytest.mark.parametrize("name", ["gpt2", "metaspace first"])
def test_covers_without_a_model(name):
    covers, spelled = cover_encodings(built(name), b"it"), described(name).dummy + b"it"
    assert {cover.ids for cover in covers} == oracle.covers(name, b"it") and len(covers) > 1
    for cover in covers:
        assert b"".join(cover.strings) == described(name).decode(cover.ids) == spelled + cover.beyond
        assert len(cover.beyond) < len(cover.strings[-1])


@pytest.mark.parametrize("name", ["gpt2", "llama2"])
def test_all_covers_are_all_ways_to_spell_a_text(name):
    vocabulary, text = described(name).vocabulary, b"at's"
    strings = dict(zip(vocabulary.order.tolist(), vocabulary.strings, strict=True))

    def ways(spelled: bytes) -> set[tuple[int, ...]]:
        if not spelled:
            return {()}
        inside = {
            (token, *more)
            for token, string in strings.items()
            if spelled.startswith(string)
            for more in ways(spelled[len(string) :])
        }
        return inside | {(token,) for token, string in strings.items() if string.startswith(spelled)}

    expected = ways(described(name).dummy + text)
    covers = cover_encodings(built(name), text, "all")
    assert {cover.ids for cover in covers} == expected and len(covers) == len(expected) > 7
    assert {cover.ids for cover in cover_encodings(built(name), text)} < expected


def test_a_text_that_is_not_one_has_covers_if_everything_counts():
    assert [cover.strings for cover in cover_encodings(built("gpt2"), b"\xff\xfe", "all")] == [
        (b"\xff", b"\xfe")
    ]


def test_frontiers_share_contexts():
    frontier = begin("gpt2")
    for byte in b"the c":
        frontier.read(byte)
    other = frontier.copy()
    frontier.read(ord("a"))
    known = len(frontier.contexts.parents)
    other.read(ord("a"))
    assert (
        other.open_covers == frontier.open_covers
        and other.exact == frontier.exact
        and len(frontier.contexts.parents) == known
    )
    other.read(0xFF)
    assert not other.is_alive and frontier.is_alive


def test_few_contexts_are_alive():
    """At most one ends where the text ends, but where the pre-tokenizer has not decided."""
    frontier, most = begin("gpt2"), []
    for byte in b"The cat's hat:\n\n  it's the rat that sat on the mat, and they'll say":
        frontier.read(byte)
        most.append(len(frontier.exact))
    assert max(most) == 2 and most.count(2) < 8


def test_the_empty_text_has_one_cover():
    assert [tuple(cover) for cover in cover_encodings(built("gpt2"), b"")] == [((), (), b"")]


@pytest.mark.parametrize(
    ("name", "text", "options", "error", "words"),
    [
        ("gpt2", "a", {}, DtypeError, r"text must be bytes, found str: encode it first, 'a'.encode\(\)"),
        ("gpt2", 97, {}, DtypeError, "text must be bytes, found int"),
        (
            "gpt2",
            b"ab\xffc",
            {},
            ArgumentError,
            r"text is not UTF-8: invalid start byte at byte 2 \(b'\\xffc'\)",
        ),
        ("gpt2", b"\xc3a", {}, ArgumentError, "text is not UTF-8: invalid continuation byte at byte 0"),
        ("qwen2", "e\u0301".encode(), {}, ArgumentError, "text is not in the normal form NFC"),
        ("llama2", "▁".encode(), {}, ArgumentError, "text .* is one that the tokenizer never writes"),
        ("gpt2", b"a", {"limit": 3}, ArgumentError, "text has more than 3 covers, expected at most limit=3"),
        ("gpt2", b"a", {"limit": 0}, ArgumentError, "limit is 0, expected at least 1"),
        ("gpt2", b"a", {"tokenization": "some"}, ArgumentError, "tokenization is 'some', expected one of"),
    ],
)
def test_bad_input(name, text, options, error, words):
    with pytest.raises(error, match=words):
        cover_encodings(built(name), text, **options)


def test_everything_follows_everything():
    rules = Anything(described("gpt2").vocabulary)
    assert rules.allowed(rules.start).all() and rules.may_end(rules.start)
    assert rules.after(rules.start, 5) == rules.start and not rules.inside_character(rules.start)


def test_a_dummy_that_is_forgotten_shows(monkeypatch):
    # The package's own name is the function.
    explain = import_module("tokenlab.bytelevel.tasks.explain")
    plant(monkeypatch, explain, "for byte in description.dummy + text:", "for byte in text:")
    covers = {cover.ids for cover in explain.cover_encodings(built("llama2"), b"it")}
    assert covers != oracle.covers("llama2", b"it")


def test_a_frontier_that_drops_contexts_shows(monkeypatch):
    """One context for each end of a text, as without pre-tokenizers that look ahead."""
    right = module.CoverFrontier.settle

    def settle(self, open_cover, lo, hi):
        right(self, open_cover, lo, hi)
        del self.exact[1:]

    monkeypatch.setattr(module.CoverFrontier, "settle", settle)
    assert lost_covers("gpt2", ["a\n\nb", "a  b", "a\n b"]) > 0
