r"""The mistakes that verifiers have been shipped with, as distributions that a wrong verifier is compared with.

A mistake is made on top of some rule, and in more than one way: each has variants. A variant
answers as a verifier does, for many tuples of drafts at once: the distribution of the token at a node, or of
the accepted drafts and the token after them on a chain. Two mistakes have a free number (how far
below the root, how low the threshold): see :func:`node_families`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from tokenlab.transport.conformance.chain_rules import (
    Distribution,
    Probs,
    Rows,
    Tokens,
    _after_root,
    _along,
    _block,
    _from_the_end,
    _from_the_start,
    _ratio,
    _reached,
    _residuals,
    block_distribution,
    block_weights,
)
from tokenlab.transport.node.drafts import last_draft_probs
from tokenlab.transport.node.reference import decide, expected_tests
from tokenlab.transport.node.thresholds import division_factor
from tokenlab.transport.node.verdict import Verdict, normalised, output_distribution

#: What each mistake is, by the name under which a report gives it.
KNOWN_MISTAKES: dict[str, str] = {
    "de-duplicated siblings": "equal i.i.d. drafts are merged, so that the rule sees fewer drafts than were drawn",
    "re-sorted siblings": "drafts are tested in another order than the one in which they were drawn",
    "unchanged target loop": "each draft is tested against the same target, though the ones before were rejected",
    "root bracket below": "K-SEQ divides by less than the root, and cuts off the negative residual",
    "wrong block probability": "block verification stops with the weight p_i of a prefix in place of h_i",
    "swapped roles": "target and draft stand in each other's place",
    "target for residual": "after a rejection the token is drawn from the target, not from what is left of it",
    "shared uniform": "one uniform number serves several tests, or a test and the residual draw",
    "wrong distribution of drafts": "the tests belong to drafts that are drawn in another way",
    "residual not renormalised": "what is left of the target is not divided by its sum before the next test",
    "threshold below one": "target-only acceptance is eased by a threshold",
    "block residual not scaled": "block verification draws the correction from (p - q)+ in place of (p_i p - q)+",
    "longest passed test": "the longest prefix whose last draft passes its own test is accepted",
    "block weight not limited": "block weights are limited to one at the end of the product, not at each step",
    "bonus from the wrong row": "the token after a fully accepted chain is drawn one place too early",
}


#: A rule and the distribution of drafts that its tests are for.
Rule = tuple[str, str]


_TESTS: tuple[Rule, ...] = (
    ("recursive", "iid"),
    ("recursive", "without_replacement"),
    ("kseq", "iid"),
    ("naive", "iid"),
    ("greedy", "greedy"),
)


#: By sampling: right rules that a mistake may stand on. "optimal" would take a linear program each.
_RIGHT: dict[str, tuple[Rule, ...]] = {
    "iid": (("recursive", "iid"), ("kseq", "iid"), ("naive", "iid")),
    "without_replacement": (("recursive", "without_replacement"), ("naive", "without_replacement")),
    "greedy": (("greedy", "greedy"),),
    "spechub": (("spechub", "spechub"),),
}


def node_variants(
    target: Float64[Tensor, " vocab"], draft: Float64[Tensor, " vocab"], tokens: Tokens, sampling: str
) -> Iterator[tuple[str, Callable[[], Distribution]]]:
    """Name of every variant of every mistake at one node, and a function that computes its distribution.

    For one sampling there are always the same variants in the same order. Where two have one distribution,
    as many have with a single draft, the first is the simpler explanation.
    """
    node = target.expand(len(tokens), -1), draft.expand(len(tokens), -1), tokens
    right = _RIGHT.get(sampling, ())

    for rule in _TESTS:
        if rule[1] != sampling and (rule, sampling) != (("naive", "iid"), "without_replacement"):
            yield "wrong distribution of drafts", partial(_rule, *node, rule)
    yield "wrong distribution of drafts", partial(_rule, *node[:2], tokens[..., -1:], ("naive", "iid"))

    for rule in right:
        yield "target for residual", partial(_residual_replaced, *node, rule)
    for reduce in (False,) if sampling == "iid" else (False, True):
        yield "target for residual", partial(_unchanged, *node, reduce, lambda target, _, __: target)
        for residual in (_excess, *(partial(_residual_of, rule) for rule in right)):
            yield "unchanged target loop", partial(_unchanged, *node, reduce, residual)
    yield "unchanged target loop", partial(_looked_up_one_by_one, *node)
    for reduce in (False, True):
        yield "residual not renormalised", partial(_not_renormalised, *node, reduce)

    if sampling == "iid":
        for rule in (*right, ("recursive", "without_replacement")):
            yield "de-duplicated siblings", partial(_deduplicated, *node, rule)
    for order in _orders(*node):
        for rule in right:
            yield "re-sorted siblings", partial(_rule, *node[:2], order, rule)

    yield "swapped roles", lambda: node[1]
    for rule in right:
        for accept, residual in ((True, True), (True, False), (False, True)):
            yield "swapped roles", partial(_swapped, *node, rule, accept, residual)
        for residual in (False, True):
            yield "shared uniform", partial(_shared, *node, rule, residual)


def _rule(target: Probs, draft: Probs, tokens: Tokens, rule: Rule) -> Distribution:
    """What a rule makes of drafts in this order, however they were drawn."""
    return _distribution(decide(target, draft, tokens, *rule), tokens)


def _residual_replaced(target: Probs, draft: Probs, tokens: Tokens, rule: Rule) -> Distribution:
    """A rule's tests, and the target when all fail."""
    return _distribution(Verdict(decide(target, draft, tokens, *rule).accept, target), tokens)


