"""The truncation rules by name, with parameter, range and paper; and the checks of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from numbers import Real

from torch import Tensor

from tokenlab.errors import ArgumentError, check_choice, check_int, check_real
from tokenlab.sampling import reference


@dataclass(frozen=True)
class Rule:
    """One truncation rule: its mask from probabilities and a parameter, the parameter's range, the paper."""

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
    "top_p": Rule(reference.top_p_mask, "p", "Holtzman et al. 2019, arXiv 1904.09751"),
    "min_p": Rule(reference.min_p_mask, "min_p", "Nguyen et al. 2024, arXiv 2407.01082", include_zero=True),
    "typical": Rule(
        reference.typical_mask, "mass", "Meister et al. 2022, arXiv 2202.00666", include_one=False
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


def find_rule(rule: str) -> Rule:
    """The rule of this name."""
    return RULES[check_choice("rule", rule, tuple(RULES))]


def check_rule(rule: str | None, value: float | None, vocab_size: int | None = None) -> None:
    """Check that rule and parameter come together; the range too, where the vocabulary is known."""
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
