"""Rounds of decoding: what both models are asked, and that texts follow the target's distribution."""

from __future__ import annotations

from bisect import bisect
from itertools import accumulate

import pytest
import torch
from scipy.stats import chisquare

from tests.support.tiny_models import PAD, sequence_distribution, tiny_model
from tests.transport.decoding.asked import largest_gap
from tests.transport.decoding.pairs import every_kind, pair, seeded
from tokenlab.transport import Branching, Chain, Drafts, DynamicTree, Sequences, generate
from tokenlab.transport.decoding import loop
from tokenlab.transport.decoding.proposal import Proposal
from tokenlab.transport.decoding.tree_cache import TreeCache
from tokenlab.transport.trees.draft_tree import DraftTree
from tokenlab.transport.trees.verify import VerifiedPath, accepted_paths


@every_kind
def test_both_models_are_asked_about_the_right_texts(monkeypatch, twins, batch, drafts):
    assert largest_gap(monkeypatch, *twins, batch, drafts) < 1e-10


@pytest.mark.parametrize("architecture", ["gpt2", "qwen2"])
def test_other_architectures_are_asked_about_the_right_texts(monkeypatch, batch, architecture):
    # A draft that is the target: paths are long.
    target = tiny_model(architecture)
    assert largest_gap(monkeypatch, target, target, batch, Branching(3, 2, 1)) < 1e-10


def test_a_cache_of_the_wrong_path_shows(monkeypatch, twins, batch):
    right = TreeCache.settle
    monkeypatch.setattr(
        TreeCache, "settle", lambda self, kept: right(self, [list(range(len(n))) for n in kept])
    )
    assert largest_gap(monkeypatch, *twins, batch, Branching(3, 2, 1)) > 1e-3


def test_leaking_siblings_show(monkeypatch, twins, batch):
    right = TreeCache.read

    def leak(self, texts, tokens=None, depths=None, seen=None):
        return right(self, texts, tokens, depths, None if seen is None else torch.ones_like(seen))

    monkeypatch.setattr(TreeCache, "read", leak)
    assert largest_gap(monkeypatch, *twins, batch, Sequences(3, length=3)) > 1e-3


def test_distributions_are_those_of_transformers(monkeypatch, models, batch):
    """Temperature, top-k and top-p as ``model.generate`` applies them, to both models."""
    target, draft = models
    seen = []
    right = loop.verify_tree

    def verify(tree, target_probs, rule, **options):
        seen.append((tree, target_probs))
        return right(tree, target_probs, rule, **options)

    monkeypatch.setattr(loop, "verify_tree", verify)
    options = {"temperature": 0.7, "top_k": 12, "top_p": 0.8}
    ids, mask = batch
    generate(target, draft, ids, mask, generator=seeded(), max_new_tokens=2, drafts=Chain(1), **options)
    for model, found in ((target, [p[0] for _, p in seen]), (draft, [t.draft_probs[0] for t, _ in seen])):
        theirs = model.generate(
            ids,
            attention_mask=mask,
            do_sample=True,
            max_new_tokens=1,
            output_scores=True,
            return_dict_in_generate=True,
            **options,
        ).scores[0]
        # transformers keeps scores in float32.
        assert (torch.stack(found[:3]) - theirs.softmax(-1)).abs().max() < 1e-6
        assert ((theirs.softmax(-1) > 0).sum(-1) < 12).any()


ROWS = 20_000


#: Two tokens deep, and a rule for each.
SMALL = (
    (Chain(2), "block"),
    (Sequences(2, length=2), "kseq"),
    (Branching(2, 1), "recursive"),
    (DynamicTree(3, depth=2), "traversal"),
)
every_small = pytest.mark.parametrize(("drafts", "rule"), SMALL, ids=str)


class Remembering:
    """Verification that computes the distribution of each tree once, and then draws from it.

    That distribution is the one of ``verify_tree``, by its own ``accepted_paths``; tiny models ask
    for the same few trees again and again.
    """

    def __init__(self, mistake: str | None = None):
        self.distributions, self.mistake = {}, mistake

    def __call__(self, tree, target_probs, rule, *, generator, validate):
        key = b"".join(
            part.numpy().tobytes()
            for part in (
                tree.tokens,
                tree.parents,
                target_probs.round(decimals=9),
                tree.draft_probs.round(decimals=9),
            )
        )
        if key not in self.distributions:
            self.distributions[key] = self.distribution(tree, target_probs, rule)
        outcomes, cdf = self.distributions[key]
        uniform = torch.rand((), generator=generator, dtype=torch.float64).item()
        return outcomes[min(bisect(cdf, uniform * cdf[-1]), len(cdf) - 1)]

    def distribution(self, tree, target_probs, rule):
        told = tree.draft_probs
        if self.mistake == "temperature of the draft":
            # The drafts were drawn at another temperature than verification is told.
            told = told**0.8 / (told**0.8).sum(-1, keepdim=True)
        elif self.mistake == "distribution of the root":
            told = told[:1].expand_as(told)
        elif self.mistake == "bonus of the draft":
            target_probs = torch.cat([target_probs[:-1], told[:1]])
        tree = DraftTree(tree.tokens, tree.parents, told, tree.sampling, validate=False)
        outcomes, masses = [], []
        for nodes, probability, next_probs in accepted_paths(tree, target_probs, rule, validate=False):
            path = torch.tensor(nodes, dtype=torch.long)
            for token, share in enumerate(next_probs.tolist()):
                outcomes.append(VerifiedPath(torch.cat([tree.tokens[path], torch.tensor([token])]), path))
                masses.append(probability * share)
        return outcomes, list(accumulate(masses))


