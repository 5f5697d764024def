"""The chapter's recorded experiments: ``python -m tokenlab.chapters.transport.experiments <name>``.

``acceptance``: how often each rule accepts on real steps of two models, beside the optimum.
The steps are fixed positions of the held-out files, so that all settings and rules are
compared on the same ones. The unit of every interval is the file: positions of one text are
no independent draws.

``decoding``: how many tokens one call of the target gives, for every way of drafting and
verifying, on the 40 frozen prompts. Drafts have an equal budget of tokens where the table says
so. The noise of a batch depends on the seed and the batch alone, so that one batch can be done
again by itself. The unit of an interval is the prompt.

``rounds``: the same for the first round after each prompt, where it can be computed instead of
counted: rules are compared on the very same drafted trees, by the expected number of accepted
tokens. That resolves differences which texts do not.

Both models run in float64, so that results hang on no machine's rounding.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from tokenlab.errors import ArgumentError, CheckpointError, ShapeError, check_choice, check_int
from tokenlab.lm.corpus import ASSETS, KINDS, heldout_files, prompts
from tokenlab.transport.decoding.generate import generate
from tokenlab.transport.node.drafts import draw_drafts
from tokenlab.transport.node.rates import acceptance_rate, estimate_acceptance_rate, optimal_acceptance_rate
from tokenlab.transport.trees.draft_tree import DraftTree
from tokenlab.transport.trees.verify import VerifiedPath, expected_accepted_length, verify_tree

RESULTS = ASSETS / "results"


SEED = 0


class Setting(NamedTuple):
    """What both models' logits go through before they are compared."""

    temperature: float = 1.0
    top_p: float | None = None


class Interval(NamedTuple):
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float


#: From cold to hot, and the truncation that is most in use.
SETTINGS: dict[str, Setting] = {
    **{f"T = {t:g}": Setting(t) for t in (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)},
    "T = 1, top-p 0.9": Setting(1.0, 0.9),
}


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


#: Positions of each file: after enough text to know where one is, and inside the context.
POSITIONS = tuple(range(40, 400, 24))


#: Without replacement the optimum takes a quadrature at every token of the vocabulary.
FEW_POSITIONS = (POSITIONS[3], POSITIONS[11])


#: (setting, number of drafts) without replacement: a row and a column of the whole table.
FEW_CELLS = tuple(("T = 1", k) for k in (2, 3, 4, 6, 8)) + tuple(
    (label, 4) for label, setting in SETTINGS.items() if setting.temperature != 1
)


FEW_SAMPLES = 256


#: Ways of decoding. Most draft twelve tokens in a round; the eight sequences are SpecTr's own setting.
WAYS: dict[str, dict] = {
    "chain of 4": {"structure": "chain", "draft_length": 4},
    "chain of 4, block": {"structure": "chain", "draft_length": 4, "rule": "block"},
    "chain of 12": {"structure": "chain", "draft_length": 12},
    "chain of 12, block": {"structure": "chain", "draft_length": 12, "rule": "block"},
    **{
        f"3 sequences of 4, {name}": {
            "structure": "iid_sequences", "num_drafts": 3, "draft_length": 4, "rule": rule,
        }
        for name, rule in (("recursive", "recursive"), ("K-SEQ", "kseq"), ("traversal", "traversal"))
    },
    "8 sequences of 4, K-SEQ": {
        "structure": "iid_sequences", "num_drafts": 8, "draft_length": 4, "rule": "kseq",
    },
    **{
        f"tree 3-1-1-1, {name}": {
            "structure": "without_replacement", "num_drafts": (3, 1, 1, 1), "draft_length": 4, "rule": rule,
        }
        for name, rule in (
            ("target only", "target_only"), ("greedy drafts", "greedy"),
            ("recursive", "recursive"), ("traversal", "traversal"),
        )
    },
    **{
        f"dynamic tree of 12, {rule}": {
            "structure": "dynamic", "num_drafts": 12, "draft_length": 8, "rule": rule,
        }
        for rule in ("recursive", "traversal")
    },
}  # fmt: skip


