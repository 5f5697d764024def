"""Pairs of distributions in fractions: by hand, at the edges, and random ones with zeros and ties."""

from __future__ import annotations

import random
from fractions import Fraction

import torch

from tokenlab.chapters.transport.exact import Row, as_row
from tokenlab.transport.rules import DEFINED

#: Every rule with every sampling that it is defined for.
PAIRS = [(rule, sampling) for rule, samplings in DEFINED.items() for sampling in samplings]


def row(*values: int | str | Fraction) -> Row:
    return as_row("row", values)


def pair(target: str, draft: str) -> tuple[Row, Row]:
    return row(*target.split()), row(*draft.split())


#: Target and draft where the rules are different from each other, or something is 0 or equal.
EDGES = {
    "one token": pair("1", "1"),
    "two tokens": pair("3/4 1/4", "1/4 3/4"),
    "equal": pair("1/6 1/2 1/3", "1/6 1/2 1/3"),
    "nearly equal": pair("1/3 1/3 1/3", "333333333/1000000000 333333333/1000000000 333333334/1000000000"),
    "reversed": pair("1/2 3/10 1/5", "1/5 3/10 1/2"),
    "disjoint": pair("1/3 2/3 0 0", "0 0 3/4 1/4"),
    "zeros in both": pair("1/2 0 1/2 0", "0 0 1/3 2/3"),
    "point target": pair("0 1 0", "1/2 1/3 1/6"),
    "point draft": pair("1/2 1/3 1/6", "0 1 0"),
    "uniform draft": pair("7/10 1/5 1/10 0", "1/4 1/4 1/4 1/4"),
    "tied draft": pair("1/8 1/4 1/8 1/2", "3/8 1/8 3/8 1/8"),
    "tied ratios": pair("1/5 2/5 1/10 3/10 0", "1/10 1/5 1/10 3/10 3/10"),
    "tiny": pair("1/1000000000000 999999999999/1000000000000", "1/2 1/2"),
    "two favourites": pair("1/2 1/6 1/6 1/6", "40/89 1/89 40/89 8/89"),
    "sure draft": pair("1/10 1/2 2/5", "999999999/1000000000 6/10000000000 4/10000000000"),
    "five": pair("1/15 2/15 3/15 4/15 5/15", "5/15 1/15 4/15 2/15 3/15"),
}


def random_row(vocab: int, draw: random.Random, zeros: float = 0.2) -> Row:
    """Whole numbers over their sum, some of them 0."""
    weights = [0 if draw.random() < zeros else draw.choice([1, 2, 3, 5, 8, 40]) for _ in range(vocab)]
    if not any(weights):
        weights[draw.randrange(vocab)] = 1
    return tuple(Fraction(weight, sum(weights)) for weight in weights)


def random_pairs(vocab: int, count: int, seed: int = 0, zeros: float = 0.2) -> list[tuple[Row, Row]]:
    draw = random.Random(f"{vocab} {seed}")
    return [(random_row(vocab, draw, zeros), random_row(vocab, draw, zeros)) for _ in range(count)]


def can_be_drawn(draft: Row, num_drafts: int, sampling: str) -> bool:
    """Whether so many drafts exist: all but i.i.d. ones are different from each other."""
    if sampling == "spechub" and num_drafts != 2:
        return False
    return sampling == "iid" or sum(q > 0 for q in draft) >= num_drafts


def double(values: Row) -> torch.Tensor:
    return torch.tensor([float(value) for value in values], dtype=torch.float64)


def random_rows(
    *shape: int, seed: int = 0, spread: float = 2.0, dtype: torch.dtype = torch.float64
) -> list[torch.Tensor]:
    """A target and a draft, softmax of normal numbers."""
    generator = torch.Generator().manual_seed(seed)
    rows = [
        (spread * torch.randn(shape, generator=generator, dtype=torch.float64)).softmax(-1) for _ in range(2)
    ]
    return [part.to(dtype) for part in rows]


#: Where floats as close to the fractions as can be still move single distributions: differences of
#: nearly equal numbers decide, after drafts that hardly ever come.
ILL_CONDITIONED = ("nearly equal", "tiny", "sure draft")
