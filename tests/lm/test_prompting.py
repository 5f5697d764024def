"""Ends and padding in whatever form ids come."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.tiny_models import tiny_model
from tokenlab.errors import ArgumentError, DtypeError
from tokenlab.lm.prompting import end_tokens


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (4, [4]),
        ((), []),
        ([4, 5], [4, 5]),
        ({4}, [4]),
        (np.int64(4), [4]),
        (np.array([4, 5]), [4, 5]),
        (np.array(4), [4]),
        (torch.tensor(4), [4]),
        (torch.tensor([4, 5]), [4, 5]),
        ([torch.tensor(4), np.int32(5)], [4, 5]),
    ],
)
def test_ids_that_are_numbers(given, expected):
    ends, pad = end_tokens(tiny_model(), given, torch.tensor(3))
    assert ends == expected and pad == 3
    assert all(type(end) is int for end in [*ends, pad])


@pytest.mark.parametrize(
    ("eos", "pad", "error", "words"),
    [
        (4.0, None, DtypeError, "eos_token_id must be an int or several, found float 4.0"),
        ([4.0], None, DtypeError, "eos_token_id must be an int, found float 4.0"),
        (torch.tensor(4.0), None, DtypeError, "eos_token_id must be an int or several, found float 4.0"),
        (torch.tensor([[4]]), None, DtypeError, "eos_token_id must be an int, found list"),
        (True, None, DtypeError, "eos_token_id must be an int, found bool"),
        ("end", None, DtypeError, "eos_token_id must be an int or several, found str 'end'"),
        (4, 5.0, DtypeError, "pad_token_id must be an int, found float 5.0"),
        (29, None, ArgumentError, "eos_token_id is 29, expected 0 to 28"),
        (4, -1, ArgumentError, "pad_token_id is -1, expected 0 to 28"),
    ],
)
def test_ids_that_are_none(eos, pad, error, words):
    with pytest.raises(error, match=words):
        end_tokens(tiny_model(), eos, pad)
