"""The code that the derivation shows: as good as the oracle, and a mistake in it is noticed."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from itertools import pairwise, product
from pathlib import Path

import nbformat
import pytest

from tests.bytelevel.toys import PAIRS, A, B, instances, strings, valid
from tests.support.notebooks import functions, solutions
from tokenlab.chapters.bytelevel import exact
from tokenlab.chapters.bytelevel.exact import END


@pytest.fixture(scope="module")
def notebook(root: Path) -> nbformat.NotebookNode:
    return nbformat.read(root / "book" / "bytelevel" / "derive.ipynb", as_version=4)


def compiled(notebook: nbformat.NotebookNode, *names: str, planted: tuple[str, str] | None = None) -> dict:
    """Functions of the notebook, with a mistake if one is given."""
    found = functions(notebook)
    source = "\n\n".join(found[name] for name in names)
    if planted is not None:
        assert source.count(planted[0]) == 1
        source = source.replace(*planted)
    known = {"END": END, "Fraction": Fraction}
    exec(source, known)
    return known


def streams_agree(known: dict) -> bool:
    """Whether steps 1 to 3 give the oracle's distributions and leaks, under models that leak."""
    for seed, (_, tokenizer) in enumerate(instances(2, num_tokens=3)):
        model, allowed = exact.random_model((*tokenizer.vocabulary, END), seed), valid(tokenizer)
        for text in strings((A, B), 4, 4)[::3]:
            paths = [((), b"", Fraction(1))]
            for n, step in enumerate(exact.stream(text, model, allowed)):
                mass = sum(weight for *_, weight in paths)
                paths, end = known["extend"](paths, model, allowed)
                kept = sum(weight for *_, weight in paths) + end
                if (
                    known["pending_distribution"](paths, end) != step.distribution
                    or 1 - kept / mass != step.leak
                ):
                    return False
                paths = known["read"](paths, text[n : n + 1])
                if n < len(text) and not paths:
                    return False
    return True


STEPS = ("extend", "pending_distribution", "read")


def test_the_streaming_algorithm_is_the_oracle(notebook):
    assert streams_agree(compiled(notebook, *STEPS))


@pytest.mark.parametrize(
    "planted",
    [
        ("elif allowed((*tokens, token)):", "else:"),
        ("end += weight * p", "end += p"),
        ("((*tokens, token), token, weight * p)", "((*tokens, token), token, p)"),
        ("masses.get(rest[:1], 0) + weight", "weight"),
        ("(t, rest[1:], w)", "(t, b'', w)"),
    ],
)
def test_a_mistake_in_the_algorithm_is_noticed(notebook, planted):
    assert not streams_agree(compiled(notebook, *STEPS, planted=planted))


def neighbours_decide(known: dict) -> bool:
    for merges in ([(A, A), (b"AA", A), (b"AA", b"AA")], [(A, B), (B, A), (b"AB", A), (b"BA", B)]):
        tokenizer = exact.bpe(merges, [A, B])
        tokens = [token for token in tokenizer.vocabulary if tokenizer.encode(token) == (token,)]
        for row in product(tokens, repeat=3):
            found = all(known["may_be_neighbours"](*pair, merges) for pair in pairwise(row))
            if found != exact.is_valid(tokenizer, row):
                return False
    return True


def test_neighbours_decide_what_re_encoding_decides(notebook):
    assert neighbours_decide(compiled(notebook, "edge", "may_be_neighbours"))


@pytest.mark.parametrize(
    "planted", [("1, i + 1, merges", "1, i, merges"), ("0, i, merges", "0, i + 1, merges")]
)
def test_a_merge_at_the_wrong_turn_is_noticed(notebook, planted):
    assert not neighbours_decide(compiled(notebook, "edge", "may_be_neighbours", planted=planted))


def test_solutions_satisfy_their_own_assertions(notebook):
    known = {
        "exact": exact,
        "product": product,
        "partial": partial,
        "Fraction": Fraction,
        "END": END,
        "A": A,
        "B": B,
        "pairs": PAIRS,
    }
    found = solutions(notebook)
    assert len(found) == 3
    for code in found:
        exec(code, dict(known))