#: What is drafted in a round, and which rules look at it: distribution, children by level, rules.
ROUND_WAYS: dict[str, tuple[str, tuple[int, ...], tuple[str, ...]]] = {
    "chain of 4": ("iid", (1, 1, 1, 1), ("recursive", "block")),
    "3 sequences of 4": (
        "iid",
        (3, 1, 1, 1),
        ("target_only", "naive", "recursive", "kseq", "traversal", "traversal_kseq"),
    ),
    "tree 3-1-1-1": ("without_replacement", (3, 1, 1, 1), ("target_only", "naive", "recursive", "traversal")),
    "greedy drafts 3-1-1-1": ("greedy", (3, 1, 1, 1), ("greedy",)),
}


TREES = 2


TEXT_SETTINGS = {label: SETTINGS[label] for label in ("T = 0.5", "T = 1")}


NEW_TOKENS = 32


BATCH = 8


class Steps(NamedTuple):
    """Logits of both models at the same positions of the same files."""

    files: list[str]
    target_logits: Float64[Tensor, "files positions vocab"]
    draft_logits: Float64[Tensor, "files positions vocab"]


def file_names() -> list[str]:
    """The held-out files, as ``kind/name``."""
    return [f"{kind}/{name}" for kind in KINDS for name, _ in heldout_files(kind)]


@torch.inference_mode()
def read_steps(
    target, draft, tokenizer, files: Sequence[str] | None = None, positions: Sequence[int] = POSITIONS
) -> Steps:
    """What both models say at some positions of the held-out files.

    Parameters
    ----------
    target, draft
        Causal language models with one tokenizer.
    tokenizer
        That tokenizer.
    files : sequence of str, optional
        Names as :func:`file_names` gives them; default: all.
    positions : sequence of int
        After which tokens of a file, rising.

    Returns
    -------
    Steps
        Logits in float64, on the CPU.

    Raises
    ------
    ArgumentError
        If a file is unknown, or has fewer tokens than the positions ask for.
    ShapeError
        If the models have different vocabularies.
    """
    texts = {f"{kind}/{name}": text for kind in KINDS for name, text in heldout_files(kind)}
    files = list(texts) if files is None else list(files)
    end = max(positions) + 1
    rows: dict[str, list[Tensor]] = {"target": [], "draft": []}
    for file in files:
        check_choice("file", file, tuple(texts))
        ids = tokenizer(texts[file], return_tensors="pt", truncation=True, max_length=end).input_ids
        if ids.shape[1] < end:
            raise ArgumentError(f"positions reach {end - 1}, but {file} has {ids.shape[1]} tokens")
        for role, model in (("target", target), ("draft", draft)):
            logits = model(ids.to(model.device), use_cache=False).logits[0, list(positions)]
            rows[role].append(logits.double().cpu())
    if rows["target"][0].shape != rows["draft"][0].shape:
        sizes = [row[0].shape[-1] for row in rows.values()]
        raise ShapeError(
            f"target has {sizes[0]} tokens, draft has {sizes[1]}: both must share one vocabulary"
        )
    return Steps(files, torch.stack(rows["target"]), torch.stack(rows["draft"]))


def setting_probs(
    logits: Float64[Tensor, "*batch vocab"], setting: Setting
) -> Float64[Tensor, "*batch vocab"]:
    """Probabilities after temperature and truncation, as transformers' processors make them."""
    scores = logits.flatten(0, -2) / setting.temperature
    if setting.top_p is not None:
        from transformers import TopPLogitsWarper

        scores = TopPLogitsWarper(setting.top_p)(None, scores)
    return scores.softmax(-1).view_as(logits)


