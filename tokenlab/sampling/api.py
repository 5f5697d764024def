"""The public functions: arguments are checked, then the reference answers.

All truncation rules stand in one table, :data:`RULES`, with their parameter, its range
and the paper; everything else that knows the family's members reads them there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from numbers import Real

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tokenlab.errors import (
    ArgumentError,
    ShapeError,
    check_choice,
    check_int,
    check_logits,
    check_probs,
    check_real,
    check_tensor,
)
from tokenlab.sampling import reference


@dataclass(frozen=True)
class Rule:
    """One truncation rule: what its parameter is called, where it may lie, who proposed it.

    ``mask`` takes probabilities and the parameter and answers which tokens are kept.
    """

    mask: Callable[[Tensor, float], Tensor]
    parameter: str
    paper: str
    include_zero: bool = False
    include_one: bool = True
    whole: bool = False

    def check(self, value: float, vocab_size: int) -> float:
        """Refuse a parameter outside the rule's range."""
        if self.whole:
            return check_int(self.parameter, value, low=1, high=vocab_size)
        return check_real(
            self.parameter, value, low=0, high=1, include_low=self.include_zero, include_high=self.include_one
        )


#: The family of truncation rules, by name.
RULES: dict[str, Rule] = {
    "top_k": Rule(reference.top_k_mask, "k", "Fan et al. 2018, arXiv 1805.04833", whole=True),
    "top_p": Rule(reference.top_p_mask, "p", "Holtzman et al. 2020, arXiv 1904.09751"),
    "min_p": Rule(reference.min_p_mask, "min_p", "Nguyen et al. 2024, arXiv 2407.01082", include_zero=True),
    "typical": Rule(
        reference.typical_mask, "mass", "Meister et al. 2023, arXiv 2202.00666", include_one=False
    ),
    "epsilon": Rule(
        reference.epsilon_mask, "epsilon", "Hewitt et al. 2022, arXiv 2210.15191", include_one=False
    ),
    "eta": Rule(reference.eta_mask, "epsilon", "Hewitt et al. 2022, arXiv 2210.15191", include_one=False),
    "top_h": Rule(
        reference.top_h_mask, "alpha", "Baghaei Potraghloo et al. 2025, arXiv 2509.02510, as stated"
    ),
    "top_h_released": Rule(
        partial(reference.top_h_mask, variant="released"),
        "alpha",
        "Baghaei Potraghloo et al. 2025, arXiv 2509.02510, as released",
    ),
}


