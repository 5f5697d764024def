"""Is a verifier lossless? How far is it from the optimum? Which mistake does it look like?

A verifier is a function of anyone's: :func:`check_verifier` tries it on pairs of distributions, or on toy
models for chains (:mod:`tokenlab.transport.conformance.cases`), and compares what comes out with the target.
Given as a distribution it is compared exactly; drawn tokens are put to a test whose power is stated
(:mod:`tokenlab.transport.conformance.statistics`).
"""

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
    r"""Try a verifier: is it lossless, how far from the optimum, which known mistake is it?

    A verifier of drafts at one node is lossless if the target comes out,

    .. math::

        \sum_x P(x)\, \pi(y \mid x) = p(y) \quad \text{for all } y,

    with the probability P of the drafts and what the verifier makes of them, :math:`\pi`. On chains the
    output is the accepted drafts and the token after them, completed by the target to one token more than
    the chain has: all sequences must have the target's distribution. The verifier is called with float64
    probabilities and int64 tokens; anything like an array may come back.

    =========  ============  ========  ======================================================================
    structure  form          at once   signature
    =========  ============  ========  ======================================================================
    node       distribution  one       (target [V], draft [V], tokens [k]) -> probs [V]
    node       distribution  batched   (target [V], draft [V], tokens [n, k]) -> probs [n, V]
    node       sample        batched   (target [V], draft [V], tokens [n, k], generator) -> tokens [n]
    node       sample        one       (target [V], draft [V], tokens [k], generator) -> token
    chain      distribution  one       (target [L+1, V], draft [L, V], tokens [L]) -> probs [L+1, V],
                                       of n accepted drafts and the token after them
    chain      distribution  batched   the same with n in front of every shape
    chain      sample        batched   (target [n, L+1, V], draft [n, L, V], tokens [n, L], generator)
                                       -> (accepted [n], tokens [n])
    chain      sample        one       the same without n
    =========  ============  ========  ======================================================================

    Parameters
    ----------
    distribution : callable, optional
        The verifier as a distribution. Every tuple of drafts is listed.
    sample : callable, optional
        The verifier as it runs. Drafts are drawn here; its own noise must come from the generator.
        Give one of both forms.
    structure : {"node", "chain"}
        What it verifies: several drafts for one position, or one draft for each of several.
    sampling : {"iid", "without_replacement", "greedy", "spechub", "top_k"}
        How the drafts of a node are drawn; ``"top_k"`` draws nothing and takes the most probable tokens.
    num_drafts : int or sequence of int, optional
        Drafts at a node; by default 1, 2 and 3 for a distribution, 2 and 3 for samples.
    draft_length : int or sequence of int, optional
        Drafts of a chain; by default 1, 2 and 3 for a distribution, 2 for samples.
    vocab_size : int or sequence of int, optional
        By default 2, 3 and 5 tokens for nodes, 2 and 3 for chains.
    pairs : sequence of pairs of Float[Tensor, "vocab"], optional
        Your own targets and draft distributions for nodes, float64, instead of the built-in ones.
    batched : bool, optional
        Whether many drafts are handed over at once; by default yes for samples, no for a distribution.
    num_samples : int
        Draws in all, at least 200,000, divided evenly between the cases.
    seed : int
        Of the drawn drafts and the generator.
    tolerance : float
        What a distribution may be off by, in total variation and in its sums.
    false_alarm_rate : float
        Of the tests of drawn tokens, all cases together.

    Raises
    ------
    ArgumentError
        If both forms are given or none, nothing is left to try, there are too many tuples or too
        few draws for the vocabulary, or the verifier returns ids that do not exist.
    ShapeError, DtypeError, ProbabilityError
        If the verifier returns the wrong shape or type, or no probabilities; the message names
        pair and drafts.

    Examples
    --------
    Sampling from the target and looking the token up needs no draft distribution:

    >>> print(check_verifier(distribution=lambda target, draft, tokens: target))
    node verifier, iid drafts, as a distribution: 102 cases, exact
    lossless: yes, largest bias ...
    acceptance: 0.395 of an optimal 0.597 on average
    largest gap: 0.756 (0.2444 of 1) in equal, 5 tokens, 1 draft

    The test for one draft, repeated for each of several:

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
    """List all drafts, and sum what comes out."""
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
    """Draw drafts, run the verifier, and test what came out."""
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
    """Whether equal generators give equal tokens."""
    drafts = case.draw(256, torch.Generator().manual_seed(seed))
    first, second = (
        ask_outcomes(case, sample, batched, drafts, torch.Generator().manual_seed(seed)) for _ in range(2)
    )
    return torch.equal(first, second)