def measure_rates(
    steps: Steps,
    setting: Setting,
    num_drafts: Sequence[int] = DRAFTS,
    series: Mapping[str, tuple[str, str]] = SERIES,
) -> dict[str, list[list[float]]]:
    """Acceptance rates at all steps: for each series and number of drafts, the mean of each file.

    Greedy drafts must be different tokens; where truncation may leave fewer than k, that
    series is left out.
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

    Two drafts are exact. Beyond, the rule's rate is an estimate over random drafts and the
    optimum a quadrature; the largest errors are told.
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


def acceptance(target, draft, tokenizer, *, progress: bool = True) -> dict:
    """The whole experiment: every rule at every setting, and the few cells without replacement.

    Returns
    -------
    dict
        ``files``, ``positions``, ``num_drafts``, ``rates`` (by setting and series: a list for
        each number of drafts with one value for each file), ``without_replacement`` (a list of
        cells; see :func:`measure_without_replacement`).
    """
    from tqdm.auto import tqdm

    steps = read_steps(target, draft, tokenizer)
    rates = {
        label: _rounded(measure_rates(steps, setting))
        for label, setting in tqdm(SETTINGS.items(), unit="setting", disable=not progress)
    }
    chosen = [POSITIONS.index(position) for position in FEW_POSITIONS]
    few = Steps(steps.files, steps.target_logits[:, chosen], steps.draft_logits[:, chosen])
    cells = [
        {"setting": label, **_rounded(measure_without_replacement(few, SETTINGS[label], k))}
        for label, k in tqdm(FEW_CELLS, unit="cell", disable=not progress)
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

    Raises
    ------
    ArgumentError
        If the setting or the file is unknown.
    """
    check_choice("label", label, tuple(SETTINGS))
    rates = measure_rates(read_steps(target, draft, tokenizer, [file]), SETTINGS[label])
    return {name: [row[0] for row in rows] for name, rows in rates.items()}


class Round(NamedTuple):
    """One round of decoding: what was drafted, what the target said to it, what came out."""

    tree: DraftTree
    target_probs: Float64[Tensor, "nodes_plus_1 vocab"]
    verified: VerifiedPath


@torch.inference_mode()
def decode_round(
    target,
    draft,
    input_ids: Int[Tensor, "1 text"],
    branching: Sequence[int] = (3, 2, 1),
    *,
    rule: str = "recursive",
    sampling: str = "without_replacement",
    setting: Setting = Setting(),  # noqa: B008
    generator: torch.Generator | None = None,
) -> Round:
    """One round in plain steps, to be looked at: no cache, every path read from its beginning.

    :func:`tokenlab.transport.decoding.generate` does the same with one forward of the target.

    Parameters
    ----------
    target, draft
        Causal language models of one vocabulary.
    input_ids : Int[Tensor, "1 text"]
        The text so far.
    branching : sequence of int
        Children of each node, by level.
    rule, sampling : str
        How drafts are verified and drawn; see :func:`tokenlab.transport.verify_tree`.
    setting : Setting
        What both models' logits go through.
    generator : torch.Generator, optional
        Source of the noise.

    Returns
    -------
    Round
    """
    tree, target_probs = draft_tree(
        target, draft, input_ids, branching, sampling=sampling, setting=setting, generator=generator
    )
    return Round(tree, target_probs, verify_tree(tree, target_probs, rule, generator=generator))


@torch.inference_mode()
def draft_tree(
    target,
    draft,
    input_ids: Int[Tensor, "1 text"],
    branching: Sequence[int],
    *,
    sampling: str,
    setting: Setting = Setting(),  # noqa: B008
    generator: torch.Generator | None = None,
) -> tuple[DraftTree, Float64[Tensor, "nodes_plus_1 vocab"]]:
    """A tree of drafts after a text, level by level, and what the target says to it.

    Parameters and text are those of :func:`decode_round`.
    """
    paths, parents, tokens = [[]], [], []
    level = [-1]  # nodes whose children come next; -1 is the end of the text
    rows: dict[str, list[Tensor]] = {"target": [], "draft": []}
    for children in (*branching, 0):
        after = [paths[node + 1] for node in level]
        for role, model in (("target", target), ("draft", draft)):
            rows[role].append(_next_probs(model, input_ids, after, setting))
        if not children:
            break
        drawn = draw_drafts(rows["draft"][-1], children, sampling, generator=generator)
        parents += [node for node in level for _ in range(children)]
        level = list(range(len(tokens), len(tokens) + drawn.numel()))
        tokens += drawn.flatten().tolist()
        paths += [paths[parents[node] + 1] + [tokens[node]] for node in level]
    probs = {role: torch.cat(found) for role, found in rows.items()}
    tree = DraftTree(torch.tensor(tokens), torch.tensor(parents), probs["draft"], sampling)
    return tree, probs["target"]


