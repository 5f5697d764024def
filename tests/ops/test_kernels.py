"""What only kernels can get wrong: their own noise, memory, ends of rows, and the mistakes of others.

Bugs of published samplers stand here as tests: a masked tail that wins, row offsets that
overflow int32, one stream of noise for two purposes, NaN that leads out of the vocabulary,
tiles without a finite logit, a temperature near 0, bfloat16 arithmetic. Each has a mutant
of the kernels, made by changing their source, that the same test catches.
"""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from tests.ops.logits import random_logits
from tests.ops.philox import kernel_uniforms, philox
from tests.support.backends import DEVICE
from tests.support.catalogue import catalogue, checks_in
from tokenlab.ops import STATS, gumbel, reference, row_stats, sample_categorical, top_k
from tokenlab.ops.noise import open_uniform

triton = pytest.importorskip("triton", reason="triton is not installed (pip install triton)")

pytestmark = pytest.mark.usefixtures("poisoned_memory")
tl = triton.language
SAMPLERS = ("two_level", "gumbel")
kernel_stats = partial(row_stats, backend="triton")
kernel_sample = partial(sample_categorical, backend="triton")
kernel_top_k = partial(top_k, backend="triton")


def random_noise(*shape, seed=0):
    return open_uniform(shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE)


# The catalogue: each check runs on the kernels, and must fail on its mutants.


def check_masked_tail():
    """All logits far below the 0 that a careless mask would put past the end of the row."""
    for vocab in (5, 1023, 4095):
        logits = random_logits(2, vocab) - 60
        logits[:, -1] = -30.0
        found, expected = kernel_stats(logits), reference.row_stats(logits, STATS)
        torch.testing.assert_close(found.logsumexp, expected.logsumexp)
        assert found.argmax.tolist() == [vocab - 1] * 2
        assert kernel_top_k(logits, 3).indices[:, 0].tolist() == [vocab - 1] * 2
        for method in SAMPLERS:
            tokens = kernel_sample(logits, method=method)
            assert bool((tokens < vocab).all())
            width = 2 if method == "two_level" else vocab
            noise = random_noise(2, width)
            wanted = sample_categorical(logits, method=method, noise=noise, backend="reference")
            assert torch.equal(kernel_sample(logits, method=method, noise=noise), wanted)


def check_row_offsets():
    """Rows that begin beyond 2^31 elements of the first.

    As many lie in front of it, where an offset that wraps around would read. Almost all of
    this memory is never touched, and so never there.
    """
    stride = 2**30 + 16
    try:
        memory = torch.empty(4 * stride + 64, dtype=torch.float16, device=DEVICE)
    except RuntimeError:
        pytest.skip("needs 8.6 GB of address space")
    logits = memory.as_strided((3, 64), (stride, 1), 2 * stride)
    logits.copy_(random_logits(3, 64, dtype=torch.float16))
    noise = {"two_level": random_noise(3, 2), "gumbel": random_noise(3, 64)}
    packed = logits.clone(memory_format=torch.contiguous_format)
    for call in (
        kernel_stats,
        partial(kernel_top_k, k=3),
        *(partial(kernel_sample, method=method, noise=noise[method]) for method in SAMPLERS),
    ):
        found, expected = call(logits), call(packed)
        pairs = zip(found, expected, strict=True) if isinstance(found, tuple) else [(found, expected)]
        assert all(torch.equal(value, wanted) for value, wanted in pairs)
    from tokenlab.ops import kernels

    seed = torch.tensor([7], device=DEVICE)
    assert torch.equal(kernels.gumbel_max(logits, seed=seed), kernels.gumbel_max(packed, seed=seed))


def check_stages_have_own_noise():
    """The block hangs on the first uniform only, the token inside it on the second only."""
    logits = torch.zeros(1, 16, device=DEVICE)
    for block in (0.125, 0.375, 0.625, 0.875):
        for inside in (0.125, 0.375, 0.625, 0.875):
            noise = torch.tensor([[block, inside]], dtype=torch.float64, device=DEVICE)
            token = kernel_sample(logits, noise=noise, block_size=4).item()
            assert token == 4 * int(4 * block) + int(4 * inside)


