"""Bad input: each error names the argument, what was found and what was expected."""

import numpy
import pytest
import torch

from tokenlab.errors import (
    ArgumentError,
    BackendError,
    DtypeError,
    EmptySupportError,
    ShapeError,
    TokenlabError,
)
from tokenlab.ops import METHODS, exponential, gumbel, open_uniform, row_stats, sample_categorical, top_k

NAN, INF = float("nan"), float("inf")
GOOD = torch.zeros(2, 5)
UNIFORM = {"inverse_cdf": (2,), "two_level": (2, 2), "gumbel": (2, 5), "exponential_race": (2, 5)}
CALLS = {
    "row_stats": row_stats,
    "top_k": lambda logits, **options: top_k(logits, 1, **options),
    **{
        method: lambda logits, method=method, **options: sample_categorical(logits, method=method, **options)
        for method in METHODS
    },
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    ("logits", "error", "message"),
    [
        (torch.tensor([[0.0, 1.0], [NAN, 0.0]]), ArgumentError, r"logits holds NaN in row \(1,\)"),
        (torch.tensor([[0.0, INF], [1.0, 0.0]]), ArgumentError, r"logits holds \+inf in row \(0,\)"),
        (torch.tensor([[0.0, 1.0], [-INF, -INF]]), EmptySupportError, r"-inf everywhere in row \(1,\)"),
        (torch.tensor([-INF, -INF]), EmptySupportError, "logits is -inf everywhere"),
        (torch.tensor([-INF, NAN]), ArgumentError, "NaN"),
        (torch.tensor([[NAN]]).bfloat16(), ArgumentError, "NaN"),
        (torch.zeros(3, 0), ShapeError, r"\(3, 0\): the vocabulary is empty"),
        (torch.zeros(0, 0), ShapeError, "the vocabulary is empty"),
        (torch.tensor(1.0), ShapeError, "0 dimensions, expected at least 1"),
        (torch.zeros(2, 3, dtype=torch.int64), DtypeError, "dtype int64, expected one of bfloat16"),
        (torch.zeros(2, 3, dtype=torch.complex64), DtypeError, "complex64"),
        (torch.zeros(2, 3, dtype=torch.bool), DtypeError, "bool"),
        ([0.0, 1.0], DtypeError, "logits must be a torch.Tensor, found list"),
        (numpy.zeros(3), DtypeError, "found ndarray"),
        (None, DtypeError, "found NoneType"),
    ],
)
def test_logits(call, logits, error, message):
    with pytest.raises(error, match=message):
        call(logits)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_shape_and_dtype_are_checked_even_without_validation(call):
    with pytest.raises(ShapeError):
        call(torch.zeros(3, 0), validate=False)
    with pytest.raises(DtypeError):
        call(torch.zeros(3, dtype=torch.int32), validate=False)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_backend(call):
    with pytest.raises(BackendError, match="of float64 has no Triton kernel; use backend='auto'"):
        call(GOOD.double(), backend="triton")
    with pytest.raises(ArgumentError, match="backend is 'cuda', expected one of 'auto'"):
        call(GOOD, backend="cuda")
    call(GOOD, backend="reference")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: top_k(x, 17, backend="triton"), "top_k with k=17 has no Triton kernel"),
        (
            lambda x: sample_categorical(x, method="inverse_cdf", backend="triton"),
            "sample_categorical with method='inverse_cdf' has no Triton kernel",
        ),
        (
            lambda x: sample_categorical(x, block_size=8193, backend="triton"),
            "sample_categorical with block_size=8193 for 70000 tokens has no Triton kernel",
        ),
        (
            lambda x: sample_categorical(x, block_size=1, backend="triton"),
            "sample_categorical with block_size=1 for 70000 tokens has no Triton kernel",
        ),
        (
            lambda x: row_stats(x[:1].expand(2**24), backend="triton", validate=False),
            "row_stats of 16777216 tokens has no Triton kernel",
        ),
        (lambda x: row_stats(x.requires_grad_(), backend="triton"), "row_stats with a gradient has no"),
        (lambda x: top_k(x.requires_grad_(), 2, backend="triton"), "top_k with a gradient has no"),
    ],
)
def test_limits_of_the_kernels(call, message):
    with pytest.raises(BackendError, match=message):
        call(torch.zeros(70_000))


