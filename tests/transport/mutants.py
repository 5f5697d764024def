"""Wrong rules as distributions in fractions: the mistakes that people make when they verify drafts.

Each takes target, draft and drafts, and returns the distribution of the token that comes out, as
``exact.output_given_drafts`` does for right ones.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from tests.transport.instances import EDGES, pair
from tokenlab.chapters.transport import exact
from tokenlab.chapters.transport.exact import Row, Tokens


class Mutant(NamedTuple):
    distribution: Callable[[Row, Row, Tokens], Row]
    sampling: str
    target: Row
    draft: Row
    num_drafts: int


def in_order(tokens: Tokens, accept: list[Fraction], otherwise: Row) -> Row:
    """Tests one after the other, then a last draw."""
    for token, probability in reversed(list(zip(tokens, accept, strict=True))):
        probability = min(probability, Fraction(1))
        otherwise = tuple(
            probability * own + (1 - probability) * other
            for own, other in zip(exact.point(token, len(otherwise)), otherwise, strict=True)
        )
    return otherwise


def residual_of(target: Row, draft: Row) -> Row:
    """(p - q)+ normalised, and the target where nothing is left."""
    left = exact.excess(target, draft)
    return exact.normalised(left) if any(left) else target


def deduplicated(target, draft, tokens):
    """K-SEQ on the different drafts, as if so few had been drawn."""
    return exact.output_given_drafts("kseq", target, draft, tuple(dict.fromkeys(tokens)))


def resorted(target, draft, tokens):
    """Recursive rejection with the siblings sorted by probability."""
    descending = tuple(sorted(tokens, key=lambda token: (-draft[token], token)))
    return exact.output_given_drafts("recursive", target, draft, descending, "without_replacement")


def unchanged_target(target, draft, tokens):
    """Each draft tested against the target itself, whatever was rejected before."""
    accept = [target[token] / draft[token] for token in tokens]
    return in_order(tokens, accept, residual_of(target, draft))


def below_the_root(target, draft, tokens):
    """K-SEQ with the lower end of a bracket, its negative residual clamped."""
    k = len(tokens)
    factor = exact.lossless_factor(target, draft, k) - Fraction(1, 20)
    once = [min(p / factor, q) for p, q in zip(target, draft, strict=True)]
    tests = sum((1 - sum(once)) ** j for j in range(k))
    residual = [max(p - tests * mass, Fraction(0)) for p, mass in zip(target, once, strict=True)]
    accept = [target[token] / (factor * draft[token]) for token in tokens]
    return in_order(tokens, accept, exact.normalised(residual))


def swapped(target, draft, tokens):
    """The letters of another paper: the draft tested as if it were the target."""
    accept = [draft[tokens[0]] / target[tokens[0]] if target[tokens[0]] else Fraction(1)]
    return in_order(tokens[:1], accept, residual_of(draft, target))


def not_renormalised(target, draft, tokens):
    """Recursive rejection whose residual is not divided by its sum before the next test."""
    accept = []
    for token in tokens:
        accept.append(target[token] / draft[token])
        target = exact.excess(target, draft) if any(exact.excess(target, draft)) else target
    return in_order(tokens, accept, exact.normalised(target))


def shared_uniform(target, draft, tokens):
    """One uniform number for all tests, and for the position in the residual's running sum."""
    shares, low = [Fraction(0)] * len(target), Fraction(0)
    for token in tokens:
        accept = min(target[token] / draft[token], Fraction(1))
        shares[token] += max(accept - low, Fraction(0))
        low = max(low, accept)
        if low < 1:
            target = residual_of(target, draft)
    start = Fraction(0)
    for token, mass in enumerate(target):
        shares[token] += max(start + mass - max(start, low), Fraction(0))
        start += mass
    return tuple(shares)


def one_uniform_for_tests(target, draft, tokens):
    """One uniform number for all tests: a later one is passed only where it is easier."""
    accept, passed = [], Fraction(0)
    for token in tokens:
        chance = min(target[token] / draft[token], Fraction(1))
        accept.append(max(chance - passed, Fraction(0)) / (1 - passed) if passed < 1 else Fraction(0))
        passed = max(passed, chance)
        target = residual_of(target, draft)
    return in_order(tokens, accept, target)


def draft_not_reduced(target, draft, tokens):
    """Drafts without replacement, verified as if they were independent."""
    return exact.output_given_drafts("recursive", target, draft, tokens, "iid")


def greedy_against_draft(target, draft, tokens):
    """The last greedy draft tested against q instead of the distribution that it was drawn from."""
    accept = [target[tokens[-1]] / draft[tokens[-1]]]
    return in_order(tokens[-1:], accept, residual_of(target, draft))


def kept_in_residual(target, draft, tokens):
    """A draft that was rejected is replaced by a draw from the target, not from the residual."""
    return in_order(tokens, [target[token] / draft[token] for token in tokens], target)


TWO, THREE, FIVE = EDGES["two tokens"], EDGES["reversed"], EDGES["five"]
#: A rejection leaves (1/10, 3/10, 0) of the target, which is (1/4, 3/4, 0) once it sums to one.
SPREAD = pair("2/5 2/5 1/5", "3/10 1/10 3/5")
MUTANTS = {
    "siblings de-duplicated": Mutant(deduplicated, "iid", *TWO, 2),
    "siblings re-sorted": Mutant(resorted, "without_replacement", *THREE, 2),
    "unchanged target": Mutant(unchanged_target, "iid", *TWO, 2),
    "factor below the root": Mutant(below_the_root, "iid", *TWO, 2),
    "target and draft swapped": Mutant(swapped, "iid", *TWO, 1),
    "residual not renormalised": Mutant(not_renormalised, "iid", *SPREAD, 2),
    "shared uniform": Mutant(shared_uniform, "iid", *FIVE, 2),
    "one uniform for all tests": Mutant(one_uniform_for_tests, "iid", *EDGES["two favourites"], 2),
    "draft not reduced": Mutant(draft_not_reduced, "without_replacement", *FIVE, 2),
    "greedy against q": Mutant(greedy_against_draft, "greedy", *THREE, 2),
    "target for residual": Mutant(kept_in_residual, "iid", *TWO, 1),
}


def output(mutant: Mutant) -> Row:
    """What comes out of a wrong rule, summed over all drafts."""
    total = [Fraction(0)] * len(mutant.target)
    for tokens, probability in exact.draft_distribution(
        mutant.draft, mutant.num_drafts, mutant.sampling
    ).items():
        distribution = mutant.distribution(mutant.target, mutant.draft, tokens)
        total = [so_far + probability * share for so_far, share in zip(total, distribution, strict=True)]
    return tuple(total)
