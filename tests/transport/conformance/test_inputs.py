"""Arguments that cannot be tried are refused by name."""

from __future__ import annotations

import pytest
import torch

from tests.transport import mutants
from tests.transport.instances import double
from tokenlab.errors import ArgumentError, DtypeError, ProbabilityError, ShapeError
from tokenlab.transport import check_verifier


def right(target, draft, tokens):
    return target


def right_sample(target, draft, tokens, generator):
    return torch.multinomial(target, len(tokens), True, generator=generator)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({}, ArgumentError, "neither given"),
        ({"distribution": right, "sample": right_sample}, ArgumentError, "both given"),
        ({"distribution": 3}, DtypeError, "distribution must be callable"),
        ({"distribution": right, "num_drafts": 0}, ArgumentError, "num_drafts is 0"),
        ({"distribution": right, "num_drafts": 1.5}, DtypeError, "num_drafts must be an int"),
        ({"distribution": right, "num_drafts": []}, ArgumentError, "num_drafts is empty"),
        ({"distribution": right, "vocab_size": 1}, ArgumentError, "vocab_size is 1"),
        ({"distribution": right, "sampling": "beam"}, ArgumentError, "sampling is 'beam'"),
        ({"distribution": right, "structure": "tree"}, ArgumentError, "structure is 'tree'"),
        ({"distribution": right, "sampling": "spechub", "num_drafts": 3}, ArgumentError, "draws two drafts"),
        (
            {"distribution": right, "sampling": "greedy", "num_drafts": 4, "vocab_size": 3},
            ArgumentError,
            "repeats no token",
        ),
        ({"distribution": right, "num_drafts": 6, "vocab_size": 5}, ArgumentError, "15625 tuples"),
        ({"distribution": right, "draft_length": 2}, ArgumentError, "draft_length is for structure 'chain'"),
        (
            {"distribution": right, "structure": "chain", "num_drafts": 2},
            ArgumentError,
            "num_drafts is for structure 'node'",
        ),
        (
            {"distribution": right, "structure": "chain", "sampling": "greedy"},
            ArgumentError,
            "expected 'iid'",
        ),
        (
            {"distribution": right, "structure": "chain", "draft_length": 9, "vocab_size": 3},
            ArgumentError,
            "59049 sequences",
        ),
        ({"sample": right_sample, "num_samples": 1000}, ArgumentError, "at least 200000"),
        ({"sample": right_sample, "vocab_size": 3000}, ArgumentError, "expected at least 25"),
        ({"distribution": right, "tolerance": -1.0}, ArgumentError, "tolerance is -1"),
        ({"distribution": right, "pairs": []}, ArgumentError, "pairs is empty"),
        (
            {"distribution": right, "pairs": [(torch.ones(2) / 2, torch.ones(2) / 2)]},
            DtypeError,
            "expected one row of float64",
        ),
        (
            {"distribution": right, "pairs": [(torch.ones(2).double(), torch.ones(2).double())]},
            ProbabilityError,
            "sums to 2",
        ),
        (
            {"distribution": right, "pairs": [(torch.ones(1).double(), torch.ones(2).double() / 2)]},
            ShapeError,
            "has 2",
        ),
        ({"distribution": right, "pairs": [3]}, ShapeError, "expected a pair"),
        (
            {"distribution": right, "pairs": [(double(mutants.SPREAD[0]),) * 2], "vocab_size": 3},
            ArgumentError,
            "both given",
        ),
    ],
)
def test_wrong_arguments(arguments, error, words):
    with pytest.raises(error, match=words):
        check_verifier(**arguments)
