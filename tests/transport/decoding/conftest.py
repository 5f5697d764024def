"""Models and prompts of all tests of decoding."""

from __future__ import annotations

import pytest
import torch

from tests.support.tiny_models import PAD, tiny_model
from tests.transport.decoding.pairs import pair


@pytest.fixture(scope="module")
def models():
    return pair()


@pytest.fixture(scope="module")
def twins():
    """A draft that is the target but for noise in its last layer: long paths are accepted."""
    target, draft = tiny_model(), tiny_model()
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        weight = draft.lm_head.weight
        weight += 0.05 * torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
    return target, draft


@pytest.fixture(scope="module")
def batch():
    """Three prompts of 6, 4 and 1 tokens, padded on the left."""
    ids = torch.randint(3, 29, (3, 6), generator=torch.Generator().manual_seed(5))
    mask = torch.ones_like(ids)
    for row, length in enumerate((6, 4, 1)):
        ids[row, : 6 - length], mask[row, : 6 - length] = PAD, 0
    return ids, mask