def softmax(
    logits: Float[Tensor, "*batch vocab"], temperature: float = 1.0, *, validate: bool = True
) -> Float[Tensor, "*batch vocab"]:
    r"""Probabilities of logits at a temperature: :math:`p_v \propto e^{z_v / T}`.

    Parameters
    ----------
    logits : Float[Tensor, "*batch vocab"]
        bfloat16, float16, float32 or float64; -inf for a token that cannot be drawn.
    temperature : float
        Positive, no unit. Below one sharpens, above one flattens.
    validate : bool
        Also check the values.

    Returns
    -------
    Float[Tensor, "*batch vocab"]
        float64 for float64 logits, else float32.

    Raises
    ------
    ArgumentError
        If the temperature is not positive and finite, or a logit is NaN or +inf.
    EmptySupportError
        If a row is -inf everywhere.

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
    """Which tokens a truncation rule keeps.

    Parameters
    ----------
    probs : Float[Tensor, "*batch vocab"]
        Probabilities of the next token, after temperature.
    rule : str
        A name in :data:`RULES`; the formulas stand in :mod:`tokenlab.sampling.reference`.
    value : float
        The rule's parameter: tokens for ``top_k``, else a number between zero and one.
    validate : bool
        Also check that rows are probabilities.

    Returns
    -------
    Bool[Tensor, "*batch vocab"]
        True for kept tokens, at least one in each row.

    Raises
    ------
    ArgumentError
        If the rule is unknown or its parameter out of range (``k`` above the vocabulary too).
    ProbabilityError
        If a row is not a probability distribution.

    Examples
    --------
    >>> probs = torch.tensor([0.5, 0.25, 0.15, 0.1], dtype=torch.float64)
    >>> {rule: int(truncation_mask(probs, rule, 0.6).sum()) for rule in ("top_p", "min_p", "typical")}
    {'top_p': 2, 'min_p': 1, 'typical': 2}

    Reference: each rule's paper, in ``RULES[rule].paper``.
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

        q_v = \frac{p_v \, [v \in S(p)]}{\sum_{u \in S(p)} p_u}, \qquad p = \mathrm{softmax}(z / T)

    The temperature comes first, as in transformers: it changes what the rule keeps.

    Parameters
    ----------
    logits : Float[Tensor, "*batch vocab"]
        The model's logits for the next token.
    temperature : float
        Positive, no unit.
    rule, value : str and float, optional
        A rule of :data:`RULES` and its parameter; none of both draws from all tokens.
    validate : bool
        Also check the values of the logits.

    Returns
    -------
    Float[Tensor, "*batch vocab"]
        float64 for float64 logits, else float32; zero for dropped tokens.

    Raises
    ------
    ArgumentError
        If an argument is out of range, or only one of ``rule`` and ``value`` is given.

    Examples
    --------
    >>> logits = torch.tensor([0.5, 0.25, 0.15, 0.1]).log()
    >>> truncated_probs(logits, rule="top_k", value=2)
    tensor([0.6667, 0.3333, 0.0000, 0.0000])

    Reference: Holtzman et al. 2020, arXiv 1904.09751, equation 3.
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
    """Distribution of the Gumbel-max draw when no noise exceeds ``cap``; see the reference for the formula.

    Parameters
    ----------
    probs : Float[Tensor, "*batch vocab"]
        What should be drawn from.
    cap : float
        Largest Gumbel value, finite; 16.6355 for float32 uniforms.
    validate : bool
        Also check that rows are probabilities.

    Returns
    -------
    Float[Tensor, "*batch vocab"]
        What is drawn from, in float64.

    Raises
    ------
    ArgumentError
        If the cap is not finite.
    ProbabilityError
        If a row is not a probability distribution.

    Examples
    --------
    >>> capped_gumbel_distribution(torch.tensor([0.25, 0.75], dtype=torch.float64), cap=50.0)
    tensor([0.2500, 0.7500], dtype=torch.float64)

    Reference: Zheng et al. 2024, arXiv 2409.02908, categorical sampling with
    truncated Gumbel noise.
    """
    check_probs("probs", probs, validate=validate)
    return reference.capped_gumbel_distribution(probs, check_real("cap", cap, low=-torch.inf))


def truncate(
    probs: Float[Tensor, "*batch vocab"], mask: Bool[Tensor, "*batch vocab"], *, validate: bool = True
) -> Float[Tensor, "*batch vocab"]:
    """Probabilities with the dropped tokens at zero, divided by the mass that is left.

    Parameters
    ----------
    probs : Float[Tensor, "*batch vocab"]
        Probabilities of the next token.
    mask : Bool[Tensor, "*batch vocab"]
        True for kept tokens.
    validate : bool
        Also check values: probabilities, and some mass kept in each row.

    Raises
    ------
    DtypeError, ShapeError
        If the mask is not boolean or not shaped like the probabilities.
    ArgumentError
        If a row keeps no mass.

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


# --- checks that generate and the processors share -----------------------------------


def find_rule(rule: str) -> Rule:
    """The rule of this name."""
    return RULES[check_choice("rule", rule, tuple(RULES))]


def check_rule(rule: str | None, value: float | None, vocab_size: int | None = None) -> None:
    """Check that a rule comes with a parameter; its range too, where the vocabulary is known."""
    if (rule is None) != (value is None):
        given, missing = ("rule", "value") if value is None else ("value", "rule")
        raise ArgumentError(f"{given} is given without {missing}, expected both or none")
    if rule is not None and vocab_size is not None:
        find_rule(rule).check(value, vocab_size)


def check_temperature(temperature: float) -> float:
    """Check that a temperature is positive and finite."""
    if isinstance(temperature, Real) and temperature == 0:
        raise ArgumentError(
            "temperature is 0, expected a positive number; the limit is the most probable token: "
            "use logits.argmax(-1), or rule='greedy' in generate"
        )
    return check_real("temperature", temperature, low=0, include_low=False)
