"""The first round after each prompt: its tokens are computed, not counted.

Rules are compared on the very same drafted trees. That resolves differences which texts do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from tokenlab.chapters.intervals import Interval, student_interval
from tokenlab.chapters.results import rounded, tracked
from tokenlab.chapters.transport.experiments.steps import (
    SEED,
    SETTINGS,
    TEXT_SETTINGS,
    Setting,
    setting_probs,
)
from tokenlab.errors import check_choice, check_int
from tokenlab.lm.corpus import prompts
from tokenlab.lm.forward import run_model
from tokenlab.transport.node.drafts import draw_drafts
from tokenlab.transport.trees.draft_tree import DraftTree
from tokenlab.transport.trees.verify import VerifiedPath, expected_accepted_length, verify_tree

#: What is drafted in a round, and which rules look at it: sampling, children by level, rules.
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


class Round(NamedTuple):
    """What was drafted, what the target said to it, what came out."""

    tree: DraftTree
    target_probs: Float64[Tensor, "nodes_plus_1 vocab"]
    verified: VerifiedPath


@torch.no_grad()
def decode_round(
    target,
    draft,
    input_ids: Int[Tensor, "1 text"],
    branching: Sequence[int] = (3, 2, 1),
    *,
    rule: str = "recursive",
    sampling: str = "without_replacement",
    setting: Setting = SETTINGS["T = 1"],
    generator: torch.Generator | None = None,
) -> Round:
    """One round in plain steps, to be looked at: no cache, every path read from its beginning.

    :func:`tokenlab.transport.generate` does it with one forward of the target. ``branching`` counts children
    by level; for rule and sampling see :func:`tokenlab.transport.verify_tree`.
    """
    tree, target_probs = draft_tree(
        target, draft, input_ids, branching, sampling=sampling, setting=setting, generator=generator
    )
    return Round(tree, target_probs, verify_tree(tree, target_probs, rule, generator=generator))


def decode_rounds(
    target, draft, input_ids: Int[Tensor, "1 text"], number: int, branching: Sequence[int], **options
) -> list[Round]:
    """Several rounds of one text, each after what the one before has written.

    Options are those of :func:`decode_round`. Without a level in ``branching`` nothing is drafted: each round
    is one token of the target.
    """
    check_int("number", number, low=1)
    rounds: list[Round] = []
    for _ in range(number):
        rounds.append(decode_round(target, draft, input_ids, branching, **options))
        input_ids = torch.cat([input_ids, rounds[-1].verified.tokens[None].to(input_ids.device)], 1)
    return rounds


@torch.no_grad()
def draft_tree(
    target,
    draft,
    input_ids: Int[Tensor, "1 text"],
    branching: Sequence[int],
    *,
    sampling: str,
    setting: Setting = SETTINGS["T = 1"],
    generator: torch.Generator | None = None,
) -> tuple[DraftTree, Float64[Tensor, "nodes_plus_1 vocab"]]:
    """A tree of drafts after a text, level by level, and what the target says to it."""
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
    nodes = (torch.tensor(numbers, dtype=torch.long) for numbers in (tokens, parents))
    tree = DraftTree(*nodes, probs["draft"], sampling)
    return tree, probs["target"]


def _next_probs(
    model, input_ids: Int[Tensor, "1 text"], paths: list[list[int]], setting: Setting
) -> Float64[Tensor, "paths vocab"]:
    """What follows the text and each of some paths of one length."""
    # An empty path is a row of no tokens, whose type torch cannot guess.
    after = torch.tensor(paths, dtype=torch.long, device=input_ids.device).view(len(paths), -1)
    ids = torch.cat([input_ids.expand(len(paths), -1), after], 1)
    logits = run_model(model, ids.to(model.device), keep=1).logits[:, -1]
    return setting_probs(logits.double().cpu(), setting)


def measure_rounds(
    target, draft, tokenizer, way: str, setting: Setting, number: int, *, trees: int = TREES, seed: int = SEED
) -> dict[str, float]:
    """Expected tokens of the first round after prompt ``number``, by rule: accepted ones and one more.

    Exact for each tree, averaged over the same trees for all rules. ``way`` is a key of :data:`ROUND_WAYS`.
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


def run(models: Mapping[str, tuple], *, progress: bool = True) -> dict:
    """The whole experiment: every way and rule at every setting, on all prompts.

    Records ``trees``, ``seed``, ``rounds`` (by setting, way and rule: a number for each prompt).
    """
    target, draft, tokenizer = models["target"][0], models["draft"][0], models["target"][1]
    table: dict[str, dict] = {}
    for label, setting in TEXT_SETTINGS.items():
        table[label] = {}
        for way, (_, _, rules) in tracked(ROUND_WAYS.items(), "way", progress):
            found = [
                measure_rounds(target, draft, tokenizer, way, setting, number, trees=TREES)
                for number in range(len(prompts()))
            ]
            table[label][way] = rounded({rule: [row[rule] for row in found] for rule in rules})
    return {"trees": TREES, "seed": SEED, "rounds": table}


def recompute_rounds(target, draft, tokenizer, label: str, way: str, number: int) -> dict[str, float]:
    """One prompt again; equal to its part of ``results["rounds"][label][way]`` up to rounding.

    ArgumentError: if setting, way or prompt is unknown.
    """
    check_choice("label", label, tuple(TEXT_SETTINGS))
    check_choice("way", way, tuple(ROUND_WAYS))
    check_int("number", number, low=0, high=len(prompts()) - 1)
    return measure_rounds(target, draft, tokenizer, way, TEXT_SETTINGS[label], number)


def round_tokens(results: Mapping, label: str, way: str, rule: str) -> Interval:
    """Recorded expected tokens of a round, over prompts."""
    return student_interval(_of_rounds(results, label, way, rule))


def round_advantage(results: Mapping, label: str, way: str, rule: str, other: str) -> Interval:
    """Expected tokens that a rule has more than another on the same trees."""
    ours, theirs = (_of_rounds(results, label, way, name) for name in (rule, other))
    return student_interval([a - b for a, b in zip(ours, theirs, strict=True)])


def _of_rounds(results: Mapping, label: str, way: str, rule: str) -> list[float]:
    check_choice("label", label, tuple(results["rounds"]))
    check_choice("way", way, tuple(results["rounds"][label]))
    check_choice("rule", rule, tuple(results["rounds"][label][way]))
    return results["rounds"][label][way][rule]
