"""The built pages, and that each check finds what it looks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.book import check_site


@pytest.fixture(scope="module")
def site(html: Path):
    return check_site.pages(html)


def test_every_page_is_there(html: Path):
    assert check_site.missing_pages(html) == []


def test_links_and_anchors(site, html: Path):
    assert check_site.broken_links(site, html) == []


def test_nothing_comes_from_other_hosts(site, html: Path):
    assert check_site.external_resources(site, html) == []


def test_pictures_have_alternative_texts(site, html: Path):
    assert check_site.silent_pictures(site, html) == []


def test_no_page_shows_the_machine_it_was_built_on(html: Path):
    assert check_site.machine_paths(html) == []


def test_equations_are_set_by_a_local_mathjax(html: Path):
    page = (html / "book" / "notation.html").read_text(encoding="utf-8")
    assert "_static/mathjax/startup.js" in page
    assert (html / "_static" / "mathjax" / "core.js").stat().st_size > 100_000
    assert "_static/mathjax" not in (html / "book" / "index.html").read_text(encoding="utf-8")
    assert list((html / "_static" / "mathjax").rglob("*.woff"))


def test_every_notebook_was_executed(html: Path, root: Path):
    page = (html / "book" / "status.html").read_text(encoding="utf-8")
    for path in sorted((root / "book").glob("*/*.ipynb")):
        if not {"_build", "assignments"} & set(path.parts):
            assert path.relative_to(root).with_suffix("").as_posix() in page
    assert "✅" in page and "❌" not in page


PLANTED = {
    '<a href="gone.html">x</a>': "no such file",
    '<a href="other.html#gone">x</a>': "no such anchor",
    '<a href="#gone">x</a>': "no such anchor",
    '<script src="https://cdn.example.org/x.js"></script>': "loads https",
    '<link rel="stylesheet" href="//example.org/x.css">': "loads //",
    '<link rel="preconnect" href="https://example.org">': "loads https",
    "<style>@import 'https://example.org/x.css';</style>": "loads https",
    '<p style="background: url(https://example.org/x.png)"></p>': "loads https",
    '<script>const X_URL = "https://example.org/x.js"</script>': "loads https",
    '<iframe src="https://example.org"></iframe>': "loads https",
    '<img src="x.svg">': "no alternative text",
    '<img src="x.svg" alt="">': "no alternative text",
    '<svg role="img"></svg>': "no alternative text",
}


@pytest.mark.parametrize(("body", "found"), PLANTED.items())
def test_planted_fault_is_found(tmp_path: Path, monkeypatch, body: str, found: str):
    monkeypatch.setattr(check_site, "listed_pages", list)
    (tmp_path / "x.svg").touch()
    (tmp_path / "other.html").write_text('<p id="there">x</p>')
    good = '<a href="other.html#there">x</a><img src="x.svg" alt="A curve that rises">'
    (tmp_path / "index.html").write_text(good)
    assert check_site.problems(tmp_path) == []
    (tmp_path / "index.html").write_text(good + body)
    (problem,) = check_site.problems(tmp_path)
    assert found in problem


def test_machine_path_is_found(tmp_path: Path):
    (tmp_path / "index.html").write_text(f"<p>{tmp_path}/x</p>")
    assert check_site.machine_paths(tmp_path) == []
    assert check_site.machine_paths(tmp_path, tmp_path) == [f"index.html shows {tmp_path}"]


def test_missing_page_is_found(tmp_path: Path):
    (tmp_path / "index.html").write_text("<p>x</p>")
    assert check_site.missing_pages(tmp_path, ["book/gone"]) == ["book/gone.html is missing"]
