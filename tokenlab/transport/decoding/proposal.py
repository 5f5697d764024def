"""The drafts of one round, and how a token is drawn at a node."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from tokenlab.ops import open_uniform, top_k
from tokenlab.transport.node.drafts import draw_drafts

STRUCTURES = ("chain", "iid_sequences", "without_replacement", "dynamic")


@dataclass
class Proposal:
    """The drafts of one round, for all rows.

    *Nodes* are what both models read: each prefix once. *Drafts* are what was drawn: with i.i.d.
    sequences several may stand at one node. Parents stand in front of their children.

    Attributes
    ----------
    tokens : Int64[Tensor, "rows nodes"]
        Token of each node.
    depths : Int64[Tensor, "rows nodes"] or Int64[Tensor, "nodes"]
        1 for the first after the text.
    seen : Bool[Tensor, "rows nodes nodes"], optional
        Which nodes each node sees: its ancestors and itself. None for a chain.
    parents : list of lists of int
        For each row the parent of each *draft*, among the drafts; -1 is the end of the text.
    node : list of lists of int
        For each row the node of each draft. A draft that is no node (there was no token left
        to draw) is not listed.
    probs : Float[Tensor, "rows read vocab"]
        Distributions of the draft model, wherever it has read.
    drawn_from : list of lists of int
        For each row: index into ``probs`` for the end of the text, then for each draft:
        what its children were drawn from; -1 where it has none.
    slots : list of lists of int
        For each row where each node stands in the draft model's own tree, -1 if it was not read.
    """

    tokens: Int64[Tensor, "rows nodes"]
    depths: Tensor
    seen: Tensor | None
    parents: list[list[int]]
    node: list[list[int]]
    probs: Float[Tensor, "rows read vocab"]
    drawn_from: list[list[int]]
    slots: list[list[int]]


@dataclass(frozen=True)
class Drawing:
    """How tokens are drawn at a node.

    Attributes
    ----------
    process : callable
        From logits to probabilities, with temperature and truncation.
    sampling : str or None
        Distribution of the drafts; None takes the most probable tokens (greedy decoding).
    generator : torch.Generator or None
        Source of the noise.
    """

    process: Callable[[Tensor], Tensor]
    sampling: str | None
    generator: torch.Generator | None


def _table(rows: Iterable[Iterable[int]], width: int, fill: int, device: torch.device) -> Tensor:
    """Rows of different lengths, filled up on the right."""
    lists = [list(row) for row in rows]
    return torch.tensor([row + [fill] * (width - len(row)) for row in lists], device=device)


def _mark(mask: Tensor, places: list[tuple[int, ...]]) -> Tensor:
    if places:
        mask[torch.tensor(places).unbind(1)] = True
    return mask


def draw_one(probs: Float[Tensor, "rows vocab"], drawing: Drawing) -> Int64[Tensor, " rows"]:
    """One token of each row, by inverse CDF; for greedy decoding the most probable one."""
    if drawing.sampling is None:
        return probs.argmax(-1)
    return _pick(probs.cumsum(-1, dtype=torch.float64), drawing.generator)


def draw_each(
    probs: Float[Tensor, "rows nodes vocab"], place: Int64[Tensor, "rows drafts"], drawing: Drawing
) -> Int64[Tensor, "rows drafts"]:
    """One token for each draft, from the node at which it stands."""
    rows = torch.arange(len(place), device=place.device).unsqueeze(1)
    if drawing.sampling is None:
        return probs.argmax(-1)[rows, place]
    return _pick(probs.cumsum(-1, dtype=torch.float64)[rows, place], drawing.generator)


def _pick(cdf: Tensor, generator: torch.Generator | None) -> Tensor:
    uniform = open_uniform(cdf.shape[:-1], generator=generator, device=cdf.device)
    # The product rounds to less than the total, so there is a place, and its mass is not 0.
    threshold = uniform.unsqueeze(-1) * cdf[..., -1:]
    return torch.searchsorted(cdf, threshold, right=True).squeeze(-1)


def draw_children(
    probs: Float[Tensor, "rows nodes vocab"], number: int, drawing: Drawing
) -> tuple[Int64[Tensor, "rows nodes drafts"], Bool[Tensor, "rows nodes drafts"]]:
    """Distinct children of each node, and which of them exist.

    A node has as many as asked for, or as its distribution has tokens: truncation may leave few.
    """
    if drawing.sampling is None:
        found = top_k(probs, number, validate=False)
        return found.indices, found.values > 0
    tokens = draw_drafts(probs, number, drawing.sampling, generator=drawing.generator, validate=False)
    support = (probs > 0).sum(-1, keepdim=True)
    if drawing.sampling == "spechub":
        # With one token there is no pair.
        return tokens, (support > 1).expand_as(tokens)
    return tokens, torch.arange(number, device=probs.device) < support
