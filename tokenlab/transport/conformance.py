"""Is a verifier lossless? How far is it from the optimum? Which mistake does it look like?

A verifier is a function of anyone's: :func:`check_verifier` tries it on pairs of distributions, or
on toy models for chains (:mod:`tokenlab.transport.conformance_cases`), and compares what comes out
with the target. In the form of a law the comparison is exact; drawn tokens are put to a test whose
power is stated (:mod:`tokenlab.transport.conformance_statistics`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from tokenlab.errors import (
    ArgumentError,
    DtypeError,
    ProbabilityError,
    ShapeError,
    check_choice,
    check_int,
    check_probs,
    check_real,
)
from tokenlab.transport import conformance_mistakes as mistakes
from tokenlab.transport.conformance_cases import (
    TRIED_SAMPLINGS,
    Case,
    NodeCase,
    chain_cases,
    distinct_rows,
    node_cases,
    too_many,
)
from tokenlab.transport.conformance_mistakes import KNOWN_MISTAKES
from tokenlab.transport.conformance_statistics import (
    FEWEST_EXPECTED,
    fits,
    log_likelihood,
    p_value,
    smallest_found,
)
from tokenlab.transport.drafts import MAX_TUPLES

#: Fewest draws in the form of samples.
MIN_SAMPLES = 200_000
#: With which probability a bias of :attr:`ConformanceReport.power` is found.
POWER = 0.99
#: Two laws are the same mistake if they differ by no more, in total variation.
SAME_LAW = 1e-6
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
#: Biases that single precision may explain.
FLOAT32 = 1e-5


@dataclass(frozen=True)
class CaseResult:
    """What a verifier made of one pair of distributions, or of one toy model.

    ``output_law`` are frequencies in the form of samples, and ``bias`` then holds their noise too.
    On chains ``acceptance_rate`` is the expected share of accepted drafts, the outputs are all
    sequences of one token more than the chain, and the optimum is block verification.
    """

    name: str
    target_law: Float64[Tensor, " outputs"] = field(repr=False)
    output_law: Float64[Tensor, " outputs"] = field(repr=False)
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
    form : {"law", "sample"}
        How the verifier was given.
    structure, sampling : str
        As asked for.
    results : tuple of CaseResult
        One for each pair of distributions, or toy model.
    mistake : str or None
        None if the verifier is lossless; a name in ``KNOWN_MISTAKES``, or ``"unknown"``.
    explained : tuple of int
        In how many cases the mistake has the verifier's law, and in how many it was compared.
    num_samples : int or None
        Draws in all.
    power : float or None
        Smallest total variation, in a single case, that is found with probability 0.99.
    false_alarm_rate : float or None
        Probability that a lossless verifier is called biased, over all cases together.
    reproducible : bool or None
        Whether equal generators gave equal tokens.
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
        """Whether every output has the target's law, up to rounding or chance."""
        return all(result.lossless for result in self.results)

    @property
    def worst(self) -> CaseResult:
        """The case of the largest bias; of the biased ones, if there are any."""
        biased = [result for result in self.results if not result.lossless]
        return max(biased or self.results, key=lambda result: result.bias)

    @property
    def largest_bias(self) -> float:
        """Total variation between output and target in the worst case."""
        return self.worst.bias

    @property
    def worst_gap(self) -> CaseResult:
        """The case in which most is missing to the optimal acceptance rate."""
        return max(self.results, key=lambda result: result.gap)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def check_verifier(
    law: Callable[..., Any] | None = None,
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

    with the law P of the drafts and what the verifier makes of them, :math:`\pi`. On chains the
    output is the accepted drafts and the token after them, completed by the target to one token
    more than the chain has: all sequences must have the target's law.

    =========  ======================  ======================================================
    structure  form                    signature
    =========  ======================  ======================================================
    node       law, one at a time      (target [V], draft [V], tokens [k]) -> probs [V]
    ..         law, batched            (target [V], draft [V], tokens [n, k]) -> probs [n, V]
    ..         sample, batched         (target [V], draft [V], tokens [n, k], generator)
                                       -> tokens [n]
    ..         sample, one at a time   (target [V], draft [V], tokens [k], generator) -> token
    chain      law, one at a time      (target [L+1, V], draft [L, V], tokens [L])
                                       -> probs [L+1, V], of n accepted drafts and token y
    ..         law, batched            the same with n in front of every shape
    ..         sample, batched         (target [n, L+1, V], draft [n, L, V], tokens [n, L],
                                       generator) -> (accepted [n], tokens [n])
    ..         sample, one at a time   the same without n
    =========  ======================  ======================================================

    Distributions come as float64 tensors, tokens as int64; anything like an array may come back.

    Parameters
    ----------
    law : callable, optional
        The verifier as a law. Every tuple of drafts is listed.
    sample : callable, optional
        The verifier as it runs. Drafts are drawn here; its own noise must come from the generator.
        Give one of both forms.
    structure : {"node", "chain"}
        What it verifies: drafts for one place, or one draft for each of several places.
    sampling : {"iid", "without_replacement", "greedy", "spechub", "top_k"}
        How the drafts of a node are drawn; with ``"top_k"`` they are the most probable tokens,
        and nothing is drawn.
    num_drafts : int or sequence of int, optional
        Drafts at a node; by default 1, 2 and 3 for a law, 2 and 3 for samples.
    draft_length : int or sequence of int, optional
        Drafts of a chain; by default 1, 2 and 3 for a law, 2 for samples.
    vocab_size : int or sequence of int, optional
        By default 2, 3 and 5 tokens for nodes, 2 and 3 for chains.
    pairs : sequence of pairs of Float[Tensor, "vocab"], optional
        Your own targets and draft distributions in place of the built-in ones, float64, for nodes.
    batched : bool, optional
        Whether many drafts are handed over at once; by default yes for samples, no for a law.
    num_samples : int
        Draws in all, at least 200,000. They are divided evenly between the cases: fewer numbers of
        drafts and vocabularies mean more power in each.
    seed : int
        Of the drawn drafts and the generator.
    tolerance : float
        What a law may be off by, in total variation and in its sums.
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

    >>> print(check_verifier(law=lambda target, draft, tokens: target))
    node verifier, iid drafts, as a law: 102 cases, exact
    lossless: yes, largest bias ...
    acceptance: 0.395 of an optimal 0.597 on average
    largest gap: 0.756 (0.2444 of 1) in equal, 5 tokens, 1 draft

    The test for one draft, repeated for each of several:

    >>> def repeated(target, draft, tokens):
    ...     law, reached = torch.zeros_like(target), 1.0
    ...     for token in tokens:
    ...         accept = min(1.0, target[token] / draft[token])
    ...         law[token] += reached * accept
    ...         reached *= 1 - accept
    ...     rest = (target - draft).clamp(min=0)
    ...     return law + reached * (rest / rest.sum() if rest.sum() > 0 else target)
    >>> report = check_verifier(law=repeated, num_drafts=2, vocab_size=2)
    >>> report.lossless, report.mistake, round(report.largest_bias, 4)
    (False, 'unchanged target loop', 0.2222)

    Reference: Sun et al. 2023, arXiv 2310.15141 (why repeating is wrong); the suite: this book.

    Book: transport
    """
    form = _form(law, sample)
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
    if form == "law":
        _check_listed(cases)
        tried = [_exact(case, law, batched, tolerance) for case in cases]
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
        smallest_found(draws, int((case.target_law() > 0).sum()), false_alarm_rate / len(cases), POWER)
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


# --- the two forms ---------------------------------------------------------------------

#: Drafts, and what a verifier made of each row: its law; or the outcome, and the output behind it.
Evidence = tuple[Tensor, ...]


def _exact(
    case: Case, law: Callable[..., Any], batched: bool, tolerance: float
) -> tuple[CaseResult, Evidence]:
    """List all drafts, and sum what comes out."""
    drafts, mass = case.drafts()
    laws = _laws(case, law, batched, drafts, tolerance)
    output, target = case.output_law(drafts, mass, laws), case.target_law()
    bias = _total_variation(output, target).item()
    accepted = (mass * case.accepted(drafts, laws)).sum().item()
    result = CaseResult(
        str(case), target, output, bias <= tolerance, bias, None, accepted, case.optimal_rate()
    )
    return result, (drafts, laws)


def _drawn(
    case: Case, sample: Callable[..., Any], batched: bool, draws: int, seed: int, false_alarm_rate: float
) -> tuple[CaseResult, Evidence]:
    """Draw drafts, run the verifier, and test what came out."""
    # The verifier has a generator of its own: its noise must not be that of the drafts.
    generator = torch.Generator().manual_seed(2 * seed)
    drafts = case.draw(draws, generator)
    outcome = _outcomes(case, sample, batched, drafts, torch.Generator().manual_seed(2 * seed + 1))
    target = case.target_law()
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


def _counted(case: Case, drafts: Tensor, outcome: Tensor, outputs: Tensor) -> Evidence:
    """Outcomes counted for each tuple of drafts, and outputs; of the first draws, if there are many tuples."""
    if len(distinct_rows(drafts)[0]) * math.prod(case.outcomes) > CELLS:
        some = max(CELLS // math.prod(case.outcomes), 1)
        drafts, outcome, outputs = drafts[:some], outcome[:some], outputs[:some]
    tuples, which = distinct_rows(drafts)
    width = math.prod(case.outcomes)
    counts = torch.bincount(which * width + outcome, minlength=len(tuples) * width)
    produced = torch.bincount(outputs, minlength=len(case.target_law()))
    return tuples, counts.double().view(len(tuples), width), produced.double()


def _laws(
    case: Case, law: Callable[..., Any], batched: bool, drafts: Tensor, tolerance: float
) -> Float64[Tensor, "tuples ..."]:
    """Ask for the law of all drafts, and check that it is one."""
    if batched:
        laws = _numbers("law", law(*case.inputs(drafts), drafts.clone()), case, drafts, case.outcomes)
    else:
        laws = torch.stack(
            [
                _numbers("law", law(*given), case, tokens, case.outcomes, batched=False)
                for tokens, given in zip(drafts, _one_by_one(case, drafts), strict=True)
            ]
        )
    rows = laws.flatten(1)
    for wrong, said in (
        (~torch.isfinite(rows).all(-1), "holds NaN or infinity"),
        (rows.amin(-1) < -tolerance, "holds a negative number"),
        ((rows.sum(-1) - 1).abs() > max(tolerance, 1e-12), "does not sum to one"),
    ):
        if bool(wrong.any()):
            row = int(wrong.nonzero()[0])
            raise ProbabilityError(
                f"law {said} for {case} with drafts {drafts[row].tolist()}: found {laws[row].tolist()} of sum "
                f"{rows[row].sum().item():.12g}, expected probabilities (tolerance={tolerance:g})"
            )
    return laws


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


def _total_variation(law: Tensor, other: Tensor) -> Tensor:
    return (law - other).abs().sum(-1) / 2


# --- which mistake ---------------------------------------------------------------------


def _name(
    cases: Sequence[Case], results: Sequence[CaseResult], evidence: Sequence[Evidence]
) -> tuple[str | None, tuple[int, int]]:
    """Name of the mistake that has the verifier's laws, in how many cases, and of how many.

    Laws are compared where they are biased, and most of them must be the mistake's. Of drawn tokens
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
            for key, laws in candidates(cases[number], evidence[number], drawn):
                if misses.setdefault(key, 0) > missable:
                    continue
                agreed = _agreement(cases[number], results[number], evidence[number], laws())
                misses[key] += agreed is None
                score[key] = score.get(key, 0.0) + (agreed or 0.0)
        # Of equal ones the first is named.
        ranked = sorted(misses, key=lambda key: (misses[key], -score[key], key))
        if ranked and misses[ranked[0]] <= missable:
            return ranked[0][1], (len(compared) - misses[ranked[0]], len(compared))
    return "unknown", (0, len(compared))


def _agreement(case: Case, result: CaseResult, evidence: Evidence, laws: Tensor) -> float | None:
    """How well a mistake's law explains a case; None if it does not."""
    drafts, found, *produced = evidence
    if result.p_value is None:
        # Closer than the bias, or a right rule would be taken for any small mistake.
        apart = _total_variation(found.flatten(1), laws.flatten(1)).max().item()
        return 0.0 if apart <= min(SAME_LAW, result.bias / 10) else None
    flat = laws.flatten(1)
    if fits(found, flat) < COMPATIBLE:
        return None
    draws = found.sum(-1)
    output = case.output_law(drafts, draws / draws.sum(), laws)
    if fits(produced[0].unsqueeze(0), output.unsqueeze(0)) < COMPATIBLE:
        return None
    if not result.lossless and _total_variation(output, result.target_law) < result.bias / 10:
        return None
    return log_likelihood(found, flat)


#: A number and a name, and a function that computes the law.
Candidates = Iterator[tuple[tuple[int, str], Callable[[], Tensor]]]


def _variants(case: Case, evidence: Evidence, drawn: bool) -> Candidates:
    """Every variant of every mistake, as numbered."""
    drafts, *_ = evidence
    if isinstance(case, NodeCase):
        variants = mistakes.node_variants(case.target, case.draft, drafts, case.sampling)
    else:
        variants = mistakes.chain_variants(*case.inputs(drafts), drafts)
    for number, (name, laws) in enumerate(variants):
        yield (number, name), laws


def _families(case: Case, evidence: Evidence, drawn: bool) -> Candidates:
    """Of each mistake with a free number the law that comes closest."""
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


def _unlikeliness(counts: Tensor, _: None, laws: Float64[Tensor, "numbers tuples vocab"]) -> Tensor:
    return -torch.xlogy(counts, laws).sum((-1, -2))


def _mean_distance(found: Tensor, mass: Tensor, laws: Float64[Tensor, "numbers tuples vocab"]) -> Tensor:
    return (mass * _total_variation(laws, found)).sum(-1)


def _closest(members: Sequence[Callable[[Tensor], Tensor]], distance: Callable[[Tensor], Tensor]) -> Tensor:
    """The law at the best share of the best member: a grid, refined around its best point."""
    best: tuple[float, Tensor] | None = None
    for family in members:
        low, high = SHARES
        for _ in range(REFINED):
            shares = torch.linspace(low, high, GRID, dtype=torch.float64)
            laws = family(shares)
            far = distance(laws)
            nearest = int(far.argmin())
            step = (high - low) / (GRID - 1)
            low, high = shares[nearest].item() - step, min(shares[nearest].item() + step, SHARES[1])
        if best is None or far[nearest] < best[0]:
            best = far[nearest].item(), laws[nearest]
    return best[1]


# --- what is tried ---------------------------------------------------------------------


def _form(law: object, sample: object) -> str:
    if (law is None) == (sample is None):
        found = "neither" if law is None else "both"
        raise ArgumentError(f"law and sample: {found} given, expected one form of the verifier")
    for name, value in (("law", law), ("sample", sample)):
        if value is not None and not callable(value):
            raise DtypeError(f"{name} must be callable, found {type(value).__name__}")
    return "law" if sample is None else "sample"


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
                f"num_drafts is {case.num_drafts} for {len(case.target)} tokens: a law needs all "
                f"{len(case.target) ** case.num_drafts} tuples, expected at most {MAX_TUPLES}; give sample"
            )


