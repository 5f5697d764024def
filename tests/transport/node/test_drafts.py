"""How drafts are drawn: the distribution by fractions, the draw under given noise, and by counting."""

from __future__ import annotations

import math
from itertools import permutations, product

import pytest
import torch

from tests.support.planting import plant
from tests.transport.instances import EDGES, can_be_drawn, double, random_pairs, row
from tests.transport.statistics import assert_counts
from tokenlab.chapters.transport import exact
from tokenlab.errors import ArgumentError, DtypeError, ProbabilityError, ShapeError
from tokenlab.ops import open_uniform
from tokenlab.transport import SAMPLINGS, draft_distribution, draw_drafts
from tokenlab.transport.node import drafts

DRAFT = row("1/5", "3/10", "1/2", 0)


MANY = [case[1] for case in (*EDGES.values(), *random_pairs(4, 15), *random_pairs(5, 6))]


def noise_size(sampling: str, num_drafts: int, vocab: int) -> int:
    return {"iid": num_drafts, "without_replacement": vocab, "greedy": 1, "spechub": 2}[sampling]


@pytest.mark.parametrize("num_drafts", [1, 2, 3])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_distribution_is_that_of_the_fractions(sampling, num_drafts):
    for draft in MANY:
        if can_be_drawn(draft, num_drafts, sampling):
            tuples, found = draft_distribution(double(draft), num_drafts, sampling)
            expected = exact.draft_distribution(draft, num_drafts, sampling)
            for tokens, probability in zip(tuples.tolist(), found.tolist(), strict=True):
                assert probability == pytest.approx(float(expected.get(tuple(tokens), 0)), rel=1e-12)
            assert set(expected) <= {tuple(tokens) for tokens in tuples.tolist()}


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_distribution_in_batches(sampling):
    draft = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64).softmax(-1)
    tuples, together = draft_distribution(draft, 2, sampling)
    assert together.shape == (2, 3, len(tuples))
    torch.testing.assert_close(together.sum(-1), torch.ones(2, 3, dtype=torch.float64), rtol=0, atol=1e-14)
    for i, j in product(range(2), range(3)):
        alone = draft_distribution(draft[i, j], 2, sampling)
        assert torch.equal(alone[0], tuples) and torch.equal(alone[1], together[i, j])


def test_tuples_are_all_there_are():
    assert draft_distribution(double(DRAFT), 2)[0].tolist() == [
        list(pair) for pair in product(range(4), repeat=2)
    ]
    for sampling in ("without_replacement", "greedy"):
        tuples = draft_distribution(double(DRAFT), 3, sampling)[0].tolist()
        assert tuples == [list(tokens) for tokens in permutations(range(4), 3)]


def inverse_cdf(weights, uniform: float) -> int:
    total, target = 0.0, uniform * math.fsum(weights)
    for token, weight in enumerate(weights):
        total += weight
        if total > target:
            return token
    raise AssertionError("the last weight is not reached")


def drawn_by_hand(draft: list[float], num_drafts: int, sampling: str, noise: list[float]) -> list[int]:
    """The stated use of the noise, in plain Python."""
    descending = sorted(range(len(draft)), key=lambda token: (-draft[token], token))
    if sampling == "iid":
        return [inverse_cdf(draft, uniform) for uniform in noise]
    if sampling == "without_replacement":
        arrival = [-math.log1p(-u) / q if q else math.inf for u, q in zip(noise, draft, strict=True)]
        return sorted(range(len(draft)), key=arrival.__getitem__)[:num_drafts]
    first = descending[: num_drafts - 1]
    last = inverse_cdf([0 if token in first else q for token, q in enumerate(draft)], noise[0])
    if sampling == "greedy" or noise[1] < draft[first[0]]:
        return [*first, last]
    return [last, *first]


