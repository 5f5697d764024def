"""The shared checks: what passes, what fails, and that a message says what is wrong."""

import numpy
import pytest
import torch

from tokenlab import errors
from tokenlab.errors import (
    FLOAT_DTYPES,
    INTEGER_DTYPES,
    SUM_TOLERANCE,
    ArgumentError,
    DtypeError,
    EmptySupportError,
    ProbabilityError,
    ShapeError,
    TokenlabError,
    check_choice,
    check_generator,
    check_int,
    check_logits,
    check_noise,
    check_probs,
    check_real,
    check_tensor,
)

NAN, INF = float("nan"), float("inf")


def test_every_error_is_a_builtin_one_too():
    found = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, TokenlabError) and value is not TokenlabError
    ]
    assert len(found) >= 9
    for error in found:
        assert issubclass(error, (ValueError, TypeError, RuntimeError, ImportError)), error


def test_tensor():
    check_tensor("x", torch.zeros(2))
    check_tensor("x", torch.zeros(2, 3, dtype=torch.int64), dtypes=INTEGER_DTYPES, min_dims=2, max_dims=2)
    with pytest.raises(DtypeError, match="x must be a torch.Tensor, found int"):
        check_tensor("x", 3)
    with pytest.raises(DtypeError, match="x has dtype float32, expected one of int32, int64"):
        check_tensor("x", torch.zeros(2), dtypes=INTEGER_DTYPES)
    with pytest.raises(ShapeError, match=r"x has shape \(2,\) with 1 dimensions, expected at least 2"):
        check_tensor("x", torch.zeros(2), min_dims=2)
    with pytest.raises(ShapeError, match="3 dimensions, expected 1 to 2"):
        check_tensor("x", torch.zeros(1, 1, 1), max_dims=2)


@pytest.mark.parametrize("dtype", FLOAT_DTYPES)
def test_logits(dtype):
    check_logits("x", torch.tensor([[0.0, -INF], [5.0, 1.0]], dtype=dtype))
    check_logits("x", torch.zeros(0, 4, dtype=dtype))
    for bad, error, message in [
        ([[0.0, 1.0], [1.0, NAN]], ArgumentError, r"x holds NaN in row \(1,\)"),
        ([[INF, 1.0], [1.0, 0.0]], ArgumentError, r"x holds \+inf in row \(0,\)"),
        ([[0.0, 1.0], [-INF, -INF]], EmptySupportError, r"x is -inf everywhere in row \(1,\)"),
        ([INF, -INF], ArgumentError, r"\+inf in row \(\)"),
    ]:
        logits = torch.tensor(bad, dtype=dtype)
        with pytest.raises(error, match=message):
            check_logits("x", logits)
        check_logits("x", logits, validate=False)
    with pytest.raises(ShapeError, match="the vocabulary is empty"):
        check_logits("x", torch.zeros(2, 0, dtype=dtype), validate=False)


@pytest.mark.parametrize("dtype", FLOAT_DTYPES)
def test_probs(dtype):
    probs = torch.randn(3, 50, generator=torch.Generator().manual_seed(0)).double().softmax(-1)
    check_probs("x", probs.to(dtype))
    check_probs("x", torch.zeros(0, 4, dtype=dtype))
    excess = 4 * SUM_TOLERANCE[dtype]
    for bad, error, message in [
        ([[0.5, 0.5], [0.5, NAN]], ProbabilityError, r"x holds NaN in row \(1,\)"),
        ([[0.5, 0.5], [1.0, -0.5], [1.75, -0.75]], ProbabilityError, r"x holds -0.5 < 0 in row \(1,\)"),
        ([[1.0, 0.0], [0.0, 0.0]], EmptySupportError, r"x has no mass in row \(1,\)"),
        (
            [[0.5, 0.5], [0.5, 0.5 + excess]],
            ProbabilityError,
            r"x sums to 1.* in row \(1,\), expected 1 within",
        ),
        ([0.5, 0.25], ProbabilityError, r"x sums to 0.75 in row \(\)"),
        ([0.5, INF], ProbabilityError, "x sums to inf"),
    ]:
        with pytest.raises(error, match=message):
            check_probs("x", torch.tensor(bad, dtype=dtype))
        check_probs("x", torch.tensor(bad, dtype=dtype), validate=False)
    with pytest.raises(ShapeError, match="the vocabulary is empty"):
        check_probs("x", torch.zeros(2, 0, dtype=dtype))


