"""Reading texts that grow by a token at a time: with a cache, or afresh where that alone is exact."""

from __future__ import annotations

import warnings

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tokenlab.errors import SlowPathWarning
from tokenlab.lm.contract import check_causal, why_no_cache
from tokenlab.lm.forward import run_model


class TextReader:
    """Logits of the next token after each row of a batch that is padded on the left and grows on the right.

    Models whose cache cannot be trusted read each text from its first token on, and a SlowPathWarning says why.
    """

    def __init__(self, model, padded: bool, name: str = "the model") -> None:
        self.model, self.name, self.cache, self.known = model, name, None, 0
        self.why = why_no_cache(model, padded)
        if self.why is not None:
            check_causal(name, model)
            warnings.warn(
                f"{name} runs without a cache: {self.why}; every token reads the whole text again",
                SlowPathWarning,
                stacklevel=4,
            )

    def next_logits(
        self, ids: Int[Tensor, "rows slots"], mask: Int[Tensor, "rows slots"]
    ) -> Float[Tensor, "rows vocab"]:
        """Logits after the last slot; the slots of the call before come first, as they were."""
        if self.why is not None:
            return self._afresh(ids, mask.sum(-1))
        # A token's position counts the tokens before it, not the padding.
        positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, self.known :]
        output = run_model(
            self.model,
            ids[:, self.known :],
            keep=1,
            attention_mask=mask,
            position_ids=positions,
            cache=self.cache,
            use_cache=True,
            name=self.name,
        )
        self.cache, self.known = output.cache, ids.shape[1]
        return output.logits[:, 0]

    def _afresh(self, ids: Int[Tensor, "rows slots"], lengths: Int[Tensor, " rows"]) -> Tensor:
        """Padded on the right instead: what follows a token never changes its logits, nor a state before it."""
        width = ids.shape[1]
        slots = torch.arange(width, device=ids.device) + (width - lengths)[:, None]
        ids = ids.gather(1, slots.clamp(max=width - 1))
        ends = sorted(set((lengths - 1).tolist()))
        logits = run_model(self.model, ids, keep=ends, name=self.name).logits
        column = {end: index for index, end in enumerate(ends)}
        columns = torch.tensor([column[length - 1] for length in lengths.tolist()], device=logits.device)
        return logits[torch.arange(len(ids), device=logits.device), columns]
