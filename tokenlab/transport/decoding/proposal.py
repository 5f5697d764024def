"""The drafts of one round, and the sampler that draws them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from tokenlab.ops import open_uniform, top_k
from tokenlab.transport.node.drafts import draw_drafts


@dataclass
class Proposal:
    """The drafts of one round, for all rows.

    *Nodes* are what both models read: each prefix once. *Drafts* are what was drawn: with i.i.d.
    sequences several may stand at one node. Parents stand before their children.

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
        For each row the slot of each node in the draft model's own tree, -1 if it was not read.
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

    @property
    def greedy(self) -> bool:
        """Whether nothing is drawn, and the most probable tokens are taken."""
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
        """Distinct children of each node, and which of them exist.

        A node has as many as asked for, or as its distribution has tokens: truncation may leave few.
        """
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
        # The product rounds to less than the total, so there is such a token, and its mass is not 0.
        threshold = uniform.unsqueeze(-1) * cdf[..., -1:]
        return torch.searchsorted(cdf, threshold, right=True).squeeze(-1)
