"""Figures are tested on their data; the alternative text must carry the numbers."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache, partial
from itertools import pairwise, product

import pytest
import torch
from matplotlib.colors import to_hex

from tests.bytelevel.toys import BREAKS, CHAIN, PAIRS, A, B
from tests.support.pictures import assert_shows_and_describes_itself
from tests.support.planting import plant
from tokenlab.bytelevel import ByteLM
from tokenlab.bytelevel.tasks.explain import Cover, cover_encodings, explain
from tokenlab.chapters.bytelevel import exact, figures
from tokenlab.errors import ArgumentError, ProbabilityError, ShapeError
from tokenlab.figures import METHODS, show
from tokenlab.lm import load

AA = b"AA"


NINE = exact.bpe(
    [(b"n", b"a"), (b"b", b"a"), (b"na", b"n"), (b"ba", b"na"), (b"a", b"n")], [b"a", b"b", b"n"]
)


@cache
def byte_lm() -> ByteLM:
    return ByteLM(*load("lab-draft"))


def distribution(**probs: float) -> torch.Tensor:
    """Log-probabilities of a few bytes, by their letters."""
    row = torch.full((257,), -math.inf, dtype=torch.float64)
    for name, p in probs.items():
        row[256 if name == "end" else ord(name)] = math.log(p)
    return row


def one_frame(frames, data, number=0):
    return frames[number], data | {"alt": data["alt"][number]}


DRAWN = {
    "next_byte": lambda: figures.next_byte(distribution(a=0.75, end=0.25)),
    "next_byte, three": lambda: figures.next_byte(
        {
            "plain": distribution(b=0.5, c=0.5),
            "longest_match": torch.full((257,), -math.log(257), dtype=torch.float64),
            "exact": distribution(a=1.0),
        },
        top=8,
    ),
    "per_byte": lambda: figures.per_byte(
        b"mmmm wwww\n" * 4,
        {"plain": [2, math.nan] * 20, "longest_match": [1, 2] * 20, "exact": [1, 2] * 20},
        [1, 20],
    ),
    "covers": lambda: figures.covers(explain(byte_lm(), b"import o", top=5)),
    "covers, not UTF-8": lambda: figures.covers(cover_encodings(load("lab-draft")[1], "café".encode()[:-1])),
    "covers of tuples": lambda: figures.covers([(AA, A), (AA, AA)], b"AAA", ["36/875", "99/875"]),
    "narrowing": lambda: one_frame(*figures.narrowing(NINE, b"ban"), 3),
    "chains": figures.chains,
    "neighbours": figures.neighbours,
}


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_every_figure_shows_and_describes_itself(name):
    ours = name.startswith(("next_byte", "per_byte"))
    assert_shows_and_describes_itself(DRAWN[name], smallest=10, legible=ours)


def test_every_byte_has_a_label_of_its_own():
    assert len({figures.byte_label(byte) for byte in range(257)}) == 257
    assert figures.string_label("\n é漢\U0001f600".encode() + b"\x80$") == "\\n␣é\\u6f22\\u1f600\\x80$"


def test_next_byte_data():
    distributions = {"exact": distribution(a=0.75, b=0.25), "plain": distribution(c=0.5, a=0.25, end=0.25)}
    data = figures.next_byte(distributions, top=3)[1]
    assert data["labels"] == ["a", "c", "b"] and data["bytes"] == [97, 99, 98]
    assert data["probs"]["exact"] == pytest.approx([0.75, 0, 0.25, 0])
    assert data["probs"]["plain"] == pytest.approx([0.25, 0.5, 0, 0.25])
    assert "encoded prompt: a 0.25; c 0.5; b 0; all others 0.25." in data["alt"]
    assert figures.next_byte(distributions, 2, always=[ord("z")])[1]["labels"] == ["a", "z"]


def test_methods_have_their_name_and_colour():
    figure, _ = figures.next_byte({"plain": distribution(a=1.0), "mine": distribution(a=1.0)}, top=1)
    first, second = figure.axes
    above = [[text.get_text() for text in axes.texts if text.get_visible()][-1] for axes in (first, second)]
    assert above == ["encoded\nprompt", "mine"]
    assert to_hex(first.patches[0].get_facecolor()) == METHODS["bytelevel"]["plain"].colour


def test_dollar_signs_are_bytes_and_no_mathematics():
    figure, data = figures.next_byte(dict.fromkeys(["$x$", "y"], distribution(**{"$": 1.0})), top=1)
    shown = show(figure, caption="A caption of some length.", alt=data["alt"]).svg
    assert ">$x$<" in shown and ">$<" in shown


def test_per_byte_data():
    data = figures.per_byte(b"a b", {"exact": [1, 2, 6], "plain": torch.tensor([2.0, math.nan, 0])}, [1])[1]
    assert data["means"] == {"exact": 3, "plain": 1} and data["borders"] == [1]
    assert "“a␣b”" in data["alt"] and "largest 6 at byte 3, b" in data["alt"]


def test_a_long_text_is_continued_in_a_second_panel():
    figure, data = figures.per_byte(b"x" * 30, {"exact": list(range(30))}, [0, 20, 30])
    first, second = figure.axes
    drawn = [
        [float(x) for line in axes.lines if len(line.get_xdata()) > 2 for x in line.get_ydata()]
        for axes in (first, second)
    ]
    assert drawn == [list(range(20)), list(range(20, 30))] and data["means"]["exact"] == 14.5
    # Each border stands in one panel, and the axis reaches the largest value of both.
    assert [sum(len(line.get_xdata()) == 2 for line in axes.lines) for axes in (first, second)] == [2, 1]
    assert min(axes.get_ylim()[1] for axes in (first, second)) >= 29


def test_covers_of_an_explanation():
    explanation = explain(byte_lm(), b"import os, o", top=3)
    data = figures.covers(explanation)[1]
    assert data["text"] == b"import os, o"
    assert [b"".join(row).startswith(data["text"]) for row in data["tokens"]] == [True] * 3
    assert data["labels"] == [f"{share:.1%}" for share in explanation.shares]
    assert data["others"] == pytest.approx(1 - sum(explanation.shares))
    # All but the last of the common tokens are left out of the picture.
    assert data["common"] == len(explanation.covers[0].ids) - 2 and "all after" in data["alt"]


def test_covers_with_a_dummy_space_show_it():
    covers = [Cover((5,), (b" a",), b""), Cover((7,), (b" ab",), b"b")]
    data = figures.covers(covers)[1]
    assert data["text"] == b" a" and "␣ab" in data["alt"]


def test_covers_of_tuples():
    allowed = partial(exact.is_viable, PAIRS)
    found = exact.covers(b"BAA", PAIRS.vocabulary, allowed)
    assert figures.covers(found, b"BAA")[1]["tokens"] == [[B, AA]]


def test_narrowing_shows_all_covers():
    text = b"banana"
    frames, data = figures.narrowing(NINE, text)
    assert len(frames) == len(data["labels"]) == 7
    allowed = partial(exact.is_viable, NINE)
    for length, open_covers in enumerate(data["open_covers"]):
        # A cover reaches beyond the text, as an open cover, or ends with it, and is a context by itself.
        found = exact.covers(text[:length], NINE.vocabulary, allowed)
        ended = [tokens for tokens in found if exact.decode(tokens) == text[:length]]
        beyond = [tokens[:-1] for tokens in found if tokens not in ended]
        assert {state for state, _ in open_covers} == {*beyond, *ended}
        assert all(dict(open_covers)[state] == beyond.count(state) for state in beyond if state not in ended)
    assert data["new"] == [1] * 7
    assert data["captions"][3] == (
        "“ban” is read: the model is asked about the new context ba n. "
        "After the start, 1 token may still come; after ba, 1 token may still come."
    )
    # Frames of one player have one size.
    assert len({tuple(frame.get_size_inches()) for frame in frames}) == 1


def test_narrowing_forks_where_the_pre_tokenizer_looks_ahead():
    assert figures.narrowing(BREAKS, b"a\n\n")[1]["new"][-1] == 2


def test_chains_are_the_ones_of_the_oracle():
    distributions = figures.chains("2/5", "3/10")[1]["distributions"]
    assert distributions["bytes"][A] == CHAIN.next_byte(A)
    assert distributions["tokens"][A][B] == 1 and distributions["tokens"][B][AA] == Fraction(9, 50)


MERGES = {
    "the figure's": list(figures.MERGES),
    "runs": [(b"a", b"a"), (b"aa", b"a"), (b"aa", b"aa")],
    "long": [(b"b", b"a"), (b"a", b"b"), (b"ba", b"b"), (b"ab", b"ba"), (b"a", b"a"), (b"b", b"aa")],
}


def neighbours(merges) -> set[tuple[bytes, bytes]]:
    """Pairs that the picture calls encodings."""
    tokens = [b"a", b"b", b"n", *(left + right for left, right in merges)]
    return {
        pair
        for pair in product(tokens, repeat=2)
        if not any(joins for *_, joins in figures.border(*pair, merges))
    }


def reachable(tokenizer: exact.Tokenizer) -> list[bytes]:
    return [token for token in tokenizer.vocabulary if tokenizer.encode(token) == (token,)]


@pytest.mark.parametrize("name", MERGES)
def test_borders_decide_what_re_encoding_decides(name):
    tokenizer, found = exact.bpe(MERGES[name], [b"a", b"b", b"n"]), neighbours(MERGES[name])
    for length in (2, 3, 4):
        for tokens in product(reachable(tokenizer), repeat=length):
            assert exact.is_valid(tokenizer, tokens) == all(pair in found for pair in pairwise(tokens))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pieces(left, rank, merges)[-1]", "pieces(left, rank - 1, merges)[-1]"),
        ("pieces(right, rank - 1, merges)[0]", "pieces(right, rank, merges)[0]"),
    ],
)
def test_a_merge_at_the_wrong_turn_is_found(monkeypatch, old, new):
    plant(monkeypatch, figures, old, new)
    tokenizer, found = exact.bpe(MERGES["runs"], [b"a", b"b", b"n"]), neighbours(MERGES["runs"])
    pairs = product(reachable(tokenizer), repeat=2)
    assert any(exact.is_valid(tokenizer, pair) != (pair in found) for pair in pairs)


def test_neighbours_data():
    data = figures.neighbours()[1]
    tokenizer = exact.bpe(figures.MERGES, [b"a", b"b", b"n"])
    assert data["valid"] == [exact.is_valid(tokenizer, pair) for pair in data["pairs"]] == [True, False]
    assert "joined by merge 1; no encoding" in data["alt"]
    # The rows are what BPE makes of each token with the first merges only.
    for pair, rows in zip(data["pairs"], data["rows"], strict=True):
        for done, row in enumerate(rows):
            some = exact.bpe(figures.MERGES[:done], [b"a", b"b", b"n"])
            assert row == tuple(map(some.encode, pair))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: figures.byte_label(257), ArgumentError, "byte is 257"),
        (lambda: figures.next_byte({}), ArgumentError, "0 methods"),
        (lambda: figures.next_byte(distribution(a=1.0)[:256]), ShapeError, r"\(256,\)"),
        (lambda: figures.next_byte({"plain": [0.5]}), ShapeError, "'plain'.*list"),
        (lambda: figures.next_byte(distribution(a=1.0).exp()), ProbabilityError, "natural logarithms"),
        (lambda: figures.next_byte(distribution(a=0.5)), ProbabilityError, "sums to 0.5"),
        (lambda: figures.next_byte(distribution(a=1.0), top=0), ArgumentError, "top is 0"),
        (lambda: figures.per_byte(b"", {"exact": []}), ArgumentError, "0 bytes"),
        (
            lambda: figures.per_byte(b"a" * 41, {"exact": [0] * 41}),
            ArgumentError,
            "41 bytes, expected 1 to 40",
        ),
        (lambda: figures.per_byte(b"ab", {"exact": [1]}), ShapeError, "1 entries.* 2 bytes"),
        (lambda: figures.per_byte(b"ab", {}), ArgumentError, "0 methods"),
        (lambda: figures.per_byte(b"ab", {"exact": [1, 2]}, [3]), ArgumentError, "borders is 3"),
        (lambda: figures.covers([]), ArgumentError, "0 covers"),
        (lambda: figures.covers([(A,)]), ArgumentError, "text is None"),
        (lambda: figures.covers([(A,)], b"B"), ArgumentError, "no cover of b'B'"),
        (lambda: figures.covers([(A,)], b"A", []), ShapeError, "labels has 0"),
        (lambda: figures.covers([(A * 60,)], b"A"), ArgumentError, "60 bytes beside one another"),
        (
            lambda: figures.covers([Cover((1,), (A,), b""), Cover((2,), (B,), b"")]),
            ArgumentError,
            "different texts",
        ),
        (
            lambda: figures.narrowing(exact.longest_match([bytes([n]) for n in range(25)]), b"\0"),
            ArgumentError,
            "25",
        ),
        (lambda: figures.narrowing(PAIRS, b"C"), ArgumentError, "'C'"),
        (lambda: figures.chains("0", "1/2"), ProbabilityError, "between 0 and 1"),
        (lambda: figures.neighbours([]), ArgumentError, "0 entries"),
        (lambda: figures.neighbours([(b"ab", b"bb")]), ArgumentError, "b'ab'"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()
