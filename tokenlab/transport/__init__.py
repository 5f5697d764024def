"""Speculative decoding: from drafts to a token of the target's distribution.

>>> import torch
>>> from tokenlab.transport import acceptance_rate, optimal_acceptance_rate
>>> target, draft = torch.tensor([[0.5, 0.5], [0.25, 0.75]])
>>> acceptance_rate(target, draft, 2, "recursive"), optimal_acceptance_rate(target, draft, 2)
(tensor(0.8125, dtype=torch.float64), tensor(0.9375, dtype=torch.float64))
"""

from tokenlab.transport.conformance.check import check_verifier
from tokenlab.transport.conformance.mistakes import KNOWN_MISTAKES
from tokenlab.transport.conformance.report import CaseResult, ConformanceReport
from tokenlab.transport.decoding.generate import generate, multi_draft
from tokenlab.transport.decoding.structures import Branching, Chain, Drafts, DynamicTree, Sequences
from tokenlab.transport.node.drafts import draft_distribution, draw_drafts
from tokenlab.transport.node.plan import TransportPlan
from tokenlab.transport.node.rates import (
    Estimate,
    acceptance_rate,
    division_factor,
    estimate_acceptance_rate,
    hockey_stick_divergence,
    optimal_acceptance_rate,
    transport_plan,
)
from tokenlab.transport.node.verify import Verified, verify, verify_logits
from tokenlab.transport.rules import DEFINED, PAPERS, RULES, SAMPLINGS
from tokenlab.transport.trees.draft_tree import DraftTree
from tokenlab.transport.trees.verify import (
    TREE_RULES,
    AcceptedPath,
    VerifiedPath,
    accepted_paths,
    expected_accepted_length,
    verify_tree,
)

__all__ = [
    "DEFINED",
    "KNOWN_MISTAKES",
    "PAPERS",
    "RULES",
    "SAMPLINGS",
    "TREE_RULES",
    "AcceptedPath",
    "Branching",
    "CaseResult",
    "Chain",
    "ConformanceReport",
    "DraftTree",
    "Drafts",
    "DynamicTree",
    "Estimate",
    "MultiDraftOutput",
    "Sequences",
    "TransportPlan",
    "Verified",
    "VerifiedPath",
    "acceptance_rate",
    "accepted_paths",
    "check_verifier",
    "division_factor",
    "draft_distribution",
    "draw_drafts",
    "estimate_acceptance_rate",
    "expected_accepted_length",
    "generate",
    "hockey_stick_divergence",
    "multi_draft",
    "optimal_acceptance_rate",
    "transport_plan",
    "verify",
    "verify_logits",
    "verify_tree",
]


def __getattr__(name: str):
    """Import the output's class only when asked for: transformers is slow to load."""
    if name == "MultiDraftOutput":
        from tokenlab.transport.decoding.output import MultiDraftOutput

        return MultiDraftOutput
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
