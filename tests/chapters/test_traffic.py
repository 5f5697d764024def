"""Bytes are counted by hand and compared; what an operation does not touch does not count."""

from __future__ import annotations

import pytest
import torch

from tests.claims.sampling import kernels_traffic_ratio
from tokenlab.chapters import traffic
from tokenlab.chapters.traffic import Pass, memory_traffic

X = torch.empty(3, 100)  # 1,200 bytes


def moved(function, *tensors) -> list[tuple[str, int, int]]:
    return [tuple(step) for step in memory_traffic(function, *tensors)]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x.exp(), [("exp", 1200, 1200)]),
        (lambda x: x + x[:1], [("add", 1600, 1200)]),
        (lambda x: x.sum(-1), [("sum", 1200, 12)]),
        (lambda x: x.argmax(-1), [("argmax", 1200, 24)]),
        (lambda x: x.topk(2), [("topk", 1200, 24 + 48)]),
        (lambda x: torch.cat([x, x]), [("cat", 2400, 2400)]),
        (lambda x: x.add_(1), [("add_", 1200, 1200)]),
        (lambda x: torch.exp(x, out=torch.empty_like(x)), [("exp", 1200, 1200)]),
        (lambda x: x.bfloat16(), [("to_copy", 1200, 600)]),
    ],
)
def test_counted_by_hand(function, expected):
    assert moved(function, X) == expected


@pytest.mark.parametrize(
    "function", [lambda x: x.view(-1), lambda x: x.T, torch.empty_like, lambda x: x.float()]
)
def test_views_and_empty_tensors_move_nothing(function):
    assert moved(function, X) == []


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.exponential_(),
        lambda x: x.zero_(),
        torch.rand_like,
        torch.zeros_like,
        lambda x: x.fill_(1),
        lambda x: x.new_zeros(x.shape),
        lambda x: x.new_full(x.shape, 2.0),
    ],
)
def test_shapes_are_not_values(function):
    ((_, read, written),) = moved(function, X)
    assert (read, written) == (0, 1200)


def test_a_draw_taken_for_a_read_is_seen(monkeypatch):
    monkeypatch.setattr(traffic, "WRITE_ONLY", set())
    assert moved(lambda x: x.exponential_(), X) == [("exponential_", 1200, 1200)]


def test_copy_reads_only_its_source():
    assert moved(lambda x, y: x.copy_(y), X, X.double()) == [("copy_", 2400, 1200)]


def test_values_are_neither_read_nor_changed():
    x = torch.ones(4)
    memory_traffic(lambda y: y.zero_(), x)
    assert x.tolist() == [1, 1, 1, 1]
    with pytest.raises(RuntimeError, match="meta"):
        memory_traffic(lambda y: y.sum().item(), x)


def test_softmax_and_draw():
    """Seven passes; the kernels' one and a little makes a factor just below seven."""
    x = torch.empty(256, 128_256, device="meta")
    steps = memory_traffic(lambda x: (x.softmax(-1) / torch.empty_like(x).exponential_()).argmax(-1), x)
    assert steps[0] == Pass("softmax", 4 * x.numel(), 4 * x.numel())
    assert round(sum(step.read + step.written for step in steps) / (4 * x.numel()), 3) == 7
    assert 6.9 < kernels_traffic_ratio() < 7
