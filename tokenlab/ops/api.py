"""The public functions: check the arguments, choose the backend, call it."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Literal

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from tokenlab.backend import Backend, choose_backend, no_kernel_for
from tokenlab.errors import DtypeError, check_choice, check_generator, check_int, check_logits, check_noise
from tokenlab.ops import reference
from tokenlab.ops.noise import open_uniform
from tokenlab.ops.reference import RowStats, TopK

Method = Literal["two_level", "inverse_cdf", "gumbel", "exponential_race"]

#: What :func:`row_stats` can compute.
STATS: tuple[str, ...] = RowStats._fields
#: How :func:`sample_categorical` can draw.
METHODS: tuple[Method, ...] = ("two_level", "inverse_cdf", "gumbel", "exponential_race")
#: How far the kernels go: k of the largest logits, tokens in a block, blocks in a row (all of
#: them are held in registers), tokens in a row (CUDA starts 65,535 programs along it, of 256 each).
KERNEL_LIMITS = {"k": 16, "block_size": 8192, "blocks": 8192, "vocab": 65_535 * 256}


def row_stats(
    logits: Float[Tensor, "*batch vocab"],
    stats: Sequence[str] = STATS,
    *,
    backend: Backend = "auto",
    validate: bool = True,
) -> RowStats:
    r"""Maximum, logsumexp, entropy, margin and argmax of each row, in one call.

    With :math:`p_i = \exp(x_i - \operatorname{lse} x)`:

    .. math::
        \operatorname{lse} x &= \log \sum_i e^{x_i} \\
        H &= -\sum_i p_i \log p_i \\
        \text{margin} &= x_{(1)} - x_{(2)}

    A logit of -inf adds nothing to the entropy. Asking for fewer ``stats`` is faster.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If a statistic is unknown, the vocabulary is empty, or a logit is NaN or +inf.
    EmptySupportError, BackendError
        If a row is -inf everywhere; if the backend asked for cannot run.

    Examples
    --------
    >>> logits = torch.tensor([[0.0, 0.0, 0.0, 0.0], [2.0, 1.0, -torch.inf, -torch.inf]])
    >>> found = row_stats(logits)
    >>> found.entropy  # log 4, and the entropy of (0.731, 0.269)
    tensor([1.3863, 0.5822])
    >>> found.margin, found.argmax
    (tensor([0., 1.]), tensor([0, 0]))
    >>> row_stats(logits, ["max"])
    RowStats(max=tensor([0., 2.]), logsumexp=None, entropy=None, margin=None, argmax=None)

    Reference: Shannon 1948, section 6 (entropy).
    """
    check_logits("logits", logits, validate=validate)
    if isinstance(stats, str) or not isinstance(stats, Sequence):
        raise DtypeError(f"stats must be a sequence of names, found {stats!r}")
    for name in stats:
        check_choice("stats", name, STATS)
    return _implementation("row_stats", backend, logits).row_stats(logits, stats)


def sample_categorical(
    logits: Float[Tensor, "*batch vocab"],
    *,
    method: Method = "two_level",
    generator: torch.Generator | None = None,
    noise: Float64[Tensor, "..."] | None = None,
    block_size: int = 1024,
    backend: Backend = "auto",
    validate: bool = True,
) -> Int64[Tensor, "*batch"]:
    r"""Draw one token from each row, with probability :math:`p_i \propto e^{x_i}`.

    With weights :math:`w_i = e^{x_i - \max x}` and uniform noise :math:`u`, the methods are

    ================  ========================================================  ================
    method            token                                                     shape of noise
    ================  ========================================================  ================
    inverse_cdf       the first with :math:`\sum_{j \le i} w_j > u \sum_j w_j`  ``*batch``
    two_level         the same for blocks of ``block_size``, then inside one    ``*batch 2``
    gumbel            :math:`\arg\max_i x_i - \log(-\log(1 - u_i))`             ``*batch vocab``
    exponential_race  :math:`\arg\min_i -\log(1 - u_i) / w_i`                   ``*batch vocab``
    ================  ========================================================  ================

    All are exact. The last two choose the same token from the same noise; without ``noise``, their
    kernel makes its own from a seed that the generator draws. There is no kernel for
    ``"inverse_cdf"``, nor for more than 8,192 blocks or tokens in a block.

    Equal ``noise``, in (0, 1) and at least 2^-1022, gives equal tokens from every backend, wherever
    the decision is not closer than rounding.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError, EmptySupportError, BackendError
        As :func:`row_stats`; also if noise is not as above, or given with a generator, or either is
        on another device than the logits.

    Examples
    --------
    >>> logits = torch.tensor([0.2, 0.5, 0.3]).log()
    >>> noise = torch.tensor(0.6, dtype=torch.float64)
    >>> sample_categorical(logits, method="inverse_cdf", noise=noise)  # 0.2 <= 0.6 < 0.7
    tensor(1)
    >>> generator = torch.Generator().manual_seed(0)
    >>> draws = sample_categorical(logits.expand(10_000, 3), generator=generator)
    >>> (draws.bincount() / 10_000 - logits.exp()).abs().max() < 0.02
    tensor(True)

    Reference: Maddison, Tarlow and Minka 2014, arXiv 1411.0030 (Gumbel-max).
    """
    check_logits("logits", logits, validate=validate)
    check_choice("method", method, METHODS)
    block_size = check_int("block_size", block_size, low=1)
    logits = logits.detach()
    *batch, vocab = logits.shape
    no_kernel_because = None
    if method == "inverse_cdf":
        no_kernel_because = "with method='inverse_cdf'"
    elif method == "two_level":
        blocks = -(-vocab // block_size)
        if min(block_size, vocab) > KERNEL_LIMITS["block_size"] or blocks > KERNEL_LIMITS["blocks"]:
            no_kernel_because = f"with block_size={block_size} for {vocab} tokens"
    implementation = _implementation("sample_categorical", backend, logits, no_kernel_because)

    shape = {"inverse_cdf": (*batch,), "two_level": (*batch, 2)}.get(method, (*batch, vocab))
    check_generator(generator, logits.device)
    if noise is not None:
        check_noise("noise", noise, shape, device=logits.device, generator=generator, validate=validate)
    elif implementation is not reference and method != "two_level":
        # The kernel makes a number for every token where it needs it; only the key is drawn.
        seed = torch.randint(2**63 - 1, (1,), generator=generator, device=logits.device)
        return implementation.gumbel_max(logits, seed=seed)
    else:
        noise = open_uniform(shape, generator=generator, device=logits.device)

    if method == "two_level":
        return implementation.two_level(logits, noise, block_size)
    if implementation is not reference:
        # The race and the Gumbel draw choose the same token from the same noise.
        return implementation.gumbel_max(logits, noise)
    draw = {
        "inverse_cdf": reference.inverse_cdf,
        "gumbel": reference.gumbel_max,
        "exponential_race": reference.exponential_race,
    }[method]
    return draw(logits, noise)


def top_k(
    logits: Float[Tensor, "*batch vocab"], k: int, *, backend: Backend = "auto", validate: bool = True
) -> TopK:
    """The k largest logits of each row and their token ids, descending; of equal ones the lower id first.

    (``torch.topk`` leaves this open.) There is no kernel for k above 16.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError, EmptySupportError, BackendError
        As :func:`row_stats`; also if k is not 1 to ``vocab``.

    Examples
    --------
    >>> top_k(torch.tensor([1.0, 3.0, 2.0, 3.0, 3.0]), 2)
    TopK(values=tensor([3., 3.]), indices=tensor([1, 3]))

    Reference: Fan et al. 2018, arXiv 1805.04833.
    """
    check_logits("logits", logits, validate=validate)
    k = check_int("k", k, low=1, high=logits.shape[-1])
    no_kernel_because = f"with k={k}" if k > KERNEL_LIMITS["k"] else None
    return _implementation("top_k", backend, logits, no_kernel_because).top_k(logits, k)


def _implementation(
    operation: str, backend: Backend, logits: Tensor, no_kernel_because: str | None = None
) -> ModuleType:
    """The reference, or the kernels, which are imported here at last."""
    vocab = logits.shape[-1]
    limit = no_kernel_for(logits, limit=f"of {vocab} tokens" if vocab > KERNEL_LIMITS["vocab"] else None)
    chosen = choose_backend(
        backend, logits.device, operation=operation, no_kernel_because=limit or no_kernel_because
    )
    if chosen == "reference":
        return reference
    from tokenlab.ops import kernels

    return kernels
