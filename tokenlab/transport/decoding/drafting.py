"""Chains, sequences and fixed trees, level by level: one forward of the draft model for each."""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from tokenlab.transport.decoding.proposal import DraftSampler, Proposal
from tokenlab.transport.decoding.tree_cache import TreeCache


def draft_chain(
    tree_cache: TreeCache, texts: list[list[int]], length: int, sampler: DraftSampler
) -> Proposal:
    """One sequence after each text."""
    device = tree_cache.device
    tokens, probs = [], [sampler.process(tree_cache.read(texts)[:, 0])]
    for depth in range(1, length + 1):
        tokens.append(sampler.one(probs[-1]))
        if depth < length:
            logits = tree_cache.read(None, tokens[-1].unsqueeze(1), torch.tensor([depth], device=device))
            probs.append(sampler.process(logits[:, 0]))
    rows = len(texts)
    probs.append(probs[-1])  # the last token has no children: its row is not read
    return Proposal(
        tokens=torch.stack(tokens, 1),
        depths=torch.arange(1, length + 1, device=device),
        seen=None,
        parents=[list(range(-1, length - 1))] * rows,
        node=[list(range(length))] * rows,
        probs=torch.stack(probs, 1),
        drawn_from=[[*range(length), -1]] * rows,
        slots=[[*range(length - 1), -1]] * rows,
    )


def draft_sequences(
    tree_cache: TreeCache, texts: list[list[int]], num_sequences: int, length: int, sampler: DraftSampler
) -> Proposal:
    """Independent sequences; a prefix that several share is one node."""
    rows, device = len(texts), tree_cache.device
    every = torch.arange(num_sequences, device=device)
    probs = [sampler.process(tree_cache.read(texts))]
    # For each sequence the index of its last node in its level, and so of the row of probs[-1].
    last = torch.zeros(rows, num_sequences, dtype=torch.long, device=device)
    tokens, depths, seen = [], [], torch.zeros(rows, 0, 0, dtype=torch.bool, device=device)
    node, drawn_from, nodes, read = [], [last], 0, 1
    for depth in range(1, length + 1):
        token = sampler.each(probs[-1], last)
        # The first sequence with the same prefix stands for all of them.
        same = (last.unsqueeze(2) == last.unsqueeze(1)) & (token.unsqueeze(2) == token.unsqueeze(1))
        first = same.int().argmax(2)
        distinct = first == every
        width = int(distinct.sum(1).max())
        # A row with fewer prefixes reads some twice.
        chosen = (~distinct).int().argsort(dim=1, stable=True)[:, :width]
        seen = _grow(seen, nodes - probs[-1].shape[1] + last.gather(1, chosen) if depth > 1 else None, width)
        last = (distinct.cumsum(1) - 1).gather(1, first)
        node.append(nodes + last)
        tokens.append(token.gather(1, chosen))
        depths.append(torch.full((width,), depth, device=device))
        nodes += width
        if depth < length:
            logits = tree_cache.read(None, tokens[-1], depths[-1], seen[:, -width:])
            probs.append(sampler.process(logits))
            drawn_from.append(read + last)
            read += width
        else:
            drawn_from.append(torch.full_like(last, -1))
    # The drafts stand level by level, and each is the child of its own sequence's last one.
    parents = [-1] * num_sequences + list(range((length - 1) * num_sequences))
    return Proposal(
        tokens=torch.cat(tokens, 1),
        depths=torch.cat(depths),
        seen=seen,
        parents=[parents] * rows,
        node=torch.cat(node, 1).tolist(),
        probs=torch.cat(probs, 1),
        drawn_from=torch.cat([drawn_from[0][:, :1], *drawn_from[1:]], 1).tolist(),
        slots=[[*range(nodes - width), *[-1] * width]] * rows,
    )


def draft_branching(
    tree_cache: TreeCache, texts: list[list[int]], branching: tuple[int, ...], sampler: DraftSampler
) -> Proposal:
    """A tree whose nodes have so many children on each level."""
    rows = len(texts)
    parents, depths, seen = branching_tree(branching, tree_cache.device)
    probs = [sampler.process(tree_cache.read(texts))]
    tokens, there, begin = [], [], 0
    for depth, number in enumerate(branching, 1):
        children, exist = sampler.children(probs[-1], number)
        if tokens:
            exist = exist & there[-1].unsqueeze(2)
        tokens.append(children.flatten(1))
        there.append(exist.flatten(1))
        end = begin + tokens[-1].shape[1]
        if depth < len(branching):
            level = seen[begin:end, :end].expand(rows, -1, -1)
            probs.append(sampler.process(tree_cache.read(None, tokens[-1], depths[begin:end], level)))
        begin, inner = end, begin
    nodes = len(parents)
    drawn_from = [*range(inner + 1), *[-1] * (nodes - inner)]
    slots = [*range(inner), *[-1] * (nodes - inner)]
    exist = torch.cat(there, 1)
    if bool(exist.all()):
        lists = [parents] * rows, [list(range(nodes))] * rows, [drawn_from] * rows
    else:
        kept = [[i for i, is_there in enumerate(row) if is_there] for row in exist.tolist()]
        number = [{-1: -1} | {node: i for i, node in enumerate(row)} for row in kept]
        lists = (
            [[number[r][parents[node]] for node in row] for r, row in enumerate(kept)],
            kept,
            [[0, *(drawn_from[1 + node] for node in row)] for row in kept],
        )
    return Proposal(
        tokens=torch.cat(tokens, 1),
        depths=depths,
        seen=seen.expand(rows, -1, -1),
        parents=lists[0],
        node=lists[1],
        probs=torch.cat(probs, 1),
        drawn_from=lists[2],
        slots=[slots] * rows,
    )


# Every round drafts the same tree, but for the last ones, which have less room.
@lru_cache(maxsize=64)
def branching_tree(
    branching: tuple[int, ...], device: torch.device
) -> tuple[list[int], Int64[Tensor, " nodes"], Bool[Tensor, "nodes nodes"]]:
    """Parents, depths and ancestors of a tree of this branching."""
    parents, depths, level = [], [], [-1]
    seen = torch.zeros(1, 0, 0, dtype=torch.bool)
    for depth, number in enumerate(branching, 1):
        new = [parent for parent in level for _ in range(number)]
        seen = _grow(seen, torch.tensor([new]) if depth > 1 else None, len(new))
        level = range(len(parents), len(parents) + len(new))
        parents += new
        depths += [depth] * len(new)
    return parents, torch.tensor(depths, device=device), seen[0].to(device)


def _grow(
    seen: Bool[Tensor, "rows nodes nodes"], parents: Int64[Tensor, "rows new"] | None, new: int
) -> Bool[Tensor, "rows grown grown"]:
    """Add nodes that see themselves and what their parents see; without parents, those at the text's end."""
    rows, nodes = seen.shape[:2]
    grown = torch.zeros(rows, nodes + new, nodes + new, dtype=torch.bool, device=seen.device)
    grown[:, :nodes, :nodes] = seen
    grown[:, nodes:, nodes:] = torch.eye(new, dtype=torch.bool, device=seen.device)
    if parents is not None:
        grown[:, nodes:, :nodes] = seen[torch.arange(rows, device=seen.device).unsqueeze(1), parents]
    return grown