def _next_probs(
    model, input_ids: Int[Tensor, "1 text"], paths: list[list[int]], setting: Setting
) -> Float64[Tensor, "paths vocab"]:
    """What follows the text and each of some paths of one length."""
    # An empty path is a row of no tokens, whose type torch cannot guess.
    after = torch.tensor(paths, dtype=torch.long, device=input_ids.device).view(len(paths), -1)
    ids = torch.cat([input_ids.expand(len(paths), -1), after], 1)
    return setting_probs(model(ids.to(model.device), use_cache=False).logits[:, -1].double().cpu(), setting)


def measure_texts(
    target,
    draft,
    tokenizer,
    way: Mapping,
    setting: Setting,
    batch: int,
    *,
    new_tokens: int = NEW_TOKENS,
    seed: int = SEED,
) -> dict[str, list[int]]:
    """Continue eight of the frozen prompts in one batch and count.

    Returns
    -------
    dict
        For each prompt: ``tokens`` that were added, and ``calls`` of the target for them.
    """
    texts = [prompt["text"] for prompt in prompts()[batch * BATCH : (batch + 1) * BATCH]]
    if not texts:
        raise ArgumentError(f"batch is {batch}, expected 0 to {math.ceil(len(prompts()) / BATCH) - 1}")
    ids = tokenizer(texts, return_tensors="pt", padding=True, padding_side="left").to(target.device)
    output = generate(
        target,
        draft,
        ids.input_ids,
        ids.attention_mask,
        max_new_tokens=new_tokens,
        generator=torch.Generator(target.device).manual_seed(1000 * seed + batch),
        temperature=setting.temperature,
        top_p=setting.top_p,
        **way,
    )
    return {"tokens": output.lengths.tolist(), "calls": output.target_calls.tolist()}


def decoding(target, draft, tokenizer, *, progress: bool = True) -> dict:
    """The whole experiment: every way at every setting, on all prompts.

    Returns
    -------
    dict
        ``new_tokens``, ``seed``, ``texts`` (by setting and way: ``tokens`` and ``calls``, one
        number for each prompt).
    """
    from tqdm.auto import tqdm

    batches = range(math.ceil(len(prompts()) / BATCH))
    texts: dict[str, dict] = {}
    for label, setting in TEXT_SETTINGS.items():
        texts[label] = {}
        for way, options in tqdm(WAYS.items(), unit="way", disable=not progress):
            found = [
                measure_texts(target, draft, tokenizer, options, setting, batch, new_tokens=NEW_TOKENS)
                for batch in batches
            ]
            texts[label][way] = {
                name: [count for part in found for count in part[name]] for name in ("tokens", "calls")
            }
    return {"new_tokens": NEW_TOKENS, "seed": SEED, "texts": texts}


def recompute_texts(target, draft, tokenizer, label: str, way: str, batch: int) -> dict[str, list[int]]:
    """One batch of prompts again; equal to its part of ``results["texts"][label][way]``.

    Raises
    ------
    ArgumentError
        If setting, way or batch is unknown.
    """
    check_choice("label", label, tuple(TEXT_SETTINGS))
    check_choice("way", way, tuple(WAYS))
    return measure_texts(target, draft, tokenizer, WAYS[way], TEXT_SETTINGS[label], batch)


