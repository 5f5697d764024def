"""The specification against hand computation, enumeration and integration."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sampling.rows import HAND, float64, logit_rows
from tokenlab.sampling import RULES, reference

#: The order of HAND by closeness to the expected surprise.
TYPICAL_ORDER = (1, 0, 2, 3)


VALUES = {
    "top_k": (1, 2, 3, 5),
    "top_p": (0.1, 0.5, 0.9, 1.0),
    "min_p": (0.5, 0.2, 0.05, 0.0),
    "typical": (0.05, 0.3, 0.6, 0.95),
    "epsilon": (0.4, 0.1, 0.01, 1e-4),
    "eta": (0.9, 0.2, 0.01, 1e-4),
    "top_h": (0.1, 0.4, 0.7, 1.0),
    "top_h_released": (0.1, 0.4, 0.7, 1.0),
}  # each from few tokens to many


def kept(mask: torch.Tensor) -> list[int]:
    return mask.nonzero().flatten().tolist()


def random_rows(rows: int, vocab: int, seed: int, spread: float = 2.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (spread * torch.randn(rows, vocab, generator=generator, dtype=torch.float64)).softmax(-1)


@pytest.mark.parametrize("temperature", [0.1, 0.7, 1.0, 2.5])
def test_softmax_is_the_ratio_of_exponentials(temperature):
    logits = [0.3, -1.2, 2.0, 0.3]
    weights = [math.exp(z / temperature) for z in logits]
    expected = [weight / math.fsum(weights) for weight in weights]
    assert torch.allclose(
        reference.softmax(float64(logits), temperature), float64(expected), rtol=1e-14, atol=0
    )


def test_softmax_survives_large_logits_and_tiny_temperatures():
    assert reference.softmax(float64([1e4, 1e4, -1e4])).tolist() == [0.5, 0.5, 0.0]
    assert reference.softmax(float64([3.0, 1.0]), 1e-320).tolist() == [1.0, 0.0]
    assert reference.softmax(torch.tensor([3.0, 1.0, -torch.inf]), 1e-30).tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_softmax_never_answers_in_half_precision(dtype):
    expected = torch.float64 if dtype == torch.float64 else torch.float32
    assert reference.softmax(torch.zeros(3, dtype=dtype)).dtype == expected


def test_entropy_by_hand_and_with_zeros():
    assert reference.entropy(HAND).item() == pytest.approx(1.207967, abs=1e-5)
    assert reference.entropy(float64([0.5, 0.0, 0.5])).item() == pytest.approx(math.log(2))
    assert reference.entropy(float64([1.0])).item() == 0


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        ("top_k", 3, [0, 1, 2]),
        ("top_p", 0.49, [0]),
        ("top_p", 0.5, [0]),
        ("top_p", 0.51, [0, 1]),
        ("top_p", 0.75, [0, 1]),
        ("top_p", 0.9, [0, 1, 2]),  # reached exactly: 0.5 + 0.25 + 0.15
        ("top_p", 1.0, [0, 1, 2, 3]),
        ("min_p", 0.3, [0, 1, 2]),  # 0.3 * 0.5 = 0.15: equality is kept
        ("min_p", 0.2, [0, 1, 2, 3]),
        ("min_p", 0.31, [0, 1]),
        ("typical", 0.2, [1]),  # the most probable token is dropped
        ("typical", 0.25, [1]),
        ("typical", 0.26, [0, 1]),
        ("typical", 0.8, [0, 1, 2]),
        ("epsilon", 0.2, [0, 1]),
        ("epsilon", 0.25, [0, 1]),
        ("epsilon", 0.9, [0]),
        ("eta", 0.09, [0, 1, 2, 3]),  # threshold 0.08964
        ("eta", 0.3, [0, 1]),  # threshold 0.16366
        ("top_h", 0.1, [0]),
        ("top_h", 0.52, [0]),
        ("top_h", 0.55, [0, 1]),
        ("top_h", 0.82, [0, 1, 2]),
        ("top_h", 1.0, [0, 1, 2, 3]),
        ("top_h_released", 0.1, [0]),  # 0.287 breaks the bound, kept all the same
        ("top_h_released", 0.55, [0]),
        ("top_h_released", 0.58, [0, 1]),
        ("top_h_released", 0.82, [0, 1, 2]),
        ("top_h_released", 1.0, [0, 1, 2, 3]),
    ],
)
def test_kept_tokens_by_hand(rule, value, expected):
    assert kept(RULES[rule].mask(HAND, value)) == expected
    # The same tokens wherever they stand.
    shuffled = [2, 0, 3, 1]
    mask = RULES[rule].mask(HAND[shuffled], value)
    assert sorted(shuffled[position] for position in kept(mask)) == expected


def test_distances_and_thresholds_of_the_hand_case():
    entropy = reference.entropy(HAND).item()
    distances = [abs(-math.log(p) - entropy) for p in HAND.tolist()]
    assert distances == pytest.approx([0.5148, 0.1783, 0.6891, 1.0946], abs=5e-5)
    for epsilon, threshold in ((0.09, 0.08964), (0.3, 0.16366)):
        assert min(epsilon, epsilon**0.5 * math.exp(-entropy)) == pytest.approx(threshold, abs=5e-6)


def zipf(vocab: int) -> torch.Tensor:
    weights = 1 / torch.arange(1, vocab + 1, dtype=torch.float64)
    return weights / weights.sum()


def spike() -> torch.Tensor:
    return torch.cat([float64([0.9]), torch.full((99,), 0.1 / 99, dtype=torch.float64)])


def authors_top_h(probs: torch.Tensor, alpha: float) -> int:
    """The authors' own bound: no renormalisation over the 100 most probable tokens."""
    terms = torch.special.entr(probs.sort(descending=True).values[:100])
    return max(int((terms.cumsum(-1) <= alpha * terms.sum()).sum()), 1)