def check_nan_stays_inside():
    """What a row with NaN gives is undefined, but it is a token."""
    for vocab in (3, 1000, 5000):
        rows = [[vocab // 2], [0], [vocab - 1], range(vocab)]
        logits = random_logits(len(rows), vocab)
        for row, ids in enumerate(rows):
            logits[row, list(ids)] = math.nan
        ids = [kernel_stats(logits, validate=False).argmax]
        ids += [kernel_sample(logits, method=method, validate=False) for method in SAMPLERS]
        ids += [*kernel_top_k(logits, 2, validate=False).indices.T]
        for found in ids:
            assert bool(((found >= 0) & (found < vocab)).all())


def check_empty_tiles():
    """Tiles of nothing but -inf, in front, between and after."""
    vocab = 5 * 4096 + 7
    logits = torch.full((2, vocab), -math.inf, device=DEVICE)
    logits[0, 2 * 4096 + 5] = 1.5
    logits[1, [4096, 4 * 4096 + 1]] = torch.tensor([0.0, math.log(3)], device=DEVICE)
    found, expected = kernel_stats(logits), reference.row_stats(logits, STATS)
    for value, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(value, wanted)
    assert found.entropy[0].item() == 0
    for method in SAMPLERS:
        tokens = kernel_sample(logits, method=method)
        assert bool(logits.gather(1, tokens[:, None]).isfinite().all())


def check_all_masked_row():
    """With validate=False a row without any token gives one inside the vocabulary."""
    logits = torch.full((2, 4100), -math.inf, device=DEVICE)
    for found in (
        kernel_stats(logits, validate=False).argmax,
        kernel_top_k(logits, 2, validate=False).indices,
        *(kernel_sample(logits, method=method, validate=False) for method in SAMPLERS),
    ):
        assert bool(((found >= 0) & (found < 4100)).all())


def check_cold_rows():
    """Divided by a temperature near 0, logits reach 1e30: no overflow, no NaN, the argmax."""
    logits = random_logits(3, 5000) * 1e29
    found, expected = kernel_stats(logits), reference.row_stats(logits, STATS)
    for value, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(value, wanted)
    for method in SAMPLERS:
        assert torch.equal(kernel_sample(logits, method=method), found.argmax)


def check_bfloat16():
    """bfloat16 logits are exact in float32; sums must be made there."""
    logits = random_logits(2, 4500, dtype=torch.bfloat16)
    found, expected = kernel_stats(logits), kernel_stats(logits.float())
    for value, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(value, wanted)
    torch.testing.assert_close(found.logsumexp, logits.double().logsumexp(-1).float())


def check_ties():
    """Of equal logits the lowest id, inside a tile and between tiles."""
    logits = torch.zeros(2, 9000, device=DEVICE)
    logits[0, [17, 18, 8999]] = 2.0
    logits[1, [5000, 8999]] = 2.0
    found = kernel_stats(logits, ["margin", "argmax"])
    assert found.argmax.tolist() == [17, 5000] and found.margin.tolist() == [0, 0]
    assert kernel_top_k(logits, 4).indices.tolist() == [[17, 18, 8999, 0], [5000, 8999, 0, 1]]
    noise = torch.full((2, 9000), 0.5, dtype=torch.float64, device=DEVICE)
    assert kernel_sample(logits, method="gumbel", noise=noise).tolist() == [17, 5000]


def check_margin():
    """The second largest stands in another tile, or in the same."""
    logits = random_logits(2, 9000)
    logits[0, 3], logits[0, 8000] = 20.0, 19.0
    logits[1, 3], logits[1, 4] = 20.0, 18.5
    assert kernel_stats(logits).margin.tolist() == [1.0, 1.5]


def check_block_masses():
    """A block counts by the mass of all its tokens, not of its largest."""
    logits = torch.tensor([[1.0, 1, 1, 1, 4, 0, 0, 0]], device=DEVICE).log()
    for uniform, block in ((0.4, 0), (0.6, 1)):
        noise = torch.tensor([[uniform, 0.1]], dtype=torch.float64, device=DEVICE)
        assert kernel_sample(logits, noise=noise, block_size=4).item() == 4 * block


def check_double_precision():
    """Inside a block the sum is float64: uniforms nearer than float32 could tell still decide."""
    logits = random_logits(1, 8192) / 3
    cdf = logits[0].double().softmax(-1).cumsum(-1)
    positions = torch.arange(500, 8000, 500, device=DEVICE)
    for step, token in ((-1e-10, positions), (1e-10, positions + 1)):
        noise = torch.stack([torch.full_like(cdf[positions], 0.5), cdf[positions] + step], 1)
        rows = logits.expand(len(positions), -1)
        assert torch.equal(kernel_sample(rows, noise=noise, block_size=8192), token)


def check_strided_noise():
    """The noise may lie in memory in another order."""
    for method, width in (("two_level", 2), ("gumbel", 50)):
        logits = torch.zeros(4, 50, device=DEVICE)
        noise = random_noise(width, 4).T
        draw = partial(kernel_sample, logits, method=method, block_size=8)
        assert torch.equal(draw(noise=noise), draw(noise=noise.contiguous()))


def check_seeds():
    """Every call has a key of its own, of 63 bits."""
    from tokenlab.ops import kernels

    keys = []
    draw = kernels.gumbel_max
    kernels.gumbel_max = lambda logits, seed: keys.append(seed.item())
    try:
        for number in range(200):
            generator = torch.Generator(DEVICE).manual_seed(number)
            kernel_sample(torch.zeros(1, 3, device=DEVICE), method="gumbel", generator=generator)
    finally:
        kernels.gumbel_max = draw
    assert len(set(keys)) == 200 and max(keys) > 2**60


def check_own_noise():
    """The Gumbel kernel draws what Philox says, a number of its own for every row and token."""
    for rows, vocab, seed in ((3, 50, 5), (2, 4200, 2**40 + 3)):
        logits = random_logits(rows, vocab, seed=vocab) / 3
        noise = kernel_uniforms(seed, rows, vocab)
        keys = gumbel(noise) + logits.double().cpu()
        first, second = keys.topk(2).values.unbind(-1)
        assert bool((first - second > 1e-4).all()), "choose another seed: the decision is too close"
        from tokenlab.ops import kernels

        found = kernels.gumbel_max(logits, seed=torch.tensor([seed], device=DEVICE))
        assert found.tolist() == keys.argmax(-1).tolist()


def check_large_logits():
    """Noise counts beside logits of 1e30 and beside the lowest numbers, in a tile and from tile to tile."""
    from tokenlab.ops import kernels

    vocab, seed = 2 * 4096 + 100, torch.tensor([5], device=DEVICE)
    noise = random_noise(3, vocab)
    # A row of equal ones; one where a few are far above; one where a tile is.
    steps = torch.zeros(3, vocab, device=DEVICE)
    steps[1, [7, 4100, 8200]] = 1.0
    steps[2, 4096:8192] = 1.0
    near = torch.where(steps > 0, 0.0, torch.where(steps.amax(-1, keepdim=True) > 0, -math.inf, 0.0))
    for dtype in (torch.float32, torch.bfloat16):
        for low, high in ((1e30, 2e30), (-2e30, -1e30), (torch.finfo(dtype).min, 0.0)):
            far = (low + steps.double() * (high - low)).to(dtype)
            wanted = sample_categorical(near, method="gumbel", noise=noise, backend="reference")
            assert torch.equal(kernel_sample(far, method="gumbel", noise=noise), wanted)
            assert torch.equal(kernels.gumbel_max(far, seed=seed), kernels.gumbel_max(near, seed=seed))


@triton.jit
def _noise_of_words_kernel(word_ptr, out_ptr, GUMBEL: tl.constexpr):
    at = tl.program_id(0)
    tl.store(out_ptr + at, GUMBEL(tl.load(word_ptr + at).to(tl.uint32)))


def check_resolved_tail():
    """Noise as float64 computes it, up to 22.9, where float32's usual draw stops at 16.6."""
    from tokenlab.ops import kernels

    # One finite logit to a row, so that the best score is that token's noise.
    seed, rows = 11, 64
    logits = torch.full((rows, 8), -math.inf, device=DEVICE)
    logits[torch.arange(rows), torch.arange(rows) % 8] = 0.0
    uniforms = kernel_uniforms(seed, rows, 8)[torch.arange(rows), torch.arange(rows) % 8]
    _, scores, _ = kernels.gumbel_tiles(logits, None, torch.tensor([seed], device=DEVICE))
    torch.testing.assert_close(scores[:, 0].double().cpu(), gumbel(uniforms), rtol=0, atol=2e-5)

    # The last words, which float32 rounds up to 1, give the least noise and not -inf.
    words = torch.tensor([0, 2**32 - 128, 2**32 - 1], device=DEVICE)
    found = torch.empty(3, device=DEVICE)
    _noise_of_words_kernel[(3,)](words, found, GUMBEL=kernels._gumbel)
    assert found.tolist() == pytest.approx([33 * math.log(2), -2.8115, -2.8115], abs=1e-3)

    # Given noise: both ends, and both sides of where the series takes over.
    ends = [2.0**-1022, 2.0**-54, 2.0**-33, 2.0**-30, 2.0**-10 * (1 - 2**-20), 2.0**-10, 0.5, 1 - 2.0**-53]
    noise = torch.tensor(ends, dtype=torch.float64, device=DEVICE).unsqueeze(1)
    _, scores, _ = kernels.gumbel_tiles(torch.zeros(len(ends), 1, device=DEVICE), noise, None)
    torch.testing.assert_close(scores.cpu(), gumbel(noise.cpu()), rtol=1e-12, atol=1e-12)


#: Name of the mistake: what is changed in the source, and who must notice.
MUTANTS = {
    "the mask fills with 0": ("< vocab), other=-float(\"inf\"))\n    return ids", "< vocab), other=0.0)\n    return ids", "masked_tail"),
    "int32 rows in the tiles": (
        "row = tl.program_id(0).to(tl.int64)\n    tile = tl.program_id(1)\n    at = row * tiles + tile\n    _, x",
        "row = tl.program_id(0)\n    tile = tl.program_id(1)\n    at = row * tiles + tile\n    _, x",
        "row_offsets",
    ),
    "one uniform for both stages": ("2 * row + 1", "2 * row", "stages_have_own_noise"),
    "the argmax of NaN": ("tl.minimum(first, vocab - 1)", "first", "nan_stays_inside"),
    "the largest of NaN": ("tl.minimum(token, vocab - 1).to(tl.int64))\n\n\n@triton.jit\ndef _next", "token.to(tl.int64))\n\n\n@triton.jit\ndef _next", "nan_stays_inside"),
    "-inf minus -inf": ("tl.where(largest == -float(\"inf\"), 0.0, largest)", "largest", "empty_tiles"),
    "zero times -inf": ("below = tl.maximum(tile_max - largest, FAR_BELOW)", "below = tile_max - largest", "empty_tiles"),
    "exp without the maximum": ("below = x - finite(largest)", "below = x", "cold_rows"),
    "weights in bfloat16": ("weights = tl.exp(below)\n", "weights = tl.exp(below).to(tl.bfloat16).to(tl.float32)\n", "bfloat16"),
    "the last of equal ones": ("first = tl.min(tl.where(x == largest, ids, NO_TOKEN), 0)", "first = tl.max(tl.where(x == largest, ids, -1), 0)", "ties"),
    "the last of equal tiles": ("tl.min(tl.where(tile_max == largest, tile, NO_TOKEN), 0), tiles", "tl.max(tl.where(tile_max == largest, tile, -1), 0), tiles", "ties"),
    "equal logits forgotten": ("(x < value) | ((x == value) & (ids > token))", "(x < value)", "ties"),
    "the runner-up of another tile": ("largest - tl.maximum(here, elsewhere)", "largest - here", "margin"),
    "the runner-up of the same tile": ("largest - tl.maximum(here, elsewhere)", "largest - elsewhere", "margin"),
    "blocks by their maximum": ("masses = tile_sum * tl.exp", "masses = tl.exp", "block_masses"),
    "the same noise in every row": ("zero + row, zero, zero", "zero, zero, zero", "own_noise"),
    "int32 rows under own noise": ("row.to(tl.int64) * stride_row, tile, vocab, TILE, TILE)\n    at = row.to", "row * stride_row, tile, vocab, TILE, TILE)\n    at = row.to", "row_offsets"),
    "a block in float32": ("x = x.to(tl.float64)", "x = x", "double_precision"),
    "noise read as if packed": ("uniform.contiguous(), tokens", "uniform, tokens", "strided_noise"),
    "noise read as if packed, Gumbel": ("uniform.contiguous(), largest", "uniform, largest", "strided_noise"),
    "the last of equal scores": ("tl.min(tl.where(scores == best, ids, NO_TOKEN), 0))", "tl.max(tl.where(scores == best, ids, -1), 0))", "ties"),
    "the last tile of equal scores": ("token = tl.min(tl.where(scores == tl.max(scores, 0), ids, NO_TOKEN), 0)", "token = tl.max(tl.where(scores == tl.max(scores, 0), ids, -1), 0)", "ties"),
    "noise beside the logits": ("    return x - finite(largest)\n", "    return x\n", "large_logits"),
    "tiles compared without their maxima": ("    scores += tile_max.to(scores.dtype) - finite(largest)\n", "", "large_logits"),
    "noise of minus infinity": ("tl.minimum((bits.to(tl.float32) + 0.5) * 2.0**-32, 1.0 - 2.0**-24)", "(bits.to(tl.float32) + 0.5) * 2.0**-32", "resolved_tail"),
    "words in another order": ("tl.join(tl.join(one, three), tl.join(two, four))", "tl.join(tl.join(one, two), tl.join(three, four))", "own_noise"),
    "the same noise in every tile": ("column = tile * (TILE // 4) +", "column =", "own_noise"),
    "the coarse end": ("tl.where(u < 0.125, series, -_log(1.0 - u))", "-_log(u)", "resolved_tail"),
    "no series": ("tl.where(u < 2.0**-10, series, -tl.log(1.0 - u))", "-tl.log(1.0 - u)", "resolved_tail"),
    "a memory cell not written": ("tl.store(sum_ptr + at, tl.sum(weights, 0))", "pass", "masked_tail"),
}  # fmt: skip


test_catalogue, test_mutant_is_caught = catalogue("tokenlab.ops", checks_in(globals()), MUTANTS)


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ],
)
def test_philox_known_answers(counter, key, words):
    assert philox(counter, key) == words