def _unchanged(
    target: Probs, draft: Probs, tokens: Tokens, reduce: bool, residual: Callable[..., Probs]
) -> Distribution:
    r"""Each draft against the target itself, :math:`\min(1, p/q)`, and some residual when all fail."""
    used = _reduced(draft, tokens, reduce)
    accept = _ratio(target.gather(-1, tokens), used.gather(-1, tokens.unsqueeze(-1)).squeeze(-1))
    return _distribution(Verdict(accept, residual(target, used[..., -1, :], tokens)), tokens)


def _excess(target: Probs, draft: Probs, tokens: Tokens) -> Probs:
    return normalised((target - draft).clamp(min=0), target)


def _residual_of(rule: Rule, target: Probs, draft: Probs, tokens: Tokens) -> Probs:
    return decide(target, draft, tokens, *rule).residual


def _looked_up_one_by_one(target: Probs, draft: Probs, tokens: Tokens) -> Distribution:
    """Target-only in the form of tests, each with the token's probability, and nothing removed."""
    return _distribution(Verdict(target.gather(-1, tokens), target), tokens)


def _not_renormalised(target: Probs, draft: Probs, tokens: Tokens, reduce: bool) -> Distribution:
    accept = []
    for token, used in zip(tokens.split(1, -1), _reduced(draft, tokens, reduce).unbind(-2), strict=True):
        accept.append(_ratio(target.gather(-1, token), used.gather(-1, token)))
        left = (target - used).clamp(min=0)
        target = torch.where(left.sum(-1, keepdim=True) > 0, left, target)
    return _distribution(Verdict(torch.cat(accept, -1), normalised(target, target)), tokens)


def _reduced(draft: Probs, tokens: Tokens, reduce: bool) -> Float64[Tensor, "tuples drafts vocab"]:
    """The draft distribution at each draft; with ``reduce`` without the tokens drawn before."""
    rows = []
    for token in tokens.split(1, -1):
        rows.append(draft)
        draft = normalised(draft.scatter(-1, token, 0.0), draft) if reduce else draft
    return torch.stack(rows, -2)


def _deduplicated(target: Probs, draft: Probs, tokens: Tokens, rule: Rule) -> Distribution:
    new = first_seen(tokens)
    distribution = torch.empty_like(target)
    for count in new.sum(-1).unique().tolist():
        rows = new.sum(-1) == count
        left = tokens[rows][new[rows]].view(-1, count)
        distribution[rows] = _rule(target[rows], draft[rows], left, rule)
    return distribution


def first_seen(tokens: Tokens) -> Bool[Tensor, "tuples drafts"]:
    """Whether no earlier draft of the tuple is the same token."""
    same = tokens.unsqueeze(-1) == tokens.unsqueeze(-2)
    return ~same.tril(-1).any(-1)


def _orders(target: Probs, draft: Probs, tokens: Tokens) -> list[Tokens]:
    """By id, backwards, and by probability; of equal ones the lower id first, or the earlier draft."""
    by_id = tokens.sort(-1).values
    sorted_by = [(-draft, by_id), (-draft, tokens), (draft, tokens), (-target, by_id), (-target, tokens)]
    return [by_id, tokens.flip(-1)] + [
        ids.gather(-1, key.gather(-1, ids).argsort(dim=-1, stable=True)) for key, ids in sorted_by
    ]


def _swapped(
    target: Probs, draft: Probs, tokens: Tokens, rule: Rule, accept: bool, residual: bool
) -> Distribution:
    """Target and draft in each other's place: in the tests, in the residual, or in both."""
    if rule[0] in ("greedy", "spechub"):
        # These rules compare the last draft only with the distribution that it was drawn from.
        draft, tokens = last_draft_probs(draft, tokens[..., :-1]), tokens[..., -1:]
        rule = ("naive", "iid")
    right, wrong = decide(target, draft, tokens, *rule), decide(draft, target, tokens, *rule)
    verdict = Verdict((wrong if accept else right).accept, (wrong if residual else right).residual)
    return _distribution(verdict, tokens)


def _shared(target: Probs, draft: Probs, tokens: Tokens, rule: Rule, residual: bool) -> Distribution:
    """One uniform number for all tests, and with ``residual`` for the draw after them."""
    accept, left = decide(target, draft, tokens, *rule)
    reached = accept.cummax(-1).values
    before = torch.cat([torch.zeros_like(reached[..., :1]), reached[..., :-1]], -1)
    drafted = torch.zeros_like(target).scatter_add_(-1, tokens, reached - before)
    last = reached[..., -1:]
    if not residual:
        return drafted + (1 - last) * left
    # Failed tests leave the number above all of them, and so does the residual's running sum.
    end = left.cumsum(-1)
    return drafted + (end - torch.maximum(end - left, last)).clamp(min=0)


