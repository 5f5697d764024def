"""The mistakes that verifiers have been shipped with, as distributions to compare a wrong one with.

A mistake is made on top of some rule, in several variants. A variant answers as a verifier does, for many
tuples at once. Two mistakes have a number that only their author knows: :func:`node_families`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from tokenlab.transport.conformance import chain_rules, lenient
from tokenlab.transport.conformance.chain_rules import (
    ChainDistribution,
    DraftRows,
    PerCount,
    PerDraft,
    Rows,
    in_order,
    longest_first,
    residuals,
    with_none,
)
from tokenlab.transport.node.drafts import last_draft_probs
from tokenlab.transport.node.reference import decide
from tokenlab.transport.node.thresholds import division_factor, expected_tests
from tokenlab.transport.node.verdict import Verdict, clipped_ratio, normalised, output_distribution

#: What each mistake is, by the name under which a report gives it.
KNOWN_MISTAKES: dict[str, str] = {
    "de-duplicated siblings": "equal i.i.d. drafts are merged, so that the rule sees fewer drafts than were drawn",
    "re-sorted siblings": "drafts are tested in another order than the one in which they were drawn",
    "unchanged target loop": "each draft is tested against the same target, though the ones before were rejected",
    "root bracket below": "K-SEQ divides by less than the root, and cuts off the negative residual",
    "wrong block probability": "block verification stops with the weight w_i of a prefix instead of h_i",
    "swapped roles": "target and draft are swapped",
    "target for residual": "after a rejection the token is drawn from the target, not from what is left of it",
    "shared uniform": "one uniform number serves several tests, or a test and the residual draw",
    "rule of another sampling": "the tests belong to drafts that are drawn in another way",
    "residual not renormalised": "what is left of the target is not divided by its sum before the next test",
    "threshold below one": "target-only acceptance is eased by a threshold",
    "relaxed top-k acceptance": "a draft is taken for sure if it is among the target's k most probable tokens",
    "typical acceptance": "a draft is taken for sure above a threshold min(epsilon, delta exp(-H)) of the target",
    "block residual not scaled": "block verification draws the correction from (p - q)+ instead of (p_i p - q)+",
    "longest passed test": "the longest prefix whose last draft passes its own test is accepted",
    "block weight not limited": "block weights are limited to one at the end of the product, not at each step",
    "bonus from the wrong row": "the token after a fully accepted chain is drawn one position too early",
}

Probs = Float64[Tensor, "tuples vocab"]
Tokens = Int64[Tensor, "tuples drafts"]
#: Shares of the right number, which its author has taken in its stead.
Shares = Float64[Tensor, " numbers"]
#: From rows of target and draft and the drafts to what comes out of each tuple.
Variant = Callable[[Tensor, Tensor, Tokens], Tensor]
#: One distribution for each share.
Family = Callable[[Shares], Float64[Tensor, "numbers tuples vocab"]]
#: A rule and the sampling that its tests are for.
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


def node_variants(sampling: str) -> Iterator[tuple[str, Variant]]:
    """Every variant of every mistake at one node, with the mistake's name.

    Where two have one distribution, the first is the simpler explanation.
    """
    right = _RIGHT.get(sampling, ())

    for rule in _TESTS:
        if rule[1] != sampling and (rule, sampling) != (("naive", "iid"), "without_replacement"):
            yield "rule of another sampling", partial(_rule, rule=rule)
    yield "rule of another sampling", _last_draft_alone

    for rule in right:
        yield "target for residual", partial(_residual_replaced, rule=rule)
    for reduce in (False,) if sampling == "iid" else (False, True):
        yield "target for residual", partial(_unchanged, reduce=reduce, residual="target")
        for residual in ("excess", *right):
            yield "unchanged target loop", partial(_unchanged, reduce=reduce, residual=residual)
    yield "unchanged target loop", _looked_up_one_by_one
    for reduce in (False, True):
        yield "residual not renormalised", partial(_not_renormalised, reduce=reduce)

    if sampling == "iid":
        for rule in (*right, ("recursive", "without_replacement")):
            yield "de-duplicated siblings", partial(_deduplicated, rule=rule)
    for order in _ORDERS:
        for rule in right:
            yield "re-sorted siblings", partial(_reordered, order=order, rule=rule)

    for variant in lenient.relaxed_variants():
        yield "relaxed top-k acceptance", variant

    yield "swapped roles", lambda target, draft, tokens: draft
    for rule in right:
        for accept, residual in ((True, True), (True, False), (False, True)):
            yield "swapped roles", partial(_swapped, rule=rule, accept=accept, residual=residual)
        for residual in (False, True):
            yield "shared uniform", partial(_shared, rule=rule, residual=residual)


def _rule(target: Probs, draft: Probs, tokens: Tokens, *, rule: Rule) -> Probs:
    """What a rule makes of these drafts, however they were drawn."""
    return _distribution(decide(target, draft, tokens, *rule), tokens)


def _last_draft_alone(target: Probs, draft: Probs, tokens: Tokens) -> Probs:
    return _rule(target, draft, tokens[..., -1:], rule=("naive", "iid"))


def _residual_replaced(target: Probs, draft: Probs, tokens: Tokens, *, rule: Rule) -> Probs:
    """A rule's tests, then the target."""
    return _distribution(Verdict(decide(target, draft, tokens, *rule).accept, target), tokens)