def test_noise():
    good = torch.tensor([2.0**-1022, 0.5, 1 - 2.0**-53], dtype=torch.float64)
    check_noise("x", good, (3,))
    check_noise("x", good[0], ())
    check_noise("x", good[:0], (0,))
    check_noise("x", good, (3,), device=torch.device("cpu"))
    with pytest.raises(DtypeError, match="x has dtype float32, expected one of float64"):
        check_noise("x", good.float(), (3,))
    with pytest.raises(ShapeError, match=r"x has shape \(3,\), expected \(2, 3\)"):
        check_noise("x", good, (2, 3))
    with pytest.raises(ArgumentError, match="x is on cpu, expected cuda"):
        check_noise("x", good, (3,), device=torch.device("cuda"))
    for value in (0.0, 5e-324, 1.0, -1.0, NAN, INF):
        bad = torch.tensor([0.5, value], dtype=torch.float64)
        with pytest.raises(ArgumentError, match="x must lie strictly between 0 and 1"):
            check_noise("x", bad, (2,))
        check_noise("x", bad, (2,), validate=False)
    with pytest.raises(ArgumentError, match="x and generator are both given, expected one of them"):
        check_noise("x", good, (3,), generator=torch.Generator())


def test_generator():
    check_generator(None, torch.device("cuda"))
    check_generator(torch.Generator(), torch.device("cpu"))
    with pytest.raises(DtypeError, match="generator must be a torch.Generator, found int"):
        check_generator(1, torch.device("cpu"))
    with pytest.raises(ArgumentError, match=r"generator is on cpu.*torch.Generator\(device='cuda'\)"):
        check_generator(torch.Generator(), torch.device("cuda"))


def test_int():
    found = check_int("k", numpy.int32(3), low=1)
    assert found == 3 and type(found) is int
    assert check_int("k", 5, low=1, high=5) == 5
    for value in (True, 2.0, "2", None, torch.tensor(2)):
        with pytest.raises(DtypeError, match="k must be an int, found"):
            check_int("k", value, low=0)
    with pytest.raises(ArgumentError, match="k is 0, expected at least 1"):
        check_int("k", 0, low=1)
    with pytest.raises(ArgumentError, match="k is 9, expected 1 to 5"):
        check_int("k", 9, low=1, high=5)


def test_real():
    assert check_real("t", 1, low=0) == 1.0
    assert check_real("t", numpy.float32(0.5), low=0, high=1) == 0.5
    assert check_real("t", 1.0, low=0, high=1) == 1.0
    for value in (True, "1", None, torch.tensor(1.0)):
        with pytest.raises(DtypeError, match="t must be a number, found"):
            check_real("t", value, low=0)
    for value in (NAN, INF, -INF, -0.5):
        with pytest.raises(ArgumentError, match="t is"):
            check_real("t", value, low=0)
    with pytest.raises(ArgumentError, match=r"t is 0, expected a number in \(0, inf\)"):
        check_real("t", 0, low=0, include_low=False)
    with pytest.raises(ArgumentError, match=r"t is 1.0, expected a number in \[0, 1\)"):
        check_real("t", 1.0, low=0, high=1, include_high=False)
    with pytest.raises(ArgumentError, match=r"t is 1.5, expected a number in \(0, 1\]"):
        check_real("t", 1.5, low=0, high=1, include_low=False)


def test_choice():
    assert check_choice("rule", "a", ("a", "b")) == "a"
    with pytest.raises(ArgumentError, match="rule is 'c', expected one of 'a', 'b'"):
        check_choice("rule", "c", ("a", "b"))
    for value, found in ((None, "NoneType None"), (["a"], r"list \['a'\]"), (1, "int 1")):
        with pytest.raises(DtypeError, match=f"rule must be a string, found {found}"):
            check_choice("rule", value, {"a": 1, "b": 2})


def test_a_sum_near_one_is_said_with_the_digits_that_differ():
    probs = torch.full((3,), 1 / 3 + 1e-8, dtype=torch.float64)
    with pytest.raises(ProbabilityError, match=r"x sums to 1 \+ 3e-08 in row \(\), expected 1 within 1e-09"):
        check_probs("x", probs)
    with pytest.raises(ProbabilityError, match=r"sums to 1 - 3e-08"):
        check_probs("x", probs - 2e-8)


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        (torch.float32, torch.float64),
        (torch.bfloat16, torch.float64),
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
    ],
)
def test_rounded_values_in_a_wider_dtype_are_named_as_the_cause(narrow, wide):
    probs = torch.full((10,), 0.1, dtype=wide).to(narrow).to(wide)
    if narrow == torch.float16:
        probs = torch.full((1000,), 0.001, dtype=wide).to(narrow).to(wide)
    with pytest.raises(ProbabilityError) as caught:
        check_probs("x", probs)
    short = [str(dtype).removeprefix("torch.") for dtype in (narrow, wide)]
    assert f"its values are those of {short[0]}, made {short[1]} after they were rounded" in str(caught.value)
    check_probs("x", probs.to(narrow))


def test_no_cause_is_named_where_it_cannot_be_the_cause():
    for probs in ([0.5, 0.25], [1 / 3 + 1e-6] * 3):
        with pytest.raises(ProbabilityError) as caught:
            check_probs("x", torch.tensor(probs, dtype=torch.float64))
        assert "rounded" not in str(caught.value)


def test_a_package_that_is_missing_names_its_extra():
    errors.check_installed("torch", "train")
    with pytest.raises(
        errors.MissingPackageError, match=r'^no_such is not .* `pip install "tokenlab\[teach\]"`$'
    ):
        errors.check_installed("no_such", "teach")
