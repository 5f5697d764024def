"""What the suite found, as data and in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from jaxtyping import Float64
from torch import Tensor

from tokenlab.transport.conformance.mistakes import KNOWN_MISTAKES

#: With which probability a bias of :attr:`ConformanceReport.power` is found.
POWER = 0.99
#: Biases that single precision may explain.
FLOAT32 = 1e-5


@dataclass(frozen=True)
class CaseResult:
    """What a verifier made of one case: a pair of distributions, or a toy model.

    Of drawn tokens ``output_distribution`` and ``bias`` are as counted, noise included. On chains outputs
    have L + 1 tokens, ``acceptance_rate`` is the expected share of accepted drafts, and the optimum is block
    verification.
    """

    name: str
    target_distribution: Float64[Tensor, " outputs"] = field(repr=False)
    output_distribution: Float64[Tensor, " outputs"] = field(repr=False)
    lossless: bool
    bias: float
    p_value: float | None
    acceptance_rate: float
    optimal_acceptance_rate: float

    @property
    def gap(self) -> float:
        """How much more the optimum accepts."""
        return self.optimal_acceptance_rate - self.acceptance_rate


@dataclass(frozen=True)
class ConformanceReport:
    """What :func:`check_verifier` found; ``print`` it.

    Attributes
    ----------
    results : tuple of CaseResult
        One for each case.
    mistake : str or None
        None if lossless; a name in ``KNOWN_MISTAKES``, or ``"unknown"``.
    explained : tuple of int
        In how many cases the mistake has the verifier's distribution, and of how many.
    num_samples, power, false_alarm_rate, reproducible
        For drawn tokens: their number; the total variation in a case that is found with probability 0.99; the
        probability that a lossless verifier is called biased; whether equal generators gave equal tokens.
    """

    form: str
    structure: str
    sampling: str
    results: tuple[CaseResult, ...] = field(repr=False)
    mistake: str | None
    explained: tuple[int, int]
    num_samples: int | None = None
    power: float | None = None
    false_alarm_rate: float | None = None
    reproducible: bool | None = None

    @property
    def lossless(self) -> bool:
        """Whether every output has the target's distribution, up to rounding or chance."""
        return all(result.lossless for result in self.results)

    @property
    def worst(self) -> CaseResult:
        """The case of the largest bias; of the biased ones, if any."""
        biased = [result for result in self.results if not result.lossless]
        return max(biased or self.results, key=lambda result: result.bias)

    @property
    def largest_bias(self) -> float:
        """Total variation in the worst case."""
        return self.worst.bias

    @property
    def worst_gap(self) -> CaseResult:
        """The case furthest below its optimal acceptance rate."""
        return max(self.results, key=lambda result: result.gap)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def _lines(report: ConformanceReport) -> Iterator[str]:
    results, worst = report.results, report.worst
    what = "chain verifier" if report.structure == "chain" else f"node verifier, {_DRAFTS[report.sampling]}"
    how = "exact" if report.form == "distribution" else f"{report.num_samples:,} draws"
    form = "as a distribution" if report.form == "distribution" else "as samples"
    yield f"{what}, {form}: {len(results)} case{'s' * (len(results) > 1)}, {how}"
    if report.lossless and report.form == "distribution":
        yield f"lossless: yes, largest bias {report.largest_bias:.2g}"
    elif report.lossless:
        yield "lossless: no bias found"
    else:
        number = sum(not result.lossless for result in results)
        yield f"lossless: NO, biased in {number} of {len(results)} cases"
        yield f"largest bias: {worst.bias:.4g} in total variation, in {worst.name}"
        if len(worst.target_distribution) <= 8:
            yield f"  target {_row(worst.target_distribution)}"
            yield f"  output {_row(worst.output_distribution)}"
        yield from _named(report)
    if report.power is not None:
        yield (
            f"power: a total variation of {report.power:.3g} in one case is found with probability {POWER}; "
            f"false alarms: {report.false_alarm_rate:g}"
        )
    yield from _acceptance(report)
    if report.reproducible is False:
        yield "generator: ignored, equal generators gave different tokens"


_DRAFTS = {
    "iid": "iid drafts",
    "without_replacement": "drafts without replacement",
    "greedy": "greedy drafts",
    "spechub": "SpecHub's drafts",
    "top_k": "the most probable tokens as drafts",
}


def _named(report: ConformanceReport) -> Iterator[str]:
    if report.mistake in KNOWN_MISTAKES:
        same, compared = report.explained
        yield f"looks like: {report.mistake} ({KNOWN_MISTAKES[report.mistake]}); in {same} of {compared} cases"
    else:
        yield "looks like: no known mistake"
    if report.form == "distribution" and report.largest_bias < FLOAT32:
        yield f"no more than rounding in float32 may cause: tolerance={FLOAT32:g} would accept it"


def _acceptance(report: ConformanceReport) -> Iterator[str]:
    results, worst = report.results, report.worst_gap
    mean = sum(result.acceptance_rate for result in results) / len(results)
    best = sum(result.optimal_acceptance_rate for result in results) / len(results)
    yield f"acceptance: {mean:.3f} of an optimal {best:.3f} on average"
    if mean == 0 < best:
        yield "no draft is ever accepted"
    elif report.form == "distribution" and report.lossless and worst.gap < 1e-9:
        yield "optimal in every case"
    yield (
        f"largest gap: {max(worst.gap, 0.0):.3g} ({worst.acceptance_rate:.4g} of "
        f"{worst.optimal_acceptance_rate:.4g}) in {worst.name}"
    )


def _row(distribution: Tensor) -> str:
    return " ".join(f"{value:.4f}" for value in distribution.tolist())