def measure_rounds(
    target, draft, tokenizer, way: str, setting: Setting, number: int, *, trees: int = TREES, seed: int = SEED
) -> dict[str, float]:
    """Expected tokens of the first round after a prompt, for each rule, over the same trees.

    Parameters
    ----------
    target, draft, tokenizer
        The models and their tokenizer.
    way : str
        A key of :data:`ROUND_WAYS`.
    setting : Setting
        What both models' logits go through.
    number : int
        The prompt's place in the frozen list.
    trees, seed : int
        How many trees are drawn, and the seed of the noise.

    Returns
    -------
    dict
        By rule: accepted tokens and one more, exact for each tree, averaged over them.
    """
    sampling, branching, rules = ROUND_WAYS[way]
    ids = tokenizer(prompts()[number]["text"], return_tensors="pt").input_ids
    generator = torch.Generator().manual_seed(1000 * seed + number)
    totals = dict.fromkeys(rules, 0.0)
    for _ in range(trees):
        tree, probs = draft_tree(
            target, draft, ids, branching, sampling=sampling, setting=setting, generator=generator
        )
        for rule in rules:
            accepted = expected_accepted_length(tree, probs, rule, validate=False)
            totals[rule] += (1 + float(accepted)) / trees
    return totals


def rounds(target, draft, tokenizer, *, progress: bool = True) -> dict:
    """The whole experiment: every way and rule at every setting, on all prompts.

    Returns
    -------
    dict
        ``trees``, ``seed``, ``rounds`` (by setting, way and rule: a number for each prompt).
    """
    from tqdm.auto import tqdm

    table: dict[str, dict] = {}
    for label, setting in TEXT_SETTINGS.items():
        table[label] = {}
        for way, (_, _, rules) in tqdm(ROUND_WAYS.items(), unit="way", disable=not progress):
            found = [
                measure_rounds(target, draft, tokenizer, way, setting, number, trees=TREES)
                for number in range(len(prompts()))
            ]
            table[label][way] = _rounded({rule: [row[rule] for row in found] for rule in rules})
    return {"trees": TREES, "seed": SEED, "rounds": table}


def recompute_rounds(target, draft, tokenizer, label: str, way: str, number: int) -> dict[str, float]:
    """One prompt again; equal to its part of ``results["rounds"][label][way]`` up to rounding.

    Raises
    ------
    ArgumentError
        If setting, way or prompt is unknown.
    """
    check_choice("label", label, tuple(TEXT_SETTINGS))
    check_choice("way", way, tuple(ROUND_WAYS))
    check_int("number", number, low=0, high=len(prompts()) - 1)
    return measure_rounds(target, draft, tokenizer, way, TEXT_SETTINGS[label], number)


def load_results(name: str, folder: Path = RESULTS) -> dict:
    """The recorded results of an experiment, with their ``provenance``.

    Parameters
    ----------
    name : str
        A name in :data:`EXPERIMENTS`.
    folder : Path
        Where they lie.

    Raises
    ------
    ArgumentError
        If there is no such experiment.
    CheckpointError
        If it was never run.

    Examples
    --------
    >>> len(load_results("acceptance")["files"])
    24
    """
    check_choice("name", name, tuple(EXPERIMENTS))
    path = folder / f"transport_{name}.json"
    if not path.exists():
        raise CheckpointError(
            f"{path} is missing; run `python -m tokenlab.chapters.transport.experiments {name}`"
        )
    return json.loads(path.read_text())


def interval(values: Sequence[float]) -> Interval:
    r"""Mean of independent values and its 95 % interval, :math:`\bar x \pm t_{n-1} s / \sqrt n`.

    Examples
    --------
    >>> interval([0.5, 0.7])
    Interval(mean=0.6, low=-0.67062, high=1.87062)

    Raises
    ------
    ShapeError
        If there are fewer than two values.
    """
    from scipy.stats import t

    if len(values) < 2:
        raise ShapeError(f"values has {len(values)} entries, expected at least two")
    row = torch.tensor(values, dtype=torch.float64)
    mean = row.mean().item()
    half = float(t.ppf(0.975, len(row) - 1)) * row.std().item() / math.sqrt(len(row))
    return Interval(round(mean, 5), round(mean - half, 5), round(mean + half, 5))


def rate(results: Mapping, label: str, series: str, num_drafts: int) -> Interval:
    """Recorded acceptance rate of a series at a setting."""
    return interval(_file_means(results, label, series, num_drafts))


