"""Every badge in the prose stands after the number of its claim and says of which kind it is."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.claims import prose
from tokenlab import claims

DOCUMENTS = list(prose.documents(Path(__file__).parents[2]))


def spelled(text: str) -> str:
    """Numbers in one spelling: one kind of space and minus, none before the sign of percent."""
    text = re.sub(r"[\u00a0\u2009\u202f]|\\,", " ", text).replace("\N{MINUS SIGN}", "-")
    return re.sub(r" ?\\?%", "%", text.replace("{,}", ","))


def faults(name: str, markdown: str, ledger: Mapping[str, claims.Claim]) -> list[str]:
    """What is wrong with the badges of a page or a cell, by their ids."""
    found = []
    folder = posixpath.dirname(name.partition(",")[0])
    for link in prose.links(markdown):
        path, _, id = link.target.partition("#")
        if posixpath.basename(path) != "claims.md" or not id:
            continue
        if posixpath.normpath(posixpath.join(folder, path)) != "book/claims.md":
            found.append(f"{id}: {path} is not the page of claims")
        elif id not in ledger:
            found.append(f"{id}: no such claim")
        else:
            found += [f"{id}: {fault}" for fault in quotation_faults(link, ledger[id])]
    return found


def quotation_faults(link: prose.Link, claim: claims.Claim) -> list[str]:
    found = [] if link.text == claim.badge else [f"the badge says {link.text!r}, the kind is {claim.badge!r}"]
    value, before = spelled(claim.quoted), spelled(link.before)
    if not re.search(rf"(?<![\w.,-]){re.escape(value)} \Z", before):
        found.append(f"{before[-30:]!r} stands before it, expected {value + ' '!r}")
    return found


@pytest.mark.parametrize(("name", "markdown"), DOCUMENTS, ids=[name for name, _ in DOCUMENTS])
def test_badges_say_what_the_ledger_says(name: str, markdown: str):
    assert faults(name, markdown, claims.load()) == []


# --- planted faults ------------------------------------------------------------------


LEDGER = {
    claim.id: claim
    for claim in (
        claims.Claim("half", "sampling", "a share", "this book", "", "computed", "ours", ours=0.5),
        claims.Claim(
            "share", "sampling", "a share", "this book", "", "recorded", "ours", ours=97.0, format="{:.1f} %"
        ),
        claims.Claim("drop", "sampling", "a drop", "this book", "", "computed", "ours", ours=-0.85),
        claims.Claim(
            "far", "sampling", "x", "A 2024", "", "beyond this hardware", "not measured", stated="18%"
        ),
    )
}


@pytest.mark.parametrize(
    "markdown",
    [
        "It comes out with 0.5 [computed](../claims.md#half), not 0.6.",
        "**0.5** [computed](../claims.md#half), or $0.5$ [computed](../claims.md#half)",
        "97.0 % [recorded](../claims.md#share) or 97.0\u202f%\u00a0[recorded](../claims.md#share)",
        "$97.0\\,\\%$ [recorded](../claims.md#share)",
        "falls by \u22120.85\n[computed](../claims.md#drop)",
        "by 18 % [beyond](../claims.md#far)",
        "see [all claims](../claims.md)",
        "```{note}\n0.5 [computed](../claims.md#half)\n```",
    ],
)
def test_good_badge_passes(markdown: str):
    assert faults("book/sampling/run.ipynb, cell 3", markdown, LEDGER) == []


@pytest.mark.parametrize(
    ("markdown", "fault"),
    [
        ("0.5 [computed](../claims.md#halve)", "no such claim"),
        ("0.6 [computed](../claims.md#half)", "expected '0.5 '"),
        ("10.5 [computed](../claims.md#half)", "expected '0.5 '"),
        ("-0.5 [computed](../claims.md#half)", "expected '0.5 '"),
        ("0.5[computed](../claims.md#half)", "expected '0.5 '"),
        ("0.5 of them [computed](../claims.md#half)", "expected '0.5 '"),
        ("0.5 [recorded](../claims.md#half)", "the kind is 'computed'"),
        ("97.0 [recorded](../claims.md#share)", "expected '97.0% '"),
        ("18 % [beyond this hardware](../claims.md#far)", "the kind is 'beyond'"),
        ("0.5 [computed](claims.md#half)", "is not the page of claims"),
        ("```{note}\n0.6 [computed](../claims.md#half)\n```", "expected '0.5 '"),
    ],
)
def test_planted_badge_is_caught(markdown: str, fault: str):
    (found,) = faults("book/sampling/run.ipynb, cell 3", markdown, LEDGER)
    assert fault in found
