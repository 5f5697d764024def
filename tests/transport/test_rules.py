"""The table of rules and samplings in the documentation is the one that the code reads."""

from __future__ import annotations

import pytest

from tokenlab import transport
from tokenlab.errors import ArgumentError, DtypeError
from tokenlab.transport import DEFINED, PAPERS, RULES, SAMPLINGS, rules


def documented() -> dict[str, tuple[str, ...]]:
    """The table of the module's docstring: for each rule its samplings, its own first."""
    lines = rules.__doc__.splitlines()
    border = [number for number, line in enumerate(lines) if line.startswith("===")]
    head, body = lines[border[0] + 1], lines[border[1] + 1 : border[2]]
    start = {sampling: head.index(sampling) for sampling in head.split()[1:]}
    table = {}
    for line in body:
        marks = {sampling: line[at : at + len(sampling)].strip() for sampling, at in start.items()}
        samplings = [sampling for sampling, mark in marks.items() if mark]
        table[line.split()[0]] = tuple(sorted(samplings, key=lambda sampling: marks[sampling] != "own"))
    return table


def test_documented_table():
    assert documented() == rules.DEFINED
    assert set(rules.PAPERS) == set(rules.RULES)


def test_tables():
    assert RULES == tuple(DEFINED) == tuple(PAPERS)
    assert all(set(samplings) <= set(SAMPLINGS) for samplings in DEFINED.values())
    assert all("arXiv" in paper for paper in PAPERS.values())
    assert {name for name in transport.__all__ if not hasattr(transport, name)} == set()


@pytest.mark.parametrize("rule", rules.RULES)
def test_every_other_pair_is_refused(rule):
    for sampling in rules.SAMPLINGS:
        if sampling in rules.DEFINED[rule]:
            assert rules.resolve(rule, sampling, 2, 5) == sampling
        else:
            with pytest.raises(
                ArgumentError, match=f"rule '{rule}' is not defined for sampling '{sampling}'"
            ):
                rules.resolve(rule, sampling, 2, 5)
    assert rules.resolve(rule, None, 2, 5) == rules.DEFINED[rule][0]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("best", None, 2, 5), ArgumentError, "rule is 'best', expected one of 'target_only'"),
        ((7, None, 2, 5), DtypeError, "rule must be a string, found int 7"),
        (("kseq", "random", 2, 5), ArgumentError, "sampling is 'random', expected one of 'iid'"),
        (("kseq", None, 0, 5), ArgumentError, "num_drafts is 0, expected at least 1"),
        (("kseq", None, 2.0, 5), DtypeError, "num_drafts must be an int"),
        (("spechub", None, 3, 5), ArgumentError, "num_drafts is 3, but sampling 'spechub' draws two"),
        (("recursive", "without_replacement", 6, 5), ArgumentError, "there are only 5 tokens to draw"),
    ],
)
def test_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        rules.resolve(*arguments)