@pytest.mark.parametrize(
    ("probs", "alpha", "stated", "authors", "released"),
    [
        (torch.full((100,), 0.01, dtype=torch.float64), 0.4, 6, 39, 39),
        (torch.full((10,), 0.1, dtype=torch.float64), 0.4, 2, 4, 4),
        (zipf(1000), 0.4, 11, 9, 10),
        (zipf(1000), 0.5, 21, 15, 16),
        (spike(), 0.4, 38, 32, 32),
        (HAND, 0.55, 2, 1, 1),
    ],
    ids=["uniform-100", "uniform-10", "zipf-0.4", "zipf-0.5", "spike", "hand"],
)
def test_top_h_sizes(probs, alpha, stated, authors, released):
    # Away from equality: 39 equal terms against a bound of 40, say, is decided by rounding.
    assert reference.top_h_mask(probs, alpha, "stated").sum() == stated
    assert reference.top_h_mask(probs, alpha, "released").sum() == released
    assert authors_top_h(probs, alpha) == authors


def compositions(total: int, parts: int):
    """All rows of ``parts`` whole numbers with this sum: probabilities in units of 1/total."""
    for cuts in itertools.combinations(range(total + parts - 1), parts - 1):
        edges = (-1, *cuts, total + parts - 1)
        yield tuple(high - low - 1 for low, high in itertools.pairwise(edges))


ROWS = list(compositions(16, 4))


#: Sixteenths are exact in float64, so equality is decided, not rounded.
SIXTEENTHS = float64(ROWS) / 16


def test_top_k_keeps_the_largest_and_lower_ids():
    for k in (1, 2, 3, 4):
        masks = reference.top_k_mask(SIXTEENTHS, k)
        for row, mask in zip(ROWS, masks, strict=True):
            expected = sorted(sorted(range(4), key=lambda v: (-row[v], v))[:k])
            assert kept(mask) == expected


def test_top_p_is_the_smallest_subset_that_reaches_p():
    subsets = [s for n in range(1, 5) for s in itertools.combinations(range(4), n)]
    for units in (1, 4, 7, 8, 12, 15, 16):
        masks = reference.top_p_mask(SIXTEENTHS, units / 16)
        for row, mask in zip(ROWS, masks, strict=True):
            reaching = [s for s in subsets if sum(row[v] for v in s) >= units]
            # Of the smallest ones the heaviest; of equally heavy ones the lowest ids.
            best = min(reaching, key=lambda s: (len(s), -sum(row[v] for v in s), s))
            assert tuple(kept(mask)) == best, (row, units)


