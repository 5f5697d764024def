"""Categorical sampling: exact under given noise, and the right law under random noise.

Each statistical test also runs on a planted mutant, a sampler with a mistake that people
make, and must reject it.
"""

import math
from fractions import Fraction
from functools import partial

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tokenlab.ops import METHODS, exponential, gumbel, open_uniform, sample_categorical

SIZES = [1, 2, 7, 31, 1000, 1024, 1025, 50257]
DTYPES = [torch.bfloat16, torch.float16, torch.float32, torch.float64]
BLOCK = 5


def noise_shape(method, logits):
    *batch, vocab = logits.shape
    return {"inverse_cdf": (*batch,), "two_level": (*batch, 2)}.get(method, (*batch, vocab))


def make_noise(method, logits, seed=0):
    return open_uniform(noise_shape(method, logits), generator=torch.Generator().manual_seed(seed))


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def random_logits(*shape, seed=0, masked=0.3):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(shape, generator=generator, dtype=torch.float64) * 2
    hidden = torch.rand(shape, generator=generator) < masked
    hidden[..., shape[-1] // 2] = False
    return logits.masked_fill(hidden, -torch.inf)


# Exactness under explicit noise.

weights = st.lists(st.integers(0, 20), min_size=1, max_size=40).filter(any)
uniforms = st.fractions(0, 1, max_denominator=10**6).filter(lambda u: 0 < u < 1)


def by_fractions(masses, uniform):
    """Inverse CDF in exact arithmetic; None too near a boundary for float64 to decide."""
    target = uniform * sum(masses)
    total = Fraction(0)
    found = None
    for index, mass in enumerate(masses):
        total += mass
        if total != sum(masses) and abs(total - target) < Fraction(1, 10**9):
            return None
        if found is None and total > target:
            found = index
    return found


@settings(deadline=None, max_examples=60)
@given(weights, uniforms)
def test_inverse_cdf_equals_exact_arithmetic(weights, uniform):
    expected = by_fractions(weights, uniform)
    assume(expected is not None)
    found = sample_categorical(double(weights).log(), method="inverse_cdf", noise=double(float(uniform)))
    assert found.item() == expected


@settings(deadline=None, max_examples=60)
@given(weights, uniforms, uniforms, st.integers(1, 45))
def test_two_level_equals_exact_arithmetic(weights, first, second, block_size):
    blocks = [weights[i : i + block_size] for i in range(0, len(weights), block_size)]
    block = by_fractions([sum(block) for block in blocks], first)
    assume(block is not None)
    inside = by_fractions(blocks[block], second)
    assume(inside is not None)
    found = sample_categorical(
        double(weights).log(),
        method="two_level",
        noise=double([float(first), float(second)]),
        block_size=block_size,
    )
    assert found.item() == block * block_size + inside


@pytest.mark.parametrize("block_size", [1, 2, 3, 4, 7, 1000])
def test_two_level_has_the_joint_law(block_size):
    # On a grid of both uniforms that divides every mass, counts are exact multiples.
    weights = [3, 0, 1, 2, 0, 0, 4]
    total, steps = sum(weights), math.lcm(*range(1, sum(weights) + 1))
    first = (torch.arange(total, dtype=torch.float64) + 0.5) / total
    second = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
    noise = torch.cartesian_prod(first, second)
    logits = double(weights).log().expand(len(noise), -1)
    found = sample_categorical(logits, method="two_level", noise=noise, block_size=block_size)
    assert found.bincount(minlength=7).tolist() == [weight * steps for weight in weights]


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.floats(-30, 30), uniforms), min_size=1, max_size=40),
    st.sampled_from(["gumbel", "exponential_race"]),
)
def test_perturbed_argmax_equals_brute_force(pairs, method):
    keys = [logit - math.log(-math.log1p(-float(uniform))) for logit, uniform in pairs]
    best = max(range(len(keys)), key=keys.__getitem__)
    assume(all(keys[best] - key > 1e-9 for i, key in enumerate(keys) if i != best))
    logits, noise = double([pair[0] for pair in pairs]), double([float(pair[1]) for pair in pairs])
    assert sample_categorical(logits, method=method, noise=noise).item() == best


