"""The kernels choose what the reference chooses, and published mistakes are caught.

Reference and kernels get the same noise. They must give the same token wherever the decision
is not closer than rounding: each test by 1e-4 of probability, each draw by 1e-4 of its mass.
Every check of the catalogue also runs on mutants of the kernels, and must fail there.
"""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.backends import BACKENDS, DEVICE, working_dtype
from tests.support.catalogue import catalogue, checks_in
from tests.transport.decoding import statistics
from tests.transport.instances import EDGES, double
from tokenlab.errors import BackendError
from tokenlab.ops import open_uniform
from tokenlab.transport import draw_drafts, hockey_stick_divergence, verify, verify_logits
from tokenlab.transport.node import reference
from tokenlab.transport.node.backend import KERNEL_LIMITS
from tokenlab.transport.node.thresholds import division_factor as exact_factor

pytest.importorskip("triton", reason="triton is not installed (pip install triton)")

pytestmark = pytest.mark.usefixtures("fast_interpreter", "poisoned_memory")


MARGIN = 1e-4


PAIRS = [
    ("target_only", "iid"),
    ("naive", "iid"),
    ("naive", "without_replacement"),
    ("recursive", "iid"),
    ("recursive", "without_replacement"),
    ("kseq", "iid"),
    ("greedy", "greedy"),
]


FIRST = 2.0**-40  # as a uniform: a test that is passed, or the first token that has mass


LAST = 1 - 2.0**-40


def random_logits(rows, vocab, seed=0, spread=1.5, dtype=torch.float32):
    """Logits of a target, and of a draft that knows something about it."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.randn(rows, vocab, generator=generator) * 2
    draft = 0.7 * target + spread * torch.randn(rows, vocab, generator=generator)
    return target.to(DEVICE, dtype), draft.to(DEVICE, dtype)


def random_tests(draft_probs, k, sampling, seed=0):
    """Drafts and noise."""
    generator = torch.Generator().manual_seed(seed)
    tokens = draw_drafts(draft_probs.cpu().double(), k, sampling, generator=generator, validate=False)
    noise = open_uniform((len(tokens), k + 2), generator=generator)
    return tokens.to(DEVICE), noise.to(DEVICE)


def margins(target, draft, tokens, noise, rule, sampling):
    """How near each row's decisions are to another outcome, by the reference."""
    k = tokens.shape[-1]
    verdict = reference.decide(target, draft, tokens, rule, sampling)
    passed = noise[:, :k] < verdict.accept
    asked = torch.cat([torch.zeros_like(passed[:, :1]), passed[:, :-1]], 1).cumsum(1) == 0
    # An outcome that is certain has no other.
    sure = (verdict.accept == 1) | (verdict.accept == 0)
    found = (noise[:, :k] - verdict.accept).abs().masked_fill(~asked | sure, 1.0).amin(1)
    for row in (~passed.any(1)).nonzero().flatten().tolist():
        blocks = [block.sum() for block in verdict.residual[row].split(1024)]
        found[row] = torch.minimum(found[row], gap(torch.stack(blocks), noise[row, k]))
        edges = torch.stack(blocks).cumsum(0)
        chosen = int((edges <= noise[row, k] * edges[-1]).sum())
        inside = verdict.residual[row].split(1024)[min(chosen, len(blocks) - 1)]
        found[row] = torch.minimum(found[row], gap(inside, noise[row, k + 1]))
    return found


def gap(weights, uniform):
    """Distance of a uniform from the nearest inner edge of the cumulative weights, as a share."""
    edges = weights.cumsum(0) / weights.sum()
    return (
        (edges[weights > 0][:-1] - uniform).abs().amin()
        if (weights > 0).sum() > 1
        else torch.ones_like(uniform)
    )


def check_same(target, draft, tokens, noise, rule, sampling, *, logits, clear=0.5):
    """Kernels and reference agree on every clear row, and enough rows are clear."""
    call = verify_logits if logits else verify
    found = call(target, draft, tokens, rule, sampling, noise=noise, backend="triton", validate=False)
    p, q = (values.double().softmax(-1) if logits else values.double() for values in (target, draft))
    expected = verify(p, q, tokens.long(), rule, sampling, noise=noise, backend="reference", validate=False)
    # K-SEQ's factor may be (k - 1) / 2^14 above the root.
    margin = MARGIN + (tokens.shape[1] / 2**14 if rule == "kseq" else 0)
    far = margins(p, q, tokens.long(), noise, rule, sampling) > margin
    assert far.double().mean() >= clear, "too few rows decide anything"
    for name, value, wanted in zip(found._fields, found, expected, strict=True):
        assert value.dtype == torch.int64 and value.shape == wanted.shape
        assert torch.equal(value[far], wanted[far]), (name, rule, sampling, value, wanted)


