"""Choices, shapes, and what is not there."""

from __future__ import annotations

import pytest
import torch

from tokenlab.grading import Answer, Found, Wrong, given


def chosen(value, **options) -> str:
    """What is said of a dictionary in which A should be red, and B is not judged."""
    found = Found("[colours] f()", value)
    try:
        found.chooses(
            {"A": "red"}, {("A", "blue"): "blue is cold"}, keys="AB", options=("red", "blue"), **options
        )
    except Wrong as wrong:
        return str(wrong)
    return ""


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"A": "red", "B": "blue"}, ""),
        ({"A": "red", "B": "red"}, ""),
        ({"A": "blue", "B": "red"}, "says 'blue' of 'A', and that is not so: blue is cold"),
        ({"A": "green", "B": "red"}, "says 'green' of 'A': choose one of 'red', 'blue' for it"),
        ({"A": "", "B": "red"}, "says '' of 'A': choose one of"),
        ({"A": ["red"], "B": "red"}, "choose one of"),
        ({"A": "red"}, "says nothing of 'B'"),
        (["red", "blue"], "returned a list, expected a dictionary"),
    ],
)
def test_choices(value, words):
    told = chosen(value)
    assert words in told and bool(words) == bool(told)


def test_an_option_for_one_key_only():
    assert "says 'red' more than once" in chosen({"A": "red", "B": "red"}, once=True)
    assert chosen({"A": "red", "B": "blue"}, once=True) == ""


def test_the_right_choice_is_never_told():
    found = Found("[colours] f()", {"A": "blue"})
    with pytest.raises(Wrong) as wrong:
        found.chooses({"A": "red"}, keys="A", options=("red", "blue"), hint="look again")
    assert "red" not in str(wrong.value) and "look again" in str(wrong.value)


def test_like_is_shape_and_dtype_only():
    value = torch.tensor([1.0, -torch.inf])
    assert Found("[f] f()", value).like(torch.zeros(2)) is not None
    for other, words in (
        (torch.zeros(3), "expected (3,): two"),
        (torch.zeros(2, dtype=torch.int64), "dtype"),
    ):
        with pytest.raises(Wrong, match="expected") as wrong:
            Found("[f] f()", value).like(other, shape_hint="two")
        assert words in str(wrong.value)


def test_given():
    def test_with_a_model(env):
        return given(env, "model")

    assert test_with_a_model({"model": 3}) == 3
    with pytest.raises(Wrong) as wrong:
        test_with_a_model({})
    assert str(wrong.value).startswith("[with a model] the cell that defines `model` was deleted or not run")


def test_a_name_that_is_not_there():
    def double(x):
        return 2 * helper(x)

    with pytest.raises(Wrong, match="there is no `helper` here.*deleted or not run"):
        Answer({"double": double}, "double")(1.0)

    def unbound(x):
        y += x
        return y

    with pytest.raises(Wrong, match="UnboundLocalError"):
        Answer({"unbound": unbound}, "unbound")(1.0)
