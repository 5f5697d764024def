"""Lines of PyTorch and Triton are found by the labels of their equations."""

from __future__ import annotations

import pytest

from tokenlab.chapters.labelled_lines import labelled_lines, side_by_side
from tokenlab.errors import ArgumentError


def by_torch(x):
    p = x.exp()  # (2)
    # (1) is no line of code's label
    return p / p.sum(-1)  # (10)


class Kernel:
    """As a kernel of Triton carries the function that it was made from."""

    @staticmethod
    def fn(x_ptr):
        p = x_ptr  # (2)
        return p  # (10)


def other(x):
    return x  # (3)


def test_lines_stand_under_their_label():
    assert labelled_lines(by_torch) == {"2": "p = x.exp()", "10": "return p / p.sum(-1)"}
    assert labelled_lines(Kernel()) == {"2": "p = x_ptr", "10": "return p"}


def test_two_sides_alternate_in_the_order_of_the_labels():
    found = side_by_side([by_torch], [Kernel()], caption="Two equations in two languages.")
    assert [row[0].replace("\u00a0", " ") for row in found.cells] == [
        "(2) PyTorch",
        "(2) Triton",
        "(10) PyTorch",
        "(10) Triton",
    ]
    assert [row[1] for row in found.cells] == ["p = x.exp()", "p = x_ptr", "return p / p.sum(-1)", "return p"]


@pytest.mark.parametrize("sides", [([by_torch], [other]), ([], []), ([by_torch, other], [Kernel()])])
def test_a_label_that_one_side_lacks_is_named(sides):
    with pytest.raises(ArgumentError, match="expected the same"):
        side_by_side(*sides, caption="Two equations in two languages.")
