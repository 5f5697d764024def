"""The claims ledger: every number that the book states, with the test that computes it.

Entries are in ``book/claims.yml``. The prose states a number with a link to its entry, and :func:`show` looks
one up; ``tests/claims`` computes each again.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from pathlib import Path
from typing import Literal

from tokenlab.errors import ClaimError

# In a checkout the ledger lies beside the book; an installed package carries a copy.
LOCATIONS = (
    Path(__file__).parent.parent / "book" / "claims.yml",
    Path(__file__).parent / "assets" / "claims.yml",
)
KINDS = ("computed", "recorded", "beyond this hardware")
#: The test of an entry that names none: it calls the function registered for the entry.
RECOMPUTED = "tests/claims/test_ledger.py::test_claim_holds"
STATUSES = ("reproduced", "differs", "ours", "not measured")


@dataclasses.dataclass(frozen=True)
class Claim:
    """An entry of the ledger.

    ``stated`` is the paper's value (None for a statement of our own), ``ours`` what we compute, within
    ``tolerance``, and ``text`` how the book prints it. ``where`` is the place in the source: in the paper, with
    ``section`` for the book's own, or in the book.
    """

    id: str
    chapter: str
    statement: str
    paper: str
    where: str
    kind: Literal["computed", "recorded", "beyond this hardware"]
    status: Literal["reproduced", "differs", "ours", "not measured"]
    stated: float | str | None = None
    ours: float | str | None = None
    tolerance: float = 0.0
    format: str = "{}"
    test: str = RECOMPUTED
    command: str | None = None
    note: str = ""
    section: str = ""

    @property
    def home(self) -> tuple[str, int]:
        """The notebook and the section of the book that the claim belongs to."""
        notebook, _, number = (self.section or self.where).partition(", section ")
        if not number.isdecimal():
            raise ClaimError(
                f"claim {self.id!r}: {notebook!r} is no section of the book, such as 'derive, section 6'"
            )
        return notebook, int(number)

    @property
    def text(self) -> str:
        """Our value as the book prints it."""
        return "not measured" if self.ours is None else self.format.format(self.ours)

    @property
    def badge(self) -> str:
        """The word of the link that stands after the value in prose: computed, recorded or beyond."""
        return self.kind.partition(" ")[0]

    @property
    def quoted(self) -> str:
        """The value as prose states it before the badge: ours, or the paper's where we measure none."""
        return self.text if self.kind != "beyond this hardware" else str(self.stated)

    def check(self, value: float | str) -> None:
        """Raise :class:`ClaimError` unless a new value agrees with ours."""
        if isinstance(self.ours, str) or isinstance(value, str):
            agrees = self.ours == value
        else:
            agrees = self.ours is not None and abs(value - self.ours) <= self.tolerance
        if not agrees:
            raise ClaimError(
                f"claim {self.id!r} no longer holds: computed {value!r}, "
                f"the ledger says {self.ours!r} within {self.tolerance:g}"
            )


@lru_cache
def load(path: Path | None = None) -> dict[str, Claim]:
    """All claims by id, in the ledger's order.

    Raises
    ------
    ClaimError
        If there is no ledger, an id occurs twice, or an entry is incomplete.
    """
    import yaml

    path = path or next((location for location in LOCATIONS if location.exists()), None)
    if path is None:
        raise ClaimError(f"no claims ledger at {' or '.join(map(str, LOCATIONS))}")
    claims: dict[str, Claim] = {}
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")) or []:
        try:
            claim = Claim(**entry)
        except TypeError as error:
            raise ClaimError(f"claim {entry.get('id')!r} in {path}: {error}") from error
        if claim.id in claims:
            raise ClaimError(f"claim {claim.id!r} occurs twice in {path}")
        _complete(claim)
        claims[claim.id] = claim
    return claims


def get(id: str) -> Claim:
    """One claim, or a :class:`ClaimError` that names those there are."""
    claims = load()
    if id not in claims:
        raise ClaimError(f"no claim {id!r}; the ledger has {', '.join(claims)}")
    return claims[id]


class ShownClaim:
    """What :func:`show` returns: one line with value, kind and status."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim

    def __repr__(self) -> str:
        claim = self.claim
        stated = f" (paper: {claim.stated})" if claim.stated is not None else ""
        return f"{claim.text}{stated}, {claim.kind}, {claim.status}: {claim.statement}"

    def _repr_markdown_(self) -> str:
        claim = self.claim
        return f"{claim.text} ({claim.kind}, {claim.status})"


def show(id: str) -> ShownClaim:
    """Look a claim up, for instance where the prose has a badge."""
    return ShownClaim(get(id))


def _complete(claim: Claim) -> None:
    if claim.kind not in KINDS or claim.status not in STATUSES:
        raise ClaimError(
            f"claim {claim.id!r} is {claim.kind!r}, {claim.status!r}; expected a kind of {KINDS} "
            f"and a status of {STATUSES}"
        )
    if claim.kind == "beyond this hardware":
        if not claim.note:
            raise ClaimError(f"claim {claim.id!r} must say in its note what would be needed")
        return
    missing = ["ours"] if claim.ours is None else []
    if claim.kind == "recorded" and not claim.command:
        missing.append("command")
    if claim.status == "differs" and not claim.note:
        missing.append("note")
    if missing:
        raise ClaimError(f"claim {claim.id!r} lacks {', '.join(missing)}")
