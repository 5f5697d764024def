"""From logits to the tokens that may be drawn: the specification, in plain PyTorch.

Everything works over the last dimension. Masks are decided in float64, since they hang on sums and
on equality. Of equally probable tokens the lower id comes first. At least one token is kept, and
none of probability zero, except by :func:`top_k_mask`.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from tokenlab.errors import check_choice

#: How many of the most probable tokens the released Top-H code looks at.
RELEASED_TOP_H_TOKENS = 100


def softmax(logits: Float[Tensor, "*batch vocab"], temperature: float = 1.0) -> Float[Tensor, "*batch vocab"]:
    r"""Probabilities of logits :math:`z` at temperature :math:`T`: float64 for float64, else float32.

    .. math::

        p_v = \frac{e^{(z_v - m) / T}}{\sum_u e^{(z_u - m) / T}}, \qquad m = \max_u z_u

    With the maximum subtracted first, no exponential exceeds one, whatever the temperature:
    towards zero it leaves the largest logits, equal ones with equal shares.

    >>> softmax(torch.tensor([0.0, 0.0, -torch.inf]))
    tensor([0.5000, 0.5000, 0.0000])

    Reference: Ackley, Hinton and Sejnowski 1985.
    """
    logits = logits if logits.dtype == torch.float64 else logits.float()
    below = logits - logits.amax(-1, keepdim=True)
    # In float32 a temperature below 1e-45 is zero, and 0 / 0 would be NaN.
    weights = (below / temperature).masked_fill_(below == 0, 0.0).exp()
    return weights / weights.sum(-1, keepdim=True)


def entropy(probs: Float[Tensor, "*batch vocab"]) -> Float[Tensor, "*batch"]:
    r"""Entropy :math:`H(p) = -\sum_v p_v \log p_v` in nats, in float64; zeros contribute nothing.

    >>> entropy(torch.tensor([0.5, 0.25, 0.15, 0.1], dtype=torch.float64))
    tensor(1.2080, dtype=torch.float64)

    Reference: Shannon 1948, section 6.
    """
    return torch.special.entr(probs.double()).sum(-1)


def top_k_mask(probs: Float[Tensor, "*batch vocab"], k: int) -> Bool[Tensor, "*batch vocab"]:
    """Keep exactly ``k`` tokens, the most probable ones.

    >>> top_k_mask(torch.tensor([0.2, 0.3, 0.3, 0.2]), 3)
    tensor([ True,  True,  True, False])

    Reference: Fan et al. 2018, arXiv 1805.04833.
    """
    return _first(k, _descending(probs))


def top_p_mask(probs: Float[Tensor, "*batch vocab"], p: float) -> Bool[Tensor, "*batch vocab"]:
    r"""Keep the smallest set of most probable tokens whose mass reaches ``p`` (the nucleus).

    .. math::

        V^{(p)} &= \{v_1, \dots, v_n\}, \\
        n &= \min \{i : p_{v_1} + \dots + p_{v_i} \ge p\}

    with the tokens in descending order. The mass is a share of the row's own sum, which float32 may
    round. With ``p`` one, only tokens too small to change the sum are dropped.

    >>> top_p_mask(torch.tensor([0.5, 0.25, 0.15, 0.1], dtype=torch.float64), 0.8)
    tensor([ True,  True,  True, False])

    Reference: Holtzman et al. 2019, arXiv 1904.09751, equation 2.
    """
    order = _descending(probs)
    return _first(_reaching(p, _in_order(probs, order)), order)


def min_p_mask(probs: Float[Tensor, "*batch vocab"], min_p: float) -> Bool[Tensor, "*batch vocab"]:
    r"""Keep tokens with :math:`p_v \ge p_{\min} \max_u p_u`.

    >>> min_p_mask(torch.tensor([0.5, 0.25, 0.15, 0.1], dtype=torch.float64), 0.3)
    tensor([ True,  True,  True, False])

    Reference: Nguyen et al. 2024, arXiv 2407.01082.
    """
    probs = probs.double()
    return (probs >= min_p * probs.amax(-1, keepdim=True)) & (probs > 0)


def typical_mask(probs: Float[Tensor, "*batch vocab"], mass: float) -> Bool[Tensor, "*batch vocab"]:
    r"""Keep the tokens whose surprise is closest to the expected one, up to a total mass :math:`\tau`.

    .. math::

        n = \min \{i : p_{v_1} + \dots + p_{v_i} \ge \tau\}

    with the tokens in ascending order of :math:`|-\log p_v - H(p)|`. The most probable token may be
    dropped.

    >>> typical_mask(torch.tensor([0.5, 0.25, 0.15, 0.1], dtype=torch.float64), 0.2)
    tensor([False,  True, False, False])

    Reference: Meister et al. 2022, arXiv 2202.00666.
    """
    surprise = -probs.double().log()
    order = (surprise - entropy(probs)[..., None]).abs().sort(stable=True).indices
    return _first(_reaching(mass, _in_order(probs, order)), order)


def epsilon_mask(probs: Float[Tensor, "*batch vocab"], epsilon: float) -> Bool[Tensor, "*batch vocab"]:
    r"""Keep tokens with :math:`p_v \ge \epsilon`, and always the most probable one.

    >>> epsilon_mask(torch.tensor([0.5, 0.25, 0.15, 0.1], dtype=torch.float64), 0.2)
    tensor([ True,  True, False, False])

    Reference: Hewitt et al. 2022, arXiv 2210.15191, epsilon-sampling.
    """
    return (probs.double() >= epsilon) | top_k_mask(probs, 1)


def eta_mask(probs: Float[Tensor, "*batch vocab"], epsilon: float) -> Bool[Tensor, "*batch vocab"]:
    r"""Keep tokens with :math:`p_v \ge \eta`, a threshold that falls as the entropy rises, and the most probable one.

    .. math::

        \eta = \min\bigl(\epsilon,\ \sqrt{\epsilon}\, e^{-H(p)}\bigr)

    >>> eta_mask(torch.tensor([0.5, 0.25, 0.15, 0.1], dtype=torch.float64), 0.3)
    tensor([ True,  True, False, False])

    Reference: Hewitt et al. 2022, arXiv 2210.15191, eta-sampling (the paper has >, its code >=).
    """
    eta = (epsilon**0.5 * torch.exp(-entropy(probs))).clamp(max=epsilon)
    # max p >= exp(-H) > eta holds for what sums to one; rounded probabilities need not.
    return (probs.double() >= eta[..., None]) | top_k_mask(probs, 1)


def top_h_mask(
    probs: Float[Tensor, "*batch vocab"], alpha: float, variant: str = "stated"
) -> Bool[Tensor, "*batch vocab"]:
    r"""Keep most probable tokens while an entropy stays below a share ``alpha`` of the row's.

    The paper (``"stated"``) bounds the entropy of what will be drawn from, :math:`q_S = p / \Gamma_S`
    for kept tokens :math:`S` of mass :math:`\Gamma_S`:

    .. math::

        H(q_S) &= -\frac{1}{\Gamma_S} \sum_{v \in S} p_v \log p_v + \log \Gamma_S \\
        &\le \alpha H(p)

    Its code, and transformers' (``"released"``), bound a part of the entropy of :math:`\tilde p`, the
    100 most probable tokens renormalised:

    .. math::

        -\sum_{v \in S} \tilde p_v \log \tilde p_v \le \alpha H(\tilde p)

    Both keep the most probable token, even where it breaks the bound.

    >>> probs = torch.tensor([0.5, 0.25, 0.15, 0.1], dtype=torch.float64)
    >>> int(top_h_mask(probs, 0.55).sum()), int(top_h_mask(probs, 0.55, "released").sum())
    (2, 1)

    Reference: Baghaei Potraghloo et al. 2025, arXiv 2509.02510; ``transformers.TopHLogitsWarper``.
    """
    check_choice("variant", variant, ("stated", "released"))
    order = _descending(probs)
    ranked = _in_order(probs, order)
    if variant == "released":
        ranked = ranked[..., :RELEASED_TOP_H_TOKENS]
        ranked = ranked / ranked.sum(-1, keepdim=True)
        bounded = torch.special.entr(ranked).cumsum(-1)
    else:
        mass = ranked.cumsum(-1)
        bounded = torch.special.entr(ranked).cumsum(-1) / mass + mass.log()
    # The last entry is the entropy of the whole row. Both sequences ascend, up to
    # rounding; a greedy search stops at the first entry above the bound.
    above = (bounded > alpha * bounded[..., -1:]) | (ranked == 0)
    within = (above.cumsum(-1) == 0).sum(-1, keepdim=True)
    return _first(within.clamp(min=1), order)


def truncate(
    probs: Float[Tensor, "*batch vocab"], mask: Bool[Tensor, "*batch vocab"]
) -> Float[Tensor, "*batch vocab"]:
    """Set dropped tokens to zero and divide by the mass that is left."""
    kept = probs * mask
    return kept / kept.sum(-1, keepdim=True)


def capped_gumbel_distribution(
    probs: Float[Tensor, "*batch vocab"], cap: float
) -> Float[Tensor, "*batch vocab"]:
    r"""Distribution of :math:`\arg\max_v (\log p_v + G_v)` when no Gumbel :math:`G_v` can exceed ``cap``.

    With the probabilities ascending, :math:`\pi_1 \le \dots \le \pi_K`, their tails
    :math:`S_i = \sum_{j \ge i} \pi_j`, and :math:`m = e^{-\text{cap}}`,

    .. math::

        \pi'_n &= \pi_n \sum_{i=1}^{n} \frac{W_i - W_{i-1}}{S_i} \\
        W_i &= \exp\Bigl(-\frac{m}{\pi_i} \sum_{j \ge i} (\pi_j - \pi_i)\Bigr)

    with :math:`W_0 = 0`. This is the paper's, with its two exponents joined: for a low cap each is large, and
    their sum is not.

    Read as a race: token :math:`v` arrives at :math:`e^{-G_v} / p_v`, and the cap holds it back until
    :math:`x = m / p_v`. An improbable token keeps a share of about :math:`e^{-x}` of its mass.

    The noise is continuous. On the grid of float32 uniforms, multiples of :math:`2^{-24}`, the cap is
    :math:`-\log(-\log(1 - 2^{-24})) \approx 16.6355` and the share is larger, :math:`x / (e^x - 1)`.

    >>> probs = torch.tensor([0.02, 0.08, 0.2, 0.3, 0.4], dtype=torch.float64)
    >>> [round(prob, 4) for prob in capped_gumbel_distribution(probs, cap=2.302585).tolist()]
    [0.0002, 0.0358, 0.1833, 0.3206, 0.4602]

    Reference: Zheng et al. 2024, arXiv 2409.02908, categorical sampling with truncated Gumbel noise.
    """
    ascending, order = probs.double().sort(dim=-1)
    late = torch.exp(torch.tensor(-cap, dtype=torch.float64))
    tails = ascending.flip(-1).cumsum(-1).flip(-1)
    # What all runners from i on are above the slowest of them, from the steps between neighbours.
    runners = torch.arange(ascending.shape[-1] - 1, 0, -1, device=probs.device)
    steps = ascending.diff(dim=-1) * runners
    above = pad(steps.flip(-1).cumsum(-1).flip(-1), (0, 1))
    waiting = torch.where(above > 0, late * above / ascending, 0.0).neg().exp()
    waiting = torch.where(ascending > 0, waiting, 0.0)
    terms = waiting.diff(dim=-1, prepend=torch.zeros_like(waiting[..., :1])) / tails
    distribution = ascending * terms.cumsum(-1)
    return torch.empty_like(distribution).scatter_(-1, order, distribution)


def _descending(probs: Float[Tensor, "*batch vocab"]) -> Int[Tensor, "*batch vocab"]:
    """Token ids, most probable first, equal ones by id."""
    return probs.sort(dim=-1, descending=True, stable=True).indices


def _in_order(probs: Tensor, order: Tensor) -> Tensor:
    return probs.double().gather(-1, order)


def _reaching(mass: float, ranked: Float[Tensor, "*batch vocab"]) -> Int[Tensor, "*batch 1"]:
    """How many leading tokens it takes to reach a share ``mass`` of the row's sum."""
    cumulative = ranked.cumsum(-1)
    return (cumulative < mass * cumulative[..., -1:]).sum(-1, keepdim=True) + 1


def _first(count: int | Tensor, order: Int[Tensor, "*batch vocab"]) -> Bool[Tensor, "*batch vocab"]:
    """Mask of the first ``count`` tokens of an order."""
    ranks = torch.arange(order.shape[-1], device=order.device).expand_as(order)
    return torch.zeros_like(order, dtype=torch.bool).scatter_(-1, order, ranks < count)
