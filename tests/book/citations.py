"""Citations in running text, and the bibliography that they must agree with.

A citation is authors and a year: ``Sun et al. (2023)``, ``Fan, Lewis and Dauphin, 2018``,
``Baghaei Potraghloo et al. 2025, arXiv 2509.02510``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pybtex.database import parse_file
from pybtex.richtext import Text

from tests.notebooks.execute import ROOT

NAME = r"[A-Z][\w'’-]+(?: [A-Z][\w'’-]+)?"
SEVERAL = rf"{NAME}(?:, {NAME})*(?: and {NAME}| et al\.)"
YEAR = r"(?P<year>(?:19|20)\d\d)"
CITATION = re.compile(
    rf"(?:(?P<several>{SEVERAL}),?\s+\(?|(?P<one>{NAME})\s+\(){YEAR}\b(?:\)?,? arXiv\s(?P<arxiv>\d{{4}}\.\d{{4,5}}))?"
)
LINK = re.compile(r"\)?,? \[[^\]]*\]\((?P<url>[^)\s]+)\)")


@dataclass(frozen=True)
class Source:
    """An entry of the bibliography."""

    key: str
    authors: tuple[str, ...]
    others: bool
    year: int
    places: frozenset[str]


def year_of(arxiv: str) -> int:
    """The year of a paper's first version, which its number begins with."""
    return 2000 + int(arxiv[:2])


def sources(path: Path = ROOT / "book" / "references.bib") -> list[Source]:
    found = []
    for key, entry in parse_file(str(path)).entries.items():
        names = [str(Text.from_latex(" ".join(p.last_names))) for p in entry.persons["author"]]
        fields = entry.fields
        places = {fields.get("eprint"), fields.get("doi"), fields.get("url")} - {None}
        authors = tuple(name for name in names if name != "others")
        year = int(fields["year"])
        found.append(Source(key, authors, "others" in names, year, frozenset(places)))
    return found


@dataclass(frozen=True)
class Citation:
    text: str
    names: tuple[str, ...]
    et_al: bool
    year: int
    place: str = ""

    def fits(self, source: Source) -> bool:
        """Whether the names are a source's: all of them, or the first ones and et al."""
        count = len(self.names)
        complete = (
            count < len(source.authors) or source.others if self.et_al else count == len(source.authors)
        )
        # A word before the first name may look like a part of it: "See Phan et al. (2024)".
        first = bool(source.authors) and re.search(rf"(?:^| ){re.escape(source.authors[0])}$", self.names[0])
        return bool(first and complete and self.names[1:] == source.authors[1:count])


def citations(text: str) -> Iterator[Citation]:
    """The citations of a Markdown text, with the address where a link follows."""
    for match in CITATION.finditer(text):
        names = match["several"] or match["one"]
        et_al = names.endswith(" et al.")
        parts = tuple(re.split(r", | and ", names.removesuffix(" et al.")))
        link = LINK.match(text, match.end())
        place = match["arxiv"] or (link["url"] if link else "")
        shown = f"{names} ({match['year']})"
        yield Citation(shown, parts, et_al, int(match["year"]), place)


def faults(text: str, known: list[Source]) -> list[str]:
    """What is wrong with the citations of a text."""
    found = []
    for citation in citations(text):
        fitting = [source for source in known if citation.fits(source)]
        if citation.place:
            name = re.sub(r"^https?://(?:arxiv\.org/abs|doi\.org)/", "", citation.place)
            here = [source for source in known if {name, citation.place} & source.places]
            if not here:
                found.append(f"{citation.text}: {citation.place} is not in the bibliography")
                continue
            if not set(here) & set(fitting):
                found.append(f"{citation.text}: {citation.place} is by {', '.join(here[0].authors)}")
                continue
            fitting = [source for source in fitting if source in here]
        years = sorted({source.year for source in fitting})
        same = [source for source in fitting if source.year == citation.year]
        if not fitting:
            found.append(f"{citation.text}: not in the bibliography")
        elif not same:
            found.append(f"{citation.text}: the bibliography says {' or '.join(map(str, years))}")
        elif len([s for s in known if citation.fits(s) and s.year == citation.year]) > 1:
            keys = " or ".join(s.key for s in known if citation.fits(s) and s.year == citation.year)
            found.append(f"{citation.text}: {keys}? name the second author")
    return found