@pytest.mark.parametrize("num_drafts", [1, 2, 3])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_drafts_follow_the_noise(sampling, num_drafts):
    for draft in MANY:
        if not can_be_drawn(draft, num_drafts, sampling):
            continue
        shape = (20, noise_size(sampling, num_drafts, len(draft)))
        noise = open_uniform(shape, generator=torch.Generator().manual_seed(len(draft)))
        found = draw_drafts(double(draft).expand(20, -1), num_drafts, sampling, noise=noise)
        assert found.dtype == torch.int64 and found.shape == (20, num_drafts)
        values = double(draft).tolist()
        assert found.tolist() == [
            drawn_by_hand(values, num_drafts, sampling, uniforms) for uniforms in noise.tolist()
        ]
        alone = draw_drafts(double(draft), num_drafts, sampling, noise=noise[3])
        assert torch.equal(alone, found[3])


@pytest.mark.parametrize("extreme", [2.0**-1022, 2.0**-54, 0.5, 1 - 2.0**-53])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_extreme_noise_draws_what_can_come(sampling, extreme):
    for draft in MANY:
        if can_be_drawn(draft, 2, sampling):
            noise = torch.full((noise_size(sampling, 2, len(draft)),), extreme, dtype=torch.float64)
            found = draw_drafts(double(draft), 2, sampling, noise=noise)
            assert exact.draft_probability(draft, tuple(found.tolist()), sampling) > 0


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_generator_decides(sampling):
    draft = torch.full((50, 20), 0.05, dtype=torch.float64)

    def draw(seed):
        return draw_drafts(draft, 2, sampling, generator=torch.Generator().manual_seed(seed))

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_dtypes_and_shapes(sampling, dtype):
    draft = torch.tensor([0.5, 0.25, 0.125, 0.125], dtype=dtype).expand(2, 3, 4)
    assert draw_drafts(draft, 2, sampling).shape == (2, 3, 2)
    assert draw_drafts(draft[:0], 2, sampling).shape == (0, 3, 2)
    noise = open_uniform((noise_size(sampling, 2, 4),), generator=torch.Generator().manual_seed(2))
    expected = draw_drafts(draft[0, 0].double(), 2, sampling, noise=noise)
    assert torch.equal(draw_drafts(draft[0, 0], 2, sampling, noise=noise), expected)


def test_largest_vocabulary():
    draft = torch.full((262_144,), 2.0**-18)
    for sampling in SAMPLINGS:
        tokens = draw_drafts(draft, 2, sampling, generator=torch.Generator().manual_seed(0))
        assert bool(((tokens >= 0) & (tokens < 262_144)).all())


def assert_draws_follow_the_distribution(draft, num_drafts: int, sampling: str, draws: int = 20_000) -> None:
    distribution = exact.draft_distribution(draft, num_drafts, sampling)
    tuples, distribution = torch.tensor(list(distribution)), double(tuple(distribution.values()))
    tokens = draw_drafts(
        double(draft).expand(draws, -1), num_drafts, sampling, generator=torch.Generator().manual_seed(2026)
    )
    vocab = len(draft)
    weights = vocab ** torch.arange(num_drafts - 1, -1, -1)
    counts = (tokens * weights).sum(-1).bincount(minlength=vocab**num_drafts)
    listed = counts[(tuples * weights).sum(-1)]
    assert listed.sum() == draws, "a tuple that is not in the distribution"
    assert_counts(listed.double(), distribution)


@pytest.mark.parametrize("num_drafts", [1, 2, 3])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_draws_follow_the_distribution(sampling, num_drafts):
    if can_be_drawn(DRAFT, num_drafts, sampling):
        assert_draws_follow_the_distribution(DRAFT, num_drafts, sampling)


MUTANTS = {
    "one uniform for all drafts": ("return _draw(rows, noise)", "return _draw(rows, noise[..., :1].expand(noise.shape))", "iid", 2),
    "a product for a race": ("validate=False).log() - rates", "validate=False).log() + rates", "without_replacement", 2),
    "latest arrivals": ("top_k(-arrival,", "top_k(arrival.masked_fill(arrival.isinf(), -1),", "without_replacement", 2),
    "siblings sorted": ("return top_k(-arrival, num_drafts, validate=False).indices", "return top_k(-arrival, num_drafts, validate=False).indices.sort(-1).values", "without_replacement", 2),
    "last draft among all": ("last = _draw(last_draft_probs(probs, first), noise[..., 0])", "last = _draw(probs, noise[..., 0])", "greedy", 2),
    "hub first or second by halves": ("noise[..., 1:] < probs.gather(-1, hub)", "noise[..., 1:] < 0.7", "spechub", 2),
    "hub always first": ("torch.where(hub_first, torch.cat([hub, other], -1), torch.cat([other, hub], -1))", "torch.cat([hub, other], -1)", "spechub", 2),
    "order decided by the same number": ("hub_first = noise[..., 1:] <", "hub_first = noise[..., :1] <", "spechub", 2),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MUTANTS)
