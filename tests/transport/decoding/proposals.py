"""One round of drafts, without a target model."""

from __future__ import annotations

import torch

from tests.support.tiny_models import tiny_model
from tokenlab.transport.decoding.proposal import DraftSampler, Proposal
from tokenlab.transport.decoding.tree_cache import TreeCache

TEXTS = [[3, 4, 5, 6, 7], [8, 9]]


def softmax(logits):
    return logits.softmax(-1)


def propose(
    drafts, model=None, *, seed=0, sampling="own", texts=TEXTS, process=softmax
) -> tuple[Proposal, TreeCache]:
    """What the drafts of one round are, and the cache that was used for them."""
    model = model or tiny_model()
    tree_cache = TreeCache(model, len(texts))
    own = drafts.sampling(drafts.default_rule)
    generator = torch.Generator().manual_seed(seed)
    sampler = DraftSampler(process, own if sampling == "own" else sampling, generator)
    with torch.inference_mode():
        return drafts.propose(tree_cache, texts, 64, sampler), tree_cache


def drafted_paths(found: Proposal, row: int) -> list[list[int]]:
    """Tokens from the root to each draft of one row."""
    node, parents, tokens = found.node[row], found.parents[row], found.tokens[row].tolist()
    paths = []
    for draft, parent in enumerate(parents):
        paths.append([*(paths[parent] if parent >= 0 else []), tokens[node[draft]]])
    return paths
