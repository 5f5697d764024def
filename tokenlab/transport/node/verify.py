"""From drafts at one node to a token of the target's distribution."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from tokenlab.backend import Backend
from tokenlab.errors import INTEGER_DTYPES, check_logits, check_tensor
from tokenlab.ops import sample_categorical
from tokenlab.transport.node.backend import kernels_for
from tokenlab.transport.node.checks import check_alike, check_draft_tokens, check_pair, uniforms_for
from tokenlab.transport.node.reference import decide
from tokenlab.transport.node.verdict import Verdict

#: Tokens in a block of the residual draw.
BLOCK_SIZE = 1024


class Verified(NamedTuple):
    """What came out at each node: ``token``, distributed as the target, and which draft it is.

    ``accepted_index`` is the draft whose test was passed, else the first equal to the token, else -1.
    """

    token: Int64[Tensor, "*batch"]
    accepted_index: Int64[Tensor, "*batch"]


def verify(
    target_probs: Float[Tensor, "*batch vocab"],
    draft_probs: Float[Tensor, "*batch vocab"],
    draft_tokens: Int64[Tensor, "*batch drafts"],
    rule: str,
    sampling: str | None = None,
    *,
    generator: torch.Generator | None = None,
    noise: Float64[Tensor, "*batch drafts_plus_2"] | None = None,
    backend: Backend = "auto",
    validate: bool = True,
) -> Verified:
    """Turn drafts into a token of the target's distribution, at one node or many.

    Draft i is accepted if :math:`u_i < a_i`, with the rule's probabilities a; if none is, a token is drawn
    from the rule's residual with the last two numbers of the noise.

    Parameters
    ----------
    target_probs, draft_probs
        Distributions of both models, after temperature and truncation. Drafts come from this ``draft_probs``.
    draft_tokens
        In sampling order. Repeats of i.i.d. drafts are kept.
    rule, sampling
        A pair in ``DEFINED``; without ``sampling`` the rule's own.
    noise
        Uniforms in (0, 1), instead of ``generator``. Equal noise gives equal tokens, from every backend.
    backend
        There is no kernel for the rules ``"spechub"`` and ``"optimal"``, for float64, more than 16
        drafts or 1,048,576 tokens, nor where a gradient is asked for.

    Raises
    ------
    ArgumentError, ProbabilityError, ShapeError, DtypeError, BackendError
        If rule and sampling do not go together, ``sampling`` cannot have drawn these drafts, a tensor is
        not what it should be, or the backend cannot run.

    Examples
    --------
    >>> target, draft = torch.tensor([[0.75, 0.25], [0.25, 0.75]])
    >>> verify(target, draft, torch.tensor([0, 1]), "recursive")  # p/q is 3 at token 0: accepted
    Verified(token=tensor(0), accepted_index=tensor(0))

    Reference: the papers in ``PAPERS``.
    """
    check_pair(target_probs, draft_probs, validate=validate)
    sampling = check_draft_tokens(draft_tokens, draft_probs, rule, sampling, validate=validate)
    noise = uniforms_for(draft_tokens, generator, noise, validate=validate)
    kernels = kernels_for("verify", backend, target_probs, draft_probs, rule, draft_tokens)
    if kernels is not None:
        return Verified(
            *kernels.verify(target_probs, draft_probs, draft_tokens, noise, rule, sampling, logits=False)
        )
    tokens = draft_tokens.long()
    verdict = decide(target_probs.double(), draft_probs.double(), tokens, rule, sampling)
    return _follow(verdict, tokens, noise)


def verify_logits(
    target_logits: Float[Tensor, "*batch vocab"],
    draft_logits: Float[Tensor, "*batch vocab"],
    draft_tokens: Int64[Tensor, "*batch drafts"],
    rule: str,
    sampling: str | None = None,
    *,
    generator: torch.Generator | None = None,
    noise: Float64[Tensor, "*batch drafts_plus_2"] | None = None,
    backend: Backend = "auto",
    validate: bool = True,
) -> Verified:
    """:func:`verify` from logits: the kernels read them as they are and write no probabilities.

    Logits are those after temperature and truncation, -inf for tokens that cannot be drawn. Greedy drafts
    may stand in the order of a softmax in float32, which takes nearly equal logits for equal ones. Other
    arguments and errors are those of :func:`verify`.

    Examples
    --------
    >>> logits = torch.tensor([[0.0, 1.0, 2.0]])
    >>> verify_logits(logits, logits, torch.tensor([[2]]), "recursive")  # equal distributions: accepted
    Verified(token=tensor([2]), accepted_index=tensor([0]))
    """
    check_logits("target_logits", target_logits, validate=validate)
    check_logits("draft_logits", draft_logits, validate=validate)
    check_alike("target_logits", target_logits, "draft_logits", draft_logits)
    check_tensor("draft_tokens", draft_tokens, dtypes=INTEGER_DTYPES)
    kernels = kernels_for("verify_logits", backend, target_logits, draft_logits, rule, draft_tokens)
    sampling = check_draft_tokens(draft_tokens, draft_logits, rule, sampling, logits=True, validate=validate)
    noise = uniforms_for(draft_tokens, generator, noise, validate=validate)
    if kernels is None:
        target, draft = (logits.double().softmax(-1) for logits in (target_logits, draft_logits))
        tokens = draft_tokens.long()
        return _follow(decide(target, draft, tokens, rule, sampling), tokens, noise)
    return Verified(
        *kernels.verify(target_logits, draft_logits, draft_tokens, noise, rule, sampling, logits=True)
    )


def _follow(
    verdict: Verdict, tokens: Int64[Tensor, "*batch drafts"], noise: Float64[Tensor, "*batch drafts_plus_2"]
) -> Verified:
    """Run the tests, and draw from the residual where all fail."""
    k = tokens.shape[-1]
    passed = noise[..., :k] < verdict.accept
    index = torch.where(passed.any(-1), passed.int().argmax(-1), -1)
    drawn = sample_categorical(
        verdict.residual.log(),
        noise=noise[..., k:],
        block_size=BLOCK_SIZE,
        backend="reference",
        validate=False,
    )
    chosen = tokens.gather(-1, index.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    token = torch.where(index >= 0, chosen, drawn)
    equal = tokens == token.unsqueeze(-1)
    found = torch.where(equal.any(-1), equal.int().argmax(-1), -1)
    return Verified(token, torch.where(index >= 0, index, found))
