"""Verification at one node: the noise decides as promised, and the distribution by counting."""

from __future__ import annotations

import math

import pytest
import torch

from tests.support.planting import plant
from tests.transport.instances import EDGES, PAIRS, can_be_drawn, double, random_rows, row
from tests.transport.statistics import assert_counts
from tokenlab.ops import open_uniform
from tokenlab.transport import DEFINED, acceptance_rate, draw_drafts, node, verify, verify_logits
from tokenlab.transport.node.reference import decide
from tokenlab.transport.node.verdict import Verdict

WITHOUT = "without_replacement"


TARGET, DRAFT = (double(values) for values in EDGES["five"])


def noise_for(tokens, seed=0):
    return open_uniform(
        (*tokens.shape[:-1], tokens.shape[-1] + 2), generator=torch.Generator().manual_seed(seed)
    )


def by_hand(verdict, tokens: list[int], noise: list[float]) -> tuple[int, int]:
    """The contract in plain Python: a number for each test, two for a block and a token inside it."""
    accept, residual = verdict.accept.tolist(), verdict.residual.tolist()
    *tests, first, second = noise
    for index, (uniform, probability) in enumerate(zip(tests, accept, strict=True)):
        if uniform < probability:
            return tokens[index], index
    blocks = [residual[start : start + 1024] for start in range(0, len(residual), 1024)]
    block = pick([math.fsum(masses) for masses in blocks], first)
    token = 1024 * block + pick(blocks[block], second)
    return token, tokens.index(token) if token in tokens else -1


def pick(masses: list[float], uniform: float) -> int:
    total, target = 0.0, uniform * math.fsum(masses)
    for index, mass in enumerate(masses):
        total += mass
        if total > target:
            return index
    raise AssertionError("no mass is reached")


def assert_tokens_follow_the_noise(rule, sampling, vocab, num_drafts):
    rows = 40 if vocab < 100 else 6
    target, draft = random_rows(rows, vocab, seed=vocab)
    if rule == "optimal":
        target, draft = (part[:1].expand(rows, -1) for part in (target, draft))
    tokens = draw_drafts(draft, num_drafts, sampling, generator=torch.Generator().manual_seed(1))
    noise = noise_for(tokens)
    found = verify(target, draft, tokens, rule, sampling, noise=noise)
    verdict = decide(target, draft, tokens, rule, sampling)
    expected = [
        by_hand(Verdict(verdict.accept[n], verdict.residual[n]), tokens[n].tolist(), noise[n].tolist())
        for n in range(rows)
    ]
    assert [tuple(pair) for pair in zip(*(part.tolist() for part in found), strict=True)] == expected
    assert found.token.dtype == found.accepted_index.dtype == torch.int64


@pytest.mark.parametrize(
    ("rule", "sampling", "vocab"),
    [
        (rule, sampling, vocab)
        for rule, sampling in PAIRS
        for vocab in (5, 1024, 3001)
        # Linear programs are for small vocabularies.
        if vocab == 5 or (rule, sampling) not in (("optimal", "iid"), ("optimal", WITHOUT))
    ],
)
def test_tokens_follow_the_noise(rule, sampling, vocab):
    for num_drafts in (1, 2, 4):
        if sampling != "spechub" or num_drafts == 2:
            assert_tokens_follow_the_noise(
                rule, sampling, vocab, num_drafts if vocab > 5 else min(num_drafts, 3)
            )


def test_index_of_the_accepted_draft():
    target, draft = double(row("1/2", "1/2", 0)), double(row("1/4", "1/4", "1/2"))

    def index(tokens, *noise, rule="recursive"):
        noise = torch.tensor(noise, dtype=torch.float64)
        found = verify(target, draft, torch.tensor(tokens), rule, noise=noise)
        return found.token.item(), found.accepted_index.item()

    assert index([0, 1], 0.9, 0.9, 0.5, 0.5) == (0, 0)
    assert index([2, 1], 0.1, 0.9, 0.5, 0.5) == (1, 1)  # token 2 is never accepted, then 1 always
    assert index([2, 2, 2], 0.1, 0.1, 0.1, 0.5, 0.2) == (0, -1)  # a token that nobody proposed
    # Looked up, not tested: the first of equal drafts.
    assert index([1, 0, 0], 0.1, 0.1, 0.1, 0.5, 0.2, rule="target_only") == (0, 1)
    assert index([2, 2, 1], 0.1, 0.1, 0.1, 0.5, 0.7, rule="naive") == (1, 2)


