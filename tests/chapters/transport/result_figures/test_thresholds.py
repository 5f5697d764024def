"""The threshold's steps are those of recursive rejection, and the picture's verdicts are its own."""

from __future__ import annotations

import pytest
import torch

from tests.support.pictures import assert_shows_and_describes_itself
from tokenlab.chapters.transport import result_figures
from tokenlab.errors import ArgumentError, ShapeError
from tokenlab.transport import verify

P, Q = [0.2, 0.36, 0.16, 0.16, 0.12], [0.5, 0.3, 0.1, 0.06, 0.04]
WORDS = ["name", "key", "path", "value", "item"]


def draw(drafts=(0, 1, 2), uniforms=(0.6, 0.9, 0.5)):
    return result_figures.threshold_steps(P, Q, drafts, uniforms, WORDS)


def test_shows_and_describes_itself():
    assert_shows_and_describes_itself(draw, smallest=10, legible=True)


def test_steps():
    data = draw()[1]
    assert [step["to"] for step in data["steps"]] == pytest.approx([1.0, 1.3, 1.48])
    assert [step["passed"] for step in data["steps"]] == [False, False, True]
    assert "Draft 3, path, has p/q 1.60; the threshold steps from 1.30 to 1.48" in data["alt"]
    assert data["alt"].endswith("it passes.")


@pytest.mark.parametrize("uniforms", [(0.1, 0.1, 0.1), (0.6, 0.1, 0.1), (0.6, 0.9, 0.5), (0.99, 0.99, 0.99)])
def test_the_draft_that_passes_is_the_rules(uniforms):
    data = draw(uniforms=uniforms)[1]
    p, q = (torch.tensor([row], dtype=torch.float64) for row in (P, Q))
    noise = torch.tensor([[*uniforms, 0.5, 0.5]], dtype=torch.float64)
    found = verify(p, q, torch.tensor([[0, 1, 2]]), "recursive", noise=noise).accepted_index.item()
    passed = [step["passed"] for step in data["steps"]]
    assert (passed.index(True) if True in passed else -1) == found


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: draw(uniforms=(0.6,)), ShapeError, "1 uniforms"),
        (lambda: draw((), ()), ArgumentError, "one token or more"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()
