"""Computations of the transport chapter's derivation; the ledger is book/claims.yml."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from itertools import product

import torch

from tests.claims.registry import computes
from tests.transport import mutants
from tests.transport.instances import EDGES, PAIRS, can_be_drawn, random_pairs
from tokenlab.chapters.transport import exact
from tokenlab.chapters.transport.exact import Row, as_row
from tokenlab.transport import acceptance_rate, division_factor, optimal_acceptance_rate

TWO, THREE = EDGES["two tokens"], EDGES["reversed"]
#: The draft of the counterexamples: one token a little more probable than the other two.
FLAT = as_row("draft", ["2/5", "3/10", "3/10"])


def double(pair: tuple[Row, Row]) -> list[torch.Tensor]:
    return [torch.tensor([float(value) for value in row], dtype=torch.float64) for row in pair]


def rate(rule: str, pair: tuple[Row, Row], k: int, sampling: str | None = None) -> float:
    return acceptance_rate(*double(pair), k, rule, sampling).item()


# --- wrong rules -----------------------------------------------------------------------


@computes("repetition-sure-draft")
def repetition_sure_draft() -> float:
    """By listing the tuples of drafts, of which there is one."""
    half, sure = as_row("target", ["1/2", "1/2"]), as_row("draft", [0, 1])
    return float(mutants.unchanged_target(half, sure, (1, 1, 1))[1])


@computes("repetition-two-tokens")
def repetition_two_tokens() -> float:
    return float(mutants.output(mutants.MUTANTS["unchanged target"])[0])


@computes("kseq-deduplicated")
def kseq_deduplicated() -> float:
    return float(mutants.output(mutants.MUTANTS["siblings de-duplicated"])[0])


@computes("kseq-factor-below")
def kseq_factor_below() -> float:
    return float(mutants.output(mutants.MUTANTS["factor below the root"])[0])


@computes("block-wrong-test")
def block_wrong_test() -> float:
    """Total variation over the first three tokens: (1/3, 2/3) drafted by (2/3, 1/3), chains of two."""
    p, q = as_row("target", ["1/3", "2/3"]), as_row("draft", ["2/3", "1/3"])
    distribution: dict = {}
    for chain in ((x, y) for x in range(2) for y in range(2)):
        weights = [Fraction(1)]
        for x in chain:
            weights.append(min(Fraction(1), weights[-1] * p[x] / q[x]))
        reached = q[chain[0]] * q[chain[1]]
        for length in (2, 1, 0):
            weight = weights[length]
            left = exact.excess([weight * value for value in p], q)
            row = p if length == 2 or not any(left) else exact.normalised(left)
            for y, mass in enumerate(row):
                tokens = (*chain[:length], y)
                distribution[tokens] = distribution.get(tokens, 0) + reached * weight * mass
            reached *= 1 - weight
    target = {(0,) * n: p for n in range(3)} | dict.fromkeys(
        [(), (0,), (1,), (0, 0), (0, 1), (1, 0), (1, 1)], p
    )
    truth = exact.target_distribution(target, 3)
    found = exact.completed(distribution, target, 3)
    return float(sum(abs(found.get(tokens, 0) - mass) for tokens, mass in truth.items()) / 2)


# --- lossless rules --------------------------------------------------------------------


@computes("rules-lossless")
def rules_lossless() -> float:
    """Cases in which the output is not the target, exactly; over 600 are tried."""
    wrong = tried = 0
    cases = [*EDGES.values(), *(pair for vocab in (2, 3, 4) for pair in random_pairs(vocab, 4, seed=7))]
    for rule, sampling in PAIRS:
        for k in (1, 2, 3):
            for target, draft in cases:
                if can_be_drawn(draft, k, sampling) and len(draft) ** k <= 64:
                    wrong += exact.output(rule, target, draft, k, sampling) != target
                    tried += 1
    assert tried > 600
    return wrong


@computes("trees-lossless")
def trees_lossless() -> float:
    """Distributions of three tokens, over trees of two drafts at two positions, that are not the target's."""
    wrong = 0
    for seed in (11, 12):
        target, draft = (exact.random_model(2, 3, 2 * seed + i) for i in range(2))
        truth = exact.target_distribution(target, 3)
        for growth in (exact.sequences(2, 2), exact.branching(2, 2)):
            for rule in ("target_only", "naive", "recursive", "kseq", "optimal", "traversal"):
                wrong += exact.sequence_distribution(target, draft, growth, rule, "iid", 3) != truth
        chain = exact.sequences(1, 2)
        wrong += exact.sequence_distribution(target, draft, chain, "block", "iid", 3) != truth
    return wrong


# --- reference values ------------------------------------------------------------------


@computes("kseq-two-tokens")
def kseq_two_tokens() -> float:
    return rate("kseq", TWO, 2)


def kseq_with(factor: Fraction, pair: tuple[Row, Row], k: int) -> tuple[Fraction, Fraction]:
    """What the tests accept, and how often any draft comes out: all tuples, nothing rounded."""
    p, q = pair
    once = [min(a / factor, b) for a, b in zip(p, q)]
    tests = sum((1 - sum(once)) ** j for j in range(k))
    residual = exact.normalised([a - tests * b for a, b in zip(p, once)])
    tested = drafted = Fraction(0)
    output = [Fraction(0)] * len(p)
    for drafts in product(range(len(p)), repeat=k):
        reached = Fraction(1)
        for x in drafts:
            reached *= q[x]
        for x in drafts:
            accepted = reached * once[x] / q[x]
            output[x] += accepted
            tested += accepted
            reached -= accepted
        output = [total + reached * rest for total, rest in zip(output, residual)]
        drafted += reached * sum(residual[x] for x in set(drafts))
    assert tuple(output) == p and min(residual) >= 0, "not lossless"
    return tested, tested + drafted


