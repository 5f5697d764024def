"""How often each rule accepts on real steps of two models, beside the optimum.

Intervals are over held-out files: positions of one text are no independent draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from tokenlab.chapters.intervals import Interval, student_interval
from tokenlab.chapters.results import rounded, tracked
from tokenlab.chapters.transport.experiments.steps import (
    POSITIONS,
    SEED,
    SETTINGS,
    Setting,
    Steps,
    read_steps,
    setting_probs,
)
from tokenlab.errors import check_choice
from tokenlab.transport.node.rates import acceptance_rate, estimate_acceptance_rate, optimal_acceptance_rate

#: What is measured, as (rule, distribution of the drafts).
SERIES: dict[str, tuple[str, str]] = {
    "target_only": ("target_only", "iid"),
    "naive": ("naive", "iid"),
    "recursive": ("recursive", "iid"),
    "kseq": ("kseq", "iid"),
    "optimal": ("optimal", "iid"),
    "greedy": ("greedy", "greedy"),
}

DRAFTS = tuple(range(1, 9))

#: Without replacement the optimum takes a quadrature at every token of the vocabulary.
FEW_POSITIONS = (POSITIONS[3], POSITIONS[11])

#: (setting, number of drafts) without replacement: a row and a column of the whole table.
FEW_CELLS = tuple(("T = 1", k) for k in (2, 3, 4, 6, 8)) + tuple(
    (label, 4) for label, setting in SETTINGS.items() if setting.temperature != 1
)

FEW_SAMPLES = 256


def measure_rates(
    steps: Steps,
    setting: Setting,
    num_drafts: Sequence[int] = DRAFTS,
    series: Mapping[str, tuple[str, str]] = SERIES,
) -> dict[str, list[list[float]]]:
    """Acceptance rates at all steps: for each series and number of drafts, the mean of each file.

    Greedy drafts must differ: their series is left out where truncation may leave fewer than k tokens.
    """
    target, draft = setting_probs(steps.target_logits, setting), setting_probs(steps.draft_logits, setting)
    rates = {}
    for name, (rule, sampling) in series.items():
        if setting.top_p is not None and sampling != "iid":
            continue
        rates[name] = [
            acceptance_rate(target, draft, k, rule, sampling, validate=False).mean(-1).tolist()
            for k in num_drafts
        ]
    return rates


def measure_without_replacement(steps: Steps, setting: Setting, num_drafts: int) -> dict:
    """Recursive rejection and the optimum without replacement, with the i.i.d. ones beside them.

    Two drafts are exact. Beyond, the rule's rate is a random estimate and the optimum a quadrature; the
    largest errors are told.
    """
    target, draft = setting_probs(steps.target_logits, setting), setting_probs(steps.draft_logits, setting)
    distribution = "without_replacement"
    if num_drafts == 2:
        recursive, error = acceptance_rate(target, draft, 2, "recursive", distribution), torch.zeros(1)
    else:
        recursive, error = estimate_acceptance_rate(
            target,
            draft,
            num_drafts,
            "recursive",
            distribution,
            num_samples=FEW_SAMPLES,
            generator=torch.Generator().manual_seed(SEED),
        )
    optimal, quadrature = optimal_acceptance_rate(target, draft, num_drafts, distribution, return_error=True)
    rates = {
        "recursive": recursive,
        "optimal": optimal,
        "recursive, iid": acceptance_rate(target, draft, num_drafts, "recursive"),
        "optimal, iid": optimal_acceptance_rate(target, draft, num_drafts),
    }
    # Of the mean over all steps, whose drafts are independent.
    standard_error = (error.square().sum() / recursive.numel() ** 2).sqrt().item()
    return {
        "num_drafts": num_drafts,
        "rates": {name: values.mean(-1).tolist() for name, values in rates.items()},
        "standard_error": standard_error if num_drafts > 2 else 0.0,
        "quadrature_error": quadrature.max().item(),
    }


def run(models: Mapping[str, tuple], *, progress: bool = True) -> dict:
    """The whole experiment: every rule at every setting, and the few cells without replacement.

    Records ``files``, ``positions``, ``num_drafts``, ``rates`` (by setting, series, number of drafts and
    file), ``without_replacement`` (cells; see :func:`measure_without_replacement`).
    """
    steps = read_steps(models["target"][0], models["draft"][0], models["target"][1])
    rates = {
        label: rounded(measure_rates(steps, setting))
        for label, setting in tracked(SETTINGS.items(), "setting", progress)
    }
    chosen = [POSITIONS.index(position) for position in FEW_POSITIONS]
    few = Steps(steps.files, steps.target_logits[:, chosen], steps.draft_logits[:, chosen])
    cells = [
        {"setting": label, **rounded(measure_without_replacement(few, SETTINGS[label], k))}
        for label, k in tracked(FEW_CELLS, "cell", progress)
    ]
    return {
        "files": steps.files,
        "positions": list(POSITIONS),
        "num_drafts": list(DRAFTS),
        "rates": rates,
        "without_replacement": {"positions": list(FEW_POSITIONS), "samples": FEW_SAMPLES, "cells": cells},
    }


def recompute_acceptance(target, draft, tokenizer, label: str, file: str) -> dict[str, list[float]]:
    """One file at one setting again: for each series the rate at each number of drafts.

    Equal to ``results["rates"][label][series][k - 1][file]`` up to rounding.

    ArgumentError: if the setting or the file is unknown.
    """
    check_choice("label", label, tuple(SETTINGS))
    rates = measure_rates(read_steps(target, draft, tokenizer, [file]), SETTINGS[label])
    return {name: [row[0] for row in rows] for name, rows in rates.items()}


def rate(results: Mapping, label: str, series: str, num_drafts: int) -> Interval:
    """Recorded acceptance rate of a series at a setting."""
    return student_interval(_file_means(results, label, series, num_drafts))


def gap(results: Mapping, label: str, series: str, num_drafts: int) -> Interval:
    """What a series leaves below the optimum of i.i.d. drafts, file by file."""
    best = _file_means(results, label, "optimal", num_drafts)
    own = _file_means(results, label, series, num_drafts)
    return student_interval([b - o for b, o in zip(best, own, strict=True)])


def _file_means(results: Mapping, label: str, series: str, num_drafts: int) -> list[float]:
    check_choice("label", label, tuple(results["rates"]))
    check_choice("series", series, tuple(results["rates"][label]))
    check_choice("num_drafts", str(num_drafts), tuple(map(str, results["num_drafts"])))
    return results["rates"][label][series][results["num_drafts"].index(num_drafts)]
