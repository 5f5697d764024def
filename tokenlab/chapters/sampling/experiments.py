"""The chapter's recorded experiment: ``python -m tokenlab.chapters.sampling.experiments rules``.

Every rule continues the 40 frozen prompts. The model runs in float64, so that the texts
hang on no machine's rounding; the noise of a text depends on the seed and the prompt
alone, not on the batch, so that one prompt can be done again by itself.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tokenlab.errors import ArgumentError, CheckpointError, check_choice
from tokenlab.lm.corpus import ASSETS, prompts
from tokenlab.ops import open_uniform
from tokenlab.sampling.generation import GREEDY, GenerateOutput, generate
from tokenlab.sampling.metrics import bootstrap_interval, repetition

RESULTS = ASSETS / "results" / "sampling_rules.json"


SEED = 0


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
    """Continue some of the frozen prompts in one batch and measure each.

    Parameters
    ----------
    model, tokenizer
        A causal language model and its tokenizer, padding on the left.
    setting : Setting
        What to draw with.
    numbers : sequence of int
        Which prompts, by their place in the frozen list.
    samples, new_tokens : int
        Texts for each prompt, and their greatest length in tokens.
    seed : int
        Seed of the noise.

    Returns
    -------
    list of dict
        For each prompt, averaged over all new tokens of its texts: ``entropy`` of the
        model and ``log_prob`` of the chosen tokens (nats), ``kept`` tokens; and the share
        of repeated n-grams, ``repetition_2`` and ``repetition_4``.
    """
    if setting.rule == GREEDY:
        samples = 1  # They would all be the same.
    frozen = prompts()
    texts = [frozen[number]["text"] for number in numbers]
    batch = tokenizer(texts, return_tensors="pt", padding=True, padding_side="left").to(model.device)
    noise = torch.cat([_noise(seed, number, samples, new_tokens) for number in numbers])
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

    Returns
    -------
    dict
        By label: ``rule``, ``value``, ``temperature``, ``prompts`` (each metric's list, one
        value for each prompt) and ``metrics`` (its ``mean``, ``low`` and ``high``; bootstrap
        over prompts).
    """
    from tqdm.auto import tqdm

    table = {}
    for label, setting in tqdm(SETTINGS.items(), unit="rule", disable=not progress):
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


def load_results(path: Path = RESULTS) -> dict:
    """The recorded results: ``provenance``, ``settings`` and ``rules`` (see :func:`rules`).

    Raises
    ------
    CheckpointError
        If they were never written.
    """
    if not path.exists():
        raise CheckpointError(
            f"{path} is missing; run `python -m tokenlab.chapters.sampling.experiments rules`"
        )
    return json.loads(path.read_text())


def recompute(model, tokenizer, label: str, number: int, results: Mapping | None = None) -> dict[str, float]:
    """Do one prompt of one setting again, by itself.

    Parameters
    ----------
    model, tokenizer
        The recorded model in float64: ``load("lab-target", dtype=torch.float64)``.
    label : str
        A key of :data:`SETTINGS`.
    number : int
        The prompt's place in the frozen list.
    results : mapping, optional
        Recorded results whose samples and lengths to follow. Default: the recorded ones.

    Returns
    -------
    dict
        One value for each metric, equal to ``results["rules"][label]["prompts"][metric][number]``
        up to rounding.

    Raises
    ------
    ArgumentError
        If the setting or the prompt is unknown.
    """
    check_choice("label", label, tuple(SETTINGS))
    if not 0 <= number < len(prompts()):
        raise ArgumentError(f"number is {number}, expected 0 to {len(prompts()) - 1}")
    settings = (load_results() if results is None else results)["settings"]
    return measure_prompts(model, tokenizer, SETTINGS[label], [number], **settings)[0]


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, run the experiment, write its results."""
    parser = argparse.ArgumentParser(
        prog="python -m tokenlab.chapters.sampling.experiments", description=__doc__
    )
    parser.add_argument("name", choices=["rules"], help="which experiment")
    parser.add_argument("--model", default="lab-target", help="a lab model, a folder or a Hub id")
    parser.add_argument("--output", type=Path, default=RESULTS, help="results file")
    options = parser.parse_args(arguments)
    from tokenlab.lm import load
    from tokenlab.lm.provenance import weights_digest

    model, tokenizer = load(options.model, dtype=torch.float64)
    started = time.monotonic()
    table = rules(model, tokenizer)
    results = {
        "provenance": {
            "command": f"python -m tokenlab.chapters.sampling.experiments {options.name}",
            "model": options.model,
            "weights_sha256": weights_digest(options.model),
            "device": f"{model.device.type} ({platform.machine()})",
            "dtype": "float64",
            "date": datetime.date.today().isoformat(),
            "seconds": round(time.monotonic() - started, 1),
            "versions": {
                "python": platform.python_version(),
                **{name: version(name) for name in ("torch", "transformers", "numpy")},
            },
        },
        "settings": {"seed": SEED, "samples": SAMPLES, "new_tokens": NEW_TOKENS},
        "rules": table,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=1) + "\n")


def _noise(seed: int, number: int, samples: int, new_tokens: int) -> Tensor:
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


if __name__ == "__main__":
    main()