def test_thresholds_compare_exactly():
    for units in (1, 2, 3, 4, 8, 15):
        limit = Fraction(units, 16)
        min_p = reference.min_p_mask(SIXTEENTHS, units / 16)
        epsilon = reference.epsilon_mask(SIXTEENTHS, units / 16)
        for row, by_min_p, by_epsilon in zip(ROWS, min_p, epsilon, strict=True):
            top = max(row)
            assert kept(by_min_p) == [v for v in range(4) if row[v] >= limit * top]
            above = {v for v in range(4) if Fraction(row[v], 16) >= limit} | {row.index(top)}
            assert kept(by_epsilon) == sorted(above)


def python_entropy(probs) -> float:
    return -math.fsum(p * math.log(p) for p in probs if p > 0)


def brute_typical(probs, mass):
    entropy = python_entropy(probs)
    order = sorted(
        (v for v in range(len(probs)) if probs[v] > 0), key=lambda v: abs(-math.log(probs[v]) - entropy)
    )
    chosen = []
    while math.fsum(probs[v] for v in chosen) < mass:
        chosen.append(order[len(chosen)])
    return sorted(chosen)


def brute_eta(probs, epsilon):
    threshold = min(epsilon, math.sqrt(epsilon) * math.exp(-python_entropy(probs)))
    return [v for v, p in enumerate(probs) if p >= threshold]


def brute_top_h(probs, alpha):
    order = sorted(range(len(probs)), key=lambda v: -probs[v])
    chosen = order[:1]
    for token in order[1:]:
        wider = [*chosen, token]
        mass = math.fsum(probs[v] for v in wider)
        if python_entropy([probs[v] / mass for v in wider]) > alpha * python_entropy(probs):
            break
        chosen = wider
    return sorted(chosen)


def brute_released(probs, alpha):
    order = sorted(range(len(probs)), key=lambda v: -probs[v])[:100]
    mass = math.fsum(probs[v] for v in order)
    share = {v: probs[v] / mass for v in order}
    chosen = order[:1]
    for token in order[1:]:
        if python_entropy([share[v] for v in [*chosen, token]]) > alpha * python_entropy(share.values()):
            break
        # Terms of single tokens, not divided by their mass.
        chosen.append(token)
    return sorted(chosen)


@pytest.mark.parametrize(
    ("rule", "brute"),
    [
        ("typical", brute_typical),
        ("eta", brute_eta),
        ("top_h", brute_top_h),
        ("top_h_released", brute_released),
    ],
)
@pytest.mark.parametrize("vocab", [1, 2, 7, 130])
def test_entropy_rules_follow_their_definition(rule, brute, vocab):
    for probs in random_rows(25, vocab, seed=vocab):
        for value in (0.02, 0.3, 0.62, 0.97):
            assert kept(RULES[rule].mask(probs, value)) == brute(probs.tolist(), value)


def test_the_brute_forces_are_not_all_the_same():
    """A mutant guard: the two Top-H variants must part on the rows of the test above."""
    rows = random_rows(25, 130, seed=130).tolist()
    assert any(brute_top_h(row, 0.62) != brute_released(row, 0.62) for row in rows)
    assert any(brute_typical(row, 0.3) != brute_eta(row, 0.3) for row in rows)


rules = st.sampled_from(sorted(RULES))


def values_for(rule: str, vocab: int) -> list:
    return [min(value, vocab) if rule == "top_k" else value for value in VALUES[rule]]


@given(logits=logit_rows, rule=rules)
@settings(max_examples=100, deadline=None)
def test_masks_are_nested_in_the_parameter(logits, rule):
    probs = reference.softmax(float64(logits))
    masks = [RULES[rule].mask(probs, value) for value in values_for(rule, len(logits))]
    for few, many in itertools.pairwise(masks):
        assert not bool((few & ~many).any())


