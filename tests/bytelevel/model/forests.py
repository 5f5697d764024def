"""A forest of contexts that is used at random, beside plain forwards of each context."""

from __future__ import annotations

import random

import torch

from tests.support.tiny_models import plain_logits
from tokenlab.bytelevel.model.context_forest import ContextForest

VOCAB = 29


EXACT = 1e-9


class Bookkeeper:
    """A forest, what was asked of it, and what plain forwards say."""

    def __init__(self, model, **options):
        self.model, self.forest = model, ContextForest(model, **options)
        self.names: dict[tuple[int, ...], int] = {}  # path -> node
        self.read: set[tuple[int, ...]] = set()
        self.expected: dict[tuple[int, ...], torch.Tensor] = {}
        self.worst, self.num_tokens = 0.0, 0

    def root(self, ids):
        node = self.forest.root(list(ids))
        assert self.names.setdefault(tuple(ids), node) == node
        for end in range(1, len(ids)):
            self.names[tuple(ids[:end])] = self.forest.root(list(ids[:end]))

    def children(self, pairs):
        nodes = self.forest.children([(self.names[path], token) for path, token in pairs])
        for (path, token), node in zip(pairs, nodes, strict=True):
            assert self.names.setdefault((*path, token), node) == node
            assert self.forest.tokens(node) == [*path, token]

    def logits(self, paths):
        rows = self.forest.logits([self.names[path] for path in paths])
        for path, row in zip(paths, rows, strict=True):
            if path not in self.expected:
                self.expected[path] = plain_logits(self.model, list(path))
            error = (row - self.expected[path]).abs().max().item()
            self.worst = max(self.worst, error)
        asked = set(paths)
        needed = {path[:end] for path in asked for end in range(1, len(path) + 1)} - self.read
        self.num_tokens += len(needed) + len(asked - needed)
        self.read |= needed

    def keep(self, paths):
        self.forest.keep([self.names[path] for path in paths])
        kept = {path[:end] for path in paths for end in range(1, len(path) + 1)}
        self.names = {path: node for path, node in self.names.items() if path in kept}
        self.read &= kept


def wander(model, *, seed=0, steps=50, vocab=VOCAB, deepest=16, **options) -> Bookkeeper:
    """Roots, children, questions and forgetting in a random order."""
    draw = random.Random(seed)
    keeper = Bookkeeper(model, **options)
    actions = {"root": 2, "children": 4, "logits": 5, "keep": 1}
    for _ in range(steps):
        paths = list(keeper.names)
        action = draw.choices(list(actions), list(actions.values()))[0]
        if action == "root" or not paths:
            stem = list(draw.choice(paths))[:3] if paths and draw.random() < 0.5 else []
            keeper.root(stem + [draw.randrange(vocab) for _ in range(draw.randrange(1, 7))])
        elif action == "children":
            paths = [path for path in paths if len(path) < deepest] or paths[:1]
            parents = draw.choices(paths, k=draw.randrange(1, 6))
            keeper.children([(parent, draw.randrange(vocab)) for parent in parents])
        elif action == "logits":
            keeper.logits(draw.choices(paths, k=draw.randrange(1, 6)))
        else:
            keeper.keep(draw.sample(paths, k=len(paths) // 4))
    return keeper


def range_of(count: int) -> list[int]:
    return [3 + index % 20 for index in range(count)]


def build(name: str, **options):
    import transformers

    torch.manual_seed(0)
    options = {
        "vocab_size": VOCAB,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    } | options
    config = getattr(transformers, f"{name}Config")(**options, initializer_range=0.4)
    return transformers.AutoModelForCausalLM.from_config(config).double().eval()
