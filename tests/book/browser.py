"""Chromium on the built book: a local server, a context that blocks other hosts, one visit's record."""

from __future__ import annotations

import functools
import gzip
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

CHECKS = (Path(__file__).parent / "page_checks.js").read_text(encoding="utf-8")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
COMPRESSED = (".html", ".css", ".js", ".svg", ".json", ".txt")
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def find_chromium() -> str | None:
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files as the host of the published pages does: text compressed."""

    def log_message(self, *args) -> None:
        pass

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if path.is_dir():
            path = path / "index.html"
        if path.suffix not in COMPRESSED or not path.is_file():
            super().do_GET()
            return
        body = gzip.compress(path.read_bytes(), 6, mtime=0)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path.name))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; yields the address."""
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextmanager
def launch(executable: str):
    """A browser; root, as in containers, has to leave out the sandbox."""
    from playwright.sync_api import sync_playwright

    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox"] if root else []
        )
        yield browser
        browser.close()


@dataclass
class Visit:
    """What one page asked for and complained about."""

    page: object
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    responses: list = field(default_factory=list)

    def answered(self, response) -> None:
        self.responses.append(response)
        if response.status >= 400:
            self.errors.append(f"{response.status}: {response.url}")

    def ask(self, check: str) -> list[str]:
        """Run one function of ``page_checks.js``."""
        return self.page.evaluate(f"(() => {{ {CHECKS}\nreturn {check}(); }})()")

    def weight(self) -> tuple[int, int]:
        """Bytes of the page with all that it loads: unpacked, and as they came over the line."""
        unpacked = sum(len(response.body()) for response in self.responses)
        return unpacked, sum(response.request.sizes()["responseBodySize"] for response in self.responses)


@contextmanager
def visit(browser, url: str, *, settle: bool = True, **options) -> Iterator[Visit]:
    """Open a page with every other host blocked, and record what happens."""
    context = browser.new_context(**{"viewport": DESKTOP, "color_scheme": "light", **options})
    record = Visit(context.new_page())
    here = urlsplit(url).netloc

    def guard(route) -> None:
        address = urlsplit(route.request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.netloc != here:
            record.foreign.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    context.route("**/*", guard)
    page = record.page
    page.on("console", lambda m: record.errors.append(f"console: {m.text}") if m.type == "error" else None)
    page.on("pageerror", lambda error: record.errors.append(f"script: {error}"))
    page.on("requestfailed", lambda request: record.errors.append(f"failed: {request.url}"))
    page.on("response", record.answered)
    try:
        page.goto(url)
        if settle:
            page.wait_for_load_state("networkidle")
            page.evaluate("window.MathJax?.startup?.promise")
        yield record
    finally:
        context.close()
