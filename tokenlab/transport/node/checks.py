"""What the functions at one node check of their arguments."""

from __future__ import annotations

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from tokenlab.errors import (
    INTEGER_DTYPES,
    ArgumentError,
    ShapeError,
    check_generator,
    check_noise,
    check_probs,
    check_tensor,
)
from tokenlab.ops import open_uniform, top_k
from tokenlab.transport.node.drafts import check_possible
from tokenlab.transport.rules import resolve

#: By which share probabilities of one row of logits may differ, in float32, where they should be equal.
ROUNDING = 1e-5


def check_pair(target_probs: Tensor, draft_probs: Tensor, *, validate: bool) -> None:
    check_probs("target_probs", target_probs, validate=validate)
    check_probs("draft_probs", draft_probs, validate=validate)
    check_alike("target_probs", target_probs, "draft_probs", draft_probs)


def check_alike(target_name: str, target: Tensor, draft_name: str, draft: Tensor) -> None:
    """Check that both share vocabulary, shape and device."""
    if target.shape[-1] != draft.shape[-1]:
        raise ShapeError(
            f"{target_name} has {target.shape[-1]} tokens, {draft_name} has {draft.shape[-1]}: "
            "both models must share one vocabulary"
        )
    if target.shape != draft.shape:
        raise ShapeError(
            f"{draft_name} has shape {tuple(draft.shape)}, expected {tuple(target.shape)} as {target_name}"
        )
    if target.device != draft.device:
        raise ArgumentError(f"{draft_name} is on {draft.device}, expected {target.device} as {target_name}")


def check_draft_tokens(
    tokens: Tensor, draft: Tensor, rule: str, sampling: str | None, *, logits: bool = False, validate: bool
) -> str:
    """Check that ``sampling`` can have drawn the drafts; returns it."""
    check_tensor("draft_tokens", tokens, dtypes=INTEGER_DTYPES)
    if tokens.shape[:-1] != draft.shape[:-1]:
        raise ShapeError(
            f"draft_tokens has shape {tuple(tokens.shape)}, expected {tuple(draft.shape[:-1])} and the drafts"
        )
    if tokens.device != draft.device:
        raise ArgumentError(f"draft_tokens is on {tokens.device}, expected {draft.device}")
    if tokens.shape[-1] == 0:
        raise ShapeError(f"draft_tokens has shape {tuple(tokens.shape)}, expected at least one draft")
    sampling = resolve(rule, sampling, tokens.shape[-1], draft.shape[-1])
    if validate and tokens.numel():
        _check_drawn(tokens, draft, sampling, logits=logits)
    return sampling


def _check_drawn(
    tokens: Int64[Tensor, "*batch drafts"], draft: Tensor, sampling: str, *, logits: bool
) -> None:
    """Check ids, positive probability, and what the sampling never draws."""
    vocab, k = draft.shape[-1], tokens.shape[-1]
    low, high = (int(bound) for bound in tokens.aminmax())
    if low < 0 or high >= vocab:
        raise ArgumentError(
            f"draft_tokens holds {low if low < 0 else high}, expected ids from 0 to {vocab - 1}"
        )
    tokens = tokens.long()
    probs = draft.double().softmax(-1) if logits else draft
    check_possible(probs, k, sampling)
    if not bool((probs.gather(-1, tokens) > 0).all()):
        raise ArgumentError(
            f"draft_tokens holds a token that {'draft_logits' if logits else 'draft_probs'} gives probability 0: "
            "these drafts were not drawn from it (pass the distribution after temperature and truncation)"
        )
    if sampling != "iid":
        ordered = tokens.sort(-1).values
        if bool((ordered[..., 1:] == ordered[..., :-1]).any()):
            raise ArgumentError(
                f"draft_tokens repeats a token in a row, but sampling {sampling!r} repeats none"
            )
    if sampling == "greedy" and not _are_most_probable(probs, tokens[..., :-1], logits):
        raise ArgumentError(
            "draft_tokens: with sampling 'greedy' all but the last draft must be the most probable tokens in "
            "falling order, of equal ones the lower id first"
        )
    if sampling == "spechub" and logits:
        first, second = top_k(probs, 2, validate=False).values.unbind(-1)
        if bool(((second < first) & (second > first * (1 - ROUNDING))).any()):
            raise ArgumentError(
                "draft_logits: the two most probable tokens of a row are equal but for rounding, so that it is open "
                "which one sampling 'spechub' took for its hub; give probabilities, those of the draw, to verify"
            )
    if sampling == "spechub" and not bool((tokens == draft.argmax(-1, keepdim=True)).any(-1).all()):
        raise ArgumentError("draft_tokens: with sampling 'spechub' one draft must be the most probable token")


def _are_most_probable(probs: Tensor, tokens: Int64[Tensor, "*batch first"], logits: bool) -> bool:
    """Whether these are the first tokens in falling order.

    Drafts of logits were drawn from a softmax that was rounded in its own way, and may have ordered nearly
    equal ones otherwise. The rule is lossless for any first tokens, as long as it is told which.
    """
    best = top_k(probs, tokens.shape[-1] + 1, validate=False)
    if not logits:
        return bool((tokens == best.indices[..., :-1]).all())
    expected = best.values[..., :-1]
    return bool((probs.gather(-1, tokens) >= expected * (1 - ROUNDING)).all())


def uniforms_for(
    tokens: Int64[Tensor, "*batch drafts"],
    generator: torch.Generator | None,
    noise: Tensor | None,
    *,
    validate: bool,
) -> Float64[Tensor, "*batch drafts_plus_2"]:
    """The noise, checked or drawn: a number for each test, two for the residual."""
    check_generator(generator, tokens.device)
    shape = (*tokens.shape[:-1], tokens.shape[-1] + 2)
    if noise is None:
        return open_uniform(shape, generator=generator, device=tokens.device)
    check_noise("noise", noise, shape, device=tokens.device, generator=generator, validate=validate)
    return noise
