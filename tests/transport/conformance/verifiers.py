"""Verifiers that the suite is tried on: right ones as distributions and as samples, and wrong ones from elsewhere."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import torch

from tokenlab.transport.conformance.cases import distinct_rows
from tokenlab.transport.node import reference, verdict
from tokenlab.transport.trees.draft_tree import DraftTree
from tokenlab.transport.trees.verify import accepted_paths


def distribution_of(rule, sampling):
    """A rule of the package as a distribution, for many rows of drafts."""

    def distribution(target, draft, tokens):
        rows = target.expand(len(tokens), -1), draft.expand(len(tokens), -1)
        return verdict.output_distribution(reference.decide(*rows, tokens, rule, sampling), tokens)

    return distribution


def drawn_from(distribution):
    """A verifier that draws from a distribution given for single tuples of drafts."""

    def sample(target, draft, tokens, generator):
        tuples, which = distinct_rows(tokens)
        distributions = [np.asarray(distribution(target, draft, row), dtype=float) for row in tuples]
        table = torch.from_numpy(np.stack(distributions))
        return torch.multinomial(table[which], 1, generator=generator).squeeze(-1)

    return sample


def chain_drawn_from(distribution):
    """The same for chains, from a distribution for many rows of drafts."""

    def sample(target, draft, tokens, generator):
        table = distribution(target, draft, tokens)
        outcome = torch.multinomial(table.flatten(1), 1, generator=generator).squeeze(-1)
        return outcome // table.shape[-1], outcome % table.shape[-1]

    return sample


def fractions(row):
    exact = tuple(Fraction(value).limit_denominator(10**6) for value in row.tolist())
    assert sum(exact) == 1
    return exact


def in_fractions(distribution):
    return lambda target, draft, tokens: distribution(
        fractions(target), fractions(draft), tuple(tokens.tolist())
    )


def tree_distribution(rule):
    """The package's own verification of chains, path by path."""

    def distribution(target, draft, tokens):
        tree = DraftTree.from_chain(tokens, draft)
        table = torch.zeros_like(target)
        for nodes, probability, next_probs in accepted_paths(tree, target, rule):
            table[len(nodes)] += probability * next_probs
        return table

    return distribution


def repeated_once_residual(target, draft, tokens):
    """Siblings tested one by one with min(1, p/q) of the same p; then one draw from (p - q)+."""
    distribution, reached = torch.zeros_like(target), 1.0
    for token in tokens.tolist():
        accept = min(1.0, (target[token] / draft[token]).item())
        distribution[token] += reached * accept
        reached *= 1 - accept
    rest = (target - draft).clamp(min=0)
    return distribution + reached * (rest / rest.sum() if rest.sum() > 0 else target)


def with_thresholds(single, total):
    """One coin for a node: a sibling is taken if the mass so far exceeds it, or its own is high."""

    def distribution(target, draft, tokens):
        out, passed, mass, left = torch.zeros_like(target), 0.0, 0.0, target.clone()
        for token in tokens.tolist():
            own = left[token].item()
            mass, left[token] = mass + own, 0.0
            now = 1.0 if own >= single else min(1.0, mass / total)
            out[token] += max(now - passed, 0.0)
            passed = max(passed, now)
        return out + (1 - passed) * (left / left.sum() if left.sum() > 0 else target)

    return distribution


def drafts_taken_as_certain(target, draft, tokens):
    """Each child tested with p itself, as if q were 1; a rejected one is zeroed, and p renormalised."""
    distribution, reached, left = torch.zeros_like(target), 1.0, target.clone()
    for token in tokens.tolist():
        distribution[token] += reached * left[token]
        reached = reached * (1 - left[token])
        left[token] = 0.0
        left = left / left.sum() if left.sum() > 0 else target
    return distribution + reached * left


def shifted(by):
    """A verifier that ignores the drafts, with ``by`` of the mass moved from one half to the other."""

    def sample(target, draft, tokens, generator):
        probs = target + by * torch.tensor([-1.0, 0.6, 0.4])
        return torch.multinomial(probs, len(tokens), True, generator=generator)

    return sample


ONE_CASE = {"vocab_size": 3, "num_drafts": 2}


#: Drafts that need not be drawn make it quicker.
QUICK = {**ONE_CASE, "sampling": "top_k"}
