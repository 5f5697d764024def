"""How many tokens one call of the target gives, for every way of drafting and verifying.

Each way continues the frozen prompts; the noise of a batch depends on the seed and the batch alone.
Intervals are over prompts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from tokenlab.chapters.intervals import Interval, student_interval
from tokenlab.chapters.results import tracked
from tokenlab.chapters.transport.experiments.steps import SEED, TEXT_SETTINGS, Setting
from tokenlab.errors import ArgumentError, check_choice
from tokenlab.lm.corpus import prompts
from tokenlab.transport.decoding.generate import generate
from tokenlab.transport.decoding.structures import Branching, Chain, DynamicTree, Sequences

#: Ways of decoding. Most draft twelve tokens in a round; the eight sequences are SpecTr's own setting.
WAYS: dict[str, dict] = {
    "chain of 4": {"drafts": Chain(4), "rule": "recursive"},
    "chain of 4, block": {"drafts": Chain(4), "rule": "block"},
    "chain of 12": {"drafts": Chain(12), "rule": "recursive"},
    "chain of 12, block": {"drafts": Chain(12), "rule": "block"},
    "3 sequences of 4, recursive": {"drafts": Sequences(3, length=4), "rule": "recursive"},
    "3 sequences of 4, K-SEQ": {"drafts": Sequences(3, length=4), "rule": "kseq"},
    "3 sequences of 4, traversal": {"drafts": Sequences(3, length=4), "rule": "traversal"},
    "8 sequences of 4, K-SEQ": {"drafts": Sequences(8, length=4), "rule": "kseq"},
    "tree 3-1-1-1, target only": {"drafts": Branching(3, 1, 1, 1), "rule": "target_only"},
    "tree 3-1-1-1, greedy drafts": {"drafts": Branching(3, 1, 1, 1), "rule": "greedy"},
    "tree 3-1-1-1, recursive": {"drafts": Branching(3, 1, 1, 1), "rule": "recursive"},
    "tree 3-1-1-1, traversal": {"drafts": Branching(3, 1, 1, 1), "rule": "traversal"},
    "dynamic tree of 12, recursive": {"drafts": DynamicTree(12, depth=8), "rule": "recursive"},
    "dynamic tree of 12, traversal": {"drafts": DynamicTree(12, depth=8), "rule": "traversal"},
}

NEW_TOKENS = 32

BATCH = 8


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
    """Continue eight frozen prompts in one batch: for each, ``tokens`` added and ``calls`` of the target."""
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


def run(models: Mapping[str, tuple], *, progress: bool = True) -> dict:
    """The whole experiment: every way at every setting, on all prompts.

    Records ``new_tokens``, ``seed``, ``texts`` (by setting and way: ``tokens`` and ``calls`` of each prompt).
    """
    target, draft, tokenizer = models["target"][0], models["draft"][0], models["target"][1]
    batches = range(math.ceil(len(prompts()) / BATCH))
    texts: dict[str, dict] = {}
    for label, setting in TEXT_SETTINGS.items():
        texts[label] = {}
        for way, options in tracked(WAYS.items(), "way", progress):
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

    ArgumentError: if setting, way or batch is unknown.
    """
    check_choice("label", label, tuple(TEXT_SETTINGS))
    check_choice("way", way, tuple(WAYS))
    return measure_texts(target, draft, tokenizer, WAYS[way], TEXT_SETTINGS[label], batch)


def efficiency(results: Mapping, label: str, way: str) -> Interval:
    """Recorded tokens per call of the target, over prompts."""
    return student_interval(_per_prompt(results, label, way))


def advantage(results: Mapping, label: str, way: str, other: str) -> Interval:
    """Tokens per call that a way has more than another, prompt by prompt."""
    ours, theirs = (_per_prompt(results, label, name) for name in (way, other))
    return student_interval([a - b for a, b in zip(ours, theirs, strict=True)])


def _per_prompt(results: Mapping, label: str, way: str) -> list[float]:
    check_choice("label", label, tuple(results["texts"]))
    check_choice("way", way, tuple(results["texts"][label]))
    found = results["texts"][label][way]
    return [tokens / calls for tokens, calls in zip(found["tokens"], found["calls"], strict=True)]