def gap(results: Mapping, label: str, series: str, num_drafts: int) -> Interval:
    """What a series leaves below the optimum of i.i.d. drafts, compared file by file."""
    best = _file_means(results, label, "optimal", num_drafts)
    own = _file_means(results, label, series, num_drafts)
    return interval([b - o for b, o in zip(best, own, strict=True)])


def efficiency(results: Mapping, label: str, way: str) -> Interval:
    """Recorded tokens per call of the target, over prompts."""
    return interval(_per_prompt(results, label, way))


def advantage(results: Mapping, label: str, way: str, other: str) -> Interval:
    """Tokens per call that a way has more than another, compared prompt by prompt."""
    ours, theirs = (_per_prompt(results, label, name) for name in (way, other))
    return interval([a - b for a, b in zip(ours, theirs, strict=True)])


def round_tokens(results: Mapping, label: str, way: str, rule: str) -> Interval:
    """Recorded expected tokens of a round, over prompts."""
    return interval(_of_rounds(results, label, way, rule))


def round_advantage(results: Mapping, label: str, way: str, rule: str, other: str) -> Interval:
    """Expected tokens of a round that a rule has more than another on the same trees."""
    ours, theirs = (_of_rounds(results, label, way, name) for name in (rule, other))
    return interval([a - b for a, b in zip(ours, theirs, strict=True)])


def _of_rounds(results: Mapping, label: str, way: str, rule: str) -> list[float]:
    check_choice("label", label, tuple(results["rounds"]))
    check_choice("way", way, tuple(results["rounds"][label]))
    check_choice("rule", rule, tuple(results["rounds"][label][way]))
    return results["rounds"][label][way][rule]


def _per_prompt(results: Mapping, label: str, way: str) -> list[float]:
    check_choice("label", label, tuple(results["texts"]))
    check_choice("way", way, tuple(results["texts"][label]))
    found = results["texts"][label][way]
    return [tokens / calls for tokens, calls in zip(found["tokens"], found["calls"], strict=True)]


def _file_means(results: Mapping, label: str, series: str, num_drafts: int) -> list[float]:
    check_choice("label", label, tuple(results["rates"]))
    check_choice("series", series, tuple(results["rates"][label]))
    check_choice("num_drafts", str(num_drafts), tuple(map(str, results["num_drafts"])))
    return results["rates"][label][series][results["num_drafts"].index(num_drafts)]


def _rounded(value, digits: int = 6):
    """The same nest of lists and dictionaries, with fewer digits."""
    if isinstance(value, Mapping):
        return {key: _rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item, digits) for item in value]
    # Errors are small numbers: keep their leading digits.
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


EXPERIMENTS: dict[str, Callable] = {"acceptance": acceptance, "decoding": decoding, "rounds": rounds}


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, run the experiment, write its results."""
    parser = argparse.ArgumentParser(
        prog="python -m tokenlab.chapters.transport.experiments", description=__doc__
    )
    parser.add_argument("name", choices=tuple(EXPERIMENTS), help="which experiment")
    parser.add_argument("--target", default="lab-target", help="a lab model, a folder or a Hub id")
    parser.add_argument("--draft", default="lab-draft", help="another one with the same tokenizer")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where the results file goes")
    options = parser.parse_args(arguments)
    from tokenlab.lm import load
    from tokenlab.lm.provenance import provenance

    target, tokenizer = load(options.target, dtype=torch.float64)
    draft, _ = load(options.draft, dtype=torch.float64)
    started = time.monotonic()
    results = EXPERIMENTS[options.name](target, draft, tokenizer)
    origin = provenance(
        f"python -m tokenlab.chapters.transport.experiments {options.name}",
        {"target": options.target, "draft": options.draft},
        device=target.device.type,
        dtype="float64",
        seconds=time.monotonic() - started,
    )
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / f"transport_{options.name}.json"
    path.write_text(json.dumps({"provenance": origin, **results}) + "\n")


if __name__ == "__main__":
    main()