def _unchanged(target: Probs, draft: Probs, tokens: Tokens, *, reduce: bool, residual: str | Rule) -> Probs:
    r"""Each draft tested with :math:`\min(1, p/q)`; the residual is the target, its excess, or a rule's."""
    used = _reduced(draft, tokens, reduce)
    accept = clipped_ratio(target.gather(-1, tokens), used.gather(-1, tokens.unsqueeze(-1)).squeeze(-1))
    if residual == "target":
        left = target
    elif residual == "excess":
        left = normalised((target - used[..., -1, :]).clamp(min=0), target)
    else:
        left = decide(target, used[..., -1, :], tokens, *residual).residual
    return _distribution(Verdict(accept, left), tokens)


def _looked_up_one_by_one(target: Probs, draft: Probs, tokens: Tokens) -> Probs:
    """Target-only as tests, with nothing removed."""
    return _distribution(Verdict(target.gather(-1, tokens), target), tokens)


def _not_renormalised(target: Probs, draft: Probs, tokens: Tokens, *, reduce: bool) -> Probs:
    accept = []
    for token, used in zip(tokens.split(1, -1), _reduced(draft, tokens, reduce).unbind(-2), strict=True):
        accept.append(clipped_ratio(target.gather(-1, token), used.gather(-1, token)))
        left = (target - used).clamp(min=0)
        target = torch.where(left.sum(-1, keepdim=True) > 0, left, target)
    return _distribution(Verdict(torch.cat(accept, -1), normalised(target, target)), tokens)


def _reduced(draft: Probs, tokens: Tokens, reduce: bool) -> Float64[Tensor, "tuples drafts vocab"]:
    """The draft distribution at each draft; with ``reduce`` without earlier tokens."""
    rows = []
    for token in tokens.split(1, -1):
        rows.append(draft)
        draft = normalised(draft.scatter(-1, token, 0.0), draft) if reduce else draft
    return torch.stack(rows, -2)


def _deduplicated(target: Probs, draft: Probs, tokens: Tokens, *, rule: Rule) -> Probs:
    new = first_seen(tokens)
    distribution = torch.empty_like(target)
    for count in new.sum(-1).unique().tolist():
        rows = new.sum(-1) == count
        left = tokens[rows][new[rows]].view(-1, count)
        distribution[rows] = _rule(target[rows], draft[rows], left, rule=rule)
    return distribution


def first_seen(tokens: Tokens) -> Bool[Tensor, "tuples drafts"]:
    """Whether no earlier draft of the tuple is the same token."""
    same = tokens.unsqueeze(-1) == tokens.unsqueeze(-2)
    return ~same.tril(-1).any(-1)


def _by_id(tokens: Tokens) -> Tokens:
    return tokens.sort(-1).values