def check_rule(rule, sampling, vocab, k, *, rows=4, seed=0, spread=1.5, logits=True, hopeless=True):
    """A rule on random rows; in half of them every test fails, so that the residual is reached."""
    target, draft = random_logits(rows, vocab, seed, spread)
    if not logits:
        target, draft = target.softmax(-1), draft.softmax(-1)
    probs = draft.softmax(-1) if logits else draft
    tokens, noise = random_tests(probs, k, sampling, seed)
    if hopeless:
        noise[: rows // 2, :k] = 1 - noise[: rows // 2, :k] / 64
    check_same(target, draft, tokens, noise, rule, sampling, logits=logits, clear=0.4)


# Every rule, size and type.
@pytest.mark.parametrize("logits", [True, False], ids=["logits", "probabilities"])
@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_every_rule(rule, sampling, logits):
    rows = 2 if rule == "kseq" else 4
    check_rule(rule, sampling, 31, 3, rows=rows, logits=logits)
    check_rule(rule, sampling, 1025, 2, rows=rows, logits=logits, seed=1)


@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_one_draft(rule, sampling):
    check_rule(rule, sampling, 97, 1)


@pytest.mark.parametrize("vocab", [1, 2, 7, 1023, 1024, 2049, 4099])
def test_every_size(vocab):
    check_rule("recursive", "iid", vocab, 3, seed=vocab, logits=vocab % 2 == 0, rows=2, hopeless=vocab > 2)


def test_a_vocabulary_of_many_tiles():
    check_rule("naive", "iid", 50_257, 2, rows=2, spread=1.0)


@pytest.mark.parametrize(("rule", "sampling"), PAIRS[3:])
def test_sixteen_drafts(rule, sampling):
    check_rule(rule, sampling, 40, 16, rows=2, spread=3.0)


@settings(deadline=None, max_examples=8)
@given(
    seed=st.integers(0, 10**6),
    vocab=st.integers(2, 60),
    k=st.integers(1, 4),
    pair=st.sampled_from(PAIRS),
    spread=st.floats(0.5, 4),
    logits=st.booleans(),
)
def test_fuzz(seed, vocab, k, pair, spread, logits):
    rule, sampling = pair
    target, draft = random_logits(2, vocab, seed, spread)
    k = min(k, vocab)
    tokens, noise = random_tests(draft.softmax(-1), k, sampling, seed)
    if not logits:
        target, draft = target.softmax(-1), draft.softmax(-1)
    check_same(target, draft, tokens, noise, rule, sampling, logits=logits, clear=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    """Logits are exact in float32; tokens are those of the same logits in float64."""
    for rule, sampling in (("recursive", "without_replacement"), ("greedy", "greedy")):
        target, draft = random_logits(3, 67, 5, dtype=dtype)
        tokens, noise = random_tests(draft.double().softmax(-1), 3, sampling, 5)
        check_same(target, draft, tokens, noise, rule, sampling, logits=True, clear=0.3)
    target, draft = (values.double().softmax(-1).to(dtype) for values in random_logits(4, 67, 6))
    tokens, noise = random_tests(draft, 2, "iid", 6)
    check_same(target, draft, tokens, noise, "naive", "iid", logits=False)


@pytest.mark.parametrize("edge", EDGES)
def test_edges(edge):
    """Equal distributions, disjoint supports, zeros in both, one token: every rule that can draw there."""
    target, draft = (double(row).to(DEVICE, torch.float32)[None] for row in EDGES[edge])
    for number, (rule, sampling) in enumerate(PAIRS[3:]):
        k = min(2, int((draft[0] > 0).sum())) if sampling != "iid" else 2
        tokens, noise = random_tests(draft, k, sampling, 1)
        noise[0, :k] = LAST
        logits = number % 2 == len(edge) % 2
        pair = (target.log(), draft.log()) if logits else (target, draft)
        check_same(*pair, tokens, noise, rule, sampling, logits=logits, clear=0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_hockey_stick_by_hand(backend):
    """S at 0 is the target's mass, and S falls to what the draft never has."""
    dtype = working_dtype(backend)
    target = torch.tensor([[0.5, 0.25, 0.25, 0.0]], dtype=dtype, device=DEVICE)
    draft = torch.tensor([[0.25, 0.5, 0.0, 0.25]], dtype=dtype, device=DEVICE)
    factors = torch.tensor([[0.0, 0.5, 1.0, 2.0, 100.0]], dtype=dtype, device=DEVICE)
    found = hockey_stick_divergence(target, draft, factors, backend=backend)
    assert found.tolist() == [[1.0, 0.625, 0.5, 0.25, 0.25]]


@pytest.mark.parametrize("backend", BACKENDS)
def test_certain_outcomes(backend):
    """Where one outcome is certain, both give it: the index of a test, of a look-up, and none."""
    dtype = working_dtype(backend)
    target = torch.tensor([0.0, 0.0, 1.0, 0.0], dtype=dtype, device=DEVICE).expand(3, -1)
    draft = torch.full((3, 4), 0.25, dtype=dtype, device=DEVICE)
    tokens = torch.tensor([[2, 0, 2], [0, 2, 2], [0, 1, 3]], device=DEVICE)
    call = partial(verify, target, draft, tokens, backend=backend, generator=torch.Generator(DEVICE))
    for rule in ("target_only", "naive", "recursive", "kseq"):
        found = call(rule)
        assert found.token.tolist() == [2, 2, 2] and found.accepted_index.tolist() == [0, 1, -1]


@pytest.mark.skipif(
    DEVICE == "cpu", reason="80,000 draws need a CUDA device (the interpreter takes 20 ms for each)"
)
@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_distribution(rule, sampling):
    count, k = 80_000, 3
    target, draft = (row.softmax(-1) for row in random_logits(1, 12, 3))
    generator = torch.Generator(DEVICE).manual_seed(4)
    tokens = draw_drafts(draft.double().expand(count, -1), k, sampling, generator=generator)
    found = verify(
        target.expand(count, -1), draft.expand(count, -1), tokens, rule, sampling, generator=generator
    )
    statistics.assert_counts(found.token.bincount(minlength=12).double().cpu(), target[0].double().cpu())


# The catalogue: each check runs on the kernels, and must fail on its mutants.
def check_masked_tail():
    """All logits far below the 0 that a careless mask would put past the end of the row."""
    for vocab in (5, 1030):
        target, draft = (logits - 60 for logits in random_logits(2, vocab, vocab))
        tokens, noise = random_tests(draft.softmax(-1), 2, "iid", vocab)
        noise[:, :2] = 1 - noise[:, :2] / 64
        for rule in ("recursive", "target_only"):
            check_same(target, draft, tokens, noise, rule, "iid", logits=True)
        probs = target.softmax(-1), draft.softmax(-1)
        check_same(*probs, tokens, noise, "recursive", "iid", logits=False)


def check_tiles():
    """Tiles of one row have their own maxima, which its sums must be brought to."""
    target, draft = random_logits(2, 4200, 2, spread=0.5)
    target[:, 4100:] += 4
    draft[:, 4100:] += 5
    tokens, noise = random_tests(draft.softmax(-1), 2, "greedy", 2)
    noise[:, :2] = 1 - noise[:, :2] / 64
    check_same(target, draft, tokens, noise, "greedy", "greedy", logits=True)


def check_row_offsets():
    """Rows that begin beyond 2^31 elements of the first, with as many in front of it."""
    from tokenlab.transport.node import kernels

    stride = 2**30 + 16
    try:
        memory = torch.empty(4 * stride + 4096, dtype=torch.float16, device=DEVICE)
    except RuntimeError:
        pytest.skip("needs 8.6 GB of address space")
    rows = [memory.as_strided((3, 1100), (stride, 1), 2 * stride + start) for start in (0, 2048)]
    for part, values in zip(rows, random_logits(3, 1100, 8, dtype=torch.float16), strict=True):
        part.copy_(values)
    packed = [row.clone(memory_format=torch.contiguous_format) for row in rows]
    _, noise = random_tests(packed[1].double().softmax(-1), 2, "iid", 8)
    # Drafts that the target hardly wants, so that every row goes all the way.
    tokens = (packed[0].float() - packed[1].float()).argmin(-1, keepdim=True).expand(3, 2)
    factors = torch.ones(3, 1, device=DEVICE)
    for uniform in (0.5, LAST):
        noise[:, :2] = uniform
        found, expected = (
            kernels.verify(*pair, tokens, noise, "recursive", "iid", logits=True) for pair in (rows, packed)
        )
        assert all(torch.equal(value, wanted) for value, wanted in zip(found, expected, strict=True))
    for call in (
        partial(kernels.hockey_stick, factors=factors),
        partial(kernels.division_factor, num_drafts=2),
    ):
        assert torch.equal(*(call(*pair, logits=True) for pair in (rows, packed)))


def check_own_noise():
    """Each test and each step of the draw has a number of its own."""
    # Two drafts that are accepted in about half of all cases; four tokens are left.
    target = torch.tensor([0.25, 0.35, 0.1, 0.1, 0.1, 0.1], device=DEVICE)
    draft = torch.tensor([0.5, 0.3, 0.2, 0.0, 0.0, 0.0], device=DEVICE)
    values = torch.tensor([0.1, 0.45, 0.7, 0.95], dtype=torch.float64, device=DEVICE)
    noise = torch.cartesian_prod(values[1:], values[::2], values[:1], values[::3])
    tokens = torch.tensor([0, 1], device=DEVICE).expand(len(noise), -1)
    rows = target.expand(len(noise), -1), draft.expand(len(noise), -1)
    check_same(*rows, tokens, noise, "recursive", "iid", logits=False)
    # Two blocks of equal residual mass: the block hangs on the last number but one only.
    target, draft = torch.full((4, 2048), 1 / 2048, device=DEVICE), torch.zeros(4, 2048, device=DEVICE)
    draft[:, 0] = 1
    noise = torch.cartesian_prod(values[:1] * 0 + LAST, values[::2], values[::3])
    check_same(
        target,
        draft,
        torch.zeros(4, 1, dtype=torch.int64, device=DEVICE),
        noise,
        "naive",
        "iid",
        logits=False,
    )


def check_thresholds():
    """Third and fourth tests hang on all sums before them."""
    check_rule("recursive", "iid", 23, 4, rows=12, spread=2.5, hopeless=False)
    check_rule("recursive", "iid", 23, 4, rows=4, spread=2.5, seed=1)


def check_left_of_draft():
    """Without replacement, what is left of the draft scales tests and thresholds."""
    for seed in range(2):
        check_rule("recursive", "without_replacement", 9, 4, rows=8, spread=2.5, seed=seed)


def check_peaked_draft():
    """A first draft of nearly all mass leaves a draft distribution of 4e-7, which needs its digits."""
    draft = torch.full((2, 40), 1e-8, dtype=torch.float64)
    draft[:, 3] = 1 - 39e-8
    target = torch.full((2, 40), 1 / 39, dtype=torch.float64)
    target[:, 3], target[:, 7] = 0.5 / 39, 0.5 / 39
    # What is left of the draft is uniform: token 7 is accepted in half of all cases.
    tokens = torch.tensor([3, 7], device=DEVICE).expand(2, -1)
    noise = torch.tensor(
        [[LAST, 0.49, 0.5, 0.55], [LAST, 0.52, 0.5, 0.3]], dtype=torch.float64, device=DEVICE
    )
    pair = target.log().float().to(DEVICE), draft.log().float().to(DEVICE)
    check_same(*pair, tokens, noise, "recursive", "without_replacement", logits=True)
    check_same(*pair, tokens, noise, "greedy", "greedy", logits=True)
    check_same(
        target.float().to(DEVICE), draft.float().to(DEVICE), tokens, noise, "greedy", "greedy", logits=False
    )


def check_factor():
    """K-SEQ's factor is on the lossless side, and near the root, also where p is nearly q."""
    from tokenlab.transport.node import kernels

    spreads = torch.tensor([[1e-4], [0.3], [2.0]], device=DEVICE)
    for k in (3, 16):
        target, draft = random_logits(3, 150, k)
        draft = target + spreads * draft
        found = kernels.division_factor(target, draft, k, logits=True)
        p, q = target.double().softmax(-1), draft.double().softmax(-1)
        once = torch.minimum(p / found[:, None], q).sum(-1)
        assert bool((reference.expected_tests(once, k) <= found + 1e-12).all()), "not lossless"
        above = found - exact_factor(p, q, k)
        assert bool((above >= -1e-12).all()) and bool((above <= (k - 1) / 2**14).all()), above
    p = torch.tensor([[0.5, 0.5, 0, 0], [0.1, 0.2, 0.3, 0.4]], device=DEVICE)
    q = torch.tensor([[0, 0, 0.75, 0.25], [0.1, 0.2, 0.3, 0.4]], device=DEVICE)
    assert kernels.division_factor(p, q, 3, logits=False).tolist() == [3, 1]


def check_any_factor():
    """Whichever factor the search ends with, the residual is the rest of the target."""
    from tokenlab.transport.node import kernels
    from tokenlab.transport.node.threshold_search import kernels as search

    passes, search.PASSES = search.PASSES, 1
    try:
        target, draft = random_logits(1, 24, 2, spread=0.8)
        factor = kernels.division_factor(target, draft, 3, logits=True).unsqueeze(-1)
        p, q = target.double().softmax(-1), draft.double().softmax(-1)
        once = torch.minimum(p / factor, q)
        residual = (p - reference.expected_tests(once.sum(-1), 3).unsqueeze(-1) * once)[0]
        cdf = residual.cumsum(0) / residual.sum()
        # A draft that the target likes less than the draft model: no test is passed.
        token = (p / q).argmin().view(1, 1).expand(1, 3)
        edges = torch.cat([cdf[:1] * 0, cdf])
        for expected in range(1, 24, 8):
            middle = (edges[expected] + edges[expected + 1]) / 2
            noise = torch.tensor([[LAST] * 4 + [middle]], dtype=torch.float64, device=DEVICE)
            found, _ = kernels.verify(target, draft, token, noise, "kseq", "iid", logits=True)
            assert found.item() == expected
    finally:
        search.PASSES = passes


def check_early_answers():
    """K-SEQ's tests are the same whether the bracket decides them or the factor."""
    target, draft = (logits.expand(5, -1) for logits in random_logits(1, 30, 1))
    ratio = (target.softmax(-1) / draft.softmax(-1))[0]
    # The first test is open for a while, the second is passed whatever the factor.
    tokens = torch.stack([(ratio - 1.2).abs().argmin(), ratio.argmax()]).expand(5, -1)
    noise = torch.full((5, 4), FIRST, dtype=torch.float64, device=DEVICE)
    noise[:, 0] = torch.tensor([0.3, 0.62, 0.7, 0.95, 0.99], device=DEVICE)
    check_same(target, draft, tokens, noise, "kseq", "iid", logits=True, clear=0.9)


def check_first_drafts():
    """Greedy drafts: the last is tested against the rest of the draft, the first keep all of p."""
    check_rule("greedy", "greedy", 12, 4, rows=8)
    check_rule("greedy", "greedy", 12, 4, rows=4, logits=False)


def check_roles():
    """Target and draft are not exchanged."""
    check_rule("naive", "iid", 33, 2, rows=8)


def check_one_test():
    """The naive rule tests the first draft only."""
    target, draft = random_logits(3, 33, 3)
    tokens, noise = random_tests(draft.softmax(-1), 2, "iid", 3)
    noise[:, 0], noise[:, 1] = LAST, FIRST
    check_same(target, draft, tokens, noise, "naive", "iid", logits=True, clear=0.3)


def check_empty_residual():
    """Without residual mass no test can fail, but for rounding: then the target is drawn from."""
    below, draft = torch.zeros(2, 1, 1030, device=DEVICE)
    draft[0, [1025, 1028]] = 0.5
    below[0, [1025, 1028]] = torch.tensor([0.5 - 2.0**-25, 0.5], device=DEVICE)
    for last, token in ((0.25, 1025), (0.75, 1028)):
        noise = torch.tensor([[1 - 2.0**-30, 0.5, last]], dtype=torch.float64, device=DEVICE)
        tokens = torch.full((1, 1), 1025, device=DEVICE)
        found = verify(below, draft, tokens, "naive", noise=noise, backend="triton", validate=False)
        assert found.token.item() == token
    # Equal distributions: everything is accepted, whatever the noise.
    logits, _ = random_logits(2, 50)
    noise = torch.full((2, 4), 1 - 2.0**-53, dtype=torch.float64, device=DEVICE)
    tokens, _ = random_tests(logits.softmax(-1), 2, "iid")
    for rule in ("naive", "recursive", "kseq"):
        found = verify_logits(logits, logits, tokens, rule, noise=noise, backend="triton", validate=False)
        assert torch.equal(found.token, tokens[:, 0]) and found.accepted_index.tolist() == [0, 0]


def check_look_up():
    """A residual token that equals drafts has the index of the first of them."""
    target = torch.tensor([[0.0, 0.0, 1.0, 0.0]], device=DEVICE)
    draft = torch.tensor([[0.5, 0.0, 0.5, 0.0]], device=DEVICE)
    noise = torch.full((1, 6), 0.5, dtype=torch.float64, device=DEVICE)
    for tokens, index in (([0, 2, 0, 2], 1), ([0, 0, 0, 0], -1), ([0, 0, 2, 2], 2)):
        drafts = torch.tensor([tokens], device=DEVICE)
        found = verify(target, draft, drafts, "naive", noise=noise, backend="triton", validate=False)
        assert (found.token.item(), found.accepted_index.item()) == (2, index)


def check_ids_stay_inside():
    """NaN makes the token undefined, but a token; a draft outside of the vocabulary never passes."""
    for vocab in (3, 1100):
        target, draft = random_logits(3, vocab, 1)
        target[0], draft[1], target[2, 0] = math.nan, math.nan, math.nan
        tokens, noise = random_tests(torch.full((3, vocab), 1 / vocab), 2, "iid")
        for rule, call in (("recursive", verify_logits), ("kseq", verify), ("target_only", verify_logits)):
            found = call(target, draft, tokens, rule, noise=noise, backend="triton", validate=False)
            assert bool(((found.token >= 0) & (found.token < vocab)).all())
            assert bool(((found.accepted_index >= -1) & (found.accepted_index < 2)).all())
    # One past the end is the next row's first token, which there is certain.
    probs = torch.tensor([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]], device=DEVICE)
    tokens = torch.tensor([[3, 3], [0, 0]], device=DEVICE)
    noise = torch.full((2, 4), FIRST, dtype=torch.float64, device=DEVICE)
    for rule in ("naive", "recursive"):
        found = verify(probs, probs, tokens, rule, noise=noise, backend="triton", validate=False)
        assert found.token.tolist() == [1, 0] and found.accepted_index.tolist() == [-1, 0]


def check_layouts():
    """Rows with a stride, expanded rows, noise in another order, int32 drafts, leading dimensions."""
    target, draft = random_logits(6, 140, 4)
    tokens, noise = random_tests(draft[::2, :70].softmax(-1), 2, "iid", 4)
    noise[:, :2] = 1 - noise[:, :2] / 8
    spread = target[::2, :70], draft[::2, :70]
    check_same(*spread, tokens.int(), noise.T.contiguous().T, "recursive", "iid", logits=True, clear=0.3)
    call = partial(verify_logits, rule="naive", backend="triton", validate=False)
    flat = call(*spread, tokens, noise=noise)
    folded = call(*(x.unflatten(0, (3, 1)) for x in (*spread, tokens)), noise=noise.unflatten(0, (3, 1)))
    assert folded.token.shape == (3, 1) and torch.equal(folded.token.flatten(), flat.token)
    one = call(target[0].expand(3, -1), draft[0].expand(3, -1), tokens, noise=noise)
    single = [call(target[0], draft[0], tokens[i], noise=noise[i]).token for i in range(3)]
    assert one.token.tolist() == [token.item() for token in single]


def check_decided_rows_rest():
    """A row that is decided is not read again: its sums and masses stay unwritten."""
    from tokenlab.transport.node import kernels

    target, draft = random_logits(4, 60, 9)
    p, q = target.softmax(-1), draft.softmax(-1)
    tokens = (
        torch.stack([(p / q).argmax(-1)] * 2 + [(p / q).argmin(-1)] * 2, 0).diagonal()[:, None].expand(4, 3)
    )
    _, noise = random_tests(q, 3, "iid", 9)
    noise[:, :3] = 0.5
    seen = []
    draw = kernels.draw
    kernels.draw = lambda *args: (seen.append(args[3].isnan().all(-1).all(-1).tolist()), draw(*args))
    try:
        for rule in ("recursive", "kseq"):
            kernels.verify(target, draft, tokens, noise, rule, "iid", logits=True)
    finally:
        kernels.draw = draw
    assert seen == [[True, True, False, False]] * 2


def check_strides_differ():
    """Target and draft rows may lie differently far apart."""
    target, draft = random_logits(6, 40, 3)
    tokens, noise = random_tests(draft[:3].softmax(-1), 2, "iid", 3)
    check_same(target[::2], draft[:3].contiguous(), tokens, noise, "recursive", "iid", logits=True, clear=0.3)


INT64 = "row = tl.program_id(0).to(tl.int64)\n"


INT32 = "row = tl.program_id(0)\n"


#: Name of the mistake: what is changed in the source, and who must notice.
MUTANTS = {
    "-inf as a probability": ("return tl.maximum(x, 0.0)", "return x", "masked_tail"),
    "one maximum for both rows": ("normaliser(\n                stat_ptr + stat + 2 * tiles,", "normaliser(\n                stat_ptr + stat,", "roles"),
    "tiles added without their maxima": ("sums * tl.exp(tops - top)", "sums", "tiles"),
    "the rest of the draft added likewise": ("others *= tl.exp(tops.to(tl.float64) - draft_top) * draft_scale", "others *= draft_scale", "tiles"),
    "int32 rows in the statistics": (INT64 + "    tile = tl.program_id(1)\n    at = 4", INT32 + "    tile = tl.program_id(1)\n    at = 4", "row_offsets"),
    "int32 rows in the beginning": (INT64 + "    stat =", INT32 + "    stat =", "row_offsets"),
    "int32 rows in S(c)": (INT64 + "    tile = tl.program_id(1)\n    _, p, q", INT32 + "    tile = tl.program_id(1)\n    _, p, q", "row_offsets"),
    "int32 rows in a pass": (INT64 + "    tile = tl.program_id(1)\n    threshold, accepted", INT32 + "    tile = tl.program_id(1)\n    threshold, accepted", "row_offsets"),
    "int32 rows in the search": (INT64 + "    tile = tl.program_id(1)\n    factor, share", INT32 + "    tile = tl.program_id(1)\n    factor, share", "row_offsets"),
    "int32 rows in the residual": (INT64 + "    block =", INT32 + "    block =", "row_offsets"),
    "int32 rows in the draw": (INT64 + "    accepted = tl.load(accepted_ptr + row)\n    if accepted >= 0", INT32 + "    accepted = tl.load(accepted_ptr + row)\n    if accepted >= 0", "row_offsets"),
    "one uniform for all tests": ("u = tl.load(noise_ptr + row * (K + 2) + step)", "u = tl.load(noise_ptr + row * (K + 2))", "own_noise"),
    "the last test's uniform draws the block": ("tl.load(noise_ptr + row * (K + 2) + K))", "tl.load(noise_ptr + row * (K + 2) + K - 1))", "own_noise"),
    "one uniform for block and token": ("+ K + 1)", "+ K)", "own_noise"),
    "threshold not moved": ("threshold += above / left", "threshold += 0.0", "thresholds"),
    "target not changed by rejections": ("tl.maximum(p - threshold * q, 0.0) * left", "p * left", "thresholds"),
    "residual not renormalised": ("u * above * q <", "u * q <", "thresholds"),
    "thresholds as with replacement": ("threshold += above / left", "threshold += above", "left_of_draft"),
    "tests as with replacement": ("tl.maximum(p - threshold * q, 0.0) * left", "tl.maximum(p - threshold * q, 0.0)", "left_of_draft"),
    "the last rejection forgotten": ("token_ptr + row * K, step + 1)", "token_ptr + row * K, step)", "left_of_draft"),
    "what is left, by a difference": (
        "left = _total(sum_ptr + (2 * row + 1) * tiles, tiles, TILES)",
        "left = (1.0 - tl.load(prob_ptr + 2 * row * K + K).to(tl.float32)).to(tl.float64)",
        "peaked_draft",
    ),
    "factor below the root": ("factor = tl.max(tl.where(number == first, factors, 0.0), 0)", "factor = tl.max(tl.where(number == first - 1, factors, 0.0), 0)", "factor"),
    "no room for rounding": ("tl.constexpr(2.0**-19)", "tl.constexpr(-(2.0**-19))", "factor"),
    "one pass": ("PASSES, FACTORS = 5, 9", "PASSES, FACTORS = 1, 9", "factor"),
    "only the form for distant distributions": ("tl.where(rejected > 0.5, far, near)", "far", "factor"),
    "one draft too few in the equation": ("            for _ in range(K - 1):\n                tests", "            for _ in range(K - 2):\n                tests", "factor"),
    "an upper end that is none": ("high = tl.minimum(gamma * (1.0 + 2.0 * ROUNDING), factor)", "high = (low + gamma) / 2", "factor"),
    "residual as if at the root": ("share = tl.minimum(gamma / factor, 1.0)", "share = gamma * 0.0 + 1.0", "any_factor"),
    "accepted as soon as it may be": ("tl.where((may == must) & (must < NO_DRAFT), must, -1)", "tl.where(may < NO_DRAFT, may, -1)", "early_answers"),
    "accepted out of order": ("tl.where((may == must) & (must < NO_DRAFT), must, -1)", "tl.where(must < NO_DRAFT, must, -1)", "early_answers"),
    "first drafts kept in the draft": ("            q = without(q, ids, token_ptr + row * K, K - 1)\n", "            q += 0.0\n", "first_drafts"),
    "greedy tested against q": ("threshold = 1.0 / tl.sum(others, 0)", "threshold = 1.0", "first_drafts"),
    "the first greedy draft tested": ("p = tl.where(draft == K - 1, p, 0.0)", "p = tl.where(draft == 0, p, 0.0)", "first_drafts"),
    "first drafts counted in what is left": ("without(tl.maximum(weights, 0.0), ids, token_ptr + row * K, K - 1)", "tl.maximum(weights, 0.0)", "first_drafts"),
    "roles exchanged in the residual": ("        above = tl.maximum(p - threshold.to(tl.float32) * q, 0.0)\n    return", "        above = tl.maximum(q - threshold.to(tl.float32) * p, 0.0)\n    return", "roles"),
    "roles exchanged in the test": ("first_accepted(u, p, q, threshold if", "first_accepted(u, q, p, threshold if", "roles"),
    "a second test against the same p": ("            p = tl.where(draft == 0, p, 0.0)\n", "            p = p + 0.0\n", "one_test"),
    "nothing drawn from nothing": ("tl.where(tl.sum(above_mass, 0) > 0.0, tl.load(value_ptr + 4 * row + 1), 0.0)", "tl.load(value_ptr + 4 * row + 1)", "empty_residual"),
    "the last of equal drafts": ("accepted = tl.min(tl.where(tokens == token, draft, NO_DRAFT), 0)", "accepted = tl.max(tl.where(tokens == token, draft, -1), 0)", "look_up"),
    "residual tokens not looked up": ("tl.where(accepted < NO_DRAFT, accepted, -1)", "-1 + 0 * accepted", "look_up"),
    "drafts of the next row": ("known = (token >= 0) & (token < vocab)", "known = token >= 0", "ids_stay_inside"),
    "noise read as if packed": ("noise.reshape(-1, k + 2).contiguous()", "noise.reshape(-1, k + 2)", "layouts"),
    "drafts read as int64": ("tokens.long().reshape", "tokens.reshape", "layouts"),
    "stride of the target for both": ("self.target.stride(0), self.draft.stride(0)", "self.target.stride(0), self.target.stride(0)", "strides_differ"),
    "every row read to the end": ("    if accepted < 0:\n        ids, p, above", "    if accepted < 9:\n        ids, p, above", "decided_rows_rest"),
}  # fmt: skip


test_catalogue, test_mutant_is_caught = catalogue("tokenlab.transport.node", checks_in(globals()), MUTANTS)


# Who answers.
def test_limits_are_errors():
    k, vocab = KERNEL_LIMITS["drafts"] + 1, 40
    logits = torch.zeros(1, vocab, device=DEVICE)
    probs, tokens = logits.softmax(-1), torch.zeros(1, k, dtype=torch.int64, device=DEVICE)
    with pytest.raises(BackendError, match="with 17 drafts"):
        verify(probs, probs, tokens, "recursive", backend="triton")
    with pytest.raises(BackendError, match="with rule 'optimal'"):
        verify(probs, probs, tokens[:, :2], "optimal", backend="triton")
    with pytest.raises(BackendError, match="of float64"):
        verify_logits(logits.double(), logits.double(), tokens[:, :2], "naive", backend="triton")
    wide = torch.zeros(1, KERNEL_LIMITS["vocab"] + 1, device=DEVICE)
    with pytest.raises(BackendError, match="of 1048577 tokens"):
        verify_logits(wide, wide, tokens[:, :1], "naive", backend="triton", validate=False)
    with pytest.raises(BackendError, match="with a gradient"):
        hockey_stick_divergence(
            probs.requires_grad_(), probs, torch.ones(1, 1, device=DEVICE), backend="triton"
        )


def test_no_rows():
    empty, tokens = torch.zeros(0, 7, device=DEVICE), torch.zeros(0, 2, dtype=torch.int64, device=DEVICE)
    for rule, sampling in PAIRS:
        found = verify_logits(empty, empty, tokens, rule, sampling, backend="triton")
        assert found.token.shape == found.accepted_index.shape == (0,)
    assert hockey_stick_divergence(
        empty, empty, torch.zeros(0, 3, device=DEVICE), backend="triton"
    ).shape == (0, 3)


def test_no_probabilities_are_written(monkeypatch):
    """Nothing of the size of the logits is allocated: partial sums only."""
    sizes = []
    new_empty = torch.Tensor.new_empty

    def recorded(tensor, *args, **kwargs):
        found = new_empty(tensor, *args, **kwargs)
        sizes.append(found.numel())
        return found

    monkeypatch.setattr(torch.Tensor, "new_empty", recorded)
    target, draft = random_logits(2, 5000)
    for rule, sampling in PAIRS:
        tokens, noise = random_tests(draft.softmax(-1), 2, sampling)
        sizes.clear()
        verify_logits(target, draft, tokens, rule, sampling, noise=noise, backend="triton", validate=False)
        assert 0 < max(sizes) <= 5000 // 20
