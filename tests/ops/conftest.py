"""All tests of the operations interpret kernels quickly."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def quick(fast_interpreter):
    """See tests/support/interpreter.py."""
