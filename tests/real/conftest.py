"""SmolLM2, once for all tests of it."""

from __future__ import annotations

import pytest

from tests.real.smollm import NAME


@pytest.fixture(scope="session")
def smollm():
    """Model and tokenizer, fetched where they are not here yet."""
    from tokenlab.lm import load
    from tokenlab.lm.fetch import fetch

    fetch(NAME)
    return load(NAME)
