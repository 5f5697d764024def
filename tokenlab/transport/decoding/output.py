"""What multi-draft decoding returns. Imported when it is needed: transformers is slow to load."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor
from transformers.utils import ModelOutput


@dataclass
class MultiDraftOutput(ModelOutput):
    """Texts, and how the target model came to them.

    Attributes
    ----------
    sequences : Int64[Tensor, "rows length"]
        Prompt and continuation; filled up with ``pad_token_id`` after an end of text.
    lengths : Int64[Tensor, "rows"]
        How many tokens were added to each row, the end of text included.
    target_calls : Int64[Tensor, "rows"]
        Forwards of the target model while the row was running, the prompt's included.
    draft_calls : int
        Forwards of the draft model, for all rows together.
    accepted_lengths : Int64[Tensor, "rows rounds"]
        Drafts that each round added to each row; -1 after its end. The target's own token
        comes on top.
    acceptance : Float64[Tensor, "steps"], optional
        With ``track_acceptance``: the probability, given the drafts, that the rule returns one
        of them, at each node that a round came to and that had drafts.
    optimal_acceptance : Float64[Tensor, "steps"], optional
        The largest acceptance rate that any rule has for as many drafts of this kind. It is
        a mean over drafts; so the two compare as means over many steps.
    steps : Int64[Tensor, "steps 4"], optional
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
        """Block efficiency: tokens that each row gained for one forward of the target model."""
        return self.lengths / self.target_calls
