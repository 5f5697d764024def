"""Do kernels and reference choose the same?

Both get the same noise. They must give the same token wherever the decision is not closer than
rounding: each test by 1e-4 of probability, each draw by 1e-4 of its mass.
"""

from __future__ import annotations

import torch

from tests.support.backends import DEVICE
from tokenlab.ops import open_uniform
from tokenlab.transport import draw_drafts, verify, verify_logits
from tokenlab.transport.node import reference

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
