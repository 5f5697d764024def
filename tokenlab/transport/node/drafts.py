"""How the drafts of one node are drawn, and with which probability each tuple comes.

===================  =========================
sampling             drafts, in sampling order
===================  =========================
iid                  k independent draws; tokens may repeat
without_replacement  k draws, each without the tokens before it
greedy               the k - 1 most probable tokens, then one draw without them
spechub              two drafts, one of which is the most probable token, the hub
===================  =========================
"""

from __future__ import annotations

import math
from itertools import pairwise, permutations, product
from typing import NamedTuple

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from tokenlab.errors import ArgumentError, check_generator, check_noise, check_probs
from tokenlab.ops import exponential, open_uniform, sample_categorical, top_k
from tokenlab.transport.node.verdict import normalised
from tokenlab.transport.rules import check_drafts

#: How many tuples of drafts are listed at most.
MAX_TUPLES = 10_000


def draw_drafts(
    draft_probs: Float64[Tensor, "*batch vocab"],
    num_drafts: int,
    sampling: str = "iid",
    *,
    generator: torch.Generator | None = None,
    noise: Float64[Tensor, "*batch noise"] | None = None,
    validate: bool = True,
) -> Int64[Tensor, "*batch drafts"]:
    """Draw the drafts of one node, in sampling order.

    ``"without_replacement"`` is a race, the Gumbel-top-k draw: token x arrives at time :math:`E_x / q(x)`
    with independent exponential :math:`E_x`, and the first k are the drafts.

    Parameters
    ----------
    draft_probs
        The draft model's distribution, after temperature and truncation.
    noise
        Uniforms in (0, 1), instead of ``generator``: k for ``"iid"``, one for each token for
        ``"without_replacement"``, one for ``"greedy"``, two for ``"spechub"``.

    Raises
    ------
    ArgumentError, ProbabilityError
        If ``sampling`` is not in ``SAMPLINGS``, a row is not a distribution, or it has fewer tokens of
        positive probability than drafts that may not repeat.

    Examples
    --------
    >>> draw_drafts(torch.tensor([0.1, 0.6, 0.3]), 2, "greedy", generator=torch.Generator().manual_seed(0))
    tensor([1, 2])

    Reference: Jeon et al. 2024, arXiv 2402.14160 (the race); ``PAPERS`` (greedy, spechub).
    """
    check_probs("draft_probs", draft_probs, validate=validate)
    vocab = draft_probs.shape[-1]
    check_drafts(sampling, num_drafts, vocab)
    check_generator(generator, draft_probs.device)
    check_possible(draft_probs, num_drafts, sampling, validate=validate)
    size = {"iid": num_drafts, "without_replacement": vocab, "greedy": 1, "spechub": 2}[sampling]
    shape = (*draft_probs.shape[:-1], size)
    if noise is None:
        noise = open_uniform(shape, generator=generator, device=draft_probs.device)
    else:
        device = draft_probs.device
        check_noise("noise", noise, shape, device=device, generator=generator, validate=validate)

    probs = draft_probs.double()
    if sampling == "iid":
        rows = probs.unsqueeze(-2).expand(*probs.shape[:-1], num_drafts, vocab)
        return _draw(rows, noise)
    if sampling == "without_replacement":
        # In logarithms, since E / q is infinite for subnormal q too. Those are scaled first: vectorised
        # logarithms may take a subnormal number for 0.
        rates = (probs * 2.0**64).log() - 64 * math.log(2.0)
        arrival = exponential(noise, validate=False).log() - rates
        return top_k(-arrival, num_drafts, validate=False).indices
    if sampling == "greedy":
        first = top_k(probs, num_drafts, validate=False).indices[..., : num_drafts - 1]
        last = _draw(last_draft_probs(probs, first), noise[..., 0])
        return torch.cat([first, last.unsqueeze(-1)], -1)
    hub = probs.argmax(-1, keepdim=True)
    other = _draw(last_draft_probs(probs, hub), noise[..., 0]).unsqueeze(-1)
    # (a, i) and (i, a) stand to each other as q(a) to 1 - q(a), whatever i is.
    hub_first = noise[..., 1:] < probs.gather(-1, hub)
    return torch.where(hub_first, torch.cat([hub, other], -1), torch.cat([other, hub], -1))


def check_possible(
    draft_probs: Float64[Tensor, "*batch vocab"], num_drafts: int, sampling: str, *, validate: bool = True
) -> None:
    """Check that rows have enough possible tokens for drafts without repeats."""
    if sampling == "iid" or not validate or draft_probs.numel() == 0:
        return
    fewest = int((draft_probs > 0).sum(-1).min())
    if fewest < num_drafts:
        raise ArgumentError(
            f"num_drafts is {num_drafts} with sampling {sampling!r}, which repeats no token, "
            f"but a row of draft_probs has only {fewest} of positive probability"
        )


