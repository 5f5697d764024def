"""A tiny random Llama in float64, and left-padded prompts for it."""

from __future__ import annotations

import pytest
import torch

from tests.support.tiny_models import PAD, tiny_model

VOCAB = 61


@pytest.fixture(scope="session")
def model():
    return tiny_model(vocab=VOCAB)


@pytest.fixture(scope="session")
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Three prompts of 6, 4 and 1 tokens, padded on the left."""
    generator = torch.Generator().manual_seed(5)
    ids = torch.randint(3, VOCAB, (3, 6), generator=generator)
    mask = torch.ones_like(ids)
    for row, length in enumerate((6, 4, 1)):
        ids[row, : 6 - length], mask[row, : 6 - length] = PAD, 0
    return ids, mask
