"""Pairs of tiny models to decode with, and drafts of every kind."""

from __future__ import annotations

import pytest
import torch

from tests.support.tiny_models import tiny_model
from tokenlab.transport import Branching, Chain, DynamicTree, Sequences

STEPS = 14
DRAFTS = (Chain(3), Sequences(3, length=3), Branching(3, 2, 1), DynamicTree(7, depth=4))

every_kind = pytest.mark.parametrize("drafts", DRAFTS, ids=repr)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pair(architecture: str = "llama", **options):
    """A target, and a draft of the same family with one layer: close to nothing in common."""
    return tiny_model(architecture, **options), tiny_model(
        architecture, **(options | {"seed": 1, "layers": 1})
    )


class Streamer:
    def __init__(self):
        self.parts, self.ended = [], False

    def put(self, value):
        assert not self.ended
        self.parts.append(value)

    def end(self):
        self.ended = True
