"""Ask a verifier, and check its answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from tokenlab.errors import ArgumentError, DtypeError, ProbabilityError, ShapeError, as_sum
from tokenlab.transport.conformance.cases import Case, NodeCase


def ask_distributions(
    case: Case, distribution: Callable[..., Any], batched: bool, drafts: Tensor, tolerance: float
) -> Float64[Tensor, "tuples ..."]:
    """The verifier's distribution for each row of drafts."""
    if batched:
        answer = distribution(*case.inputs(drafts), drafts.clone())
        distributions = _numbers(answer, case, drafts, (len(drafts), *case.outcomes), batched)
    else:
        distributions = torch.stack(
            [
                _numbers(distribution(*given), case, tokens, case.outcomes, batched)
                for tokens, given in zip(drafts, _one_by_one(case, drafts), strict=True)
            ]
        )
    rows = distributions.flatten(1)
    for wrong, said in (
        (~torch.isfinite(rows).all(-1), "holds NaN or infinity"),
        (rows.amin(-1) < -tolerance, "holds a negative number"),
        ((rows.sum(-1) - 1).abs() > max(tolerance, 1e-12), "does not sum to one"),
    ):
        if bool(wrong.any()):
            row = int(wrong.nonzero()[0])
            raise ProbabilityError(
                f"distribution {said} for {case} with drafts {drafts[row].tolist()}: found "
                f"{distributions[row].tolist()} of sum {as_sum(rows[row].sum().item())}, "
                f"expected probabilities (tolerance={tolerance:g})"
            )
    return distributions


def ask_outcomes(
    case: Case, sample: Callable[..., Any], batched: bool, drafts: Tensor, generator: torch.Generator
) -> Int64[Tensor, " draws"]:
    """What the verifier drew for each row of drafts, as one number."""
    if batched:
        answer = sample(*case.inputs(drafts), drafts.clone(), generator)
    else:
        answers = [sample(*given, generator) for given in _one_by_one(case, drafts)]
        answer = answers if isinstance(case, NodeCase) else _columns(answers, case)
    if isinstance(case, NodeCase):
        return _ids("sample", answer, case, drafts, *case.outcomes)
    accepted, token = as_pair(answer, case)
    counts, vocab = case.outcomes
    return _ids("sample (number of accepted drafts)", accepted, case, drafts, counts) * vocab + _ids(
        "sample (token)", token, case, drafts, vocab
    )


def as_pair(value: Any, where: object) -> tuple[Any, Any]:
    """Unpack two things; the error says ``where``."""
    try:
        first, second = value
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{where}: found {type(value).__name__}, expected a pair of two") from error
    return first, second


def _one_by_one(case: Case, drafts: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """The arguments for each row of drafts, copied: a verifier may write into them."""
    for row in zip(*case.rows(drafts), drafts, strict=True):
        yield tuple(part.clone() for part in row)


def _numbers(
    value: Any, case: Case, drafts: Tensor, expected: tuple[int, ...], batched: bool
) -> Float64[Tensor, "..."]:
    if isinstance(value, Tensor):
        found = value.detach().cpu().double()
    else:
        try:
            found = torch.from_numpy(np.asarray(value, dtype=np.float64).copy())
        except (TypeError, ValueError) as error:
            raise DtypeError(
                f"distribution returned {value!r} for {case}, expected an array of numbers"
            ) from error
    if tuple(found.shape) != expected:
        what = f"{len(drafts)} rows of drafts" if batched else f"drafts {drafts.tolist()}"
        raise ShapeError(
            f"distribution returned shape {tuple(found.shape)} for {case} with {what}, expected {expected} "
            f"(batched={batched})"
        )
    return found


def _ids(name: str, value: Any, case: Case, drafts: Tensor, below: int) -> Int64[Tensor, " draws"]:
    """One int64 for each row of drafts, smaller than ``below``."""
    found = np.asarray(value.detach().cpu() if isinstance(value, Tensor) else value)
    if found.dtype.kind not in "iu":
        raise DtypeError(f"{name} returned {found.dtype} for {case}, expected whole numbers")
    if found.shape != (len(drafts),):
        raise ShapeError(
            f"{name} returned shape {found.shape} for {case}, expected {(len(drafts),)}: one for each row"
        )
    ids = torch.from_numpy(found.astype(np.int64))
    outside = (ids < 0) | (ids >= below)
    if bool(outside.any()):
        row = int(outside.nonzero()[0])
        raise ArgumentError(
            f"{name} returned {int(ids[row])} for {case} with drafts {drafts[row].tolist()}, "
            f"expected 0 to {below - 1}"
        )
    return ids


def _columns(answers: Sequence[Any], case: Case) -> tuple[list[int], list[int]]:
    pairs = [as_pair(answer, f"sample for {case}") for answer in answers]
    return [int(first) for first, _ in pairs], [int(second) for _, second in pairs]
