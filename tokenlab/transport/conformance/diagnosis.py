"""Which known mistake a biased verifier looks like."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from tokenlab.transport.conformance import lenient, mistakes
from tokenlab.transport.conformance.cases import Case, NodeCase, distinct_rows
from tokenlab.transport.conformance.report import CaseResult
from tokenlab.transport.conformance.statistics import fits, log_likelihood, total_variation

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


@dataclass(frozen=True)
class ListedEvidence:
    """The verifier's distribution for every tuple of drafts of a case."""

    drafts: Int64[Tensor, "tuples drafts"]
    mass: Float64[Tensor, " tuples"]
    distributions: Float64[Tensor, "tuples ..."]

    def agreement(self, case: Case, result: CaseResult, distributions: Tensor) -> float | None:
        """How well a mistake's distributions explain the case; None if they do not."""
        # Closer than the bias, or a right rule would be taken for any small mistake.
        apart = total_variation(self.distributions.flatten(1), distributions.flatten(1)).max().item()
        return 0.0 if apart <= min(SAME_DISTRIBUTION, result.bias / 10) else None

    def distance(self, distributions: Float64[Tensor, "numbers tuples vocab"]) -> Float64[Tensor, " numbers"]:
        """Mean total variation."""
        return (self.mass * total_variation(distributions, self.distributions)).sum(-1)


