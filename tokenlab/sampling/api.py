"""The public functions: arguments are checked, then the reference answers."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tokenlab.errors import ArgumentError, ShapeError, check_logits, check_probs, check_real, check_tensor
from tokenlab.sampling import reference
from tokenlab.sampling.rules import check_rule, check_temperature, find_rule


def softmax(
    logits: Float[Tensor, "*batch vocab"], temperature: float = 1.0, *, validate: bool = True
) -> Float[Tensor, "*batch vocab"]:
    r"""Probabilities of logits at a temperature: :math:`p_v \propto e^{z_v / T}`.

    Float64 for float64 logits, else float32. A token of logit -inf cannot be drawn. A temperature
    below one sharpens, above one flattens.

    Raises
    ------
    ArgumentError, EmptySupportError
        If the temperature is not positive and finite, a logit is NaN or +inf, or a row is -inf everywhere.

    Examples
    --------
    >>> softmax(torch.tensor([0.5, 0.25, 0.25]).log(), temperature=0.5)
    tensor([0.6667, 0.1667, 0.1667])

    Reference: Ackley, Hinton and Sejnowski 1985.
    """
    check_logits("logits", logits, validate=validate)
    return reference.softmax(logits, check_temperature(temperature))


def truncation_mask(
    probs: Float[Tensor, "*batch vocab"], rule: str, value: float, *, validate: bool = True
) -> Bool[Tensor, "*batch vocab"]:
    """Which tokens a truncation rule keeps of ``probs``, after temperature: at least one in each row.

    The rules of ``RULES`` have their formulas in :mod:`tokenlab.sampling.reference`. ``value`` is the
    rule's parameter: a number of tokens for ``top_k``, else a number between zero and one.

    Raises
    ------
    ArgumentError, ProbabilityError
        If the rule is unknown, its parameter is out of range, or a row is not a distribution.

    Examples
    --------
    >>> probs = torch.tensor([0.5, 0.25, 0.15, 0.1], dtype=torch.float64)
    >>> {rule: int(truncation_mask(probs, rule, 0.6).sum()) for rule in ("top_p", "min_p", "typical")}
    {'top_p': 2, 'min_p': 1, 'typical': 2}

    Reference: ``RULES[rule].paper``.
    """
    check_probs("probs", probs, validate=validate)
    chosen = find_rule(rule)
    return chosen.mask(probs, chosen.check(value, probs.shape[-1]))


def truncated_probs(
    logits: Float[Tensor, "*batch vocab"],
    *,
    temperature: float = 1.0,
    rule: str | None = None,
    value: float | None = None,
    validate: bool = True,
) -> Float[Tensor, "*batch vocab"]:
    r"""What is drawn from: softmax at a temperature, truncated by a rule, renormalised.

    .. math::

        q_v = \frac{p_v \, [v \in S(p)]}{\sum_{u \in S(p)} p_u}

    where :math:`p = \mathrm{softmax}(z / T)`. The temperature comes first, as in transformers: it changes
    what the rule keeps. Arguments are those of :func:`softmax` and :func:`truncation_mask`; without a rule
    every token is kept.

    Raises
    ------
    ArgumentError, EmptySupportError
        As there, and if only one of ``rule`` and ``value`` is given.

    Examples
    --------
    >>> logits = torch.tensor([0.5, 0.25, 0.15, 0.1]).log()
    >>> truncated_probs(logits, rule="top_k", value=2)
    tensor([0.6667, 0.3333, 0.0000, 0.0000])

    Reference: Holtzman et al. 2019, arXiv 1904.09751, equation 3.
    """
    check_logits("logits", logits, validate=validate)
    check_rule(rule, value)
    probs = reference.softmax(logits, check_temperature(temperature))
    if rule is None:
        return probs
    return reference.truncate(probs, truncation_mask(probs, rule, value, validate=False))


def capped_gumbel_distribution(
    probs: Float[Tensor, "*batch vocab"], cap: float, *, validate: bool = True
) -> Float[Tensor, "*batch vocab"]:
    """Distribution of the Gumbel-max draw from ``probs`` when no noise exceeds ``cap``, in float64.

    The formula stands in :func:`tokenlab.sampling.reference.capped_gumbel_distribution`.

    Raises
    ------
    ArgumentError, ProbabilityError
        If the cap is not finite, or a row is not a distribution.

    Examples
    --------
    >>> capped_gumbel_distribution(torch.tensor([0.25, 0.75], dtype=torch.float64), cap=50.0)
    tensor([0.2500, 0.7500], dtype=torch.float64)

    Reference: Zheng et al. 2024, arXiv 2409.02908.
    """
    check_probs("probs", probs, validate=validate)
    return reference.capped_gumbel_distribution(probs, check_real("cap", cap, low=-torch.inf))


def truncate(
    probs: Float[Tensor, "*batch vocab"], mask: Bool[Tensor, "*batch vocab"], *, validate: bool = True
) -> Float[Tensor, "*batch vocab"]:
    """Probabilities with the dropped tokens at zero, divided by the mass that is left.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If the mask is not boolean, not shaped like the probabilities, or keeps no mass of a row.

    Examples
    --------
    >>> truncate(torch.tensor([0.5, 0.25, 0.25]), torch.tensor([True, False, True]))
    tensor([0.6667, 0.0000, 0.3333])
    """
    check_probs("probs", probs, validate=validate)
    check_tensor("mask", mask, dtypes=(torch.bool,))
    if mask.shape != probs.shape:
        raise ShapeError(f"mask has shape {tuple(mask.shape)}, expected {tuple(probs.shape)} as probs")
    if validate and not bool(((probs * mask).sum(-1) > 0).all()):
        raise ArgumentError("mask keeps no probability mass in some row, expected some in each")
    return reference.truncate(probs, mask)
