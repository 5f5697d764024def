"""The layers add up to the residual that K-SEQ and recursive rejection draw from."""

from __future__ import annotations

import pytest
import torch

from tests.support.pictures import assert_shows_and_describes_itself
from tokenlab.chapters.transport import result_figures
from tokenlab.errors import ShapeError

P = torch.tensor([0.275, 0.225, 0.15, 0.0, 0.1, 0.1, 0.1, 0.05], dtype=torch.float64)
Q = torch.tensor([0.175, 0.225, 0.25, 0.05, 0.0, 0.05, 0.2, 0.05], dtype=torch.float64)


def test_shows_and_describes_itself():
    draw = lambda: result_figures.residual_layers(P, Q, 1.0, 0.5, 4)  # noqa: E731
    assert_shows_and_describes_itself(draw, smallest=10, legible=True)


def test_layers():
    data = result_figures.residual_layers(P, Q, 1.0, 0.5, 4)[1]
    weights = [sum(layers) for layers in zip(data["above"], data["rest"], strict=True)]
    assert weights == pytest.approx([0.1875, 0.1125, 0.075, 0.0, 0.1, 0.075, 0.05, 0.025])
    # A multiple: p - gamma min(p / c, q), with gamma = s c.
    assert weights == pytest.approx((P - 0.5 * torch.minimum(P, Q)).tolist())
    assert data["blocks"] == pytest.approx([0.375, 0.25])
    assert "token 4: 0.0500 and 0.0500" in data["alt"] and "Block 1 has 0.250." in data["alt"]


def test_bad_input():
    with pytest.raises(ShapeError, match="two equal rows"):
        result_figures.residual_layers(P, Q[:3], 1.0, 0.5, 4)
