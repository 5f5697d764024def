"""What is tried, and what a verifier may return."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from tokenlab.errors import ArgumentError, DtypeError, ShapeError, check_int, check_probs
from tokenlab.transport.conformance.cases import Case, NodeCase, chain_cases, node_cases, too_many
from tokenlab.transport.conformance.statistics import FEWEST_EXPECTED
from tokenlab.transport.node.drafts import MAX_TUPLES

#: Fewest draws in the form of samples.
MIN_SAMPLES = 200_000


def _form(distribution: object, sample: object) -> str:
    if (distribution is None) == (sample is None):
        found = "neither" if distribution is None else "both"
        raise ArgumentError(f"distribution and sample: {found} given, expected one form of the verifier")
    for name, value in (("distribution", distribution), ("sample", sample)):
        if value is not None and not callable(value):
            raise DtypeError(f"{name} must be callable, found {type(value).__name__}")
    return "distribution" if sample is None else "sample"


def _node_cases(
    sampling: str, num_drafts: Any, draft_length: Any, vocab_size: Any, pairs: Any, few: bool
) -> list[Case]:
    if draft_length is not None:
        raise ArgumentError("draft_length is for structure 'chain'; a node has num_drafts")
    default = (2,) if sampling == "spechub" else (2, 3) if few else (1, 2, 3)
    counts = _whole("num_drafts", num_drafts, default, low=1)
    if sampling == "spechub" and counts != (2,):
        raise ArgumentError(f"num_drafts is {num_drafts}, but sampling 'spechub' draws two drafts")
    if pairs is not None:
        if vocab_size is not None:
            raise ArgumentError("pairs and vocab_size are both given, expected one of them")
        pairs = _checked(pairs)
    sizes = _whole("vocab_size", vocab_size, (2, 3, 5), low=2)
    cases = node_cases(sizes, counts, sampling, pairs, few=few)
    if not cases:
        raise ArgumentError(
            f"num_drafts is {num_drafts} with sampling {sampling!r}, which repeats no token: no pair of "
            "distributions has so many tokens of positive probability"
        )
    return cases


def _chain_cases(
    sampling: str, num_drafts: Any, draft_length: Any, vocab_size: Any, pairs: Any, few: bool
) -> list[Case]:
    for name, value in (("num_drafts", num_drafts), ("pairs", pairs)):
        if value is not None:
            raise ArgumentError(f"{name} is for structure 'node'; a chain has draft_length, and toy models")
    if sampling != "iid":
        raise ArgumentError(
            f"sampling is {sampling!r}, but each draft of a chain is one draw: expected 'iid'"
        )
    lengths = _whole("draft_length", draft_length, (2,) if few else (1, 2, 3), low=1)
    sizes = _whole("vocab_size", vocab_size, (2, 3), low=2)
    for vocab in sizes:
        if too_many(vocab, max(lengths) + 1):
            raise ArgumentError(
                f"vocab_size is {vocab} with draft_length {max(lengths)}: {vocab ** (max(lengths) + 1)} "
                f"sequences, expected at most {MAX_TUPLES}"
            )
    return list(chain_cases(sizes, lengths, few=few))


def _whole(name: str, value: Any, default: tuple[int, ...], *, low: int) -> tuple[int, ...]:
    """A whole number or several, as a tuple."""
    if value is None:
        return default
    values = tuple(value) if isinstance(value, Iterable) else (value,)
    if not values:
        raise ArgumentError(f"{name} is empty, expected at least one number")
    return tuple(check_int(name, number, low=low) for number in values)


def _checked(pairs: Any) -> list[tuple[Tensor, Tensor]]:
    checked = []
    for number, pair in enumerate(pairs):
        target, draft = _two(pair, f"pairs[{number}]")
        for name, row in (("target", target), ("draft", draft)):
            check_probs(f"pairs[{number}] ({name})", row)
            if row.dtype != torch.float64 or row.dim() != 1:
                raise DtypeError(
                    f"pairs[{number}] ({name}) is {row.dtype} of shape {tuple(row.shape)}, "
                    "expected one row of float64"
                )
        if len(target) != len(draft):
            raise ShapeError(f"pairs[{number}]: target has {len(target)} tokens, draft has {len(draft)}")
        checked.append((target.cpu(), draft.cpu()))
    if not checked:
        raise ArgumentError("pairs is empty, expected at least one pair")
    return checked


def _check_listed(cases: Sequence[Case]) -> None:
    for case in cases:
        if (
            isinstance(case, NodeCase)
            and case.sampling != "top_k"
            and too_many(len(case.target), case.num_drafts)
        ):
            raise ArgumentError(
                f"num_drafts is {case.num_drafts} for {len(case.target)} tokens: a distribution needs all "
                f"{len(case.target) ** case.num_drafts} tuples, expected at most {MAX_TUPLES}; give sample"
            )


def _check_draws(cases: Sequence[Case], num_samples: int) -> int:
    """Draws for each case."""
    draws = -(-num_samples // len(cases))
    for case in cases:
        target = case.target_distribution()
        rarest = target[target > 0].min().item()
        if draws * rarest < FEWEST_EXPECTED:
            raise ArgumentError(
                f"num_samples is {num_samples}, {draws} for each of {len(cases)} cases: {case} has an output of "
                f"probability {rarest:.2g}, which comes {draws * rarest:.3g} times, expected at least "
                f"{FEWEST_EXPECTED}; draw more, or try fewer or smaller cases"
            )
    return draws


def _numbers(
    name: str, value: Any, case: Case, drafts: Tensor, outcomes: tuple[int, ...], batched: bool = True
) -> Float64[Tensor, "..."]:
    """What a distribution returned, as float64 of the right shape."""
    if isinstance(value, Tensor):
        found = value.detach().cpu().double()
    else:
        try:
            found = torch.from_numpy(np.asarray(value, dtype=np.float64).copy())
        except (TypeError, ValueError) as error:
            raise DtypeError(f"{name} returned {value!r} for {case}, expected an array of numbers") from error
    expected = (len(drafts), *outcomes) if batched else outcomes
    if tuple(found.shape) != expected:
        what = f"{len(drafts)} rows of drafts" if batched else f"drafts {drafts.tolist()}"
        raise ShapeError(
            f"{name} returned shape {tuple(found.shape)} for {case} with {what}, expected {expected} "
            f"(batched={batched})"
        )
    return found


def _ids(name: str, value: Any, case: Case, drafts: Tensor, below: int) -> Tensor:
    """What a sampler returned, as int64, one for each row of drafts."""
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


def _two(value: Any, where: object) -> tuple[Any, Any]:
    try:
        first, second = value
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{where}: found {type(value).__name__}, expected a pair of two") from error
    return first, second


def _columns(answers: Sequence[Any], case: Case) -> tuple[list[Any], list[Any]]:
    pairs = [_two(answer, f"sample for {case}") for answer in answers]
    return [int(first) for first, _ in pairs], [int(second) for _, second in pairs]
