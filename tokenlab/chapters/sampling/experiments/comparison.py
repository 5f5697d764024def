"""The truncation rules compared: every one continues the frozen prompts.

The noise of a text depends on the seed and the prompt alone. The
unit of every interval is the prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tokenlab.chapters.intervals import bootstrap_interval
from tokenlab.chapters.results import tracked
from tokenlab.errors import ArgumentError, check_choice
from tokenlab.lm.corpus import prompts
from tokenlab.ops import open_uniform
from tokenlab.sampling.generation import GREEDY, GenerateOutput, generate
from tokenlab.sampling.metrics import repetition

SEED = 0

#: Texts for each prompt, and their greatest length in tokens.
SAMPLES = 2
NEW_TOKENS = 96

METRICS = ("entropy", "repetition_2", "repetition_4", "log_prob", "kept")


class Setting(NamedTuple):
    """What one row of the table draws with."""

    rule: str | None = None
    value: float | None = None
    temperature: float = 1.0


#: Common values; eta's is what its authors used for their smallest models.
SETTINGS: dict[str, Setting] = {
    "greedy": Setting(GREEDY),
    "ancestral": Setting(),
    "temperature 0.7": Setting(temperature=0.7),
    "top-k 50": Setting("top_k", 50),
    "top-p 0.9": Setting("top_p", 0.9),
    "min-p 0.1": Setting("min_p", 0.1),
    "typical 0.9": Setting("typical", 0.9),
    "eta 0.002": Setting("eta", 0.002),
    "top-H 0.4": Setting("top_h", 0.4),
    "top-H 0.4, released": Setting("top_h_released", 0.4),
}


def measure_prompts(
    model,
    tokenizer,
    setting: Setting,
    numbers: Sequence[int],
    *,
    samples: int = SAMPLES,
    new_tokens: int = NEW_TOKENS,
    seed: int = SEED,
) -> list[dict[str, float]]:
    """Continue some of the frozen prompts, by index, in one batch and measure each.

    Gives means over all new tokens of a prompt's texts: ``entropy`` of the model and ``log_prob`` of the
    chosen tokens (nats), ``kept`` tokens; and shares of repeated n-grams, ``repetition_2``, ``repetition_4``.
    """
    if setting.rule == GREEDY:
        samples = 1  # They would all be the same.
    frozen = prompts()
    texts = [frozen[number]["text"] for number in numbers]
    batch = tokenizer(texts, return_tensors="pt", padding=True, padding_side="left").to(model.device)
    noise = torch.cat([text_noise(seed, number, samples, new_tokens) for number in numbers])
    output = generate(
        model,
        batch.input_ids,
        batch.attention_mask,
        max_new_tokens=new_tokens,
        num_return_sequences=samples,
        noise=noise.to(model.device),
        **setting._asdict(),
    )
    start = batch.input_ids.shape[1]
    return [
        _measure(output, start, slice(index * samples, (index + 1) * samples))
        for index in range(len(numbers))
    ]


def rules(
    model, tokenizer, *, samples: int = SAMPLES, new_tokens: int = NEW_TOKENS, progress: bool = True
) -> dict[str, dict]:
    """Measure every setting on every prompt: per prompt, and means with 95 % intervals.

    Gives by label: ``rule``, ``value``, ``temperature``, ``prompts`` (by metric, each prompt's value) and
    ``metrics`` (their ``mean``, ``low`` and ``high``; bootstrap over prompts).
    """
    table = {}
    for label, setting in tracked(SETTINGS.items(), "rule", progress):
        rows = measure_prompts(
            model, tokenizer, setting, range(len(prompts())), samples=samples, new_tokens=new_tokens
        )
        columns = {metric: [round(row[metric], 6) for row in rows] for metric in METRICS}
        table[label] = {
            **setting._asdict(),
            "metrics": {metric: _mean(column) for metric, column in columns.items()},
            "prompts": columns,
        }
    return table


def run(models: Mapping[str, tuple], *, progress: bool = True) -> dict:
    """The whole experiment: ``settings`` (seed, samples, length) and ``rules`` (see :func:`rules`)."""
    settings = {"seed": SEED, "samples": SAMPLES, "new_tokens": NEW_TOKENS}
    return {"settings": settings, "rules": rules(*models["target"], progress=progress)}


def recompute(model, tokenizer, label: str, number: int, results: Mapping | None = None) -> dict[str, float]:
    """Do one prompt of one setting again, by itself.

    The model is ``load("lab-target", dtype=torch.float64)``; samples and lengths are those of ``results``, by
    default the recorded ones. Each metric equals ``results["rules"][label]["prompts"][metric][number]`` up to
    rounding.

    ArgumentError: if the setting or the prompt is unknown.
    """
    check_choice("label", label, tuple(SETTINGS))
    if not 0 <= number < len(prompts()):
        raise ArgumentError(f"number is {number}, expected 0 to {len(prompts()) - 1}")
    from tokenlab.chapters.sampling.experiments import load_results

    settings = (load_results("rules") if results is None else results)["settings"]
    return measure_prompts(model, tokenizer, SETTINGS[label], [number], **settings)[0]


def text_noise(seed: int, number: int, samples: int, new_tokens: int) -> Tensor:
    """The noise of one prompt's texts, whatever other prompts are run with it."""
    generator = torch.Generator().manual_seed(1000 * seed + number)
    return open_uniform((samples, new_tokens), generator=generator)


def _measure(output: GenerateOutput, start: int, rows: slice) -> dict[str, float]:
    """Average over the new tokens of some rows of the output."""
    texts = [
        row[start : start + length].tolist()
        for row, length in zip(output.sequences[rows], output.lengths[rows], strict=True)
    ]
    written = output.kept[rows] > 0
    return {
        "entropy": output.entropies[rows][written].mean().item(),
        "repetition_2": repetition(texts, 2),
        "repetition_4": repetition(texts, 4),
        "log_prob": output.log_probs[rows][written].mean().item(),
        "kept": output.kept[rows][written].double().mean().item(),
    }


def _mean(values: Sequence[float]) -> dict[str, float]:
    low, high = bootstrap_interval(values)
    return {"mean": float(np.mean(values)), "low": low, "high": high}