@computes("kseq-above-root")
def kseq_above_root() -> float:
    """More than at the root, though the tests accept less: the last draw hits a rejected draft."""
    found = kseq_with(Fraction(2), TWO, 2)[1]
    assert found > rate("kseq", TWO, 2)
    return float(found)


@computes("kseq-above-root-tests")
def kseq_above_root_tests() -> float:
    found = kseq_with(Fraction(2), TWO, 2)[0]
    assert found < rate("kseq", TWO, 2)
    return float(found)


@computes("kseq-factor-two-tokens")
def kseq_factor_two_tokens() -> float:
    """gamma = rho is 4 rho^2 - 7 rho + 1 = 0 here."""
    root = (7 + 33**0.5) / 8
    assert abs(division_factor(*double(TWO), 2).item() - root) < 1e-12
    return root


@computes("optimum-two-tokens")
def optimum_two_tokens() -> float:
    return float(exact.optimal_acceptance_rate(*TWO, 2))


@computes("kseq-three-tokens")
def kseq_three_tokens() -> float:
    return rate("kseq", THREE, 2)


@computes("recursive-three-tokens")
def recursive_three_tokens() -> float:
    return float(exact.acceptance_rate("recursive", *THREE, 2))


@computes("optimum-three-tokens")
def optimum_three_tokens() -> float:
    return float(exact.optimal_acceptance_rate(*THREE, 2))


@computes("optimum-without-replacement-three-tokens")
def optimum_without_replacement() -> float:
    return float(exact.optimal_acceptance_rate(*THREE, 2, "without_replacement"))


@computes("recursive-without-replacement-three-tokens")
def recursive_without_replacement() -> float:
    return float(exact.acceptance_rate("recursive", *THREE, 2, "without_replacement"))


@computes("greedy-three-tokens")
def greedy_three_tokens() -> float:
    return float(exact.acceptance_rate("greedy", *THREE, 2))


# --- guarantees, and how far from them -------------------------------------------------


@cache
def worst_ratio(rule: str, k: int) -> float:
    """Smallest share of the optimum over a grid of pairs of two tokens, steps of 1/400."""
    side = torch.linspace(0, 1, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    # Exchanging the two tokens changes nothing, so half of the grid has every pair; a few fit into a cache.
    found = []
    for few in grid[grid.sum(-1) < 1 + 1e-9].split(2000):
        target, draft = torch.stack([few, 1 - few], -1).unbind(1)
        best = optimal_acceptance_rate(target, draft, k)
        found.append((acceptance_rate(target, draft, k, rule) / best)[best > 0])
    return torch.cat(found).min().item()


@computes("kseq-guarantee")
def kseq_guarantee() -> float:
    """Theorem 3 must hold for each number of drafts, not only its limit."""
    worst = {k: worst_ratio("kseq", k) for k in (2, 4, 8, 16, 64)}
    assert all(ratio >= 1 - (1 - 1 / k) ** k for k, ratio in worst.items()), worst
    return min(worst.values())


@computes("kseq-worst-ratio-2")
def kseq_worst_ratio_2() -> float:
    return worst_ratio("kseq", 2)


@computes("kseq-worst-ratio-8")
def kseq_worst_ratio_8() -> float:
    return worst_ratio("kseq", 8)


@computes("recursive-worst-ratio-2")
def recursive_worst_ratio_2() -> float:
    return worst_ratio("recursive", 2)


@computes("recursive-worst-ratio-8")
def recursive_worst_ratio_8() -> float:
    return worst_ratio("recursive", 8)


# --- orders that do not hold -----------------------------------------------------------


@computes("greedy-below-independent")
def greedy_below_independent() -> float:
    """How much more the optimum of independent drafts accepts: the target is the last token."""
    pair = as_row("target", [0, 0, 1]), FLAT
    return float(exact.optimal_acceptance_rate(*pair, 2) - exact.acceptance_rate("greedy", *pair, 2))


@computes("greedy-above-without-replacement")
def greedy_above_without_replacement() -> float:
    """How much more greedy drafts accept: the target is the draft's favourite."""
    pair = as_row("target", [1, 0, 0]), FLAT
    best = exact.optimal_acceptance_rate(*pair, 2, "without_replacement")
    return float(exact.acceptance_rate("greedy", *pair, 2) - best)


@computes("recursive-without-replacement-below-kseq")
def recursive_without_replacement_below_kseq() -> float:
    pair = as_row("target", [0, "4/7", "3/7"]), as_row("draft", ["1/7", "4/7", "2/7"])
    return rate("kseq", pair, 2) - rate("recursive", pair, 2, "without_replacement")


# --- chains ----------------------------------------------------------------------------


def accepted_of_two(rule: str) -> float:
    """Accepted drafts of a chain of two, from (2/3, 1/3), for the target (1/3, 2/3) everywhere."""
    prefixes = [(), (0,), (1,), (0, 0), (0, 1), (1, 0), (1, 1)]
    target = dict.fromkeys(prefixes, as_row("target", ["1/3", "2/3"]))
    draft = dict.fromkeys(prefixes, as_row("draft", ["2/3", "1/3"]))
    return float(exact.block_efficiency(target, draft, exact.sequences(1, 2), rule, "iid") - 1)


@computes("chain-of-two-token-by-token")
def chain_of_two_token_by_token() -> float:
    return accepted_of_two("recursive")


@computes("chain-of-two-block")
def chain_of_two_block() -> float:
    return accepted_of_two("block")
