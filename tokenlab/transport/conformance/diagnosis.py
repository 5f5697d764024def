"""Which known mistake a biased verifier looks like."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from jaxtyping import Float64
from torch import Tensor

from tokenlab.transport.conformance import mistakes
from tokenlab.transport.conformance.cases import Case, NodeCase, distinct_rows
from tokenlab.transport.conformance.report import CaseResult
from tokenlab.transport.conformance.statistics import fits, log_likelihood

#: Two distributions are the same mistake if they differ by no more, in total variation.
SAME_DISTRIBUTION = 1e-6


#: A mistake must explain this share of the biased cases; authors treat edges in their own ways.
EXPLAINED = 0.75


#: Of drawn tokens so many draws times outcomes are compared with known mistakes.
CELLS = 200_000


#: How many biased cases are compared with known mistakes, the most biased ones.
COMPARED = 12


#: A mistake is compatible with drawn tokens down to this p-value.
COMPATIBLE = 1e-6


#: Points of a grid on which the free number of a mistake is looked for, and how often it is refined.
GRID, REFINED = 65, 8


#: Where it is looked for: the share of the right number.
SHARES = (0.05, 1.0)


#: Drafts, and what a verifier made of each row: its distribution; or the outcome, and the output after it.
Evidence = tuple[Tensor, ...]


def _counted(case: Case, drafts: Tensor, outcome: Tensor, outputs: Tensor) -> Evidence:
    """Outcomes counted for each tuple of drafts, and outputs; of the first draws, if there are many tuples."""
    if len(distinct_rows(drafts)[0]) * math.prod(case.outcomes) > CELLS:
        some = max(CELLS // math.prod(case.outcomes), 1)
        drafts, outcome, outputs = drafts[:some], outcome[:some], outputs[:some]
    tuples, which = distinct_rows(drafts)
    width = math.prod(case.outcomes)
    counts = torch.bincount(which * width + outcome, minlength=len(tuples) * width)
    produced = torch.bincount(outputs, minlength=len(case.target_distribution()))
    return tuples, counts.double().view(len(tuples), width), produced.double()


def _total_variation(distribution: Tensor, other: Tensor) -> Tensor:
    return (distribution - other).abs().sum(-1) / 2


def _name(
    cases: Sequence[Case], results: Sequence[CaseResult], evidence: Sequence[Evidence]
) -> tuple[str | None, tuple[int, int]]:
    """Name of the mistake that has the verifier's distributions, in how many cases, and of how many.

    Distributions are compared where they are biased, and most of them must be the mistake's. Of drawn tokens
    all cases must be compatible with it, and the most likely mistake is named.
    """
    biased = [number for number, result in enumerate(results) if not result.lossless]
    if not biased:
        return None, (0, 0)
    drawn = results[0].p_value is not None
    compared = range(len(cases))
    if drawn:
        evidence = [_counted(case, *found) for case, found in zip(cases, evidence, strict=True)]
    else:
        compared = sorted(biased, key=lambda number: -results[number].bias)[:COMPARED]
    missable = 0 if drawn else int((1 - EXPLAINED) * len(compared))
    for candidates in (_variants, _families):
        misses: dict[tuple[int, str], int] = {}
        score: dict[tuple[int, str], float] = {}
        for number in compared:
            for key, distributions in candidates(cases[number], evidence[number], drawn):
                if misses.setdefault(key, 0) > missable:
                    continue
                agreed = _agreement(cases[number], results[number], evidence[number], distributions())
                misses[key] += agreed is None
                score[key] = score.get(key, 0.0) + (agreed or 0.0)
        # Of equal ones the first is named.
        ranked = sorted(misses, key=lambda key: (misses[key], -score[key], key))
        if ranked and misses[ranked[0]] <= missable:
            return ranked[0][1], (len(compared) - misses[ranked[0]], len(compared))
    return "unknown", (0, len(compared))


def _agreement(case: Case, result: CaseResult, evidence: Evidence, distributions: Tensor) -> float | None:
    """How well a mistake's distribution explains a case; None if it does not."""
    drafts, found, *produced = evidence
    if result.p_value is None:
        # Closer than the bias, or a right rule would be taken for any small mistake.
        apart = _total_variation(found.flatten(1), distributions.flatten(1)).max().item()
        return 0.0 if apart <= min(SAME_DISTRIBUTION, result.bias / 10) else None
    flat = distributions.flatten(1)
    if fits(found, flat) < COMPATIBLE:
        return None
    draws = found.sum(-1)
    output = case.output_distribution(drafts, draws / draws.sum(), distributions)
    if fits(produced[0].unsqueeze(0), output.unsqueeze(0)) < COMPATIBLE:
        return None
    if not result.lossless and _total_variation(output, result.target_distribution) < result.bias / 10:
        return None
    return log_likelihood(found, flat)


#: A number and a name, and a function that computes the distribution.
Candidates = Iterator[tuple[tuple[int, str], Callable[[], Tensor]]]


def _variants(case: Case, evidence: Evidence, drawn: bool) -> Candidates:
    """Every variant of every mistake, as numbered."""
    drafts, *_ = evidence
    if isinstance(case, NodeCase):
        variants = mistakes.node_variants(case.target, case.draft, drafts, case.sampling)
    else:
        variants = mistakes.chain_variants(*case.inputs(drafts), drafts)
    for number, (name, distributions) in enumerate(variants):
        yield (number, name), distributions


def _families(case: Case, evidence: Evidence, drawn: bool) -> Candidates:
    """Of each mistake with a free number the distribution that comes closest."""
    if not isinstance(case, NodeCase):
        return
    drafts, found, *_ = evidence
    families: dict[str, list[Callable[[Tensor], Tensor]]] = {}
    for name, family in mistakes.node_families(case.target, case.draft, drafts, case.sampling):
        families.setdefault(name, []).append(family)
    if drawn:
        weights, distance = None, _unlikeliness
    else:
        weights, distance = case.drafts()[1], _mean_distance
    for name, members in families.items():
        yield (0, name), partial(_closest, members, partial(distance, found, weights))


def _unlikeliness(counts: Tensor, _: None, distributions: Float64[Tensor, "numbers tuples vocab"]) -> Tensor:
    return -torch.xlogy(counts, distributions).sum((-1, -2))


def _mean_distance(
    found: Tensor, mass: Tensor, distributions: Float64[Tensor, "numbers tuples vocab"]
) -> Tensor:
    return (mass * _total_variation(distributions, found)).sum(-1)


def _closest(members: Sequence[Callable[[Tensor], Tensor]], distance: Callable[[Tensor], Tensor]) -> Tensor:
    """The distribution at the best share of the best member: a grid, refined around its best point."""
    best: tuple[float, Tensor] | None = None
    for family in members:
        low, high = SHARES
        for _ in range(REFINED):
            shares = torch.linspace(low, high, GRID, dtype=torch.float64)
            distributions = family(shares)
            far = distance(distributions)
            nearest = int(far.argmin())
            step = (high - low) / (GRID - 1)
            low, high = shares[nearest].item() - step, min(shares[nearest].item() + step, SHARES[1])
        if best is None or far[nearest] < best[0]:
            best = far[nearest].item(), distributions[nearest]
    return best[1]