@given(logits=logit_rows, rule=rules, index=st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_some_token_is_kept_and_has_mass(logits, rule, index):
    probs = reference.softmax(float64(logits))
    mask = RULES[rule].mask(probs, values_for(rule, len(logits))[index])
    assert mask.any() and (probs * mask).sum() > 0
    if rule != "typical":
        assert mask[probs.argmax()]


@given(
    data=st.data(),
    logits=st.lists(st.integers(-4000, 4000), min_size=2, max_size=12, unique=True),
    rule=rules,
    index=st.integers(0, 3),
)
@settings(max_examples=100, deadline=None)
def test_masks_move_with_the_tokens(data, logits, rule, index):
    """Without ties the ids do not matter."""
    probs = reference.softmax(float64(logits) / 700)
    order = data.draw(st.permutations(range(len(logits))))
    value = values_for(rule, len(logits))[index]
    mask = RULES[rule].mask(probs, value)
    moved = RULES[rule].mask(probs[list(order)], value)
    if rule in ("typical", "top_h", "top_h_released", "top_p"):
        # Sums in another order differ in the last bits; a margin keeps that out of the test.
        near = [RULES[rule].mask(probs, min(value * (1 + sign * 1e-9), 1.0)) for sign in (-1, 1)]
        distances = (-probs.log() - reference.entropy(probs)).abs().sort().values.diff()
        if not torch.equal(*near) or (rule == "typical" and bool((distances < 1e-9).any())):
            return
    assert torch.equal(moved, mask[list(order)])


@pytest.mark.parametrize("rule", sorted(RULES))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_batch_is_its_rows(rule, dtype):
    probs = random_rows(12, 37, seed=3).to(dtype)
    for value in VALUES[rule]:
        together = RULES[rule].mask(probs.view(3, 4, 37), value)
        single = torch.stack([RULES[rule].mask(row, value) for row in probs])
        assert torch.equal(together.view(12, 37), single)
        assert RULES[rule].mask(probs[:0], value).shape == (0, 37)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_no_token_of_probability_zero_is_kept(rule):
    probs = float64([0.0, 0.6, 0.0, 0.4])
    for value in values_for(rule, 2):
        assert not RULES[rule].mask(probs, value)[[0, 2]].any()
    one = RULES[rule].mask(float64([0.0, 1.0, 0.0]), VALUES[rule][0])
    assert kept(one) == [1]


def test_ties_go_to_the_lower_id():
    uniform = torch.full((6,), 1 / 6, dtype=torch.float64)
    assert kept(reference.top_k_mask(uniform, 2)) == [0, 1]
    assert kept(reference.top_p_mask(uniform, 0.4)) == [0, 1, 2]
    assert kept(reference.typical_mask(uniform, 0.4)) == [0, 1, 2]
    assert kept(reference.epsilon_mask(uniform, 0.5)) == [0]
    assert kept(reference.top_h_mask(uniform, 0.4)) == [0, 1]


def test_float32_rounding_of_a_row_does_not_drop_its_tail():
    """The row's own sum is the measure: this one sums to more than one in float64."""
    row = torch.tensor([1 - 2**-24, *[2.0**-26] * 8], dtype=torch.float32)
    assert row.double().sum() > 1
    assert reference.top_p_mask(row, 1.0).all()


def test_truncate_renormalises_what_is_left():
    mask = torch.tensor([True, False, True, False])
    assert torch.allclose(reference.truncate(HAND, mask), float64([0.5, 0, 0.15, 0]) / 0.65)


def test_entropy_of_single_precision_is_added_in_double():
    probs = torch.rand(5, 5000, generator=torch.Generator().manual_seed(0))
    probs = probs / probs.sum(-1, keepdim=True)
    found = reference.entropy(probs)
    expected = [-math.fsum(p * math.log(p) for p in row if p > 0) for row in probs.double().tolist()]
    assert found.dtype == torch.float64 and found.tolist() == pytest.approx(expected, abs=1e-12)


def test_min_p_is_decided_in_double_precision():
    """Where a float32 product rounds to a token's probability, the exact one decides."""
    largest = torch.rand(20_000, generator=torch.Generator().manual_seed(0)) / 4 + 0.5
    second = (largest.double() * 0.3).float()
    probs = torch.stack([largest, second, 1 - largest - second], -1)
    exact = [Fraction(two) >= Fraction(0.3) * Fraction(one) for one, two, _ in probs.tolist()]
    assert reference.min_p_mask(probs, 0.3)[:, 1].tolist() == exact and 1000 < sum(exact) < 19_000