@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_a_batch_is_its_rows(rule, sampling):
    target, draft = random_rows(2, 3, 6)
    tokens = draw_drafts(draft, 2, sampling, generator=torch.Generator().manual_seed(0))
    noise = noise_for(tokens)
    together = verify(target, draft, tokens, rule, sampling, noise=noise)
    assert together.token.shape == together.accepted_index.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            alone = verify(target[i, j], draft[i, j], tokens[i, j], rule, sampling, noise=noise[i, j])
            assert alone.token == together.token[i, j]
            assert alone.accepted_index == together.accepted_index[i, j]
    empty = verify(target[:0], draft[:0], tokens[:0], rule, sampling)
    assert empty.token.shape == (0, 3)


@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_strides_gradients_and_integers_do_not_matter(rule, sampling):
    target, draft = random_rows(4, 6)
    tokens = draw_drafts(draft, 2, sampling, generator=torch.Generator().manual_seed(0))
    noise = noise_for(tokens)
    expected = verify(target, draft, tokens, rule, sampling, noise=noise)
    before = target.clone(), draft.clone(), tokens.clone()
    for changed in (
        verify(
            target.T.contiguous().T,
            draft.T.contiguous().T,
            tokens.T.contiguous().T,
            rule,
            sampling,
            noise=noise,
        ),
        verify(
            target.clone().requires_grad_(),
            draft.clone().requires_grad_(),
            tokens,
            rule,
            sampling,
            noise=noise,
        ),
        verify(target, draft, tokens.int(), rule, sampling, noise=noise),
        verify(target, draft, tokens, rule, sampling, noise=noise, validate=False),
        verify(target, draft, tokens, rule, sampling, noise=noise, backend="reference"),
    ):
        assert torch.equal(changed.token, expected.token)
        assert torch.equal(changed.accepted_index, expected.accepted_index)
        assert changed.token.dtype == torch.int64
    assert all(map(torch.equal, before, (target, draft, tokens)))


def test_generator_draws_the_noise():
    target, draft = random_rows(200, 50)
    tokens = draw_drafts(draft, 3, generator=torch.Generator().manual_seed(0))
    expected = verify(target, draft, tokens, "kseq", noise=noise_for(tokens, seed=4))
    found = verify(target, draft, tokens, "kseq", generator=torch.Generator().manual_seed(4))
    assert torch.equal(found.token, expected.token)
    other = verify(target, draft, tokens, "kseq", generator=torch.Generator().manual_seed(5))
    assert not torch.equal(other.token, expected.token)
    torch.manual_seed(4)
    assert torch.equal(verify(target, draft, tokens, "kseq").token, expected.token)


@pytest.mark.parametrize("extreme", [2.0**-1022, 2.0**-54, 1 - 2.0**-53])
@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_extreme_noise_emits_what_the_target_can(rule, sampling, extreme):
    for name in ("zeros in both", "disjoint", "point target", "tied draft", "equal", "sure draft"):
        target, draft = EDGES[name]
        if can_be_drawn(draft, 2, sampling):
            tokens = draw_drafts(double(draft), 2, sampling, generator=torch.Generator().manual_seed(0))
            noise = torch.full((4,), extreme, dtype=torch.float64)
            found = verify(double(target), double(draft), tokens, rule, sampling, noise=noise)
            assert target[found.token.item()] > 0, name


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_narrow_dtypes_are_read_as_they_are(rule, sampling, dtype):
    target, draft = random_rows(30, 6, dtype=dtype)
    tokens = draw_drafts(draft, 2, sampling, generator=torch.Generator().manual_seed(0))
    noise = noise_for(tokens)
    found = verify(target, draft, tokens, rule, sampling, noise=noise, backend="reference")
    wide = verify(target.double(), draft.double(), tokens, rule, sampling, noise=noise, validate=False)
    assert torch.equal(found.token, wide.token)
    assert torch.equal(found.accepted_index, wide.accepted_index)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_vocabulary_of_a_real_model(dtype):
    target, draft = random_rows(4, 128_256, spread=3, dtype=dtype)
    for rule, sampling in PAIRS:
        if rule != "optimal":
            tokens = draw_drafts(draft, 2, sampling, generator=torch.Generator().manual_seed(0))
            found = verify(target, draft, tokens, rule, sampling, backend="reference")
            assert bool(((found.token >= 0) & (found.token < 128_256)).all())
            is_draft = found.accepted_index >= 0
            indices = found.accepted_index.clamp(min=0).unsqueeze(-1)
            assert torch.equal(tokens.gather(-1, indices).squeeze(-1)[is_draft], found.token[is_draft])


