"""The checks of tensors: types, shapes, values."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tokenlab.errors import ArgumentError, DtypeError, EmptySupportError, ProbabilityError, ShapeError

FLOAT_DTYPES = (torch.bfloat16, torch.float16, torch.float32, torch.float64)
INTEGER_DTYPES = (torch.int32, torch.int64)

#: How far a row of probabilities may be from summing to one, by dtype.
SUM_TOLERANCE = {torch.bfloat16: 2e-2, torch.float16: 2e-3, torch.float32: 1e-4, torch.float64: 1e-9}


def check_tensor(
    name: str,
    value: Tensor,
    *,
    dtypes: Sequence[torch.dtype] = FLOAT_DTYPES,
    min_dims: int = 1,
    max_dims: int | None = None,
) -> None:
    """Check type, dtype and number of dimensions."""
    if not isinstance(value, Tensor):
        raise DtypeError(f"{name} must be a torch.Tensor, found {type(value).__name__}")
    if value.dtype not in dtypes:
        allowed = ", ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)
        found = str(value.dtype).removeprefix("torch.")
        raise DtypeError(f"{name} has dtype {found}, expected one of {allowed}")
    if value.dim() < min_dims or (max_dims is not None and value.dim() > max_dims):
        expected = f"at least {min_dims}" if max_dims is None else f"{min_dims} to {max_dims}"
        if min_dims == max_dims:
            expected = str(min_dims)
        raise ShapeError(
            f"{name} has shape {tuple(value.shape)} with {value.dim()} dimensions, expected {expected}"
        )


def check_logits(name: str, logits: Tensor, *, validate: bool = True) -> None:
    """Check rows of logits: floats without NaN and +inf, and not ``-inf`` everywhere."""
    check_tensor(name, logits)
    if logits.shape[-1] == 0:
        raise ShapeError(f"{name} has shape {tuple(logits.shape)}: the vocabulary is empty")
    if not validate or logits.numel() == 0:
        return
    # One pass: NaN and +inf both survive a row maximum, and -inf only if nothing else is there.
    row_max = logits.amax(-1)
    if not bool(torch.isfinite(row_max).all()):
        if bool(row_max.isnan().any()):
            raise ArgumentError(f"{name} holds NaN in row {_first(row_max.isnan())}")
        if bool((row_max == torch.inf).any()):
            raise ArgumentError(f"{name} holds +inf in row {_first(row_max == torch.inf)}")
        raise EmptySupportError(
            f"{name} is -inf everywhere in row {_first(row_max == -torch.inf)}: no token can be drawn"
        )


def check_probs(name: str, probs: Tensor, *, validate: bool = True) -> None:
    """Check rows of probabilities: from 0 on, with sum one within SUM_TOLERANCE."""
    check_tensor(name, probs)
    if probs.shape[-1] == 0:
        raise ShapeError(f"{name} has shape {tuple(probs.shape)}: the vocabulary is empty")
    if not validate or probs.numel() == 0:
        return
    smallest = probs.amin(-1)
    if bool(smallest.isnan().any()):
        raise ProbabilityError(f"{name} holds NaN in row {_first(smallest.isnan())}")
    if bool((smallest < 0).any()):
        row = _first(smallest < 0)
        raise ProbabilityError(f"{name} holds {smallest[row].item():.6g} < 0 in row {row}")
    total = probs.sum(-1, dtype=torch.float64)
    tolerance = SUM_TOLERANCE[probs.dtype]
    wrong = ~((total - 1).abs() <= tolerance)
    if bool(wrong.any()):
        row = _first(wrong)
        found = total.flatten()[int(wrong.flatten().nonzero()[0])].item()
        if found == 0:
            raise EmptySupportError(f"{name} has no mass in row {row}: no token can be drawn")
        raise ProbabilityError(
            f"{name} sums to {as_sum(found)} in row {row}, expected 1 within {tolerance:g} "
            f"for {_short(probs.dtype)}{_widened(probs, found)}"
        )


def check_noise(
    name: str,
    noise: Tensor,
    shape: Sequence[int],
    *,
    device: torch.device | None = None,
    generator: torch.Generator | None = None,
    validate: bool = True,
) -> None:
    """Check noise given in place of a generator: float64, shape, device, inside (0, 1)."""
    if generator is not None:
        raise ArgumentError(f"{name} and generator are both given, expected one of them")
    check_tensor(name, noise, dtypes=(torch.float64,), min_dims=0)
    if tuple(noise.shape) != tuple(shape):
        raise ShapeError(f"{name} has shape {tuple(noise.shape)}, expected {tuple(shape)}")
    if device is not None and noise.device != device:
        raise ArgumentError(f"{name} is on {noise.device}, expected {device}")
    if not validate or noise.numel() == 0:
        return
    # Vectorised logarithms may take a subnormal number for 0.
    low, high = noise.aminmax()
    if not bool((low >= torch.finfo(torch.float64).tiny) & (high < 1)):
        raise ArgumentError(
            f"{name} must lie strictly between 0 and 1, from 2^-1022 on; "
            f"found {low.item():g} to {high.item():g}"
        )


def check_generator(generator: torch.Generator | None, device: torch.device) -> None:
    """Check a generator, and that it is where the tensors are."""
    if generator is None:
        return
    if not isinstance(generator, torch.Generator):
        raise DtypeError(f"generator must be a torch.Generator, found {type(generator).__name__}")
    if generator.device.type != device.type:
        raise ArgumentError(
            f"generator is on {generator.device}, the tensors are on {device}: "
            f"make it with torch.Generator(device={device.type!r})"
        )


def as_sum(total: float) -> str:
    """A sum that should be one, with the digits in which it is not.

    >>> as_sum(0.75), as_sum(1 + 6e-8)
    ('0.75', '1 + 6e-08')
    """
    beyond = total - 1
    if not 0 < abs(beyond) < 1e-4:
        return f"{total:.6g}"
    return f"1 {'+' if beyond > 0 else '-'} {abs(beyond):.2g}"


def _widened(probs: Tensor, total: float) -> str:
    """The likely cause, where values of a wider dtype are all those of a narrower one."""
    wide = _short(probs.dtype)
    for narrow in (torch.bfloat16, torch.float16, torch.float32):
        if (
            narrow.itemsize < probs.dtype.itemsize
            and abs(total - 1) <= SUM_TOLERANCE[narrow]
            and torch.equal(probs.to(narrow).to(probs.dtype), probs)
        ):
            return (
                f"; its values are those of {_short(narrow)}, made {wide} after they were rounded: "
                f"compute them in {wide}, or give them as {_short(narrow)}"
            )
    return ""


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _first(mask: Tensor) -> tuple[int, ...]:
    """Index of the first True."""
    if mask.dim() == 0:
        return ()
    return tuple(mask.nonzero()[0].tolist())
