"""The masses of the next byte: check the arguments, choose the backend, call it."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from tokenlab.backend import Backend, choose_backend, no_kernel_for
from tokenlab.bytelevel.masses import reference, sorted_runs
from tokenlab.bytelevel.tokenizer.vocabulary import ByteVocabulary
from tokenlab.errors import INTEGER_DTYPES, ArgumentError, DtypeError, ShapeError, check_logits, check_tensor


def byte_log_masses(
    logits: Float[Tensor, "batch vocab"],
    vocabulary: ByteVocabulary,
    starts: Int64[Tensor, "batch"] | None = None,
    stops: Int64[Tensor, "batch"] | None = None,
    depths: Int64[Tensor, "batch"] | None = None,
    *,
    allowed: Bool[Tensor, "batch tokens"] | None = None,
    normalizer: Float64[Tensor, "batch"] | None = None,
    backend: Backend = "auto",
    validate: bool = True,
) -> Float64[Tensor, "batch 257"]:
    r"""How probable each next byte is, summed over the tokens that bring it.

    ``depths[i]`` bytes have been read after the context of row i. The tokens that begin with them stand
    at :math:`[\text{start}, \text{stop})` of the sorted vocabulary. With their bytes
    :math:`t_0 t_1 \ldots`, depth d and :math:`p(t) = \exp(x_t - \operatorname{lse} x)`:

    .. math::
        \text{entry } b &= \log \sum_{t:\ t_d = b} p(t) \\
        \text{entry } 256 &= \log \sum_{t:\ |t| = d} p(t)

    with the tokens t from start up to stop. Each mass is accurate to a factor of 1e-5, that of a rare byte
    too.

    Parameters
    ----------
    logits : Float[Tensor, "batch vocab"]
        Any float type; -inf for a token of probability 0.
    vocabulary
        The byte strings of the model's tokens.
    starts, stops, depths : Int64[Tensor, "batch"]
        The range of each row, and the bytes read. Without them: all tokens, and no byte.
    allowed : Bool[Tensor, "batch tokens"]
        Tokens that count, in the sorted vocabulary. The normaliser is that of the whole row.
    normalizer : Float64[Tensor, "batch"]
        :math:`\operatorname{lse} x`, if known: otherwise all of the row is read.
    backend : {"auto", "reference", "triton"}
        No kernel takes float64 logits, or has a gradient. "auto" adds up by runs of the sorted vocabulary
        on a CPU, which is faster than the reference and equal to it.
    validate
        Whether to check values; without it a GPU need not wait.

    Returns
    -------
    Float64[Tensor, "batch 257"]
        In nats, -inf where nothing is. Exponentials of a row sum to its range's probability.

    Raises
    ------
    ShapeError, DtypeError
        If an argument has another shape or type than said here.
    EmptySupportError
        If a row of ``logits`` is -inf everywhere.
    ArgumentError
        If ranges are given in part, are none, or hold tokens that do not share ``depths`` bytes; a logit
        is NaN or +inf, a normaliser not finite, or a tensor on another device than ``logits``.
    BackendError
        If the backend cannot run here.

    Examples
    --------
    >>> vocabulary = ByteVocabulary([b"b", b"a", None, b"ab", b"abc"])
    >>> logits = torch.tensor([[0.1, 0.2, 0.1, 0.4, 0.2]]).log()
    >>> first = byte_log_masses(logits, vocabulary).exp()
    >>> first[0, [ord("a"), ord("b")]].round(decimals=6)  # the special token has the last tenth
    tensor([0.8000, 0.1000], dtype=torch.float64)
    >>> start, stop = vocabulary.find(b"ab")
    >>> ranges = torch.tensor([start]), torch.tensor([stop]), torch.tensor([2])
    >>> second = byte_log_masses(logits, vocabulary, *ranges).exp()
    >>> second[0, [ord("c"), 256]].round(decimals=6)  # "abc" goes on, "ab" ends
    tensor([0.2000, 0.4000], dtype=torch.float64)

    Reference: Phan, Amos et al. 2024, arXiv 2410.09303.
    """
    if not isinstance(vocabulary, ByteVocabulary):
        raise DtypeError(f"vocabulary must be a ByteVocabulary, found {type(vocabulary).__name__}")
    check_logits("logits", logits, validate=validate)
    check_tensor("logits", logits, min_dims=2, max_dims=2)
    batch, vocab = logits.shape
    if vocab != vocabulary.vocab_size:
        raise ShapeError(
            f"logits has {vocab} columns, expected {vocabulary.vocab_size}, one for each token of the vocabulary"
        )
    ranges = {"starts": starts, "stops": stops, "depths": depths}
    for name, value in ranges.items():
        if (value is None) != (starts is None):
            raise ArgumentError("starts, stops and depths belong together: expected all of them or none")
        if value is not None:
            _check_column(name, value, (batch,), INTEGER_DTYPES, logits.device)
    if starts is not None and validate:
        _check_ranges(vocabulary, starts, stops, depths)
    if allowed is not None:
        _check_column("allowed", allowed, (batch, len(vocabulary)), (torch.bool,), logits.device)
    if normalizer is not None:
        _check_column("normalizer", normalizer, (batch,), (torch.float64,), logits.device)
        if validate and not bool(normalizer.isfinite().all()):
            row = int((~normalizer.isfinite()).nonzero()[0])
            raise ArgumentError(
                f"normalizer is {normalizer[row].item()} in row {row}, expected a finite number"
            )

    chosen = choose_backend(
        backend, logits.device, operation="byte_log_masses", no_kernel_because=no_kernel_for(logits)
    )
    if chosen == "triton":
        from tokenlab.bytelevel.masses import kernels

        return kernels.byte_log_masses(logits, vocabulary, starts, stops, depths, allowed, normalizer)
    if starts is None:
        spans = [0] * batch, [len(vocabulary)] * batch, [0] * batch
    else:
        spans = starts.tolist(), stops.tolist(), depths.tolist()
    by_runs = backend == "auto" and logits.device.type == "cpu" and not _has_gradient(logits, normalizer)
    answer = (sorted_runs if by_runs else reference).byte_log_masses
    return answer(logits, vocabulary, *spans, allowed, normalizer)


def log_sum_exp(logits: Float[Tensor, "batch vocab"]) -> Float64[Tensor, "batch"]:
    """log of the sum of exponentials of each row, added up in float64: the normalizer."""
    if logits.device.type == "cpu" and not _has_gradient(logits):
        return sorted_runs.log_sum_exp(logits)
    return logits.double().logsumexp(-1)


def _has_gradient(*tensors: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in tensors)


def _check_column(
    name: str, value: Tensor, shape: tuple[int, ...], dtypes: tuple[torch.dtype, ...], device: torch.device
) -> None:
    check_tensor(name, value, dtypes=dtypes)
    if tuple(value.shape) != shape:
        raise ShapeError(f"{name} has shape {tuple(value.shape)}, expected {shape}")
    if value.device != device:
        raise ArgumentError(f"{name} is on {value.device}, expected {device}, where the logits are")


def _check_ranges(vocabulary: ByteVocabulary, starts: Tensor, stops: Tensor, depths: Tensor) -> None:
    """Each range lies in the vocabulary, and its tokens share ``depth`` first bytes."""
    strings = vocabulary.strings
    for row, span in enumerate(zip(starts.tolist(), stops.tolist(), depths.tolist(), strict=True)):
        start, stop, depth = span
        if not 0 <= start <= stop <= len(strings):
            raise ArgumentError(
                f"starts and stops are {start} and {stop} in row {row}, "
                f"expected 0 <= start <= stop <= {len(strings)}"
            )
        if depth < 0:
            raise ArgumentError(f"depths is {depth} in row {row}, expected at least 0")
        # In sorted order, what the first and the last have in common all have in common.
        first, last = (strings[start], strings[stop - 1]) if start < stop else (b"", b"")
        if start < stop and (len(first) < depth or first[:depth] != last[:depth]):
            raise ArgumentError(
                f"depths is {depth} in row {row}, but the tokens from position {start} to {stop} do not "
                f"share {depth} bytes: the first is {first!r}, the last {last!r}"
            )