# Families: mistakes with a number that nobody but their author knows.
def below_root(
    target: Probs, draft: Probs, tokens: Tokens, share: Float64[Tensor, " numbers"]
) -> Float64[Tensor, "numbers tuples vocab"]:
    """K-SEQ with ``share`` of the division factor, and the residual cut off at zero."""
    k = tokens.shape[-1]
    factor = (share * division_factor(target[:1], draft[:1], k))[:, None, None]
    once = torch.minimum(target / factor, draft)
    gain = expected_tests(once.sum(-1), k).unsqueeze(-1)
    residual = normalised((target - gain * once).clamp(min=0), target.expand_as(once))
    accept = _ratio(target.gather(-1, tokens), factor * draft.gather(-1, tokens))
    return _distribution(Verdict(accept, residual), tokens.expand(len(share), -1, -1))


def below_threshold(
    target: Probs, draft: Probs, tokens: Tokens, share: Float64[Tensor, " numbers"], *, sure: float
) -> Float64[Tensor, "numbers tuples vocab"]:
    """Target-only: one coin against the mass of the drafts so far, divided by ``share``.

    A draft of target probability ``sure`` or more is accepted whatever the coin shows.
    """
    own = target.gather(-1, tokens) * first_seen(tokens)
    shared = own.cumsum(-1) / share[:, None, None]
    passed = torch.where(own >= sure, 1.0, shared.clamp(max=1)).cummax(-1).values
    before = torch.cat([torch.zeros_like(passed[..., :1]), passed[..., :-1]], -1)
    residual = normalised(target.scatter(-1, tokens, 0.0), target)
    distribution = (1 - passed[..., -1:]) * residual
    return distribution.scatter_add(-1, tokens.expand(len(share), -1, -1), passed - before)


def node_families(
    target: Float64[Tensor, " vocab"], draft: Float64[Tensor, " vocab"], tokens: Tokens, sampling: str
) -> Iterator[tuple[str, Callable[[Float64[Tensor, " numbers"]], Distribution]]]:
    """Name of a mistake, and its distribution as a function of the share of the right number."""
    rows = target.expand(len(tokens), -1), draft.expand(len(tokens), -1)
    if sampling == "iid":
        yield "root bracket below", partial(below_root, *rows, tokens)
    # Only the target's own probabilities can make a difference as thresholds.
    for sure in (2.0, *target[target > 0].unique().tolist()):
        yield "threshold below one", partial(below_threshold, *rows, tokens, sure=sure)


def chain_variants(
    target: Rows, draft: Rows, tokens: Tokens
) -> Iterator[tuple[str, Callable[[], Distribution]]]:
    """Name of every variant of every mistake on a chain, and a function that computes its distribution."""
    own, drafted = _along(target, draft, tokens)
    accept, back = _ratio(own, drafted), _ratio(drafted, own)
    plain = _residuals(target, draft, torch.ones_like(accept))
    weights = block_weights(target, draft, tokens)
    tests, scaled = _block(target, draft, weights)
    each = _after_root(accept)
    unlimited = _after_root(_ratio(own.cumprod(-1), drafted.cumprod(-1)))
    unlimited_tests, unlimited_residual = _block(target, draft, unlimited)
    wrong = torch.cat([draft, target[:, -1:]], 1), target[:, :-1]
    swapped = _residuals(*wrong, torch.ones_like(back))
    early = target[:, -2:-1]

    for residual in (scaled, plain):
        yield "wrong block probability", partial(_from_the_end, weights, residual)
    yield "block residual not scaled", partial(_from_the_end, tests, plain)
    for residual in (plain, scaled):
        yield "longest passed test", partial(_from_the_end, each, residual)
    for passed in (unlimited_tests, unlimited):
        yield "block weight not limited", partial(_from_the_end, passed, unlimited_residual)
    for passed, residual in ((back, swapped), (back, plain), (accept, swapped)):
        yield "swapped roles", partial(_from_the_start, passed, residual)
    yield "swapped roles", partial(block_distribution, *wrong, tokens)
    for use, passed, residual in ((_from_the_start, accept, plain), (_from_the_end, tests, scaled)):
        yield "target for residual", partial(use, passed, target)
        yield "bonus from the wrong row", partial(use, passed, torch.cat([residual[:, :-1], early], 1))
    # With one uniform for all tests the lowest is failed first, and of the longest the highest passed.
    yield "shared uniform", partial(_reached, each.cummin(-1).values, plain)
    yield "shared uniform", partial(_reached, tests.flip(-1).cummax(-1).values.flip(-1), scaled)


def _distribution(verdict: Verdict, tokens: Tensor) -> Distribution:
    residual = verdict.residual.expand(*tokens.shape[:-1], -1)
    return output_distribution(Verdict(verdict.accept, residual), tokens)
