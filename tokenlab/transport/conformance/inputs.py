"""Checks of what a verifier is to be tried on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from tokenlab.errors import ArgumentError, DtypeError, ShapeError, check_int, check_probs
from tokenlab.transport.conformance.answers import as_pair
from tokenlab.transport.conformance.cases import Case, NodeCase, chain_cases, node_cases, too_many
from tokenlab.transport.conformance.statistics import FEWEST_EXPECTED
from tokenlab.transport.node.drafts import MAX_TUPLES

#: Fewest draws in the form of samples.
MIN_SAMPLES = 200_000


def check_form(distribution: object, sample: object) -> str:
    """Which of the two forms is given."""
    if (distribution is None) == (sample is None):
        found = "neither" if distribution is None else "both"
        raise ArgumentError(f"distribution and sample: {found} given, expected one form of the verifier")
    for name, value in (("distribution", distribution), ("sample", sample)):
        if value is not None and not callable(value):
            raise DtypeError(f"{name} must be callable, found {type(value).__name__}")
    return "distribution" if sample is None else "sample"


def checked_node_cases(
    sampling: str, num_drafts: Any, draft_length: Any, vocab_size: Any, pairs: Any, *, few: bool
) -> list[Case]:
    """What is tried at a node; ``few`` for drawn tokens."""
    if draft_length is not None:
        raise ArgumentError("draft_length is for structure 'chain'; a node has num_drafts")
    default = (2,) if sampling == "spechub" else (2, 3) if few else (1, 2, 3)
    counts = _whole("num_drafts", num_drafts, default, low=1)
    if sampling == "spechub" and counts != (2,):
        raise ArgumentError(f"num_drafts is {num_drafts}, but sampling 'spechub' draws two drafts")
    if pairs is not None:
        if vocab_size is not None:
            raise ArgumentError("pairs and vocab_size are both given, expected one of them")
        pairs = _checked_pairs(pairs)
    sizes = _whole("vocab_size", vocab_size, (2, 3, 5), low=2)
    cases = node_cases(sizes, counts, sampling, pairs, few=few)
    if not cases:
        raise ArgumentError(
            f"num_drafts is {num_drafts} with sampling {sampling!r}, which repeats no token: no pair of "
            "distributions has so many tokens of positive probability"
        )
    return cases


def checked_chain_cases(
    sampling: str, num_drafts: Any, draft_length: Any, vocab_size: Any, pairs: Any, *, few: bool
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
    if value is None:
        return default
    values = tuple(value) if isinstance(value, Iterable) else (value,)
    if not values:
        raise ArgumentError(f"{name} is empty, expected at least one number")
    return tuple(check_int(name, number, low=low) for number in values)


def _checked_pairs(pairs: Any) -> list[tuple[Tensor, Tensor]]:
    checked = []
    for number, pair in enumerate(pairs):
        target, draft = as_pair(pair, f"pairs[{number}]")
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


def check_listed(cases: Sequence[Case]) -> None:
    """A distribution is asked for every tuple of drafts: refuse too many."""
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


def draws_per_case(cases: Sequence[Case], num_samples: int) -> int:
    """Draws for each case: enough for its rarest output."""
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
