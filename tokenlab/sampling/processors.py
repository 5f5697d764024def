"""The same rules inside ``model.generate``: transformers' own warpers, where it has them.

The lists go into ``model.generate(do_sample=True, top_k=0, logits_processor=...)``. Without
``top_k=0`` transformers adds its default, the 50 most probable tokens, after them.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor
from transformers.generation import logits_process as warpers

from tokenlab.sampling import reference
from tokenlab.sampling.rules import RULES, check_rule, check_temperature

#: transformers' counterpart of each rule; it has none for Top-H as the paper states it.
WARPERS = {
    "top_k": warpers.TopKLogitsWarper,
    "top_p": warpers.TopPLogitsWarper,
    "min_p": warpers.MinPLogitsWarper,
    "typical": warpers.TypicalLogitsWarper,
    "epsilon": warpers.EpsilonLogitsWarper,
    "eta": warpers.EtaLogitsWarper,
    "top_h_released": warpers.TopHLogitsWarper,
}


class StatedTopH(warpers.LogitsProcessor):
    """Top-H as the paper states it: bounds the entropy of the kept tokens, renormalised.

    Dropped tokens get logit -inf; ``alpha`` is a share of the row's entropy.

    Raises
    ------
    ArgumentError
        If ``alpha`` is not in (0, 1].

    Examples
    --------
    >>> import torch
    >>> scores = torch.tensor([[0.5, 0.25, 0.15, 0.1]]).log()
    >>> StatedTopH(0.55)(None, scores).isfinite().tolist()
    [[True, True, False, False]]

    Reference: Baghaei Potraghloo et al. 2025, arXiv 2509.02510.
    """

    supports_continuous_batching = True
    #: It never looks at the text: multi-draft decoding takes it.
    scores_only = True

    def __init__(self, alpha: float) -> None:
        self.alpha = RULES["top_h"].check(alpha, vocab_size=0)

    def __call__(
        self, input_ids: Int[Tensor, "batch length"] | None, scores: Float[Tensor, "batch vocab"]
    ) -> Float[Tensor, "batch vocab"]:
        keep = reference.top_h_mask(reference.softmax(scores), self.alpha)
        return scores.masked_fill(~keep, -float("inf"))


def hf_processors(
    rule: str | None = None, value: float | None = None, temperature: float = 1.0
) -> warpers.LogitsProcessorList:
    """A temperature, then a rule of ``RULES`` with its parameter, as processors of transformers.

    Raises
    ------
    ArgumentError
        If the rule is unknown, or a parameter is out of range.

    Examples
    --------
    >>> [type(processor).__name__ for processor in hf_processors("top_p", 0.9, temperature=0.7)]
    ['TemperatureLogitsWarper', 'TopPLogitsWarper']
    """
    temperature = check_temperature(temperature)
    # How many tokens there are is not known here; a k above is found by our own functions only.
    check_rule(rule, value, vocab_size=1 << 31)
    processors = warpers.LogitsProcessorList()
    if temperature != 1.0:
        processors.append(warpers.TemperatureLogitsWarper(temperature))
    if rule is not None:
        processors.append(StatedTopH(value) if rule == "top_h" else WARPERS[rule](value))
    return processors
