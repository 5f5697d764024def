"""What multi-draft decoding returns. Imported when needed: transformers is slow to load."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from transformers.utils import ModelOutput

from tokenlab.transport.decoding.proposal import Proposal
from tokenlab.transport.node import reference
from tokenlab.transport.node.optimum import optimal_acceptance_rate
from tokenlab.transport.node.verdict import acceptance_probability


@dataclass
class MultiDraftOutput(ModelOutput):
    """Texts, and how the target model came to them.

    Attributes
    ----------
    sequences : Int64[Tensor, "rows length"]
        Prompt and continuation; ``pad_token_id`` after an end of text.
    lengths : Int64[Tensor, "rows"]
        Tokens added to each row, the end of text included.
    target_calls : Int64[Tensor, "rows"]
        Forwards of the target model while the row ran, the prompt's included.
    draft_calls : int
        Forwards of the draft model for all rows.
    accepted_lengths : Int64[Tensor, "rows rounds"]
        Drafts that each round added to each row; -1 after its end.
    acceptance, optimal_acceptance : Float64[Tensor, "steps"]
        With ``track_acceptance``, at each node with drafts that a round came to: the probability, given the
        drafts, that the rule returns one; and the best rule's acceptance rate. The latter is a mean over
        drafts: compare means over many steps.
    steps : Int64[Tensor, "steps 4"]
        Row, round, depth (0 is the end of the text) and number of drafts of each step.
    """

    sequences: Int64[Tensor, "rows length"] | None = None
    lengths: Int64[Tensor, " rows"] | None = None
    target_calls: Int64[Tensor, " rows"] | None = None
    draft_calls: int | None = None
    accepted_lengths: Int64[Tensor, "rows rounds"] | None = None
    acceptance: Float[Tensor, " steps"] | None = None
    optimal_acceptance: Float[Tensor, " steps"] | None = None
    steps: Int64[Tensor, "steps 4"] | None = None

    @property
    def tokens_per_target_call(self) -> Float[Tensor, " rows"]:
        """Block efficiency: new tokens of a row for one target call."""
        return self.lengths / self.target_calls


class Record:
    """The output while it is written."""

    def __init__(self, rows: int, rule: str, sampling: str, track: bool) -> None:
        self.rule, self.sampling, self.track = rule, sampling, track
        self.accepted: list[list[int]] = [[] for _ in range(rows)]
        self.lengths = [0] * rows
        self.visited: list[tuple[int, int, int, int]] = []
        self.rates: list[tuple[float, float]] = []

    def round(self, row: int, tokens: int, accepted: int) -> None:
        """Count a row's new tokens, and how many of them were drafts."""
        self.lengths[row] += tokens
        self.accepted[row].append(accepted)

    def steps(self, running: list[int], proposal: Proposal | None, probs: Tensor, paths: list) -> None:
        """Acceptance at each node that verification came to, before the round is counted."""
        if not self.track or proposal is None:
            return
        for index, (row, (_, path)) in enumerate(zip(running, paths, strict=True)):
            node, parents = proposal.node[index], proposal.parents[index]
            for depth, at in enumerate([-1, *path]):
                # All drafts here: several i.i.d. ones may stand at one node.
                here = [i for i, parent in enumerate(parents) if (node[parent] if parent >= 0 else -1) == at]
                if not here:
                    continue
                drawn_from = proposal.drawn_from[index][1 + parents[here[0]]]
                drafted = proposal.tokens[index, [node[i] for i in here]]
                target, draft = probs[index, 1 + at].double(), proposal.probs[index, drawn_from].double()
                verdict = reference.decide(target, draft, drafted, self.rule, self.sampling)
                best, _ = optimal_acceptance_rate(target, draft, len(here), self.sampling)
                self.rates.append((acceptance_probability(verdict, drafted).item(), best.item()))
                self.visited.append((row, len(self.accepted[row]), depth, len(here)))

    def output(
        self, input_ids: Tensor, texts: list[list[int]], prefill: int, draft_calls: int, pad: int
    ) -> MultiDraftOutput:
        """The whole; ``prefill``: the target's forwards before the first round."""
        device = input_ids.device
        new = [text[len(text) - number :] for text, number in zip(texts, self.lengths, strict=True)]
        rates = torch.tensor(self.rates, dtype=torch.float64, device=device).view(-1, 2)
        return MultiDraftOutput(
            sequences=torch.cat([input_ids.long(), _padded(new, pad, device)], 1),
            lengths=torch.tensor(self.lengths, device=device),
            target_calls=torch.tensor([prefill + len(row) for row in self.accepted], device=device),
            draft_calls=draft_calls,
            accepted_lengths=_padded(self.accepted, -1, device),
            acceptance=rates[:, 0] if self.track else None,
            optimal_acceptance=rates[:, 1] if self.track else None,
            steps=torch.tensor(self.visited, device=device).view(-1, 4) if self.track else None,
        )


def _padded(rows: list[list[int]], pad: int, device: torch.device) -> Tensor:
    width = max(map(len, rows))
    return torch.tensor([row + [pad] * (width - len(row)) for row in rows], device=device)
