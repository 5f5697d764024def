"""The kernels choose what the reference chooses: every rule, size and type, and who answers."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.backends import BACKENDS, DEVICE, working_dtype
from tests.transport import statistics
from tests.transport.instances import EDGES, double
from tests.transport.node.agreement import LAST, PAIRS, check_rule, check_same, random_logits, random_tests
from tokenlab.errors import BackendError
from tokenlab.transport import draw_drafts, hockey_stick_divergence, verify, verify_logits
from tokenlab.transport.node.backend import KERNEL_LIMITS

pytest.importorskip("triton", reason="triton is not installed (pip install triton)")

pytestmark = [pytest.mark.interpreter, pytest.mark.usefixtures("fast_interpreter", "poisoned_memory")]


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


def test_no_probabilities_are_written(allocated):
    """Nothing of the size of the logits is allocated: partial sums only."""
    target, draft = random_logits(2, 5000)
    for rule, sampling in PAIRS:
        tokens, noise = random_tests(draft.softmax(-1), 2, sampling)
        allocated.clear()
        verify_logits(target, draft, tokens, rule, sampling, noise=noise, backend="triton", validate=False)
        assert 0 < max(allocated) <= 5000 // 20
