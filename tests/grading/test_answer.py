"""A student's function, called: every fault is put into words."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import Tensor

from tokenlab.grading import Answer, Wrong


def answer(function, name="double", **options) -> Answer:
    return Answer({name: function}, name, **options)


def message(function, *args, expected=(2.0,), mistakes=None, **options) -> str:
    with pytest.raises(Wrong) as raised:
        answer(function)(*(args or (torch.tensor([1.0]),))).equals(list(expected), mistakes, **options)
    return str(raised.value)


def test_right_answer_passes():
    answer(lambda x: 2 * x)(torch.tensor([1.0])).equals([2.0])
    answer(lambda x: 2 * x)(torch.tensor([torch.nan, torch.inf])).equals([torch.nan, torch.inf])
    answer(lambda x: x > 0)(torch.tensor([1.0, -1.0])).equals([True, False])


def test_check_has_the_name_of_its_test():
    with pytest.raises(Wrong, match=r"^\[check has the name of its test\] double\(\[1.0\]\) returned"):
        Answer({"double": torch.clone}, "double")(torch.tensor([1.0])).equals([2.0])


def test_missing():
    with pytest.raises(Wrong, match="double is not defined. Run the cell with `def double`"):
        Answer({}, "double")


def test_renamed():
    def doubled(x):
        return 2 * x

    with pytest.raises(Wrong, match="There is a function `doubled`: did you rename it?"):
        Answer({"doubled": doubled, "torch": torch}, "double")


def test_overwritten():
    with pytest.raises(Wrong, match="double is no longer a function but a value of type Tensor"):
        Answer({"double": torch.tensor(2.0)}, "double")


def test_raises():
    def double(x):
        return x @ torch.zeros(2, 2)

    text = message(double)
    assert "raised RuntimeError" in text and "in the line `return x @ torch.zeros(2, 2)`" in text


def test_a_flood_of_words_is_cut():
    def double(x):
        raise type("Long" * 100, (ValueError,), {})("x" * 5000)

    def named(x):
        raise NameError("x", name="x" * 5000)

    assert len(message(double)) < 600
    assert "..." in message(named) and len(message(named)) < 400
    assert len(str(Wrong("x" * 5000))) == 1003


def test_while_a_submission_is_graded_public_checks_quote_no_words(monkeypatch):
    otter = pytest.importorskip("otter.check.notebook")

    def double(x):
        raise ValueError(f"{x} and a secret")

    def helped(x):
        return x - x.amax(-1)

    assert "a secret" in message(double)
    monkeypatch.setattr(otter.Notebook, "_grading_mode", True)
    assert message(double).endswith('raised ValueError, in the line `raise ValueError(f"{x} and a secret")`')
    assert "is `keepdim=True` missing?" in message(helped, torch.ones(2, 3))

    def test_hidden_rows():
        Answer({"double": double}, "double")(1)

    with pytest.raises(Wrong, match="raised ValueError: 1 and a secret"):
        test_hidden_rows()


def test_wrong_number_of_arguments():
    assert "raised TypeError" in message(lambda: None)


def test_exits():
    def double(x):
        raise SystemExit

    assert "called exit()" in message(double)


def test_interrupt_stops_the_question_and_nothing_else():
    def double(x):
        raise KeyboardInterrupt

    assert "was interrupted" in message(double)
    assert "was not called again" in message(double)


def test_never_ends_and_is_not_called_again():
    calls = []

    def double(x):
        calls.append(x)
        while True:
            pass

    with pytest.raises(Wrong, match="did not end within 0.1 seconds: does its loop stop?"):
        answer(double, seconds=0.1)(1)
    with pytest.raises(Wrong, match="was not called again: its last call did not end"):
        answer(double, seconds=0.1)(1)
    assert len(calls) == 1


def test_prints_megabytes(capsys):
    def double(x):
        print("x" * 2_000_000)
        return 2 * x

    answer(double)(torch.tensor([1.0])).equals([2.0])
    printed = capsys.readouterr().out
    assert len(printed) < 1_000 and "2,000,001 characters were printed, 500 are shown" in printed


def test_a_students_own_prints_are_shown(capsys):
    answer(lambda x: print("here") or 2 * x)(torch.tensor([1.0])).equals([2.0])
    assert capsys.readouterr().out == "here\n"


def test_returns_nothing():
    assert "double returned None: is `...` still there, or a `return` missing?" in message(lambda x: None)


def test_wrong_type():
    assert "returned an int, expected a tensor" in message(lambda x: 2)
    assert "returned a list, expected a tensor" in message(lambda x: [2.0])


def test_wrong_shape():
    text = message(lambda x: x.sum(), hint="a value is wrong", shape_hint="one number for each row")
    assert text.endswith("returned shape (), expected (1,): one number for each row")


def test_wrong_dtype():
    with pytest.raises(Wrong, match="returned dtype torch.float32, expected torch.float64"):
        answer(lambda x: x.float())(torch.ones(1)).equals(torch.ones(1, dtype=torch.float64))
    with pytest.raises(Wrong, match="returned dtype torch.float32, expected torch.bool"):
        answer(lambda x: x)(torch.ones(1)).equals([True])
    with pytest.raises(Wrong, match="returned dtype torch.float32, expected torch.int64"):
        answer(lambda x: x)(torch.ones(1)).equals([1])


@pytest.mark.parametrize("change", [lambda x: x.mul_(2), lambda x: x.squeeze_(0)])
def test_changed_in_place(change):
    assert "changed its argument in place" in message(change, torch.ones(1, 2))


def test_nan_in_an_argument_is_no_change():
    answer(lambda x: x + 1)(torch.tensor([torch.nan])).equals([torch.nan])


def test_mistake_is_named():
    mistakes = {"you added": [3.0], "you squared": [1.0]}
    assert message(lambda x: x * x, mistakes=mistakes, hint="look").endswith(": you squared")
    assert message(lambda x: 5 * x, mistakes=mistakes, hint="look").endswith(": look")


def listed(value, mistakes=None, hint="") -> str:
    with pytest.raises(Wrong) as raised:
        answer(lambda: value)().holds([(b"A", 0.5), (b"B", 1 / 3)], mistakes, hint=hint)
    return str(raised.value)


@pytest.mark.parametrize(
    "value",
    [
        [(b"B", 1 / 3), (b"A", 0.5)],
        ([b"A", 0.5], [b"B", 0.333333333333]),
        {(b"A", 0.5), (b"B", 1 / 3)},
        [(b"A", torch.tensor(0.5)), (b"B", torch.tensor(1 / 3, dtype=torch.float64))],
    ],
)
def test_a_list_in_any_order(value):
    answer(lambda: value)().holds([(b"A", 0.5), (b"B", 1 / 3)])


def test_a_wrong_list_is_put_into_words():
    right = [(b"A", 0.5), (b"B", 1 / 3)]
    assert listed(right[:1]).endswith("returned a list that lacks (b'B', 0.333333333)")
    assert listed([*right, b"C"]).endswith("a list that holds b'C' where it does not belong")
    assert listed([*right, right[0]]).endswith("a list that holds (b'A', 0.5) more than once")
    assert "lacks (b'B', 0.333333333) and holds (b'B', 0.334)" in listed([right[0], (b"B", 0.334)])
    assert "lacks" in listed([{"A": 0.5}])
    assert "returned a dict, expected a list" in listed(dict(right))


def test_mistake_of_a_list_is_named():
    mistakes = {"one is enough?": [(b"A", 0.5)]}
    assert listed([[b"A", 0.5]], mistakes, "look").endswith(": one is enough?")
    assert listed([], mistakes, "look").endswith(": look")


def test_functions_among_the_arguments_are_shown_by_name():
    def encode(text):
        return text

    found = answer(lambda first, second, third: torch.ones(1))(encode, functools.cache(encode), len)
    assert found.where.endswith("double(encode, encode, len)")


def test_first_difference_of_many():
    with pytest.raises(
        Wrong, match=r"is wrong in 2 of 20 positions, first at \[3\]: returned -1.0, expected 1.0"
    ):
        answer(lambda x: torch.where((x == 3) | (x == 5), -1.0, 1.0))(torch.arange(20.0)).equals([1.0] * 20)


def test_as_many_digits_as_tell_the_values_apart():
    assert "returned [2.0002441], expected [2.0]" in message(lambda x: (2 + 2**-12) * x)
    assert "returned [3.0], expected [2.0]" in message(lambda x: 3.00001 * x)
    with pytest.raises(Wrong, match=r"returned \[0.69314\d+\], expected \[0.69314718\]"):
        answer(lambda x: x)(torch.tensor([0.693143])).equals([0.69314718])
    with pytest.raises(Wrong, match=r"returned \[1.0000000000000002\], expected \[1.0\]"):
        answer(lambda x: x)(torch.tensor([1 + 2**-52], dtype=torch.float64)).equals([1.0], tolerance=0)


def test_numbers_are_shown_as_what_they_are():
    with pytest.raises(Wrong, match=r"returned \[0, 1\], expected \[1, 1\]"):
        answer(lambda x: x)(torch.tensor([0, 1])).equals([1, 1])
    with pytest.raises(Wrong, match=r"returned \[True\], expected \[False\]"):
        answer(lambda x: x)(torch.tensor([True])).equals([False])


def test_places_that_the_tolerance_allows_are_not_counted():
    with pytest.raises(Wrong, match=r"is wrong in 1 of 20 positions, first at \[3\]"):
        answer(lambda x: torch.where(x == 3, -1.0, x + 1e-4))(torch.arange(20.0)).equals(
            [*list(range(3)), 3.0, *list(range(4, 20))], tolerance=1e-3
        )


def inner(x):
    return x.amax(-1) - x.max(-1)


def test_the_innermost_line_of_the_students_code_is_quoted():
    def double(x):
        return inner(x)

    text = message(double)
    assert "use `amax`, in the line `return x.amax(-1) - x.max(-1)`" in text


def test_missing_keepdim():
    assert "is `keepdim=True` missing?" in message(lambda x: x - x.amax(-1), torch.ones(2, 3))


COMPILED = """at 7:12:
def kernel(x_ptr):
    m = 0.0
    x = tl.lod(x_ptr)
        ^
{error}"""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("AttributeError: no lod", ": AttributeError: no lod, in the line `x = tl.lod(x_ptr)`"),
        ("m has initial type fp32 but is re-assigned to <['8'], fp32>", "a number is still a whole tile"),
        ("TypeError('must be real number, not tensor')", "use `tl.exp`"),
        (
            "create_reduce(): incompatible function arguments. The following",
            "of two values is `tl.maximum(a, b)`",
        ),
    ],
)
def test_errors_of_the_compiler(error, words):
    def double(x):
        raise RuntimeError(COMPILED.format(error=error))

    text = message(double)
    assert words in text and "def kernel" not in text


def test_known_errors_are_explained():
    def late(x):
        raise RuntimeError("0 active drivers ([]). There should only be one.")

    def narrow(x):
        raise ValueError("Expected dtype ['fp32', 'fp64'] but got bf16")

    assert "restart the kernel and run all cells from the top" in message(late)
    assert "cast to float32 on the line that loads" in message(narrow)


class Stop(BaseException):
    """An error that no ``except Exception`` catches, and that cannot even say what it is."""

    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize("error", [GeneratorExit, Stop])
def test_errors_beyond_exception_stop_this_answer_only(error):
    def double(x):
        raise error

    assert f"raised {error.__name__}" in message(double)


def test_a_callable_without_a_hash():
    class Doubler:
        __hash__ = None

        def __call__(self, x):
            return 2 * x

    answer(Doubler())(torch.tensor([1.0])).equals([2.0])


@pytest.mark.parametrize(
    ("convert", "words"), [(Tensor.to_sparse, "a sparse tensor"), (lambda x: x.to("meta"), "without values")]
)
def test_no_ordinary_tensor(convert, words):
    assert words in message(lambda x: convert(2 * x))


def test_a_class_that_equals_everything():
    class Agreeing(Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return (
                True
                if func is torch.allclose
                else super().__torch_function__(func, types, args, kwargs or {})
            )

    assert "expected [2.0]" in message(lambda x: (3 * x).as_subclass(Agreeing))


def test_defaults_are_put_back():
    def double(x):
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        return 2 * x

    answer(double)(torch.tensor([1.0]))
    made = torch.zeros(1)
    assert made.dtype == torch.float32 and made.device.type == "cpu"
