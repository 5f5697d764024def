"""The drafts of one round, and the sampler that draws them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from tokenlab.ops import open_uniform, top_k
from tokenlab.ops.reference import invert_cdf
from tokenlab.transport.node.drafts import draw_drafts


@dataclass
class Proposal:
    """The drafts of one round; each list holds one list for each row.

    *Nodes* are what both models read: each prefix once. *Drafts* are what was drawn: several i.i.d. ones may
    stand at one node. Parents stand before their children.

    Attributes
    ----------
    tokens, depths : Int64[Tensor, "rows nodes"]
        Of each node; depth 1 follows the text. Rows of equal depths may share one.
    seen : Bool[Tensor, "rows nodes nodes"]
        Which nodes each node sees: its ancestors and itself. None for a chain.
    parents, node : list of lists of int
        Of each draft: its parent *among the drafts*, -1 for the text's end, and its node.
    probs : Float[Tensor, "rows read vocab"]
        Distributions of the draft model, where it has read.
    drawn_from : list of lists of int
        Row of ``probs`` that the children of the text's end, then of each draft, were drawn from; -1: none.
    slots : list of lists of int
        Of each node in the draft model's own tree, -1 if it was not read.
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
class DraftSampler:
    """How tokens are drawn at a node: from ``process`` of the logits; greedily without a ``sampling``."""

    process: Callable[[Tensor], Tensor]
    sampling: str | None
    generator: torch.Generator | None

    @property
    def greedy(self) -> bool:
        """Whether the most probable tokens are taken."""
        return self.sampling is None

    def one(self, probs: Float[Tensor, "rows vocab"]) -> Int64[Tensor, " rows"]:
        """One token of each row, by inverse CDF."""
        if self.greedy:
            return probs.argmax(-1)
        return self._pick(probs.cumsum(-1, dtype=torch.float64))

    def each(
        self, probs: Float[Tensor, "rows nodes vocab"], node: Int64[Tensor, "rows drafts"]
    ) -> Int64[Tensor, "rows drafts"]:
        """One token for each draft, from the node that it is a child of."""
        rows = torch.arange(len(node), device=node.device).unsqueeze(1)
        if self.greedy:
            return probs.argmax(-1)[rows, node]
        return self._pick(probs.cumsum(-1, dtype=torch.float64)[rows, node])

    def children(
        self, probs: Float[Tensor, "rows nodes vocab"], number: int
    ) -> tuple[Int64[Tensor, "rows nodes drafts"], Bool[Tensor, "rows nodes drafts"]]:
        """Distinct children of each node, and which of them exist: truncation may leave few tokens."""
        if self.greedy:
            found = top_k(probs, number, validate=False)
            return found.indices, found.values > 0
        tokens = draw_drafts(probs, number, self.sampling, generator=self.generator, validate=False)
        support = (probs > 0).sum(-1, keepdim=True)
        if self.sampling == "spechub":
            # With one token there is no pair.
            return tokens, (support > 1).expand_as(tokens)
        return tokens, torch.arange(number, device=probs.device) < support

    def _pick(self, cdf: Float[Tensor, "*nodes vocab"]) -> Int64[Tensor, "*nodes"]:
        uniform = open_uniform(cdf.shape[:-1], generator=self.generator, device=cdf.device)
        return invert_cdf(cdf, uniform)
