"""A browser and the built book, for all tests that look at pages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.book import browser as chromium


@pytest.fixture(scope="module")
def browser():
    executable = chromium.find_chromium()
    if executable is None:
        message = (
            f"no browser found: install Chromium, so that one of {', '.join(chromium.NAMES)} is on the PATH"
        )
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    with chromium.launch(executable) as running:
        yield running


@pytest.fixture(scope="module")
def site(html: Path):
    with chromium.serve(html) as address:
        yield address