@pytest.mark.parametrize(("rule", "sampling"), [pair for pair in PAIRS if pair[0] != "optimal"])
def test_logits_are_softmaxed(rule, sampling):
    generator = torch.Generator().manual_seed(3)
    target, draft = (3 * torch.randn(50, 40, generator=generator) for _ in range(2))
    target[:, 5] = draft[:, 7] = -torch.inf
    probs = [logits.double().softmax(-1) for logits in (target, draft)]
    tokens = draw_drafts(probs[1], 2, sampling, generator=generator)
    noise = noise_for(tokens)
    found = verify_logits(target, draft, tokens, rule, sampling, noise=noise)
    expected = verify(*probs, tokens, rule, sampling, noise=noise)
    assert torch.equal(found.token, expected.token)
    assert torch.equal(found.accepted_index, expected.accepted_index)


def assert_output_has_the_targets_distribution(rule, sampling, num_drafts, draws=20_000, name="five"):
    """Drafts are drawn and verified; the counts of what comes out, and how often it is a draft."""
    target, draft = EDGES[name]
    generator = torch.Generator().manual_seed(2026)
    rows = [double(values).expand(draws, -1) for values in (target, draft)]
    tokens = draw_drafts(rows[1], num_drafts, sampling, generator=generator)
    found = verify(*rows, tokens, rule, sampling, generator=generator)
    assert_counts(found.token.bincount(minlength=len(target)).double(), double(target))
    rate = acceptance_rate(double(target), double(draft), num_drafts, rule, sampling).item()
    share = (found.accepted_index >= 0).double().mean().item()
    assert abs(share - rate) <= 6 * math.sqrt(max(rate * (1 - rate), 1e-12) / draws)
    is_draft = (tokens == found.token.unsqueeze(-1)).any(-1)
    assert torch.equal(is_draft, found.accepted_index >= 0)


@pytest.mark.parametrize("num_drafts", [1, 2, 3])
@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_output_has_the_targets_distribution(rule, sampling, num_drafts):
    if sampling != "spechub" or num_drafts == 2:
        assert_output_has_the_targets_distribution(rule, sampling, num_drafts)


MUTANTS = {
    "a uniform for test and token": (node, "noise=noise[..., k:],", "noise=noise[..., k - 1 : k + 1].flip(-1),", "greedy", "five"),
    "one uniform for all tests": (node, "noise[..., :k] < verdict", "noise[..., :1] < verdict", "recursive", "two favourites"),
    "the last test that passes": (node, "passed.int().argmax(-1)", "k - 1 - passed.flip(-1).int().argmax(-1)", "recursive", "five"),
    "tests against the wrong side": (node, "noise[..., :k] < verdict", "noise[..., :k] > verdict", "kseq", "five"),
    "no residual": (node, "token = torch.where(index >= 0, chosen, drawn)", "token = chosen", "naive", "five"),
    "residual is the target": (node, "return Verdict(accept, normalised(hockey_stick(target, draft, one), target))", "return Verdict(accept, target)", "naive", "five"),
    "unchanged target loop": (node, "        target = step.residual\n", "        last = step.residual\n", "recursive", "five"),
    "draft keeps what was drawn": (node, "if not replacement:", "if False:", WITHOUT, "tied draft"),
    "siblings de-duplicated": (node, "total = 1 + rejected * total", "total = total", "kseq", "five"),
    "greedy against the draft": (node, "last_draft_probs(draft, tokens[..., :-1])", "draft", "greedy", "five"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MUTANTS)
def test_the_same_count_rejects_a_mistake(mistake, monkeypatch):
    module, old, new, rule, name = MUTANTS[mistake]
    rule, sampling = ("recursive", WITHOUT) if rule == WITHOUT else (rule, DEFINED[rule][0])
    plant(monkeypatch, module, old, new)
    monkeypatch.setitem(globals(), "verify", node.verify.verify)
    with pytest.raises(AssertionError):
        assert_output_has_the_targets_distribution(rule, sampling, 2, name=name)
