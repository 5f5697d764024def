"""Models and a text for the experiments."""

from __future__ import annotations

import pytest
import torch

from tokenlab.bytelevel import ByteLM
from tokenlab.chapters.bytelevel import experiments
from tokenlab.lm import load

FILE = "source/lru_cache.py"


@pytest.fixture(scope="package")
def models() -> dict[str, tuple]:
    """The draft is the target here: the same tokenizer, an eighteenth of the layers."""
    draft = load("lab-draft", dtype=torch.float64)
    return {"target": draft, "other": load("lab-other", dtype=torch.float64), "draft": draft}


@pytest.fixture(scope="package")
def byte_lm(models) -> ByteLM:
    return ByteLM(*models["target"])


@pytest.fixture(scope="package")
def text() -> bytes:
    return experiments.heldout_bytes()[FILE]


@pytest.fixture(scope="package")
def lab() -> dict[str, tuple]:
    return {role: load(f"lab-{role}", dtype=torch.float64) for role in ("target", "other", "draft")}