def test_noise_of_the_kernel_is_uniform():
    noise = kernel_uniforms(3, 8, 2500).flatten()
    counts = noise.mul(100).floor().long().bincount(minlength=100).double()
    expected = len(noise) / 100
    assert float(((counts - expected) ** 2 / expected).sum()) < 99 + 10 * math.sqrt(2 * 99)
    rows = noise.view(8, 2500) - 0.5
    correlation = (rows @ rows.T / 2500 * 12).fill_diagonal_(0).abs().max().item()
    assert correlation < 6 / math.sqrt(2500)


def test_auto_takes_the_kernel_on_a_gpu_and_the_reference_elsewhere(monkeypatch):
    from tokenlab.ops import kernels

    called = []
    monkeypatch.setattr(kernels, "row_stats", lambda *args: called.append("kernel"))
    row_stats(random_logits(2, 5))
    assert called == (["kernel"] if DEVICE == "cuda" else [])


@pytest.mark.parametrize("call", [row_stats, partial(top_k, k=2)])
def test_auto_keeps_gradients(call):
    logits = random_logits(2, 9).requires_grad_()
    value = call(logits)[0]
    assert value.requires_grad
    with torch.no_grad():
        call(logits)


def test_only_wanted_partial_results_are_written():
    from tokenlab.ops import tiles

    logits = random_logits(2, 5000)
    assert [part is not None for part in tiles.tile_stats(logits, 4096)] == [True, False, False]
    assert [part is not None for part in tiles.tile_stats(logits, 4096, total=True)] == [True, True, False]


def test_expanded_rows_are_not_copied():
    from tokenlab.ops import tiles

    row = random_logits(1, 100)
    assert tiles.as_rows(row.expand(1000, 100)).data_ptr() == row.data_ptr()
    assert tiles.as_rows(random_logits(6, 100)[::2]).stride() == (200, 1)
