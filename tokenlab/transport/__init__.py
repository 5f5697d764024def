"""Optimal-transport acceptance: from drafts to a token of the target's law.

>>> import torch
>>> from tokenlab.transport import acceptance_rate, optimal_acceptance_rate
>>> target = torch.tensor([0.5, 0.5], dtype=torch.float64)
>>> draft = torch.tensor([0.25, 0.75], dtype=torch.float64)
>>> acceptance_rate(target, draft, 2, "recursive"), optimal_acceptance_rate(target, draft, 2)
(tensor(0.8125, dtype=torch.float64), tensor(0.9375, dtype=torch.float64))
"""

from tokenlab.transport.api import (
    Estimate,
    Verified,
    acceptance_rate,
    division_factor,
    estimate_acceptance_rate,
    hockey_stick_divergence,
    optimal_acceptance_rate,
    transport_plan,
    verify,
    verify_logits,
)
from tokenlab.transport.conformance import CaseResult, ConformanceReport, check_verifier
from tokenlab.transport.conformance_mistakes import KNOWN_MISTAKES
from tokenlab.transport.drafts import draft_law, draw_drafts
from tokenlab.transport.plan import TransportPlan
from tokenlab.transport.rules import DEFINED, PAPERS, RULES, SAMPLINGS

__all__ = [
    "DEFINED", "KNOWN_MISTAKES", "PAPERS", "RULES", "SAMPLINGS", "CaseResult",
    "ConformanceReport", "Estimate", "TransportPlan", "Verified", "acceptance_rate",
    "check_verifier", "division_factor", "draft_law", "draw_drafts",
    "estimate_acceptance_rate", "hockey_stick_divergence", "optimal_acceptance_rate",
    "transport_plan", "verify", "verify_logits",
]  # fmt: skip
