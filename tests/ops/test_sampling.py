"""Categorical sampling: exact under given noise, and the right distribution under random noise.

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

from tests.support.backends import BACKENDS, BACKENDS_AND_METHODS, DEVICE, DTYPES, KERNELS, working_dtype
from tokenlab.ops import METHODS, exponential, gumbel, open_uniform, sample_categorical

SIZES = [1, 2, 7, 31, 1000, 1024, 1025, 50257]
BLOCK = 5


def noise_shape(method, logits):
    *batch, vocab = logits.shape
    return {"inverse_cdf": (*batch,), "two_level": (*batch, 2)}.get(method, (*batch, vocab))


def make_noise(method, logits, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return open_uniform(noise_shape(method, logits), generator=generator).to(DEVICE)


def double(values):
    return torch.tensor(values, dtype=torch.float64, device=DEVICE)


def without_float64(backend):
    return [dtype for dtype in DTYPES if backend == "reference" or dtype != torch.float64]


def random_logits(*shape, seed=0, masked=0.3):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(shape, generator=generator, dtype=torch.float64) * 2
    hidden = torch.rand(shape, generator=generator) < masked
    hidden[..., shape[-1] // 2] = False
    return logits.masked_fill(hidden, -torch.inf).to(DEVICE)


# Exactness under explicit noise.

weights = st.lists(st.integers(0, 20), min_size=1, max_size=40).filter(any)
uniforms = st.fractions(0, 1, max_denominator=10**6).filter(lambda u: 0 < u < 1)


def by_fractions(masses, uniform, margin=Fraction(1, 10**9)):
    """Inverse CDF in exact arithmetic; None too near a boundary for floating point to decide."""
    target = uniform * sum(masses)
    total = Fraction(0)
    found = None
    for index, mass in enumerate(masses):
        total += mass
        if total != sum(masses) and abs(total - target) < margin * sum(masses):
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


@pytest.mark.parametrize("backend", BACKENDS)
@settings(deadline=None, max_examples=60)
@given(weights, uniforms, uniforms, st.sampled_from([1, 2, 3, 7, 8, 20, 45]))
def test_two_level_equals_exact_arithmetic(backend, weights, first, second, block_size):
    margin = Fraction(1, 10**9 if backend == "reference" else 10**4)
    blocks = [weights[i : i + block_size] for i in range(0, len(weights), block_size)]
    block = by_fractions([sum(block) for block in blocks], first, margin)
    assume(block is not None)
    inside = by_fractions(blocks[block], second, margin)
    assume(inside is not None)
    found = sample_categorical(
        double(weights).log().to(working_dtype(backend)),
        method="two_level",
        noise=double([float(first), float(second)]),
        block_size=block_size,
        backend=backend,
    )
    assert found.item() == block * block_size + inside


@pytest.mark.parametrize("block_size", [1, 2, 3, 4, 7, 1000])
def test_two_level_has_the_joint_distribution(block_size):
    # On a grid of both uniforms that divides every mass, counts are exact multiples.
    weights = [3, 0, 1, 2, 0, 0, 4]
    total, steps = sum(weights), math.lcm(*range(1, sum(weights) + 1))
    first = (torch.arange(total, dtype=torch.float64) + 0.5) / total
    second = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
    noise = torch.cartesian_prod(first, second).to(DEVICE)
    logits = double(weights).log().expand(len(noise), -1)
    found = sample_categorical(logits, method="two_level", noise=noise, block_size=block_size)
    assert found.bincount(minlength=7).tolist() == [weight * steps for weight in weights]


@pytest.mark.parametrize("backend", BACKENDS)
@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.floats(-30, 30, width=32), uniforms), min_size=1, max_size=40),
    st.sampled_from(["gumbel", "exponential_race"]),
)
def test_perturbed_argmax_equals_brute_force(backend, pairs, method):
    keys = [logit - math.log(-math.log1p(-float(uniform))) for logit, uniform in pairs]
    best = max(range(len(keys)), key=keys.__getitem__)
    margin = 1e-9 if backend == "reference" else 1e-4
    assume(all(keys[best] - key > margin for i, key in enumerate(keys) if i != best))
    logits, noise = double([pair[0] for pair in pairs]), double([float(pair[1]) for pair in pairs])
    logits = logits.to(working_dtype(backend))
    assert sample_categorical(logits, method=method, noise=noise, backend=backend).item() == best


def test_gumbel_and_race_agree_under_equal_noise():
    logits = random_logits(200, 1000)
    noise = make_noise("gumbel", logits)
    tokens = [
        sample_categorical(logits, method=method, noise=noise) for method in ("gumbel", "exponential_race")
    ]
    assert torch.equal(*tokens)


@pytest.mark.parametrize(("backend", "method"), BACKENDS_AND_METHODS)
@pytest.mark.parametrize("vocab", SIZES)
def test_every_size_and_dtype(backend, vocab, method):
    for dtype in without_float64(backend):
        logits = random_logits(3, vocab, seed=vocab).to(dtype)
        noise = make_noise(method, logits)
        tokens = sample_categorical(logits, method=method, noise=noise, backend=backend)
        assert tokens.dtype == torch.int64 and tokens.shape == (3,)
        assert bool(logits.gather(-1, tokens.unsqueeze(-1)).isfinite().all())
        assert torch.equal(tokens, sample_categorical(logits.double(), method=method, noise=noise))


@pytest.mark.parametrize(("backend", "method"), BACKENDS_AND_METHODS)
def test_largest_vocabulary(backend, method):
    logits = torch.full((262_208,), -torch.inf, dtype=torch.bfloat16, device=DEVICE)
    logits[-1] = -3.0
    assert sample_categorical(logits, method=method, backend=backend).item() == 262_207
    logits = torch.zeros(262_208, device=DEVICE)
    noise = make_noise(method, logits, seed=5)
    token = sample_categorical(logits, method=method, noise=noise, backend=backend).item()
    if method == "inverse_cdf":
        assert token == math.floor(noise.item() * 262_208)
    elif method != "two_level":
        assert token == noise.argmin().item()


@pytest.mark.parametrize(("backend", "method"), BACKENDS_AND_METHODS)
def test_equal_noise_gives_equal_tokens_whatever_the_split(backend, method):
    draw = partial(sample_categorical, method=method, backend=backend)
    for dtype in without_float64(backend):
        logits = random_logits(12, 3001 if backend == "reference" else 1101).to(dtype)
        noise = make_noise(method, logits)
        together = draw(logits, noise=noise)
        for size in (1, 5):
            parts = [
                draw(rows, noise=part)
                for rows, part in zip(logits.split(size), noise.split(size), strict=True)
            ]
            assert torch.equal(torch.cat(parts), together)
        assert draw(logits[3], noise=noise[3]) == together[3]
        folded = draw(logits.unflatten(0, (3, 4)), noise=noise.unflatten(0, (3, 4)))
        assert torch.equal(folded.flatten(), together)


@pytest.mark.parametrize(("backend", "method"), BACKENDS_AND_METHODS)
@pytest.mark.parametrize("extreme", [2.0**-1022, 2.0**-54, 2.0**-30, 1 - 2.0**-53])
def test_extreme_noise_stays_on_finite_logits(backend, method, extreme):
    for dtype in without_float64(backend):
        for vocab in (1, 6, 1500 if backend == "reference" else 61):
            logits = random_logits(3, vocab, seed=vocab, masked=0.5).to(dtype)
            logits[:, 0] = logits[:, -1] = -torch.inf
            logits[:, vocab // 2] = 1.0
            noise = torch.full(noise_shape(method, logits), extreme, dtype=torch.float64, device=DEVICE)
            tokens = sample_categorical(logits, method=method, noise=noise, block_size=BLOCK, backend=backend)
            assert bool(logits.gather(-1, tokens.unsqueeze(-1)).isfinite().all())


@pytest.mark.parametrize(("backend", "method"), BACKENDS_AND_METHODS)
@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.sampled_from([-math.inf, -1e30, -800.0, -1.0, 0.0, 3.0]), min_size=1, max_size=30),
    st.integers(0, 2**32),
)
def test_masked_tokens_never_win(backend, method, row, seed):
    assume(any(math.isfinite(logit) for logit in row))
    logits = torch.tensor(row, device=DEVICE).expand(50 if backend == "reference" else 3, -1)
    noise = make_noise(method, logits, seed)
    tokens = sample_categorical(logits, method=method, noise=noise, block_size=BLOCK, backend=backend)
    assert all(math.isfinite(row[token]) for token in tokens.tolist())


@pytest.mark.parametrize(("backend", "method"), BACKENDS_AND_METHODS)
@pytest.mark.parametrize("shape", [(4,), (0, 4), (2, 0, 4), (2, 3, 4)])
def test_batch_shapes(backend, method, shape):
    logits = torch.zeros(shape, device=DEVICE)
    assert sample_categorical(logits, method=method, backend=backend).shape == shape[:-1]


@pytest.mark.parametrize(("backend", "method"), BACKENDS_AND_METHODS)
def test_strides_and_gradients_do_not_matter(backend, method):
    logits = random_logits(1100, 4).T.to(working_dtype(backend))
    draw = partial(sample_categorical, method=method, noise=make_noise(method, logits), backend=backend)
    expected = draw(logits.contiguous())
    before = logits.clone()
    assert torch.equal(draw(logits), expected)
    assert torch.equal(logits, before), "the logits were changed"
    assert torch.equal(draw(logits.clone().requires_grad_()), expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_kernels_take_noise_of_any_stride(backend):
    logits = random_logits(4, 50).float()
    noise = make_noise("gumbel", logits.T)
    draw = partial(sample_categorical, logits, method="gumbel", backend=backend)
    assert torch.equal(draw(noise=noise.T), draw(noise=noise.T.contiguous()))


@pytest.mark.parametrize(("backend", "method"), BACKENDS_AND_METHODS)
def test_generator_draws_the_noise(backend, method):
    logits = random_logits(20 if backend == "reference" else 8, 300).to(working_dtype(backend))
    draw = partial(sample_categorical, logits, method=method, backend=backend)

    def seeded(seed):
        return draw(generator=torch.Generator(DEVICE).manual_seed(seed))

    assert torch.equal(seeded(1), seeded(1))
    assert not torch.equal(seeded(1), seeded(2))
    torch.manual_seed(1)
    assert torch.equal(draw(), seeded(1))
    if backend == "reference" or method == "two_level":
        # The other kernels draw a seed; their noise is tested in test_kernels.py.
        shape = noise_shape(method, logits)
        noise = open_uniform(shape, generator=torch.Generator(DEVICE).manual_seed(1), device=DEVICE)
        assert torch.equal(draw(noise=noise), seeded(1))


def assert_distribution(sample, logits, draws, rows):
    """Pearson's chi-square on pooled bins: bins that expect fewer than 5 become one."""
    generator = torch.Generator(DEVICE).manual_seed(2026)
    vocab = len(logits)
    counts = torch.zeros(vocab + 1, device=DEVICE)  # the last one is for ids that do not exist
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


