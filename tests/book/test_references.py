"""Authors and years in pages, notebooks and docstrings are those of the bibliography."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.book.citations import Source, citations, faults, sources, year_of
from tests.notebooks.execute import ROOT
from tokenlab import claims

#: Chapters whose notebooks cite as the page of references says.
CHECKED_CHAPTERS: list[str] = ["sampling", "transport", "bytelevel"]
SOURCES = sources()
NOTEBOOKS = sorted({*(ROOT / "book").glob("*/*.ipynb")})
PAGES = sorted({*(ROOT / "book").rglob("*.md"), ROOT / "README.md"})


def chapter(path: Path) -> str:
    """The chapter of a notebook; masters of assignments have its name."""
    return path.stem if path.parent.name == "assignments" else path.parent.name


def markdown(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def wrong_years(text: str) -> list[str]:
    """Citations whose year is not that of their arXiv number."""
    dated = [c for c in citations(text) if re.fullmatch(r"\d{4}\.\d{4,5}", c.place)]
    return [f"{c.text}: first version in {year_of(c.place)}" for c in dated if c.year != year_of(c.place)]


def test_years_of_the_bibliography_are_those_of_first_versions():
    numbers = [(s, place) for s in SOURCES for place in s.places if re.fullmatch(r"\d{4}\.\d{4,5}", place)]
    assert len(numbers) > 20
    assert [source.key for source, number in numbers if source.year != year_of(number)] == []
    assert [s.key for s in SOURCES if not re.match(rf"[a-z]+{s.year}", s.key)] == []


def test_every_source_is_used_for_something():
    page = (ROOT / "book" / "references.md").read_text(encoding="utf-8")
    assert sorted(source.key for source in SOURCES if f"`{source.key}`" not in page) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_pages_cite_the_bibliography(path: Path):
    assert faults(path.read_text(encoding="utf-8"), SOURCES) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_notebooks_cite_the_bibliography(path: Path):
    if chapter(path) not in CHECKED_CHAPTERS:
        pytest.skip(f"{chapter(path)} is not in CHECKED_CHAPTERS yet")
    text = markdown(path)
    assert "## References" not in text or list(citations(text.partition("## References")[2]))
    assert faults(text, SOURCES) == []


def test_claims_cite_the_bibliography():
    papers = sorted({claim.paper for claim in claims.load().values() if claim.paper != "this book"})
    # An archive's version may follow the number.
    found = {paper: faults(re.sub(r"v\d+$", "", paper), SOURCES) for paper in papers}
    assert all(list(citations(paper)) for paper in papers)
    assert {paper: wrong for paper, wrong in found.items() if wrong} == {}


def test_docstrings_have_the_years_of_first_versions():
    sources = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "tokenlab").rglob("*.py"))}
    assert sum(len(list(citations(text))) for text in sources.values()) > 50
    wrong = {path.relative_to(ROOT).as_posix(): wrong_years(text) for path, text in sources.items()}
    assert {path: years for path, years in wrong.items() if years} == {}


# --- planted faults ------------------------------------------------------------------


KNOWN = [
    Source("fan2018", ("Fan", "Lewis", "Dauphin"), False, 2018, frozenset({"1805.04833"})),
    Source("sun2024hub", ("Sun", "Zhou", "Chen"), False, 2024, frozenset({"2411.05289"})),
    Source("sun2024block", ("Sun", "Mendlovic", "Ro"), False, 2024, frozenset({"2403.10444"})),
    Source("miao2023", ("Miao", "Oliaro"), True, 2023, frozenset({"2305.09781"})),
    Source("potraghloo2025", ("Baghaei Potraghloo", "Azizi", "Kundu"), False, 2025, frozenset()),
    Source("blelloch1993", ("Blelloch",), False, 1993, frozenset({"https://example.org/x.pdf"})),
]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("- Fan, Lewis and Dauphin (2018), [Stories](https://arxiv.org/abs/1805.04833): top-k.", None),
        ("See Fan et al. (2018), (Miao et al., 2023; Sun, Zhou et al., 2024), Blelloch (1993).", None),
        ("Baghaei Potraghloo et al. 2025 and Miao et al. 2023, arXiv 2305.09781", None),
        ("- Sun, Mendlovic et al. (2024), [Blocks](https://arxiv.org/abs/2403.10444)", None),
        ("In 2024 and in May (2020) nothing happened.", "not in the bibliography"),
        ("Fan et al. (2019)", "the bibliography says 2018"),
        ("- Fan, Lewis and Dauphin (2019), [Stories](https://arxiv.org/abs/1805.04833)", "says 2018"),
        ("Fan and Lewis (2018)", "not in the bibliography"),
        ("- Lewis et al. (2018), [Stories](https://arxiv.org/abs/1805.04833)", "is by Fan, Lewis"),
        ("- Fan et al. (2018), [Stories](https://arxiv.org/abs/1805.04834)", "is not in the bibliography"),
        ("Sun et al. (2024)", "name the second author"),
        ("- Sun et al. (2024), [Blocks](https://arxiv.org/abs/2403.10444)", "name the second author"),
        ("Miao et al. 2024, arXiv 2305.09781", "the bibliography says 2023"),
    ],
)
def test_planted_citation_is_found(text: str, fault: str | None):
    found = faults(text, KNOWN)
    assert found == [] if fault is None else fault in found[0]


def test_planted_year_is_found():
    assert wrong_years("Reference: Hu et al. 2025, arXiv 2502.18779.") == []
    assert wrong_years("Reference: Hu et al.\n    2024, arXiv 2502.18779.") != []
