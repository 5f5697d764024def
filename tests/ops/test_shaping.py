"""Temperature, top-k and top-p: transformers' warpers, bit for bit."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.generation import logits_process as warpers

from tests.ops.logits import random_logits
from tests.support.backends import DEVICE
from tokenlab.errors import ArgumentError, DtypeError, EmptySupportError
from tokenlab.ops import shape_logits

#: Whole numbers, so that rows have ties; -inf for tokens that cannot be drawn.
TIED = st.lists(st.integers(-4, 4).map(float) | st.just(-float("inf")), min_size=2, max_size=12)


def warped(logits, temperature=1.0, top_k=None, top_p=1.0):
    """What ``model.generate`` makes of the same options."""
    scores = logits.flatten(0, -2)
    if temperature != 1:
        scores = warpers.TemperatureLogitsWarper(temperature)(None, scores)
    if top_k is not None:
        scores = warpers.TopKLogitsWarper(top_k)(None, scores)
    if top_p < 1:
        scores = warpers.TopPLogitsWarper(top_p)(None, scores)
    return scores.view_as(logits)


OPTIONS = [
    {},
    {"temperature": 0.7},
    {"top_k": 5},
    {"top_p": 0.8},
    {"temperature": 1.5, "top_k": 20},
    {"temperature": 0.6, "top_p": 0.9},
    {"top_k": 7, "top_p": 0.5},
    {"temperature": 1.3, "top_k": 40, "top_p": 0.95},
    {"temperature": 1e-6, "top_p": 1e-9},
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_transformers_says_the_same(options, dtype):
    for shape in ((3, 50), (2, 4, 1021)):
        logits = random_logits(*shape, seed=len(shape), dtype=dtype)
        assert torch.equal(shape_logits(logits, **options), warped(logits, **options))


# transformers calls torch.sort without stable=True, which is all the same on a CPU for short rows.
@pytest.mark.skipif(DEVICE == "cuda", reason="on a GPU the order of transformers' ties is not defined")
@given(row=TIED, temperature=st.sampled_from([0.5, 1.0, 2.0]), k=st.integers(1, 12), p=st.floats(0.01, 1))
def test_ties_fall_as_they_do_in_transformers(row, temperature, k, p):
    row[0] = 0.0
    logits = torch.tensor([row])
    options = {"temperature": temperature, "top_k": min(k, len(row)), "top_p": p}
    assert torch.equal(shape_logits(logits, **options), warped(logits, **options))


def test_ties_by_hand():
    logits = torch.zeros(4, device=DEVICE)
    assert shape_logits(logits, top_k=1).isfinite().all()
    assert shape_logits(logits, top_p=0.5).isfinite().tolist() == [False, False, True, True]
    assert shape_logits(logits, top_p=1e-6).isfinite().tolist() == [False, False, False, True]


def test_the_order_matters():
    """Temperature before top-p, and top-p of what top-k has left."""
    logits = torch.tensor([0.4, 0.3, 0.2, 0.1], device=DEVICE).log()
    kept = lambda **options: int(shape_logits(logits, **options).isfinite().sum())  # noqa: E731
    assert (kept(top_p=0.75), kept(temperature=0.25, top_p=0.75), kept(top_k=2, top_p=0.75)) == (3, 2, 2)
    assert (kept(top_p=0.55), kept(top_k=2, top_p=0.55)) == (2, 1)


def test_half_precision_decides_in_float32():
    logits = random_logits(3, 50, dtype=torch.bfloat16)
    found = shape_logits(logits, top_k=40, top_p=0.95)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found.float(), shape_logits(logits.float(), top_k=40, top_p=0.95))


def test_what_cannot_be_drawn_stays_so():
    logits = torch.tensor([[0.0, -torch.inf, 1.0]], device=DEVICE)
    found = shape_logits(logits, temperature=2.0, top_k=3, top_p=0.999)
    assert found.tolist() == [[0.0, -torch.inf, 0.5]]
    assert logits.tolist() == [[0.0, -torch.inf, 1.0]]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"temperature": 0}, ArgumentError, "temperature is 0, expected a number in"),
        ({"temperature": "hot"}, DtypeError, "temperature must be a number"),
        ({"top_k": 0}, ArgumentError, "top_k is 0, expected 1 to 4"),
        ({"top_k": 5}, ArgumentError, "top_k is 5, expected 1 to 4"),
        ({"top_k": 2.0}, DtypeError, "top_k must be an int"),
        ({"top_p": 0}, ArgumentError, "top_p is 0, expected a number in"),
        ({"top_p": 1.5}, ArgumentError, "top_p is 1.5, expected a number in"),
    ],
)
def test_bad_arguments(options, error, message):
    with pytest.raises(error, match=message):
        shape_logits(torch.zeros(2, 4), **options)


def test_bad_logits():
    with pytest.raises(EmptySupportError, match="logits is -inf everywhere"):
        shape_logits(torch.full((2, 3), -torch.inf))
    with pytest.raises(ArgumentError, match="logits holds NaN"):
        shape_logits(torch.tensor([0.0, torch.nan]))
    shape_logits(torch.tensor([0.0, torch.nan]), validate=False)