def _rising(key: Probs, tokens: Tokens) -> Tokens:
    """Sorted by the key; of equal ones the earlier first."""
    return tokens.gather(-1, key.gather(-1, tokens).argsort(dim=-1, stable=True))


#: By id, backwards, and by probability; of equal ones the lower id first, or the earlier draft.
_ORDERS: tuple[Callable[[Probs, Probs, Tokens], Tokens], ...] = (
    lambda target, draft, tokens: _by_id(tokens),
    lambda target, draft, tokens: tokens.flip(-1),
    lambda target, draft, tokens: _rising(-draft, _by_id(tokens)),
    lambda target, draft, tokens: _rising(-draft, tokens),
    lambda target, draft, tokens: _rising(draft, tokens),
    lambda target, draft, tokens: _rising(-target, _by_id(tokens)),
    lambda target, draft, tokens: _rising(-target, tokens),
)


def _reordered(
    target: Probs, draft: Probs, tokens: Tokens, *, order: Callable[..., Tokens], rule: Rule
) -> Probs:
    return _rule(target, draft, order(target, draft, tokens), rule=rule)


def _swapped(
    target: Probs, draft: Probs, tokens: Tokens, *, rule: Rule, accept: bool, residual: bool
) -> Probs:
    """Target and draft swapped in the tests, the residual, or both."""
    if rule[0] in ("greedy", "spechub"):
        # These rules compare the last draft only with the distribution that it was drawn from.
        draft, tokens = last_draft_probs(draft, tokens[..., :-1]), tokens[..., -1:]
        rule = ("naive", "iid")
    right, wrong = decide(target, draft, tokens, *rule), decide(draft, target, tokens, *rule)
    verdict = Verdict((wrong if accept else right).accept, (wrong if residual else right).residual)
    return _distribution(verdict, tokens)


def _shared(target: Probs, draft: Probs, tokens: Tokens, *, rule: Rule, residual: bool) -> Probs:
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


def node_families(sampling: str) -> Iterator[tuple[str, Callable[..., Iterator[Family]], bool]]:
    """Every mistake with a free number, its families for given rows and drafts, and whether cases share it.

    The end of a bracket may be anywhere below the root; a threshold is a constant.
    """
    if sampling == "iid":
        yield "root bracket below", _below_root, False
    yield "threshold below one", _below_threshold, True


def _below_root(target: Probs, draft: Probs, tokens: Tokens) -> Iterator[Family]:
    """K-SEQ with a share of the division factor, and the residual cut off at zero."""
    k = tokens.shape[-1]
    root = division_factor(target[:1], draft[:1], k)

    def family(share: Shares) -> Float64[Tensor, "numbers tuples vocab"]:
        # One draft needs no root: the factor is one.
        factor = (share * root if k > 1 else torch.ones_like(share))[:, None, None]
        once = torch.minimum(target / factor, draft)
        gain = expected_tests(once.sum(-1), k).unsqueeze(-1)
        residual = normalised((target - gain * once).clamp(min=0), target.expand_as(once))
        accept = clipped_ratio(target.gather(-1, tokens), factor * draft.gather(-1, tokens))
        return _distribution(Verdict(accept, residual), tokens.expand(len(share), -1, -1))

    yield family


def _below_threshold(target: Probs, draft: Probs, tokens: Tokens) -> Iterator[Family]:
    """Target-only: one coin against the drafts' mass over the share; a draft of mass ``sure`` always passes."""
    own = target.gather(-1, tokens) * first_seen(tokens)
    residual = normalised(target.scatter(-1, tokens, 0.0), target)

    def family(share: Shares, sure: float) -> Float64[Tensor, "numbers tuples vocab"]:
        shared = own.cumsum(-1) / share[:, None, None]
        passed = torch.where(own >= sure, 1.0, shared.clamp(max=1)).cummax(-1).values
        before = torch.cat([torch.zeros_like(passed[..., :1]), passed[..., :-1]], -1)
        distribution = (1 - passed[..., -1:]) * residual
        return distribution.scatter_add(-1, tokens.expand(len(share), -1, -1), passed - before)

    # Only the target's own probabilities can make a difference as thresholds.
    for sure in (2.0, *target[0][target[0] > 0].unique().tolist()):
        yield partial(family, sure=sure)


