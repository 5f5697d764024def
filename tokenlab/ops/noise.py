"""Uniform noise with both ends open, and the Gumbel and exponential noise made from it.

The largest Gumbel or the smallest exponential variable wins. Both transforms here put it at ``u``
near 0, where floating point is fine. Near 1 float32 stops at 1 - 2^-24, and ``-log(-log(u))``
therefore at 16.64. The uniforms are float64.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float64
from torch import Tensor

from tokenlab.errors import check_generator, check_noise, check_tensor

#: ``torch.rand`` returns multiples of 2^-53, and 0 stands for all of [0, 2^-53): take its middle.
SMALLEST_UNIFORM = 2.0**-54


def open_uniform(
    shape: Sequence[int], *, generator: torch.Generator | None = None, device: torch.device | str = "cpu"
) -> Float64[Tensor, "*shape"]:
    r"""Uniform noise :math:`k \cdot 2^{-53}` for whole :math:`0 < k < 2^{53}`, and :math:`2^{-54}` for zero.

    Raises
    ------
    DtypeError, ArgumentError
        If the generator is not a ``torch.Generator``, or is on another kind of device.

    Examples
    --------
    >>> noise = open_uniform((2, 3), generator=torch.Generator().manual_seed(0))
    >>> noise.dtype, bool(noise.min() > 0), bool(noise.max() < 1)
    (torch.float64, True, True)
    """
    check_generator(generator, torch.device(device))
    noise = torch.rand(tuple(shape), generator=generator, device=device, dtype=torch.float64)
    return noise.clamp_(min=SMALLEST_UNIFORM)


def exponential(uniform: Float64[Tensor, "*shape"], *, validate: bool = True) -> Float64[Tensor, "*shape"]:
    r"""Exponential noise of rate 1, :math:`E = -\log(1 - u)`, computed as ``-log1p(-u)``.

    Small values win a race, and :math:`E \approx u` there: nothing is lost down to 2^-1022.

    Raises
    ------
    DtypeError, ArgumentError
        If ``uniform`` is not float64, or not inside (0, 1) and at least 2^-1022.

    Examples
    --------
    >>> exponential(torch.tensor([0.5, 2.0**-30], dtype=torch.float64))
    tensor([6.9315e-01, 9.3132e-10], dtype=torch.float64)
    """
    _check_uniform(uniform, validate)
    return uniform.neg().log1p_().neg_()


def gumbel(uniform: Float64[Tensor, "*shape"], *, validate: bool = True) -> Float64[Tensor, "*shape"]:
    r"""Standard Gumbel noise, :math:`G = -\log(-\log(1 - u))`, minus the logarithm of :func:`exponential`.

    The usual :math:`-\log(-\log u)` has the same distribution, but its large values are coarse. Errors
    are those of :func:`exponential`.

    Examples
    --------
    >>> gumbel(torch.tensor([0.5, 2.0**-30], dtype=torch.float64))
    tensor([ 0.3665, 20.7944], dtype=torch.float64)

    Reference: Zheng et al. 2024, arXiv 2409.02908 (the capped draw).
    """
    return exponential(uniform, validate=validate).log_().neg_()


def _check_uniform(uniform: Tensor, validate: bool) -> None:
    check_tensor("uniform", uniform, dtypes=(torch.float64,), min_dims=0)
    check_noise("uniform", uniform, uniform.shape, validate=validate)