def _check_draws(cases: Sequence[Case], num_samples: int) -> int:
    """Draws for each case."""
    draws = -(-num_samples // len(cases))
    for case in cases:
        target = case.target_law()
        rarest = target[target > 0].min().item()
        if draws * rarest < FEWEST_EXPECTED:
            raise ArgumentError(
                f"num_samples is {num_samples}, {draws} for each of {len(cases)} cases: {case} has an output of "
                f"probability {rarest:.2g}, which comes {draws * rarest:.3g} times, expected at least "
                f"{FEWEST_EXPECTED}; draw more, or try fewer or smaller cases"
            )
    return draws


# --- what comes back -------------------------------------------------------------------


def _numbers(
    name: str, value: Any, case: Case, drafts: Tensor, outcomes: tuple[int, ...], batched: bool = True
) -> Float64[Tensor, "..."]:
    """What a law returned, as float64 of the right shape."""
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


# --- the report in words ---------------------------------------------------------------


def _lines(report: ConformanceReport) -> Iterator[str]:
    results, worst = report.results, report.worst
    what = "chain verifier" if report.structure == "chain" else f"node verifier, {_DRAFTS[report.sampling]}"
    how = "exact" if report.form == "law" else f"{report.num_samples:,} draws"
    form = "as a law" if report.form == "law" else "as samples"
    yield f"{what}, {form}: {len(results)} case{'s' * (len(results) > 1)}, {how}"
    if report.lossless and report.form == "law":
        yield f"lossless: yes, largest bias {report.largest_bias:.2g}"
    elif report.lossless:
        yield "lossless: no bias found"
    else:
        number = sum(not result.lossless for result in results)
        yield f"lossless: NO, biased in {number} of {len(results)} cases"
        yield f"largest bias: {worst.bias:.4g} in total variation, in {worst.name}"
        if len(worst.target_law) <= 8:
            yield f"  target {_row(worst.target_law)}"
            yield f"  output {_row(worst.output_law)}"
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
    if report.form == "law" and report.largest_bias < FLOAT32:
        yield f"no more than rounding in float32 may cause: tolerance={FLOAT32:g} would accept it"


def _acceptance(report: ConformanceReport) -> Iterator[str]:
    results, worst = report.results, report.worst_gap
    mean = sum(result.acceptance_rate for result in results) / len(results)
    best = sum(result.optimal_acceptance_rate for result in results) / len(results)
    yield f"acceptance: {mean:.3f} of an optimal {best:.3f} on average"
    if mean == 0 < best:
        yield "no draft is ever accepted"
    elif report.form == "law" and report.lossless and worst.gap < 1e-9:
        yield "optimal in every case"
    yield (
        f"largest gap: {max(worst.gap, 0.0):.3g} ({worst.acceptance_rate:.4g} of "
        f"{worst.optimal_acceptance_rate:.4g}) in {worst.name}"
    )


def _row(law: Tensor) -> str:
    return " ".join(f"{value:.4f}" for value in law.tolist())
