"""Random logits."""

from __future__ import annotations

import torch

from tests.support.backends import DEVICE


def random_logits(*shape, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(shape, generator=generator) * 3).to(DEVICE, dtype)