def last_draft_probs(
    draft: Float64[Tensor, "*batch vocab"], first: Int64[Tensor, "*batch taken"]
) -> Float64[Tensor, "*batch vocab"]:
    """The draft distribution without the tokens ``first``, normalised."""
    left = draft.scatter(-1, first, 0.0)
    return normalised(left, left)


class SecondDraft(NamedTuple):
    """What a second draft without replacement hangs on.

    ``after`` is its distribution after the most probable token, the ``favourite``; after another token x it
    is q times ``scale``, 1 / (1 - q(x)). The favourite's own, which may be infinite, stands as 0.
    """

    favourite: Int64[Tensor, "*batch 1"]
    after: Float64[Tensor, "*batch vocab"]
    scale: Float64[Tensor, "*batch vocab"]


def second_draft(draft: Float64[Tensor, "*batch vocab"]) -> SecondDraft:
    favourite = draft.argmax(-1, keepdim=True)
    scale = (1 / (1 - draft.scatter(-1, favourite, 0.0))).scatter(-1, favourite, 0.0)
    return SecondDraft(favourite, last_draft_probs(draft, favourite), scale)


def draft_distribution(
    draft_probs: Float64[Tensor, "*batch vocab"], num_drafts: int, sampling: str = "iid"
) -> tuple[Int64[Tensor, "tuples drafts"], Float64[Tensor, "*batch tuples"]]:
    """All tuples of drafts (the same for all rows) and the probability of each, zero where it cannot come.

    Arguments as in :func:`draw_drafts`.
    ArgumentError: if there are more than 10,000 tuples, or the drafts cannot be drawn.

    Examples
    --------
    >>> tuples, probs = draft_distribution(torch.tensor([0.25, 0.75]), 2)
    >>> tuples.tolist(), probs.tolist()
    ([[0, 0], [0, 1], [1, 0], [1, 1]], [0.0625, 0.1875, 0.1875, 0.5625])
    """
    check_probs("draft_probs", draft_probs)
    check_drafts(sampling, num_drafts, draft_probs.shape[-1])
    check_possible(draft_probs, num_drafts, sampling)
    return list_drafts(draft_probs.double(), num_drafts, sampling)


def list_drafts(
    draft: Float64[Tensor, "*batch vocab"], num_drafts: int, sampling: str
) -> tuple[Int64[Tensor, "tuples drafts"], Float64[Tensor, "*batch tuples"]]:
    """:func:`draft_distribution`, unchecked."""
    vocab = draft.shape[-1]
    if vocab**num_drafts > MAX_TUPLES:
        raise ArgumentError(
            f"num_drafts is {num_drafts} for {vocab} tokens: {vocab**num_drafts} tuples of drafts, "
            f"expected at most {MAX_TUPLES}"
        )
    tokens = range(vocab)
    rows = product(tokens, repeat=num_drafts) if sampling == "iid" else permutations(tokens, num_drafts)
    tuples = torch.tensor(list(rows), device=draft.device).view(-1, num_drafts)
    return tuples, tuple_probs(draft, tuples, sampling)


def tuple_probs(
    draft: Float64[Tensor, "*batch vocab"], tuples: Int64[Tensor, "tuples drafts"], sampling: str
) -> Float64[Tensor, "*batch tuples"]:
    """Probability of each of these tuples of drafts."""
    chosen = draft[..., tuples]
    if sampling == "iid":
        return chosen.prod(-1)
    k = tuples.shape[-1]
    if sampling == "without_replacement":
        # Not with 1 minus what was drawn: after a draft of 0.999999999 few digits are left.
        left = draft.unsqueeze(-2).expand(*chosen.shape[:-1], draft.shape[-1])
        probability = chosen[..., 0]
        for drawn, token in pairwise(tuples.expand(chosen.shape).split(1, -1)):
            left = last_draft_probs(left, drawn)
            probability = probability * left.gather(-1, token).squeeze(-1)
        return probability
    if sampling == "greedy":
        first = top_k(draft, k, validate=False).indices[..., : k - 1]
        last = last_draft_probs(draft, first)[..., tuples[:, -1]]
        is_first = (tuples[:, :-1] == first.unsqueeze(-2)).all(-1)
        return torch.where(is_first, last, 0.0)
    hub = draft.argmax(-1, keepdim=True)
    mass = draft.gather(-1, hub)
    second_is_hub, first_is_hub = tuples[:, 1] == hub, tuples[:, 0] == hub
    after = mass * last_draft_probs(draft, hub)[..., tuples[:, 1]]
    return torch.where(second_is_hub, chosen[..., 0], torch.where(first_is_hub, after, 0.0))


def _draw(probs: Float64[Tensor, "*batch vocab"], uniform: Float64[Tensor, "*batch"]) -> Tensor:
    return sample_categorical(
        probs.log(), method="inverse_cdf", noise=uniform, backend="reference", validate=False
    )