def test_gumbel_and_race_agree_under_equal_noise():
    logits = random_logits(200, 1000)
    noise = make_noise("gumbel", logits)
    tokens = [
        sample_categorical(logits, method=method, noise=noise) for method in ("gumbel", "exponential_race")
    ]
    assert torch.equal(*tokens)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("vocab", SIZES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_size_and_dtype(dtype, vocab, method):
    logits = random_logits(3, vocab, seed=vocab).to(dtype)
    noise = make_noise(method, logits)
    tokens = sample_categorical(logits, method=method, noise=noise)
    assert tokens.dtype == torch.int64 and tokens.shape == (3,)
    assert bool(logits.gather(-1, tokens.unsqueeze(-1)).isfinite().all())
    assert torch.equal(tokens, sample_categorical(logits.double(), method=method, noise=noise))


@pytest.mark.parametrize("method", METHODS)
def test_largest_vocabulary(method):
    logits = torch.full((262_208,), -torch.inf, dtype=torch.bfloat16)
    logits[-1] = -3.0
    assert sample_categorical(logits, method=method).item() == 262_207
    logits = torch.zeros(262_208)
    noise = make_noise(method, logits, seed=5)
    token = sample_categorical(logits, method=method, noise=noise).item()
    if method == "inverse_cdf":
        assert token == math.floor(noise.item() * 262_208)
    elif method != "two_level":
        assert token == noise.argmin().item()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_noise_gives_equal_tokens_whatever_the_split(method, dtype):
    logits = random_logits(12, 3001).to(dtype)
    noise = make_noise(method, logits)
    together = sample_categorical(logits, method=method, noise=noise)
    for size in (1, 5):
        parts = [
            sample_categorical(rows, method=method, noise=part)
            for rows, part in zip(logits.split(size), noise.split(size), strict=True)
        ]
        assert torch.equal(torch.cat(parts), together)
    assert sample_categorical(logits[3], method=method, noise=noise[3]) == together[3]
    folded = sample_categorical(
        logits.unflatten(0, (3, 4)), method=method, noise=noise.unflatten(0, (3, 4))
    )
    assert torch.equal(folded.flatten(), together)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("extreme", [2.0**-1022, 2.0**-54, 1 - 2.0**-53])
@pytest.mark.parametrize("dtype", DTYPES)
def test_extreme_noise_stays_on_finite_logits(method, extreme, dtype):
    for vocab in (1, 6, 1500):
        logits = random_logits(8, vocab, seed=vocab, masked=0.5).to(dtype)
        logits[:, 0] = logits[:, -1] = -torch.inf
        logits[:, vocab // 2] = 1.0
        noise = torch.full(noise_shape(method, logits), extreme, dtype=torch.float64)
        tokens = sample_categorical(logits, method=method, noise=noise, block_size=BLOCK)
        assert bool(logits.gather(-1, tokens.unsqueeze(-1)).isfinite().all())


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.sampled_from([-math.inf, -1e30, -800.0, -1.0, 0.0, 3.0]), min_size=1, max_size=30),
    st.sampled_from(METHODS),
    st.integers(0, 2**32),
)
def test_masked_tokens_never_win(row, method, seed):
    assume(any(math.isfinite(logit) for logit in row))
    logits = torch.tensor(row).expand(50, -1)
    noise = make_noise(method, logits, seed)
    tokens = sample_categorical(logits, method=method, noise=noise, block_size=BLOCK)
    assert all(math.isfinite(row[token]) for token in tokens.tolist())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(4,), (0, 4), (2, 0, 4), (2, 3, 4)])
def test_batch_shapes(method, shape):
    assert sample_categorical(torch.zeros(shape), method=method).shape == shape[:-1]


@pytest.mark.parametrize("method", METHODS)
def test_strides_and_gradients_do_not_matter(method):
    logits = random_logits(1100, 4).T
    noise = make_noise(method, logits)
    expected = sample_categorical(logits.contiguous(), method=method, noise=noise)
    before = logits.clone()
    assert torch.equal(sample_categorical(logits, method=method, noise=noise), expected)
    assert torch.equal(logits, before), "the logits were changed"
    learnt = logits.clone().requires_grad_()
    assert torch.equal(sample_categorical(learnt, method=method, noise=noise), expected)


