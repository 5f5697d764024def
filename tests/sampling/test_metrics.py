"""Measures of a text."""

from __future__ import annotations

import pytest
import torch

from tokenlab.errors import ArgumentError, DtypeError
from tokenlab.sampling import repetition


def test_repetition_of_the_fact_sheet():
    text = ["a", "b", "c", "a", "b", "c", "a", "b", "c"]
    assert [100 * repetition(text, n) for n in (2, 3, 4)] == pytest.approx([62.5, 400 / 7, 50])
    # The released code leaves out the last n-gram of a text.
    shorter = [len(text) - n for n in (2, 3, 4)]
    assert [100 * (1 - 3 / total) for total in shorter] == pytest.approx([57.142857, 50, 40])


def test_repetition_pools_texts_and_compares_within_them():
    assert repetition([[1, 2, 3], [1, 2, 3]], 2) == 0
    assert repetition([[1, 1, 1, 1], [1, 2, 3]], 2) == pytest.approx(1 - 3 / 5)
    assert repetition(torch.tensor([[7, 7, 7], [7, 7, 7]]), 1) == pytest.approx(2 / 3)
    assert repetition([torch.tensor([7, 7, 7])], 1) == repetition(torch.tensor([7, 7, 7]), 1)
    assert repetition([1, 2], 3) == 0 and repetition([], 1) == 0


def test_bad_repetition():
    with pytest.raises(ArgumentError, match="n is 0"):
        repetition([1, 2], 0)
    with pytest.raises(DtypeError, match="n must be an int"):
        repetition([1, 2], 2.0)
    for texts in ("abc", 5, None):
        with pytest.raises(DtypeError, match="token_ids must be"):
            repetition(texts, 1)
    with pytest.raises(DtypeError, match="mixes"):
        repetition([[1, 2], 3], 1)