#: Name of a mistake on a chain, how the tests are used, which tests, and which residual.
_CHAIN_VARIANTS: tuple[tuple[str, Callable[[Tensor, Rows], ChainDistribution], str, str], ...] = (
    ("wrong block probability", longest_first, "weights", "scaled"),
    ("wrong block probability", longest_first, "weights", "plain"),
    ("block residual not scaled", longest_first, "block", "plain"),
    ("longest passed test", longest_first, "each", "plain"),
    ("longest passed test", longest_first, "each", "scaled"),
    ("block weight not limited", longest_first, "unlimited block", "unlimited"),
    ("block weight not limited", longest_first, "unlimited weights", "unlimited"),
    ("swapped roles", in_order, "swapped", "swapped"),
    ("swapped roles", in_order, "swapped", "plain"),
    ("swapped roles", in_order, "plain", "swapped"),
    ("swapped roles", longest_first, "swapped block", "swapped, scaled"),
    ("target for residual", in_order, "plain", "target"),
    ("bonus from the wrong row", in_order, "plain", "plain, early bonus"),
    ("target for residual", longest_first, "block", "target"),
    ("bonus from the wrong row", longest_first, "block", "scaled, early bonus"),
    # With one uniform for all tests the lowest is failed first, and of the longest the highest passed.
    ("shared uniform", chain_rules.end_after, "lowest", "plain"),
    ("shared uniform", chain_rules.end_after, "highest", "scaled"),
)


def chain_variants() -> Iterator[tuple[str, Variant]]:
    """Every variant of every mistake on a chain, with the mistake's name."""
    for name, use, tests, residual in _CHAIN_VARIANTS:
        yield name, partial(_chain_variant, use=use, tests=tests, residual=residual)


def _chain_variant(
    target: Rows, draft: DraftRows, tokens: Tokens, *, use: Callable[..., Tensor], tests: str, residual: str
) -> ChainDistribution:
    found, left = _chain_parts(target, draft, tokens)
    return use(found[tests], left[residual])


def _chain_parts(
    target: Rows, draft: DraftRows, tokens: Tokens
) -> tuple[dict[str, PerDraft | PerCount], dict[str, Rows]]:
    """Right and wrong tests and residuals by name."""
    own, drafted = chain_rules.path_probs(target, draft, tokens)
    plain = clipped_ratio(own, drafted)
    weights = chain_rules.block_weights(target, draft, tokens)
    block = chain_rules.block_tests(target, draft, weights)
    unlimited = with_none(clipped_ratio(own.cumprod(-1), drafted.cumprod(-1)))
    other = torch.cat([draft, target[:, -1:]], 1), target[:, :-1]
    other_weights = chain_rules.block_weights(*other, tokens)
    tests = {
        "plain": plain,
        "each": with_none(plain),
        "lowest": with_none(plain).cummin(-1).values,
        "weights": weights,
        "block": block,
        "highest": block.flip(-1).cummax(-1).values.flip(-1),
        "unlimited weights": unlimited,
        "unlimited block": chain_rules.block_tests(target, draft, unlimited),
        "swapped": clipped_ratio(drafted, own),
        "swapped block": chain_rules.block_tests(*other, other_weights),
    }
    left = {
        "target": target,
        "plain": residuals(target, draft, torch.ones_like(plain)),
        "scaled": residuals(target, draft, weights[:, :-1]),
        "unlimited": residuals(target, draft, unlimited[:, :-1]),
        "swapped": residuals(*other, torch.ones_like(plain)),
        "swapped, scaled": residuals(*other, other_weights[:, :-1]),
    }
    for name in ("plain", "scaled"):
        left[f"{name}, early bonus"] = torch.cat([left[name][:, :-1], target[:, -2:-1]], 1)
    return tests, left


def _distribution(verdict: Verdict, tokens: Tensor) -> Tensor:
    residual = verdict.residual.expand(*tokens.shape[:-1], -1)
    return output_distribution(Verdict(verdict.accept, residual), tokens)
