"""Try a verifier: a distribution is compared with the target exactly, drawn tokens are tested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from tokenlab.errors import check_choice, check_int, check_real
from tokenlab.transport.conformance.answers import ask_distributions, ask_outcomes
from tokenlab.transport.conformance.cases import TRIED_SAMPLINGS, Case
from tokenlab.transport.conformance.diagnosis import DrawnEvidence, ListedEvidence, name_mistake
from tokenlab.transport.conformance.inputs import (
    MIN_SAMPLES,
    check_form,
    check_listed,
    checked_chain_cases,
    checked_node_cases,
    draws_per_case,
)
from tokenlab.transport.conformance.report import POWER, CaseResult, ConformanceReport
from tokenlab.transport.conformance.statistics import p_value, smallest_found, total_variation


def check_verifier(
    distribution: Callable[..., Any] | None = None,
    sample: Callable[..., Any] | None = None,
    *,
    structure: str = "node",
    sampling: str = "iid",
    num_drafts: int | Sequence[int] | None = None,
    draft_length: int | Sequence[int] | None = None,
    vocab_size: int | Sequence[int] | None = None,
    pairs: Sequence[tuple[Float[Tensor, " vocab"], Float[Tensor, " vocab"]]] | None = None,
    batched: bool | None = None,
    num_samples: int = MIN_SAMPLES,
    seed: int = 0,
    tolerance: float = 1e-9,
    false_alarm_rate: float = 1e-4,
) -> ConformanceReport:
    r"""Is a verifier lossless, how far is it from the optimum, which known mistake is it?

    At a node the target must come out of the verifier :math:`\pi`, with the probability P of the drafts:

    .. math:: \sum_x P(x)\, \pi(y \mid x) = p(y) \quad \text{for all } y.

    A chain's accepted drafts and the token after them, completed by the target to L+1 tokens, must have its
    distribution. The verifier gets float64 probabilities, int64 tokens, and a generator to draw with; it
    returns any kind of array. Counts, and L+1 rows, are numbers of accepted drafts:

    =========  ============  ===============================  ======================
    structure  form          target, draft, tokens            returns
    =========  ============  ===============================  ======================
    node       distribution  [V], [V], [k]                    probs [V]
    node       sample        [V], [V], [n, k]                 tokens [n]
    chain      distribution  [L+1, V], [L, V], [L]            probs [L+1, V]
    chain      sample        [n, L+1, V], [n, L, V], [n, L]   counts [n], tokens [n]
    =========  ============  ===============================  ======================

    Parameters
    ----------
    distribution, sample : callable
        The verifier, in one of the two forms. All noise of a sample must come from the generator.
    structure : {"node", "chain"}
        Several drafts for one position, or one draft for each of several.
    sampling : {"iid", "without_replacement", "greedy", "spechub", "top_k"}
        How the drafts of a node are drawn; ``"top_k"`` takes the most probable tokens.
    num_drafts, draft_length, vocab_size : int or sequence of int
        Drafts at a node, drafts of a chain, tokens. By default several, at most 3, 3 and 5.
    pairs : sequence of pairs of Float[Tensor, "vocab"]
        Your own targets and drafts for nodes, float64.
    batched : bool
        Whether n tuples come at once; by default for samples only. Then all shapes but those of a node's
        target and draft begin with n; else none does.
    num_samples : int
        Draws of all cases together, at least 200,000.
    tolerance, false_alarm_rate : float
        Total variation that a distribution may be off by; probability that a lossless sample is called
        biased.

    Raises
    ------
    ArgumentError, ShapeError, DtypeError, ProbabilityError
        If both forms or none are given, there is nothing or too much to try, draws are too few, or the
        verifier returns something else; the message names pair and drafts.

    Examples
    --------
    Sampling from the target and looking the token up:

    >>> print(check_verifier(distribution=lambda target, draft, tokens: target))
    node verifier, iid drafts, as a distribution: 102 cases, exact
    lossless: yes, largest bias ...
    acceptance: 0.395 of an optimal 0.597 on average
    largest gap: 0.756 (0.2444 of 1) in equal, 5 tokens, 1 draft

    The test for one draft, repeated for several:

    >>> def repeated(target, draft, tokens):
    ...     distribution, reached = torch.zeros_like(target), 1.0
    ...     for token in tokens:
    ...         accept = min(1.0, target[token] / draft[token])
    ...         distribution[token] += reached * accept
    ...         reached *= 1 - accept
    ...     rest = (target - draft).clamp(min=0)
    ...     return distribution + reached * (rest / rest.sum() if rest.sum() > 0 else target)
    >>> report = check_verifier(distribution=repeated, num_drafts=2, vocab_size=2)
    >>> report.lossless, report.mistake, round(report.largest_bias, 4)
    (False, 'unchanged target loop', 0.2222)

    Reference: Sun et al. 2023, arXiv 2310.15141 (why repeating is wrong); the suite: this book.
    """
    form = check_form(distribution, sample)
    check_choice("structure", structure, ("node", "chain"))
    check_choice("sampling", sampling, TRIED_SAMPLINGS)
    check_int("num_samples", num_samples, low=MIN_SAMPLES)
    check_int("seed", seed, low=0)
    check_real("tolerance", tolerance, low=0, high=1, include_high=False)
    check_real("false_alarm_rate", false_alarm_rate, low=0, high=1, include_low=False, include_high=False)
    drawn = form == "sample"
    batched = drawn if batched is None else batched
    checked_cases = checked_node_cases if structure == "node" else checked_chain_cases
    cases = checked_cases(sampling, num_drafts, draft_length, vocab_size, pairs, few=drawn)
    statistics: dict[str, Any] = {}
    if drawn:
        draws, alarms = draws_per_case(cases, num_samples), false_alarm_rate / len(cases)
        tried = [
            _try_sample(case, sample, batched, draws, seed + 1000 * number, alarms)
            for number, case in enumerate(cases)
        ]
        outputs = [int((case.target_distribution() > 0).sum()) for case in cases]
        statistics = {
            "num_samples": draws * len(cases),
            "power": max(smallest_found(draws, count, alarms, POWER) for count in outputs),
            "false_alarm_rate": false_alarm_rate,
            "reproducible": _reproducible(cases[0], sample, batched, seed),
        }
    else:
        check_listed(cases)
        tried = [_try_distribution(case, distribution, batched, tolerance) for case in cases]
    results, evidence = zip(*tried, strict=True)
    mistake, explained = name_mistake(cases, results, evidence)
    return ConformanceReport(form, structure, sampling, results, mistake, explained, **statistics)


def _try_distribution(
    case: Case, distribution: Callable[..., Any], batched: bool, tolerance: float
) -> tuple[CaseResult, ListedEvidence]:
    drafts, mass = case.drafts()
    distributions = ask_distributions(case, distribution, batched, drafts, tolerance)
    output, target = case.output_distribution(drafts, mass, distributions), case.target_distribution()
    bias = total_variation(output, target).item()
    result = CaseResult(
        name=str(case),
        target_distribution=target,
        output_distribution=output,
        lossless=bias <= tolerance,
        bias=bias,
        p_value=None,
        acceptance_rate=(mass * case.accepted(drafts, distributions)).sum().item(),
        optimal_acceptance_rate=case.optimal_rate(),
    )
    return result, ListedEvidence(drafts, mass, distributions)


def _try_sample(
    case: Case, sample: Callable[..., Any], batched: bool, draws: int, seed: int, false_alarm_rate: float
) -> tuple[CaseResult, DrawnEvidence]:
    # The verifier has a generator of its own: its noise must not be that of the drafts.
    generator = torch.Generator().manual_seed(2 * seed)
    drafts = case.draw(draws, generator)
    outcome = ask_outcomes(case, sample, batched, drafts, torch.Generator().manual_seed(2 * seed + 1))
    target = case.target_distribution()
    outputs = case.outputs(drafts, outcome, generator)
    counts = torch.bincount(outputs, minlength=len(target)).double()
    found = p_value(counts, target)
    result = CaseResult(
        name=str(case),
        target_distribution=target,
        output_distribution=counts / draws,
        lossless=found >= false_alarm_rate,
        bias=total_variation(counts / draws, target).item(),
        p_value=found,
        acceptance_rate=case.accepted_share(drafts, outcome).mean().item(),
        optimal_acceptance_rate=case.optimal_rate(),
    )
    return result, DrawnEvidence.count(case, drafts, outcome, outputs)


def _reproducible(case: Case, sample: Callable[..., Any], batched: bool, seed: int) -> bool:
    drafts = case.draw(256, torch.Generator().manual_seed(seed))
    first, second = (
        ask_outcomes(case, sample, batched, drafts, torch.Generator().manual_seed(seed)) for _ in range(2)
    )
    return torch.equal(first, second)
