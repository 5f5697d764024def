"""A catalogue of what can go wrong in kernels: each check passes, and fails on mutants of the kernels."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from tests.support.backends import DEVICE
from tests.support.catalogue import catalogue, checks_in
from tests.transport.node.agreement import FIRST, LAST, check_rule, check_same, random_logits, random_tests
from tokenlab.transport import hockey_stick_divergence, verify, verify_logits
from tokenlab.transport.node.thresholds import division_factor as exact_factor
from tokenlab.transport.node.thresholds import expected_tests

pytest.importorskip("triton", reason="triton is not installed (pip install triton)")

pytestmark = pytest.mark.usefixtures("fast_interpreter", "poisoned_memory")


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


def check_infinite_factor():
    """All mass of the target where the draft has none, as in the limit."""
    target = torch.tensor([[0.25, 0.25, 0.5, 0.0]], device=DEVICE)
    draft = torch.tensor([[0.5, 0.0, 0.0, 0.5]], device=DEVICE)
    factors = torch.tensor([[1e30, math.inf]], device=DEVICE)
    assert hockey_stick_divergence(target, draft, factors, backend="triton").tolist() == [[0.75, 0.75]]


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
        assert bool((expected_tests(once, k) <= found + 1e-12).all()), "not lossless"
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
        residual = (p - expected_tests(once.sum(-1), 3).unsqueeze(-1) * once)[0]
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
    "infinity times nothing": ("tl.where(q > 0.0, p - factor * q, p)", "p - factor * q", "infinite_factor"),
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
