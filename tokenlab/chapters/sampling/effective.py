"""The temperature that explains a distorted distribution best, and how much it leaves unexplained."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from tokenlab.errors import ArgumentError, ShapeError, check_probs, check_tensor


def nearest_temperature(probs: Float[Tensor, " vocab"], drawn: Float[Tensor, " vocab"]) -> float:
    """The temperature at which ``probs`` comes nearest to ``drawn``.

    Nearest in Kullback-Leibler divergence from ``drawn``. Its derivative in 1/T vanishes where the mean of
    log ``probs`` is the same under both distributions.

    Raises
    ------
    ArgumentError
        If ``probs`` holds a zero, or no temperature between 0.01 and 100 has that mean.

    Examples
    --------
    >>> import torch
    >>> probs = torch.tensor([0.5, 0.25, 0.15, 0.1], dtype=torch.float64)
    >>> round(nearest_temperature(probs, probs**2 / (probs**2).sum()), 6)
    0.5
    """
    from scipy.optimize import brentq

    for name, row in (("probs", probs), ("drawn", drawn)):
        check_tensor(name, row, max_dims=1)
        check_probs(name, row)
    if probs.shape != drawn.shape:
        raise ShapeError(
            f"drawn has shape {tuple(drawn.shape)}, expected that of probs, {tuple(probs.shape)}"
        )
    if not bool((probs > 0).all()):
        raise ArgumentError("probs holds a zero; at every temperature that token is impossible")
    log_probs = probs.double().log()
    mean = (drawn.double() * log_probs).sum()

    def excess(beta: float) -> float:
        return ((beta * log_probs).softmax(-1) * log_probs).sum().sub(mean).item()

    if not excess(0.01) < 0 < excess(100.0):
        raise ArgumentError("drawn is not near to probs at any temperature between 0.01 and 100")
    return 1 / brentq(excess, 0.01, 100.0, xtol=1e-13)
