"""Rows that the tests of this folder share."""

from __future__ import annotations

import torch
from hypothesis import strategies as st

#: One distribution to compute by hand.
HAND = torch.tensor([0.5, 0.25, 0.15, 0.1], dtype=torch.float64)
logit_rows = st.lists(st.floats(-12, 12), min_size=1, max_size=12)


def float64(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)
