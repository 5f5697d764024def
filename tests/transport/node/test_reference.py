"""The specification against the fractions: every rule, every tuple of drafts, to 1e-12."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch

from tests.support.planting import plant
from tests.transport.instances import EDGES, ILL_CONDITIONED, PAIRS, can_be_drawn, double, random_pairs
from tokenlab.chapters.transport import exact
from tokenlab.transport.node import reference, thresholds
from tokenlab.transport.node.verdict import acceptance_probability, output_distribution

TOLERANCE = 1e-12


#: Rules whose distribution given the drafts is one; an optimal plan is one of several.
DETERMINED = [(rule, sampling) for rule, sampling in PAIRS if rule != "optimal"]


@cache
def cases(sampling: str, num_drafts: int) -> list:
    """Names, target, draft and the distribution of drafts, of all instances that can be drawn."""
    pairs = dict(EDGES)
    for vocab, count in ((2, 8), (3, 8), (4, 6), (5, 3)):
        found = random_pairs(vocab, count, seed=7)
        pairs |= {f"{vocab} tokens, {number}": case for number, case in enumerate(found)}
    return [
        (name, target, draft, exact.draft_distribution(draft, num_drafts, sampling))
        for name, (target, draft) in pairs.items()
        if can_be_drawn(draft, num_drafts, sampling)
    ]


@cache
def expected_distributions(rule: str, sampling: str, num_drafts: int) -> list[torch.Tensor]:
    """For each case the exact distribution given every tuple."""
    return [
        torch.stack(
            [double(exact.output_given_drafts(rule, target, draft, tokens, sampling)) for tokens in drafts]
        )
        for _, target, draft, drafts in cases(sampling, num_drafts)
    ]


def decided(target, draft, drafts, rule, sampling):
    """The reference's verdict on every tuple, in one batch."""
    tokens = torch.tensor(list(drafts))
    rows = double(target).expand(len(tokens), -1), double(draft).expand(len(tokens), -1)
    return tokens, reference.decide(*rows, tokens, rule, sampling)


def assert_distributions_are_exact(rule: str, sampling: str, num_drafts: int) -> None:
    distributions = expected_distributions(rule, sampling, num_drafts)
    for (name, target, draft, drafts), expected in zip(
        cases(sampling, num_drafts), distributions, strict=True
    ):
        tokens, verdict = decided(target, draft, drafts, rule, sampling)
        error = (output_distribution(verdict, tokens) - expected).abs()
        if name in ILL_CONDITIONED:
            error = error * double(tuple(drafts.values())).unsqueeze(-1)
        assert error.max() <= TOLERANCE, (name, error.max().item())


@pytest.mark.parametrize("num_drafts", [1, 2, 3])
@pytest.mark.parametrize(("rule", "sampling"), DETERMINED)
def test_distributions_given_the_drafts_are_exact(rule, sampling, num_drafts):
    assert_distributions_are_exact(rule, sampling, num_drafts)


@pytest.mark.parametrize("num_drafts", [1, 2, 3])
@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_output_and_acceptance_are_exact(rule, sampling, num_drafts):
    for name, target, draft, drafts in cases(sampling, num_drafts):
        if rule == "optimal" and len(drafts) > 64:
            continue  # a linear program of its own for each; test_optimum.py has more
        tokens, verdict = decided(target, draft, drafts, rule, sampling)
        weights = double(tuple(drafts.values()))
        output = weights @ output_distribution(verdict, tokens)
        torch.testing.assert_close(output, double(target), rtol=0, atol=TOLERANCE, msg=name)
        found = weights @ acceptance_probability(verdict, tokens)
        expected = float(exact.acceptance_rate(rule, target, draft, num_drafts, sampling))
        # The solver of the linear program stops at its own tolerance.
        tolerance = 1e-9 if rule == "optimal" else TOLERANCE
        assert found.item() == pytest.approx(expected, abs=tolerance), name


@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_verdicts_are_probabilities(rule, sampling):
    for name, target, draft, drafts in cases(sampling, 2):
        _, verdict = decided(target, draft, drafts, rule, sampling)
        assert bool(((verdict.accept >= 0) & (verdict.accept <= 1)).all()), name
        assert bool((verdict.residual >= 0).all()), name
        torch.testing.assert_close(
            verdict.residual.sum(-1), torch.ones(len(drafts), dtype=torch.float64), rtol=0, atol=1e-14
        )
        never = double(target) == 0
        assert verdict.residual[:, never].sum() == 0, name