def p_values(drafts: Drafts, rule: str, rows: int = ROWS, temperature: float = 0.8) -> list[float]:
    """Three tokens after two prompts of different lengths, against all 27 texts."""
    target, draft = pair(vocab=3, layers=1)
    texts = [[0, 2, 1], [2]]
    ids = torch.tensor([[0, 2, 1], [PAD, PAD, 2]]).repeat(rows // 2, 1)
    mask = torch.tensor([[1, 1, 1], [0, 0, 1]]).repeat(rows // 2, 1)
    output = generate(
        target,
        draft,
        ids,
        mask,
        drafts=drafts,
        rule=rule,
        temperature=temperature,
        max_new_tokens=3,
        eos_token_id=(),
        generator=seeded(7),
    )
    codes = (output.sequences[:, 3:] * torch.tensor([9, 3, 1])).sum(-1)
    found = []
    for row, text in enumerate(texts):
        distribution = sequence_distribution(
            target, text, 3, lambda logits: (logits / temperature).softmax(-1)
        ).flatten()
        counts = torch.bincount(codes[row::2], minlength=27).double()
        # Texts that are expected fewer than five times are counted as one.
        rare = distribution * rows / 2 < 5
        distribution, counts = (torch.cat([x[~rare], x[rare].sum()[None]]) for x in (distribution, counts))
        distribution, counts = distribution[distribution > 0], counts[distribution > 0]
        found.append(chisquare(counts.numpy(), (distribution / distribution.sum() * rows / 2).numpy()).pvalue)
    return found


@every_small
def test_texts_follow_the_targets_distribution(monkeypatch, drafts, rule):
    monkeypatch.setattr(loop, "verify_tree", Remembering())
    assert min(p_values(drafts, rule)) > 1e-3


@pytest.mark.parametrize("drafts", [drafts for drafts, _ in SMALL], ids=repr)
def test_so_they_do_with_verification_as_it_is(drafts):
    assert min(p_values(drafts, "recursive", rows=1500)) > 1e-3


@pytest.mark.parametrize(
    ("drafts", "rule", "mistake"),
    [
        (Chain(2), "block", "temperature of the draft"),
        (Chain(2), "block", "bonus of the draft"),
        (Branching(2, 1), "recursive", "distribution of the root"),
    ],
    ids=str,
)
def test_planted_mistakes_change_the_distribution(monkeypatch, drafts, rule, mistake):
    monkeypatch.setattr(loop, "verify_tree", Remembering(mistake))
    assert min(p_values(drafts, rule)) < 1e-6


class LastToken(Drafts):
    """Drafts each text's last token once more, and asks no model: a drafter of another kind."""

    rules = ("recursive", "block")
    default_rule = "block"
    num_nodes = 1

    def __init__(self, vocab: int) -> None:
        self.vocab = vocab

    def sampling(self, rule):
        return "iid"

    def propose(self, tree_cache, texts, room, sampler):
        tokens, rows = torch.tensor([text[-1:] for text in texts]), len(texts)
        probs = torch.nn.functional.one_hot(tokens, self.vocab).double()
        return Proposal(
            tokens=tokens,
            depths=torch.ones(1, dtype=torch.long),
            seen=None,
            parents=[[-1]] * rows,
            node=[[0]] * rows,
            probs=probs.repeat(1, 2, 1),
            drawn_from=[[0, -1]] * rows,
            slots=[[-1]] * rows,
        )


def test_a_drafter_of_another_kind_has_its_door(models, batch):
    ids, mask = batch
    theirs = models[0].generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=12)
    ours = generate(*models, ids, mask, drafts=LastToken(29), do_sample=False, max_new_tokens=12)
    assert torch.equal(ours.sequences, theirs) and ours.draft_calls == 0
    for rule in LastToken.rules:
        assert min(p_values(LastToken(3), rule, rows=1500)) > 1e-3
