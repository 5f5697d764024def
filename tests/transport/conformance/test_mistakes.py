"""Known mistakes are distributions, and each is biased somewhere."""

from __future__ import annotations

import pytest
import torch

from tokenlab.transport.conformance.cases import chain_cases, node_cases
from tokenlab.transport.conformance.mistakes import (
    KNOWN_MISTAKES,
    chain_variants,
    node_families,
    node_variants,
)


@pytest.mark.parametrize("sampling", ["iid", "without_replacement", "greedy", "spechub", "top_k"])
def test_known_mistakes_are_distributions(sampling):
    counts = (2,) if sampling == "spechub" else (1, 2, 3)
    for case in node_cases((4,), counts, sampling, None, few=True):
        drafts, mass = case.drafts()
        assert mass.sum().item() == pytest.approx(1, abs=1e-12)
        for _, variant in node_variants(sampling):
            rows = variant(*case.rows(drafts), drafts)
            assert rows.shape == (len(drafts), 4)
            assert rows.min() > -1e-12 and torch.allclose(rows.sum(-1), torch.ones(()).double())
        for name, families, _ in node_families(sampling):
            assert name in KNOWN_MISTAKES
            for family in families(*case.rows(drafts), drafts):
                rows = family(torch.tensor([0.3, 0.9, 1.0]).double())
                assert rows.min() > -1e-12 and torch.allclose(rows.sum(-1), torch.ones(()).double())
    assert {name for name, _ in node_variants(sampling)} <= set(KNOWN_MISTAKES)


def test_known_mistakes_on_chains_are_distributions_and_each_is_biased_somewhere():
    worst: dict[str, float] = {}
    for case in chain_cases((2, 3), (1, 2, 3), few=False):
        drafts, mass = case.drafts()
        for name, variant in chain_variants():
            table = variant(*case.rows(drafts), drafts)
            assert table.min() > -1e-12 and torch.allclose(table.sum((1, 2)), torch.ones(()).double())
            bias = (
                case.output_distribution(drafts, mass, table) - case.target_distribution()
            ).abs().sum().item() / 2
            worst[name] = max(worst.get(name, 0.0), bias)
    assert set(worst) <= set(KNOWN_MISTAKES) and min(worst.values()) > 1e-3