@pytest.mark.parametrize(("rule", "sampling"), [pair for pair in PAIRS if pair[0] != "target_only"])
@pytest.mark.parametrize("num_drafts", [1, 2, 3])
def test_equal_distributions_accept_everything(rule, sampling, num_drafts):
    for _, _, draft, drafts in cases(sampling, num_drafts):
        tokens, verdict = decided(draft, draft, drafts, rule, sampling)
        assert not verdict.accept.isnan().any() and not verdict.residual.isnan().any()
        wasted = double(tuple(drafts.values())) * (1 - acceptance_probability(verdict, tokens))
        if sampling in ("iid", "without_replacement"):
            assert wasted.sum() <= (1e-8 if rule == "optimal" else 1e-14)


@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_disjoint_supports_accept_nothing(rule, sampling):
    target, draft = EDGES["disjoint"]
    drafts = exact.draft_distribution(draft, 2, sampling)
    tokens, verdict = decided(target, draft, drafts, rule, sampling)
    assert acceptance_probability(verdict, tokens).tolist() == [0.0] * len(drafts)
    torch.testing.assert_close(
        output_distribution(verdict, tokens), double(target).expand(len(drafts), -1), rtol=0, atol=1e-15
    )


def random_batch(*shape, seed=0, spread=2.0):
    generator = torch.Generator().manual_seed(seed)
    return (spread * torch.randn(shape, generator=generator, dtype=torch.float64)).softmax(-1)


@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_a_batch_is_its_rows(rule, sampling):
    target, draft = random_batch(2, 3, 4), random_batch(2, 3, 4, seed=1)
    order = draft.argsort(-1, descending=True)
    tokens = order[..., [0, 2]]  # can be drawn with every distribution
    verdict = reference.decide(target, draft, tokens, rule, sampling)
    assert verdict.accept.shape == (2, 3, 2) and verdict.residual.shape == (2, 3, 4)
    for i in range(2):
        for j in range(3):
            alone = reference.decide(target[i, j], draft[i, j], tokens[i, j], rule, sampling)
            assert torch.equal(alone.accept, verdict.accept[i, j])
            assert torch.equal(alone.residual, verdict.residual[i, j])


def test_arguments_are_left_alone():
    target, draft = random_batch(3, 5), random_batch(3, 5, seed=1)
    before = target.clone(), draft.clone()
    tokens = draft.argsort(-1, descending=True)[..., [0, 2]]
    for rule, sampling in PAIRS:
        output_distribution(reference.decide(target, draft, tokens, rule, sampling), tokens)
        assert torch.equal(target, before[0]) and torch.equal(draft, before[1])


@pytest.mark.parametrize(("rule", "sampling"), [pair for pair in DETERMINED if pair[0] != "spechub"])
def test_large_vocabulary(rule, sampling):
    """As in a real model: 128,256 tokens, most of them with next to no probability."""
    target, draft = random_batch(2, 128_256, spread=3), random_batch(2, 128_256, seed=1, spread=3)
    tokens = draft.topk(8).indices
    verdict = reference.decide(target, draft, tokens, rule, sampling)
    distribution = output_distribution(verdict, tokens)
    assert bool((distribution >= 0).all())
    torch.testing.assert_close(distribution.sum(-1), torch.ones(2, dtype=torch.float64), rtol=0, atol=1e-12)


def check(*names):
    def run():
        for rule, sampling in names:
            for num_drafts in (2, 3):
                if can_be_drawn(EDGES["five"][1], num_drafts, sampling):
                    assert_distributions_are_exact(rule, sampling, num_drafts)

    return run


RECURSIVE = check(("recursive", "iid"), ("recursive", "without_replacement"))


KSEQ, GREEDY, SPECHUB = check(("kseq", "iid")), check(("greedy", "greedy")), check(("spechub", "spechub"))


NAIVE = check(("naive", "iid"))