def test_the_same_count_rejects_a_mistake(mistake, monkeypatch):
    old, new, sampling, num_drafts = MUTANTS[mistake]
    plant(monkeypatch, drafts, old, new)
    monkeypatch.setitem(globals(), "draw_drafts", drafts.draw_drafts)
    with pytest.raises(AssertionError):
        assert_draws_follow_the_distribution(DRAFT, num_drafts, sampling)


GOOD = double(DRAFT)


@pytest.mark.parametrize(
    ("draft", "num_drafts", "sampling", "error", "words"),
    [
        ([0.5, 0.5], 1, "iid", DtypeError, "draft_probs must be a torch.Tensor"),
        (torch.tensor([1, 0]), 1, "iid", DtypeError, "draft_probs has dtype int64"),
        (torch.tensor(1.0), 1, "iid", ShapeError, "draft_probs has shape"),
        (torch.empty(0), 1, "iid", ShapeError, "the vocabulary is empty"),
        (GOOD / 2, 1, "iid", ProbabilityError, "draft_probs sums to 0.5"),
        (GOOD * math.nan, 1, "iid", ProbabilityError, "draft_probs holds NaN"),
        (-GOOD, 1, "iid", ProbabilityError, "draft_probs holds -0.5 < 0"),
        (GOOD, 0, "iid", ArgumentError, "num_drafts is 0, expected at least 1"),
        (GOOD, 2.0, "iid", DtypeError, "num_drafts must be an int, found float"),
        (GOOD, True, "iid", DtypeError, "num_drafts must be an int, found bool"),
        (GOOD, 2, "sorted", ArgumentError, "sampling is 'sorted', expected one of 'iid'"),
        (GOOD, 3, "spechub", ArgumentError, "draws two drafts"),
        (GOOD, 5, "without_replacement", ArgumentError, "only 4 tokens"),
        (GOOD, 4, "without_replacement", ArgumentError, "has only 3 of positive probability"),
        (GOOD, 4, "greedy", ArgumentError, "has only 3 of positive probability"),
        (torch.tensor([0.0, 1.0]), 2, "spechub", ArgumentError, "has only 1 of positive probability"),
    ],
)
def test_bad_input(draft, num_drafts, sampling, error, words):
    with pytest.raises(error, match=words):
        draw_drafts(draft, num_drafts, sampling)
    with pytest.raises(error, match=words):
        draft_distribution(draft, num_drafts, sampling)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"noise": torch.full((3,), 0.5).double()}, ShapeError, r"noise has shape \(3,\), expected \(2,\)"),
        ({"noise": torch.full((2,), 0.5)}, DtypeError, "noise has dtype float32"),
        ({"noise": torch.tensor([0.5, 1.0]).double()}, ArgumentError, "noise must lie strictly"),
        ({"noise": torch.tensor([0.0, 0.5]).double()}, ArgumentError, "noise must lie strictly"),
        ({"generator": 0}, DtypeError, "generator must be a torch.Generator"),
        (
            {"noise": torch.full((2,), 0.5).double(), "generator": torch.Generator()},
            ArgumentError,
            "noise and generator are both given",
        ),
    ],
)
def test_bad_noise(options, error, words):
    with pytest.raises(error, match=words):
        draw_drafts(GOOD, 2, **options)


def test_too_many_tuples():
    with pytest.raises(ArgumentError, match="10201 tuples of drafts, expected at most 10000"):
        draft_distribution(torch.full((101,), 1 / 101, dtype=torch.float64), 2)
