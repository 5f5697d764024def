"""Is a verifier lossless? How far is it from the optimum? Which mistake does it look like?

A verifier is a function of anyone's: :func:`check_verifier` tries it on pairs of distributions, or
on toy models for chains (:mod:`tokenlab.transport.conformance.cases`), and compares what comes out
with the target. In the form of a distribution the comparison is exact; drawn tokens are put to a test whose
power is stated (:mod:`tokenlab.transport.conformance.statistics`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from tokenlab.errors import ProbabilityError, check_choice, check_int, check_real
from tokenlab.transport.conformance.cases import TRIED_SAMPLINGS, Case, NodeCase
from tokenlab.transport.conformance.diagnosis import Evidence, _name, _total_variation
from tokenlab.transport.conformance.inputs import (
    MIN_SAMPLES,
    _chain_cases,
    _check_draws,
    _check_listed,
    _columns,
    _form,
    _ids,
    _node_cases,
    _numbers,
    _two,
)
from tokenlab.transport.conformance.report import POWER, CaseResult, ConformanceReport
from tokenlab.transport.conformance.statistics import p_value, smallest_found


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

    with the distribution P of the drafts and what the verifier makes of them, :math:`\pi`. On chains the
    output is the accepted drafts and the token after them, completed by the target to one token
    more than the chain has: all sequences must have the target's distribution.

    =========  ======================  ======================================================
    structure  form                    signature
    =========  ======================  ======================================================
    node       distribution, one at a time      (target [V], draft [V], tokens [k]) -> probs [V]
    ..         distribution, batched            (target [V], draft [V], tokens [n, k]) -> probs [n, V]
    ..         sample, batched         (target [V], draft [V], tokens [n, k], generator)
                                       -> tokens [n]
    ..         sample, one at a time   (target [V], draft [V], tokens [k], generator) -> token
    chain      distribution, one at a time      (target [L+1, V], draft [L, V], tokens [L])
                                       -> probs [L+1, V], of n accepted drafts and token y
    ..         distribution, batched            the same with n in front of every shape
    ..         sample, batched         (target [n, L+1, V], draft [n, L, V], tokens [n, L],
                                       generator) -> (accepted [n], tokens [n])
    ..         sample, one at a time   the same without n
    =========  ======================  ======================================================

    Distributions come as float64 tensors, tokens as int64; anything like an array may come back.

    Parameters
    ----------
    distribution : callable, optional
        The verifier as a distribution. Every tuple of drafts is listed.
    sample : callable, optional
        The verifier as it runs. Drafts are drawn here; its own noise must come from the generator.
        Give one of both forms.
    structure : {"node", "chain"}
        What it verifies: drafts for one place, or one draft for each of several places.
    sampling : {"iid", "without_replacement", "greedy", "spechub", "top_k"}
        How the drafts of a node are drawn; with ``"top_k"`` they are the most probable tokens,
        and nothing is drawn.
    num_drafts : int or sequence of int, optional
        Drafts at a node; by default 1, 2 and 3 for a distribution, 2 and 3 for samples.
    draft_length : int or sequence of int, optional
        Drafts of a chain; by default 1, 2 and 3 for a distribution, 2 for samples.
    vocab_size : int or sequence of int, optional
        By default 2, 3 and 5 tokens for nodes, 2 and 3 for chains.
    pairs : sequence of pairs of Float[Tensor, "vocab"], optional
        Your own targets and draft distributions in place of the built-in ones, float64, for nodes.
    batched : bool, optional
        Whether many drafts are handed over at once; by default yes for samples, no for a distribution.
    num_samples : int
        Draws in all, at least 200,000. They are divided evenly between the cases: fewer numbers of
        drafts and vocabularies mean more power in each.
    seed : int
        Of the drawn drafts and the generator.
    tolerance : float
        What a distribution may be off by, in total variation and in its sums.
    false_alarm_rate : float
        Of the tests of drawn tokens, all cases together.

    Returns
    -------
    ConformanceReport

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
    form = _form(distribution, sample)
    check_choice("structure", structure, ("node", "chain"))
    check_choice("sampling", sampling, TRIED_SAMPLINGS)
    check_int("num_samples", num_samples, low=MIN_SAMPLES)
    check_int("seed", seed, low=0)
    check_real("tolerance", tolerance, low=0, high=1, include_high=False)
    check_real("false_alarm_rate", false_alarm_rate, low=0, high=1, include_low=False, include_high=False)
    if batched is None:
        batched = form == "sample"
    few = form == "sample"
    if structure == "node":
        cases = _node_cases(sampling, num_drafts, draft_length, vocab_size, pairs, few)
    else:
        cases = _chain_cases(sampling, num_drafts, draft_length, vocab_size, pairs, few)
    if form == "distribution":
        _check_listed(cases)
        tried = [_exact(case, distribution, batched, tolerance) for case in cases]
        results, evidence = zip(*tried, strict=True)
        named = _name(cases, results, evidence)
        return ConformanceReport(form, structure, sampling, tuple(results), *named)
    draws = _check_draws(cases, num_samples)
    tried = [
        _drawn(case, sample, batched, draws, seed + 1000 * number, false_alarm_rate / len(cases))
        for number, case in enumerate(cases)
    ]
    results, evidence = zip(*tried, strict=True)
    named = _name(cases, results, evidence)
    power = max(
        smallest_found(
            draws, int((case.target_distribution() > 0).sum()), false_alarm_rate / len(cases), POWER
        )
        for case in cases
    )
    return ConformanceReport(
        form,
        structure,
        sampling,
        tuple(results),
        *named,
        num_samples=draws * len(cases),
        power=power,
        false_alarm_rate=false_alarm_rate,
        reproducible=_reproducible(cases[0], sample, batched, seed),
    )


def _exact(
    case: Case, distribution: Callable[..., Any], batched: bool, tolerance: float
) -> tuple[CaseResult, Evidence]:
    """List all drafts, and sum what comes out."""
    drafts, mass = case.drafts()
    distributions = _distributions(case, distribution, batched, drafts, tolerance)
    output, target = case.output_distribution(drafts, mass, distributions), case.target_distribution()
    bias = _total_variation(output, target).item()
    accepted = (mass * case.accepted(drafts, distributions)).sum().item()
    result = CaseResult(
        str(case), target, output, bias <= tolerance, bias, None, accepted, case.optimal_rate()
    )
    return result, (drafts, distributions)


def _drawn(
    case: Case, sample: Callable[..., Any], batched: bool, draws: int, seed: int, false_alarm_rate: float
) -> tuple[CaseResult, Evidence]:
    """Draw drafts, run the verifier, and test what came out."""
    # The verifier has a generator of its own: its noise must not be that of the drafts.
    generator = torch.Generator().manual_seed(2 * seed)
    drafts = case.draw(draws, generator)
    outcome = _outcomes(case, sample, batched, drafts, torch.Generator().manual_seed(2 * seed + 1))
    target = case.target_distribution()
    outputs = case.outputs(drafts, outcome, generator)
    counts = torch.bincount(outputs, minlength=len(target)).double()
    found = p_value(counts, target)
    output = counts / draws
    result = CaseResult(
        str(case),
        target,
        output,
        found >= false_alarm_rate,
        _total_variation(output, target).item(),
        found,
        case.accepted_share(drafts, outcome).mean().item(),
        case.optimal_rate(),
    )
    return result, (drafts, outcome, outputs)


def _distributions(
    case: Case, distribution: Callable[..., Any], batched: bool, drafts: Tensor, tolerance: float
) -> Float64[Tensor, "tuples ..."]:
    """Ask for the distribution of all drafts, and check that it is one."""
    if batched:
        distributions = _numbers(
            "distribution", distribution(*case.inputs(drafts), drafts.clone()), case, drafts, case.outcomes
        )
    else:
        distributions = torch.stack(
            [
                _numbers("distribution", distribution(*given), case, tokens, case.outcomes, batched=False)
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
                f"{distributions[row].tolist()} of sum {rows[row].sum().item():.12g}, "
                f"expected probabilities (tolerance={tolerance:g})"
            )
    return distributions


def _outcomes(
    case: Case, sample: Callable[..., Any], batched: bool, drafts: Tensor, generator: torch.Generator
) -> Tensor:
    """Run the verifier; what came out of each row, as one number."""
    if batched:
        answer = sample(*case.inputs(drafts), drafts.clone(), generator)
    else:
        answers = [sample(*given, generator) for given in _one_by_one(case, drafts)]
        answer = answers if isinstance(case, NodeCase) else _columns(answers, case)
    if isinstance(case, NodeCase):
        return _ids("sample", answer, case, drafts, *case.outcomes)
    accepted, token = _two(answer, case)
    places, vocab = case.outcomes
    return _ids("sample (number of accepted drafts)", accepted, case, drafts, places) * vocab + _ids(
        "sample (token)", token, case, drafts, vocab
    )


def _one_by_one(case: Case, drafts: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """The arguments for each tuple of drafts, copied: a verifier may write into them."""
    target, draft = case.inputs(drafts)
    if isinstance(case, NodeCase):
        target, draft = target.expand(len(drafts), -1), draft.expand(len(drafts), -1)
    for row in zip(target, draft, drafts, strict=True):
        yield tuple(part.clone() for part in row)


def _reproducible(case: Case, sample: Callable[..., Any], batched: bool, seed: int) -> bool:
    """Whether equal generators give equal tokens."""
    drafts = case.draw(256, torch.Generator().manual_seed(seed))
    first, second = (
        _outcomes(case, sample, batched, drafts, torch.Generator().manual_seed(seed)) for _ in range(2)
    )
    return torch.equal(first, second)