#: Name of the mistake: the module, what is changed in it, and who must notice.
MUTANTS = {
    "unchanged target loop": (reference, "        target = step.residual\n", "        last = step.residual\n", RECURSIVE),
    "target and draft swapped": (
        reference, "clipped_ratio(target.gather(-1, token), draft.gather(-1, token))",
        "clipped_ratio(draft.gather(-1, token), target.gather(-1, token))", NAIVE,
    ),
    "residual swapped": (
        reference, "(target - torch.where(draft > 0, factor * draft, 0.0))",
        "(torch.where(draft > 0, factor * draft, 0.0) - target)", NAIVE,
    ),
    "residual not renormalised": (
        reference, "Verdict(accept, normalised(hockey_stick(target, draft, one), target))",
        "Verdict(accept, hockey_stick(target, draft, one))", RECURSIVE,
    ),
    "siblings re-sorted": (reference, "in tokens.split(1, -1):", "in tokens.sort(-1).values.split(1, -1):", RECURSIVE),
    "draft keeps what was drawn": (reference, "if not replacement:", "if False:", RECURSIVE),
    "draft loses what may come again": (reference, "if not replacement:", "if True:", RECURSIVE),
    "draft not renormalised": (reference, "draft = normalised(left, draft)", "draft = left", RECURSIVE),
    "siblings de-duplicated": (
        reference, "    k = tokens.shape[-1]\n", "    k = len(set(tokens[0].tolist()))\n", KSEQ,
    ),
    "every draft counted as tested": (thresholds, "total = 1 + rejected * total", "total = 1 + total", KSEQ),
    "residual without the tests": (reference, "(target - gain * once)", "(target - once)", KSEQ),
    "factor of the root forgotten": (
        reference, "factor.unsqueeze(-1) * draft.gather(-1, tokens))", "draft.gather(-1, tokens))", KSEQ,
    ),
    "factor below the root": (thresholds, "return high.squeeze(-1)", "return high.squeeze(-1) - 0.05", KSEQ),
    "few passes": (thresholds, "for _ in range(PASSES):", "for _ in range(2):", KSEQ),
    "greedy against the draft": (reference, "last_draft_probs(draft, tokens[..., :-1])", "draft", GREEDY),
    "greedy tests the first": (
        reference, "tokens[..., :-1]), tokens[..., -1:])", "tokens[..., 1:]), tokens[..., :1])", GREEDY,
    ),
    "hub without what i leaves": (reference, "hub_now = (1 - accept_other) * accept_hub", "hub_now = accept_hub", SPECHUB),
    "hub takes twice": (reference, "torch.minimum(wanted - hub_after, spare_before)", "torch.minimum(wanted, spare_before)", SPECHUB),
    "pairs after as pairs ahead": (reference, "left = (target - taken_before)", "left = (target - 0 * taken_before)", SPECHUB),
    "tests in the hub's order": (
        reference, "torch.cat([accept_other, accept_hub], -1),\n    )", "torch.cat([accept_hub, accept_other], -1),\n    )", SPECHUB,
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MUTANTS)
def test_a_mistake_in_the_source_is_caught(mistake, monkeypatch):
    module, old, new, assert_exact = MUTANTS[mistake]
    plant(monkeypatch, module, old, new)
    with pytest.raises(AssertionError):
        assert_exact()


def test_planting_nothing_passes(monkeypatch):
    plant(monkeypatch, reference, "def _naive(", "def _naive(")
    NAIVE()
    with pytest.raises(AssertionError, match="the source has changed"):
        plant(monkeypatch, reference, "this does not stand there", "")


def test_hockey_stick_and_overlap_are_two_views():
    target, draft = random_batch(50, 13), random_batch(50, 13, seed=1)
    points = thresholds.curve(target, draft)
    for scale in (0.0, 0.3, 1.0, 2.5, 40.0):
        factor = torch.full((50, 1), scale, dtype=torch.float64)
        above = reference.hockey_stick(target, draft, factor).sum(-1)
        torch.testing.assert_close(
            thresholds.overlap(points, factor).squeeze(-1), 1 - above, rtol=0, atol=1e-14
        )


def test_curve_is_sorted_and_ends_at_one():
    for target, draft in EDGES.values():
        points = thresholds.curve(double(target), double(draft))
        assert bool((points.ratio.diff() >= 0).all() | points.ratio.diff().isnan().any())
        assert points.target[0] == 0 and math.isclose(points.target[-1].item(), 1)
        assert points.draft[0] == 0 and math.isclose(points.draft[-1].item(), 1)