@dataclass(frozen=True)
class DrawnEvidence:
    """Outcomes counted for each tuple of drafts, and how often each output followed."""

    drafts: Int64[Tensor, "tuples drafts"]
    counts: Float64[Tensor, "tuples outcomes"]
    outputs: Float64[Tensor, " outputs"]

    @classmethod
    def count(
        cls, case: Case, drafts: Tensor, outcome: Int64[Tensor, " draws"], outputs: Int64[Tensor, " draws"]
    ) -> DrawnEvidence:
        """Of all draws; of the first ones only, if there are many tuples."""
        width = math.prod(case.outcomes)
        tuples, which = distinct_rows(drafts)
        if len(tuples) * width > CELLS:
            some = max(CELLS // width, 1)
            outcome, outputs = outcome[:some], outputs[:some]
            tuples, which = distinct_rows(drafts[:some])
        counts = torch.bincount(which * width + outcome, minlength=len(tuples) * width)
        produced = torch.bincount(outputs, minlength=len(case.target_distribution()))
        return cls(tuples, counts.double().view(len(tuples), width), produced.double())

    def agreement(self, case: Case, result: CaseResult, distributions: Tensor) -> float | None:
        """Log-likelihood of a mistake's distributions; None if the draws speak against them."""
        flat = distributions.flatten(1)
        if fits(self.counts, flat) < COMPATIBLE:
            return None
        draws = self.counts.sum(-1)
        output = case.output_distribution(self.drafts, draws / draws.sum(), distributions)
        if fits(self.outputs.unsqueeze(0), output.unsqueeze(0)) < COMPATIBLE:
            return None
        if not result.lossless and total_variation(output, result.target_distribution) < result.bias / 10:
            return None
        return log_likelihood(self.counts, flat)

    def distance(self, distributions: Float64[Tensor, "numbers tuples vocab"]) -> Float64[Tensor, " numbers"]:
        """How unlikely the counts are."""
        return -torch.xlogy(self.counts, distributions).sum((-1, -2))


Evidence = ListedEvidence | DrawnEvidence


def name_mistake(
    cases: Sequence[Case], results: Sequence[CaseResult], evidence: Sequence[Evidence]
) -> tuple[str | None, tuple[int, int]]:
    """The mistake that has the verifier's distributions, in how many cases, and of how many.

    Of distributions the most biased cases are compared, and most must agree; the mistake that explains most is
    named. Drawn tokens must be compatible
    in all cases; the most likely mistake is named.
    """
    biased = [number for number, result in enumerate(results) if not result.lossless]
    if not biased:
        return None, (0, 0)
    compared, missable = list(range(len(cases))), 0
    if isinstance(evidence[0], ListedEvidence):
        compared = sorted(biased, key=lambda number: -results[number].bias)[:COMPARED]
        missable = int((1 - EXPLAINED) * len(compared))
    chosen = [(cases[number], results[number], evidence[number]) for number in compared]
    node = isinstance(cases[0], NodeCase)
    matches = []
    variants = mistakes.node_variants(cases[0].sampling) if node else mistakes.chain_variants()
    for order, (name, variant) in enumerate(variants):
        agreement = partial(_variant_agreement, variant)
        found = _score(chosen, missable, agreement)
        if found is not None:
            matches.append((found[0], -found[1], order, name, agreement))
    names = {match[3] for match in matches}
    if missable and (len(names) > 1 or "relaxed top-k acceptance" in names):
        # Where several explain the most biased cases alike, the others decide.
        every = [(cases[number], results[number], evidence[number]) for number in biased]
        least = min(match[0] for match in matches)
        equal = [match for match in matches if match[0] == least]
        matches = [
            (least, _score(every, len(every), agreement)[0], order, name, None)
            for _, _, order, name, agreement in equal
        ]
        # Both take drafts for sure, and may take the same ones in a few cases.
        for residual in lenient.RESIDUALS if node else ():
            missed = _missed_by_thresholds(every, residual)
            if missed is not None:
                matches.append((least, missed, len(every), "typical acceptance", None))
    # Those with a free number only if none without explains all: of equal ones the first is named.
    if node and all(match[0] for match in matches):
        for residual in lenient.RESIDUALS:
            missed = _missed_by_thresholds(chosen, residual)
            if missed is not None and missed <= missable:
                matches.append((missed, math.inf, 0, "typical acceptance", None))
        for name, families, one_number in mistakes.node_families(cases[0].sampling):
            found = _score(chosen, missable, partial(_closest_agreement, families))
            if found is not None and (not one_number or _one_share(chosen, missable, families)):
                matches.append((found[0], math.inf, 1, name, None))
    if not matches:
        return "unknown", (0, len(compared))
    missed, _, _, name, _ = min(matches, key=lambda match: match[:3])
    return name, (len(compared) - missed, len(compared))


Chosen = tuple[Case, CaseResult, Evidence]


def _score(
    chosen: Sequence[Chosen], missable: int, agreement: Callable[[Case, CaseResult, Evidence], float | None]
) -> tuple[int, float] | None:
    """How many cases a mistake does not explain, and how well it explains the others; None if too many."""
    missed, score = 0, 0.0
    for case, result, found in chosen:
        agreed = agreement(case, result, found)
        missed, score = missed + (agreed is None), score + (agreed or 0.0)
        if missed > missable:
            return None
    return missed, score


def _variant_agreement(
    variant: mistakes.Variant, case: Case, result: CaseResult, found: Evidence
) -> float | None:
    return found.agreement(case, result, variant(*case.rows(found.drafts), found.drafts))


def _missed_by_thresholds(chosen: Sequence[Chosen], residual: str) -> int | None:
    """How many cases no threshold explains; None if the others' are not of one rule."""
    targets, intervals = [], []
    for case, result, found in chosen:
        agreeing = []
        for low, high in lenient.thresholds(case.target):
            variant = partial(lenient.above_threshold, threshold=high, residual=residual)
            if _variant_agreement(variant, case, result, found) is not None:
                agreeing.append((low, high))
        if agreeing:
            targets.append(case.target)
            intervals.append((agreeing[0][0], agreeing[-1][1]))
    if not targets or not lenient.one_threshold(targets, intervals):
        return None
    return len(chosen) - len(targets)


def _closest_agreement(
    families: Callable[..., Iterator[mistakes.Family]], case: Case, result: CaseResult, found: Evidence
) -> float | None:
    return found.agreement(case, result, _closest(families, case, found)[1])


def _one_share(
    chosen: Sequence[Chosen], missable: int, families: Callable[..., Iterator[mistakes.Family]]
) -> bool:
    """Whether one number explains all cases: one that fits each in turn is no explanation."""

    def agreement(share: float, case: Case, result: CaseResult, found: Evidence) -> float | None:
        for family in families(*case.rows(found.drafts), found.drafts):
            distributions = family(torch.tensor([share], dtype=torch.float64))[0]
            agreed = found.agreement(case, result, distributions)
            if agreed is not None:
                return agreed
        return None

    shares = sorted({round(_closest(families, case, found)[0], 7) for case, _, found in chosen})
    return any(_score(chosen, missable, partial(agreement, share)) is not None for share in shares)


def _closest(
    families: Callable[..., Iterator[mistakes.Family]], case: Case, found: Evidence
) -> tuple[float, Tensor]:
    """The closest at any share of any family, and that share: a grid, refined."""
    best: tuple[float, float, Tensor] | None = None
    for family in families(*case.rows(found.drafts), found.drafts):
        low, high = SHARES
        for _ in range(REFINED):
            shares = torch.linspace(low, high, GRID, dtype=torch.float64)
            distributions = family(shares)
            far = found.distance(distributions)
            nearest = int(far.argmin())
            step = (high - low) / (GRID - 1)
            low, high = shares[nearest].item() - step, min(shares[nearest].item() + step, SHARES[1])
        if best is None or far[nearest] < best[0]:
            best = far[nearest].item(), shares[nearest].item(), distributions[nearest]
    return best[1:]