@pytest.mark.parametrize("method", METHODS)
def test_generator_draws_the_noise(method):
    logits = random_logits(20, 300)

    def draw(seed):
        generator = torch.Generator().manual_seed(seed)
        return sample_categorical(logits, method=method, generator=generator)

    assert torch.equal(
        draw(1), sample_categorical(logits, method=method, noise=make_noise(method, logits, 1))
    )
    assert not torch.equal(draw(1), draw(2))
    torch.manual_seed(1)
    assert torch.equal(sample_categorical(logits, method=method), draw(1))


# The law, by counting.


def assert_law(sample, logits, draws, rows):
    """Pearson's chi-square on pooled bins: bins that expect fewer than 5 become one."""
    generator = torch.Generator().manual_seed(2026)
    vocab = len(logits)
    counts = torch.zeros(vocab + 1)  # the last place is for ids that do not exist
    for _ in range(draws // rows):
        tokens = sample(logits.expand(rows, -1), generator)
        counts += tokens.clamp(max=vocab).bincount(minlength=vocab + 1)
    assert counts[vocab] == 0, "an id outside the vocabulary"
    expected = logits.double().softmax(-1) * draws
    assert bool((counts[:vocab][expected == 0] == 0).all()), "a masked token"
    pooled = expected < 5
    observed = torch.cat([counts[:vocab][~pooled], counts[:vocab][pooled].sum().view(1)])
    expected = torch.cat([expected[~pooled], expected[pooled].sum().view(1)])
    if expected[-1] < 5:  # the pool itself is too small to count on
        observed, expected = observed[:-1], expected[:-1]
    chi_square = float(((observed - expected) ** 2 / expected).sum())
    freedom = len(expected) - 1
    assert chi_square < freedom + 10 * math.sqrt(2 * freedom)


def assert_narrow_law(sample):
    logits = double([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 40, 3, 2]).log() - math.log(160)
    assert_law(sample, logits, draws=200_000, rows=20_000)


def assert_wide_law(sample):
    shuffled = torch.randperm(4096, generator=torch.Generator().manual_seed(7))
    assert_law(sample, -(shuffled + 1.0).log(), draws=8192, rows=512)


def assert_heavy_tail(sample):
    """One token of weight e^11 among 4,095 of weight 1, which together have 6 %."""
    logits = torch.zeros(4096, dtype=torch.float64)
    logits[2048] = 11.0
    tail = 4095 / (4095 + math.exp(11))
    generator = torch.Generator().manual_seed(2026)
    hits = sum(int((sample(logits.expand(512, -1), generator) != 2048).sum()) for _ in range(8))
    assert abs(hits - 4096 * tail) < 10 * math.sqrt(4096 * tail * (1 - tail))


LAWS = {"narrow": assert_narrow_law, "wide": assert_wide_law, "heavy tail": assert_heavy_tail}


def noise_for(logits, generator, *shape):
    return open_uniform((len(logits), *shape), generator=generator)


def next_token(logits, generator):
    """Inverse CDF that returns the token after the right one, and the first after the last."""
    cdf = logits.softmax(-1).cumsum(-1)
    exclusive = torch.nn.functional.pad(cdf, (1, 0))[:, :-1].contiguous()
    return torch.searchsorted(exclusive, noise_for(logits, generator, 1)).squeeze(-1) % len(logits[0])


def bfloat16_cdf(logits, generator):
    """Inverse CDF whose running sum stops growing once it has met a large mass."""
    masses, total, steps = logits[0].softmax(-1).tolist(), torch.zeros((), dtype=torch.bfloat16), []
    for mass in masses:
        total = total + mass
        steps.append(total.item())
    uniform = noise_for(logits, generator) * steps[-1]
    return torch.searchsorted(double(steps), uniform, right=True)


def shared_uniform(logits, generator):
    """Two levels with one uniform for the block and for the place inside it."""
    noise = noise_for(logits, generator, 1).expand(-1, 2)
    return sample_categorical(logits, method="two_level", noise=noise, block_size=BLOCK)


def blocks_by_maximum(logits, generator):
    """Two levels that take the largest weight of a block for its mass."""
    blocks = logits.unflatten(-1, (-1, 16))
    block = sample_categorical(blocks.amax(-1), generator=generator)
    inside = blocks[torch.arange(len(logits)), block]
    return 16 * block + sample_categorical(inside, generator=generator)


def masked_lanes(logits, generator):
    """Gumbel-max padded to a power of two with scores of 0, which can win."""
    padded = torch.nn.functional.pad(logits, (0, len(logits[0])), value=0.0)
    noise = gumbel(noise_for(logits, generator, padded.shape[-1]))
    noise[:, logits.shape[-1] :] = 0
    return (padded + noise).argmax(-1)


def coarse_gumbel(logits, generator):
    """Gumbel-max from the coarse end of a float16 uniform: the noise stops at 7.6."""
    coarse = (noise_for(logits, generator, logits.shape[-1]) * 2048).floor().clamp(1, 2047) / 2048
    return (logits - (-coarse.log()).log()).argmax(-1)


def coarse_race(logits, generator):
    """The same in an exponential race."""
    coarse = (noise_for(logits, generator, logits.shape[-1]) * 2048).floor().clamp(1, 2047) / 2048
    return (-coarse.log() / logits.softmax(-1)).argmin(-1)


def product_argmax(logits, generator):
    """The argmax of probabilities times exponential noise, where a race divides."""
    noise = exponential(noise_for(logits, generator, logits.shape[-1]))
    return (logits.softmax(-1) * noise).argmax(-1)


def uniform_product(logits, generator):
    """The argmax of probabilities times uniform noise."""
    return (logits.softmax(-1) * noise_for(logits, generator, logits.shape[-1])).argmax(-1)


MUTANTS = [
    ("narrow", "inverse_cdf", next_token),
    ("wide", "inverse_cdf", next_token),
    ("heavy tail", "inverse_cdf", bfloat16_cdf),
    ("narrow", "two_level", shared_uniform),
    ("wide", "two_level", blocks_by_maximum),
    ("heavy tail", "two_level", blocks_by_maximum),
    ("narrow", "gumbel", masked_lanes),
    ("wide", "gumbel", coarse_gumbel),
    ("heavy tail", "gumbel", coarse_gumbel),
    ("narrow", "exponential_race", product_argmax),
    ("wide", "exponential_race", uniform_product),
    ("heavy tail", "exponential_race", coarse_race),
]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("method", METHODS)
def test_law(law, method):
    def sample(logits, generator):
        return sample_categorical(logits, method=method, generator=generator, block_size=BLOCK)

    LAWS[law](sample)


@pytest.mark.parametrize(("law", "method", "mutant"), MUTANTS)
def test_law_rejects_a_mutant(law, method, mutant):
    with pytest.raises(AssertionError):
        LAWS[law](mutant)


# A token of probability e^-18 wins only where its own uniform is below 2^-20, all but
# 1e-26 of the time. Drawing that uniform below 2^-20 shows a million times more wins.


def float32_gumbel(logits, noise):
    """The usual draw, -log(-log u) of a float32 uniform below 1: it stops at 16.64."""
    uniform = (1 - noise).float().clamp(max=1 - 2.0**-24)
    return (logits - (-uniform.log()).log()).argmax(-1)


def assert_rare_token(sample):
    draws, rare = 100_000, 1 / (1 + math.exp(18))
    noise = open_uniform((draws, 2), generator=torch.Generator().manual_seed(11))
    noise[:, 1] *= 2.0**-20
    hits = int(sample(double([18.0, 0.0]).expand(draws, 2), noise=noise).sum())
    share = rare * 2**20
    assert abs(hits - draws * share) < 10 * math.sqrt(draws * share * (1 - share))


@pytest.mark.parametrize("method", ["gumbel", "exponential_race"])
def test_rare_token_keeps_its_probability(method):
    assert_rare_token(partial(sample_categorical, method=method))


def test_rare_token_rejects_float32_noise():
    with pytest.raises(AssertionError):
        assert_rare_token(float32_gumbel)
