"""Every entry of the ledger holds, and no number of the prose stands outside it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from docutils.nodes import make_id

from tests.claims import prose, registry
from tokenlab import claims
from tokenlab.errors import ClaimError

LEDGER = claims.load()
COMPUTATIONS = registry.load_all()
CHECKED = [claim for claim in LEDGER.values() if claim.kind != "beyond this hardware"]


def by_id(claim: claims.Claim) -> str:
    return claim.id


@pytest.mark.parametrize(
    ("claim", "computation"),
    [pytest.param(claim, COMPUTATIONS.get(claim.id), id=claim.id) for claim in CHECKED],
)
def test_claim_holds(claim: claims.Claim, computation: registry.Computation | None):
    assert computation is not None, f"no @computes({claim.id!r}) in tests/claims/{claim.chapter}.py"
    claim.check(computation())


@pytest.mark.parametrize("claim", CHECKED, ids=by_id)
def test_claim_names_an_existing_test(claim: claims.Claim, root: Path):
    file, _, name = claim.test.partition("::")
    assert (root / file).is_file(), f"{claim.test}: no file {file}"
    tree = ast.parse((root / file).read_text(encoding="utf-8"))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    parts = [part.partition("[")[0] for part in name.split("::")]
    assert set(parts) <= names, f"{claim.test}: not in {file}"


def test_no_computation_without_entry():
    assert sorted(set(COMPUTATIONS) - set(LEDGER)) == []


@pytest.mark.parametrize("claim", LEDGER.values(), ids=by_id)
def test_chapter_exists(claim: claims.Claim, root: Path):
    assert (root / "book" / claim.chapter).is_dir()


def test_ledger_page_shows_every_claim(html: Path):
    page = (html / "book" / "claims.html").read_text(encoding="utf-8")
    missing = [claim.id for claim in LEDGER.values() if f'id="claim-{make_id(claim.id)}"' not in page]
    assert missing == [], "the built page is older than the ledger: run `make book`"


DOCUMENTS = list(prose.documents(Path(__file__).parents[2]))


@pytest.mark.parametrize(("name", "markdown"), DOCUMENTS, ids=[name for name, _ in DOCUMENTS])
def test_prose_states_only_what_the_ledger_owns(name: str, markdown: str):
    found = prose.unowned(markdown, prose.allowed(LEDGER.values()))
    assert found == [], (
        f"{name} states {', '.join(found)}: add an entry to book/claims.yml, "
        "or write a setting or a version as code or math"
    )


# --- the checks themselves -----------------------------------------------------------


def entry(**changes) -> claims.Claim:
    fields = {
        "id": "planted",
        "chapter": "sampling",
        "statement": "a number",
        "paper": "this book",
        "where": "here",
        "kind": "computed",
        "status": "ours",
        "ours": 0.1234,
        "tolerance": 1e-4,
        "format": "{:.1%}",
    }
    return claims.Claim(**{**fields, **changes})


def test_moved_value_is_caught():
    entry().check(0.12345)
    with pytest.raises(ClaimError, match="no longer holds"):
        entry().check(0.1236)


@pytest.mark.parametrize(
    ("markdown", "found"),
    [
        ("We measure 12.4 %.", ["12.4%"]),
        ("We measure **12.4** percent and 7%.", ["12.4%", "7%"]),
        ("It falls from 0.50 to .25.", ["0.50", ".25"]),
        ("## A heading with 1.5 in it", ["1.5"]),
        ("| a | b |\n| - | - |\n| x | 3.14 |", ["3.14"]),
        ("```{note}\n:class: tip\nOnly 9.9 here.\n```", ["9.9"]),
        ("![A curve that ends at 0.7.](x.svg)", ["0.7"]),
        ("There are 1,234.5 of 10,000.", ["1234.5"]),
        ("A range, 0.3-0.5, and 2.5e-3.", ["0.3", "0.5", "2.5e-3"]),
        ("<details>\n\nHere 0.1.\n\n</details>\n\nThere 0.2.", ["0.2"]),
    ],
)
def test_planted_number_is_caught(markdown: str, found: list[str]):
    assert prose.unowned(markdown, set()) == found


@pytest.mark.parametrize(
    "markdown",
    [
        "Set $T = 0.7$ and `top_p=0.9`.",
        "$$\nx = 0.5\n$$",
        "```python\nx = 0.5\n```",
        "```{code-cell}\nx = 0.5\n```",
        "[arXiv 2407.01082](https://arxiv.org/abs/2407.01082)",
        "See section 3.2, Eq. 4.1 and Table 2.1.",
        "Text under CC-BY-4.0; version 2.13.0; 1,024 tokens; in 2025.",
    ],
)
def test_what_states_nothing_passes(markdown: str):
    assert prose.unowned(markdown, set()) == []


def test_owned_values_pass():
    owned = prose.allowed([entry(stated=0.11)])
    assert prose.unowned("The paper states 0.11, that is 11.0 %; we find 12.3 percent.", owned) == []
    assert prose.unowned("We find 12.34 %.", owned) == ["12.34%"]