def assert_narrow_distribution(sample, draws=200_000, rows=20_000):
    logits = double([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 40, 3, 2]).log() - math.log(160)
    assert_distribution(sample, logits, draws, rows)


def assert_wide_distribution(sample):
    shuffled = torch.randperm(4096, generator=torch.Generator().manual_seed(7)).to(DEVICE)
    assert_distribution(sample, -(shuffled + 1.0).log(), draws=8192, rows=512)


def assert_heavy_tail(sample):
    """One token of weight e^11 among 4,095 of weight 1, which together have 6 %."""
    logits = torch.zeros(4096, dtype=torch.float64, device=DEVICE)
    logits[2048] = 11.0
    tail = 4095 / (4095 + math.exp(11))
    generator = torch.Generator(DEVICE).manual_seed(2026)
    hits = sum(int((sample(logits.expand(512, -1), generator) != 2048).sum()) for _ in range(8))
    assert abs(hits - 4096 * tail) < 10 * math.sqrt(4096 * tail * (1 - tail))


DISTRIBUTIONS = {
    "narrow": assert_narrow_distribution,
    "wide": assert_wide_distribution,
    "heavy tail": assert_heavy_tail,
}


def noise_for(logits, generator, *shape):
    return open_uniform((len(logits), *shape), generator=generator, device=DEVICE)


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
    """Two levels with one uniform for the block and for the token inside it."""
    noise = noise_for(logits, generator, 1).expand(-1, 2)
    return sample_categorical(logits, method="two_level", noise=noise, block_size=BLOCK)


