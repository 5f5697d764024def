"""Check a built book: pages, internal links and anchors, other hosts, alternative texts.

``python tests/book/check_site.py book/_build/html`` prints the problems and fails if there
are any.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml

ROOT = Path(__file__).parents[2]
#: Where a browser fetches something without being asked.
LOADING = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "embed": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "track": "src",
    "object": "data",
    "image": "href",
    "use": "href",
}
LOADING_LINKS = {
    "stylesheet",
    "icon",
    "preload",
    "modulepreload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "manifest",
}
STYLE_URL = re.compile(r"(?:url\(\s*['\"]?|@import\s+['\"])\s*((?:https?:)?//[^'\")\s]+)", re.I)
#: An inline script that names a script, a module or a socket of another host.
SCRIPT_URL = re.compile(
    r"(?:src|import|fetch|URL|href)\W{1,6}?((?:https?:|wss?:)?//[\w.-]+\.\w+[^\s'\"]*)", re.I
)


@dataclass
class Page(HTMLParser):
    """What a page links to, loads, names and shows."""

    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    silent: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        self._inside = tag if tag in ("script", "style") else ""
        self.ids.update(values[key] for key in ("id", "name") if key in values)
        if tag in ("a", "area") and "href" in values:
            self.links.append(values["href"])
        if tag in LOADING:
            self.loads += [values[key] for key in (LOADING[tag], "xlink:href") if values.get(key)]
        if "srcset" in values:
            self.loads += [part.split()[0] for part in values["srcset"].split(",") if part.split()]
        if tag == "link" and LOADING_LINKS & set(values.get("rel", "").lower().split()):
            self.loads.append(values.get("href", ""))
        if tag == "meta" and values.get("http-equiv", "").lower() == "refresh":
            self.links.append(values.get("content", "").partition("url=")[2].strip(" '\""))
        self.loads += STYLE_URL.findall(values.get("style", ""))
        if tag == "img" and len(values.get("alt", "").strip()) < 3:
            self.silent.append(f"<img src={values.get('src', '')[:60]!r}>")
        if tag == "svg" and values.get("role") == "img" and len(values.get("aria-label", "").strip()) < 10:
            self.silent.append("<svg role='img'>")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.loads += STYLE_URL.findall(data)
        elif self._inside == "script":
            self.loads += SCRIPT_URL.findall(data)


def read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    return page


def pages(html: Path) -> dict[Path, Page]:
    """All pages of the site, parsed."""
    paths = [path for path in sorted(html.rglob("*.html")) if "_static" not in path.parts]
    return {path.resolve(): read(path) for path in paths}


def listed_pages(toc: Path = ROOT / "_toc.yml") -> list[str]:
    """The pages that the table of contents promises."""

    def files(node) -> list[str]:
        if isinstance(node, list):
            return [name for item in node for name in files(item)]
        if isinstance(node, dict):
            own = [node[key] for key in ("root", "file") if key in node]
            return own + [name for value in node.values() for name in files(value)]
        return []

    return files(yaml.safe_load(toc.read_text(encoding="utf-8")))


def missing_pages(html: Path, names: list[str] | None = None) -> list[str]:
    """Pages that should be there and are not, or are empty."""
    wanted = ["index", *(listed_pages() if names is None else names)]
    paths = {name: html / f"{name}.html" for name in wanted}
    return [
        f"{name}.html is missing"
        for name, path in paths.items()
        if not path.is_file() or not path.stat().st_size
    ]


def is_external(url: str) -> bool:
    return url.startswith("//") or urlsplit(url).scheme in ("http", "https", "ftp", "ws", "wss")


def broken_links(site: dict[Path, Page], html: Path) -> list[str]:
    """Internal links whose page, file or anchor does not exist."""
    problems = []
    root = html.resolve()
    for path, page in site.items():
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if parts.scheme or link.startswith("//") or link in ("", "#"):
                continue
            target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
            target = target / "index.html" if target.is_dir() else target
            where = f"{path.relative_to(root).as_posix()} -> {link}"
            if not target.is_relative_to(root) or not target.exists():
                problems.append(f"{where}: no such file")
            elif parts.fragment and target in site and unquote(parts.fragment) not in site[target].ids:
                problems.append(f"{where}: no such anchor")
    return problems


def external_resources(site: dict[Path, Page], html: Path) -> list[str]:
    """What pages and style sheets would fetch from other hosts."""
    root = html.resolve()
    problems = [
        f"{path.relative_to(root).as_posix()} loads {url}"
        for path, page in site.items()
        for url in page.loads
        if is_external(url)
    ]
    for sheet in sorted(html.rglob("*.css")):
        found = STYLE_URL.findall(sheet.read_text(encoding="utf-8", errors="replace"))
        problems += [f"{sheet.relative_to(html).as_posix()} loads {url}" for url in found]
    return problems


def silent_pictures(site: dict[Path, Page], html: Path) -> list[str]:
    """Pictures without alternative text."""
    root = html.resolve()
    return [
        f"{path.relative_to(root).as_posix()}: {tag}" for path, page in site.items() for tag in page.silent
    ]


def machine_paths(html: Path, folder: Path = ROOT) -> list[str]:
    """Pages that show where the book was built."""
    return [
        f"{path.relative_to(html).as_posix()} shows {folder}"
        for path in sorted(html.rglob("*.html"))
        if f"{folder}/" in path.read_text(encoding="utf-8")
    ]


def problems(html: Path) -> list[str]:
    """All of the above."""
    site = pages(html)
    return [
        *missing_pages(html),
        *broken_links(site, html),
        *external_resources(site, html),
        *machine_paths(html),
        *(f"no alternative text: {found}" for found in silent_pictures(site, html)),
    ]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    found = problems(folder)
    print("\n".join(found) or f"{len(pages(folder))} pages: links, anchors and pictures are in order")
    sys.exit(bool(found))
