"""Links that open a notebook elsewhere lead to a notebook that is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.book import check_site

COLAB = re.compile(r"/github/(?P<repository>[^/]+/[^/]+)/blob/(?P<branch>[^/]+)/(?P<path>.+)")
BINDER = re.compile(r"/v2/gh/(?P<repository>[^/]+/[^/]+)/(?P<branch>[^/]+)")
HOSTS = {"colab.research.google.com": COLAB, "mybinder.org": BINDER}


def target(link: str) -> tuple[str, str, str] | None:
    """Repository, branch and path that a launch link opens; None for other links."""
    parts = urlsplit(link)
    if parts.netloc not in HOSTS:
        return None
    found = HOSTS[parts.netloc].fullmatch(parts.path)
    if not found:
        return ("", "", "")
    path = found.groupdict().get("path") or parse_qs(parts.query).get("urlpath", [""])[0].removeprefix(
        "lab/tree/"
    )
    return found["repository"], found["branch"], path


def wrong(link: str, root: Path) -> bool:
    """Whether a launch link opens anything but a notebook of this repository's main branch."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ours = urlsplit(project["urls"]["Repository"]).path.strip("/")
    repository, branch, path = target(link)
    return (
        (repository, branch) != (ours, "main") or not path.endswith(".ipynb") or not (root / path).is_file()
    )


@pytest.fixture(scope="module")
def links(html: Path) -> dict[str, list[str]]:
    """The launch links of each page."""
    return {
        path.relative_to(html.resolve()).as_posix(): [link for link in page.links if target(link)]
        for path, page in check_site.pages(html).items()
    }


def test_every_launch_link_opens_a_notebook(links, root: Path):
    assert [(page, link) for page, found in links.items() for link in found if wrong(link, root)] == []


def test_notebooks_have_buttons_and_pages_have_none(links, root: Path):
    for name in check_site.listed_pages():
        found = links[f"{name}.html"]
        if (root / f"{name}.ipynb").exists():
            opened = [target(link)[2] for link in found]
            # A button for each host, and the links in the notebook's own opening.
            assert opened.count(f"{name}.ipynb") >= 2, name
            assert {urlsplit(link).netloc for link in found} == set(HOSTS), name
        elif name != "book/index":
            assert found == [], f"{name} is no notebook: Colab could not open it"


def test_pages_do_not_ask_for_thebe(html: Path):
    for path in html.rglob("*.html"):
        assert "thebe-launch" not in path.read_text(encoding="utf-8"), path.name


@pytest.mark.parametrize(
    "link",
    [
        "https://colab.research.google.com/github/token-lab/token-lab/blob/main/book/sampling/gone.ipynb",
        "https://colab.research.google.com/github/token-lab/token-lab/blob/main/book/claims.md",
        "https://colab.research.google.com/github/token-lab/other/blob/main/book/sampling/derive.ipynb",
        "https://colab.research.google.com/github/token-lab/token-lab/blob/master/book/sampling/derive.ipynb",
        "https://colab.research.google.com/drive/abc",
        "https://mybinder.org/v2/gh/token-lab/token-lab/main?urlpath=lab/tree/sampling/derive.ipynb",
        "https://mybinder.org/v2/gh/token-lab/token-lab/main",
    ],
)
def test_wrong_link_is_found(link: str, root: Path):
    assert wrong(link, root)


def test_right_links_pass(root: Path):
    path = "token-lab/token-lab"
    assert not wrong(
        f"https://colab.research.google.com/github/{path}/blob/main/book/sampling/run.ipynb", root
    )
    assert not wrong(f"https://mybinder.org/v2/gh/{path}/main?urlpath=lab/tree/book/sampling/run.ipynb", root)