@pytest.mark.parametrize(
    ("k", "error", "message"),
    [
        (0, ArgumentError, "k is 0, expected 1 to 5"),
        (-1, ArgumentError, "k is -1"),
        (6, ArgumentError, "k is 6, expected 1 to 5"),
        (True, DtypeError, "k must be an int, found bool True"),
        (2.0, DtypeError, "k must be an int, found float 2.0"),
        (None, DtypeError, "found NoneType"),
    ],
)
def test_k(k, error, message):
    with pytest.raises(error, match=message):
        top_k(GOOD, k)


def test_numpy_integer_is_an_integer():
    assert top_k(GOOD, numpy.int64(2)).indices.tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize(
    ("stats", "error", "message"),
    [
        (["max", "mean"], ArgumentError, "stats is 'mean', expected one of 'max', 'logsumexp'"),
        ("max", DtypeError, "stats must be a sequence of names, found 'max'"),
        (None, DtypeError, "found None"),
    ],
)
def test_stats(stats, error, message):
    with pytest.raises(error, match=message):
        row_stats(GOOD, stats)


def test_method():
    with pytest.raises(ArgumentError, match="method is 'greedy', expected one of 'two_level'"):
        sample_categorical(GOOD, method="greedy")


@pytest.mark.parametrize(("block_size", "error"), [(0, ArgumentError), (1.5, DtypeError), (True, DtypeError)])
def test_block_size(block_size, error):
    with pytest.raises(error, match="block_size"):
        sample_categorical(GOOD, block_size=block_size)


@pytest.mark.parametrize("method", METHODS)
def test_noise(method):
    def draw(noise, **options):
        return sample_categorical(GOOD, method=method, noise=noise, **options)

    good = torch.full(UNIFORM[method], 0.5, dtype=torch.float64)
    draw(good)
    with pytest.raises(DtypeError, match="noise has dtype float32, expected one of float64"):
        draw(good.float())
    with pytest.raises(DtypeError, match="noise must be a torch.Tensor, found float"):
        draw(0.5)
    for wrong in (good[:1], good.unsqueeze(0), torch.full((2, 3), 0.5, dtype=torch.float64)):
        with pytest.raises(ShapeError, match=r"noise has shape .*, expected"):
            draw(wrong)
        with pytest.raises(ShapeError):
            draw(wrong, validate=False)
    for value in (0.0, 5e-324, 1.0, -0.1, 1.5, NAN, INF):
        bad = good.clone()
        bad.view(-1)[-1] = value
        with pytest.raises(ArgumentError, match="noise must lie strictly between 0 and 1"):
            draw(bad)
    with pytest.raises(ArgumentError, match="noise is on meta, expected cpu"):
        draw(good.to("meta"))
    with pytest.raises(ArgumentError, match="noise and generator are both given"):
        draw(good, generator=torch.Generator())


@pytest.mark.parametrize("generator", [0, "cpu", numpy.random.default_rng(0)])
def test_generator(generator):
    with pytest.raises(DtypeError, match="generator must be a torch.Generator, found"):
        sample_categorical(GOOD, generator=generator)
    with pytest.raises(DtypeError, match="generator must be a torch.Generator, found"):
        open_uniform((2,), generator=generator)


def test_generator_of_another_device():
    with pytest.raises(ArgumentError, match="generator is on cpu, the tensors are on meta"):
        open_uniform((2,), generator=torch.Generator(), device="meta")


@pytest.mark.parametrize("transform", [gumbel, exponential])
def test_transforms(transform):
    with pytest.raises(DtypeError, match="uniform has dtype float32"):
        transform(torch.tensor(0.5))
    with pytest.raises(DtypeError, match="uniform must be a torch.Tensor, found float"):
        transform(0.5)
    for value in (0.0, 5e-324, 1.0, NAN):
        with pytest.raises(ArgumentError, match="uniform must lie strictly between 0 and 1"):
            transform(torch.tensor([0.5, value], dtype=torch.float64))


def test_errors_are_also_builtin_ones():
    for call, builtin in ((lambda: top_k(GOOD, 9), ValueError), (lambda: top_k(GOOD, 1.0), TypeError)):
        with pytest.raises(builtin) as caught:
            call()
        assert isinstance(caught.value, TokenlabError)