def blocks_by_maximum(logits, generator):
    """Two levels that take the largest weight of a block for its mass."""
    blocks = logits.unflatten(-1, (-1, 16))
    block = sample_categorical(blocks.amax(-1), generator=generator)
    inside = blocks[torch.arange(len(logits), device=DEVICE), block]
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


def sampler(method, backend="reference", block_size=BLOCK):
    def sample(logits, generator):
        logits = logits.to(working_dtype(backend))
        return sample_categorical(
            logits, method=method, generator=generator, block_size=block_size, backend=backend
        )

    return sample


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("method", METHODS)
def test_distribution(distribution, method):
    DISTRIBUTIONS[distribution](sampler(method))


@pytest.mark.parametrize("backend", [KERNELS])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("method", ["two_level", "gumbel"])
def test_distribution_of_the_kernels(distribution, method, backend):
    if DEVICE == "cuda":
        DISTRIBUTIONS[distribution](sampler(method, backend, block_size=512))
    elif distribution == "narrow":
        # The interpreter runs one program after the other: ten milliseconds and more a draw.
        assert_narrow_distribution(sampler(method, backend, block_size=8), draws=300, rows=300)
    else:
        pytest.skip("the interpreter is too slow to count in a wide vocabulary: needs a GPU")


@pytest.mark.parametrize("mutant", [shared_uniform, next_token, product_argmax])
def test_few_draws_reject_a_mutant(mutant):
    with pytest.raises(AssertionError):
        assert_narrow_distribution(mutant, draws=300, rows=300)


@pytest.mark.parametrize(("distribution", "method", "mutant"), MUTANTS)
def test_distribution_rejects_a_mutant(distribution, method, mutant):
    with pytest.raises(AssertionError):
        DISTRIBUTIONS[distribution](mutant)


# A token of probability e^-18 wins only where its own uniform is below 2^-20, all but
# 1e-26 of the time. Drawing that uniform below 2^-20 shows a million times more wins.


def float32_gumbel(logits, noise):
    """The usual draw, -log(-log u) of a float32 uniform below 1: it stops at 16.64."""
    uniform = (1 - noise).float().clamp(max=1 - 2.0**-24)
    return (logits - (-uniform.log()).log()).argmax(-1)


def assert_rare_token(sample):
    draws, rare = 100_000, 1 / (1 + math.exp(18))
    noise = open_uniform((draws, 2), generator=torch.Generator().manual_seed(11)).to(DEVICE)
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
