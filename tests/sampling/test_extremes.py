"""Rows and temperatures at the ends of their range: what is drawn from is always a distribution."""

from __future__ import annotations

import pytest
import torch

from tests.support.backends import DTYPES
from tests.support.planting import plant
from tests.support.tiny_models import tiny_model
from tokenlab.sampling import RULES, generate, reference, softmax, truncated_probs, truncation_mask

#: A parameter near each end of a rule's range.
VALUES = {rule: (1, 3) if rule == "top_k" else (1e-9, 0.999999) for rule in RULES}


def assert_a_token_is_kept() -> None:
    for dtype in DTYPES:
        for vocab in (3, 7, 100, 250):
            rows = [torch.full((vocab,), 1 / vocab).to(dtype)]
            rows.append(torch.cat([rows[0][:1] / 2, rows[0][1:], rows[0][:1] / 2]))
            for probs in rows:
                for rule, values in VALUES.items():
                    for value in values:
                        mask = truncation_mask(probs, rule, value, validate=False)
                        assert bool(mask.any()), (rule, value, dtype, vocab)
                        kept = truncated_probs(probs.log(), rule=rule, value=value)
                        assert kept.sum().item() == pytest.approx(1, abs=1e-3), (rule, value, dtype, vocab)


def test_every_rule_keeps_a_token_of_equal_rows():
    """Equal probabilities in half precision sum to more or less than one: no threshold may trust the sum."""
    assert_a_token_is_kept()


def test_eta_that_trusts_the_sum_is_caught(monkeypatch):
    rules = dict(RULES)
    plant(monkeypatch, reference, " | top_k_mask(probs, 1)\n\n\ndef top_h", "\n\n\ndef top_h")
    monkeypatch.setitem(
        RULES, "eta", type(rules["eta"])(reference.eta_mask, "epsilon", "", include_one=False)
    )
    with pytest.raises(AssertionError):
        assert_a_token_is_kept()


@pytest.mark.parametrize("temperature", [1e-5, 1e-7, 1e-30, 1e-39, 1e-46, 1e-60, 1e-300])
def test_cold_rows_are_their_largest_logits(temperature):
    for dtype in DTYPES:
        logits = torch.tensor([1.0, 2.0, 2.0, -torch.inf, -30.0], dtype=dtype)
        expected = [0.0, 0.5, 0.5, 0.0, 0.0]
        assert softmax(logits, temperature).tolist() == expected
        assert truncated_probs(logits, temperature=temperature, rule="eta", value=0.1).tolist() == expected
        lowest = torch.full((4,), torch.finfo(dtype).min, dtype=dtype)
        assert softmax(lowest, temperature).tolist() == [0.25] * 4


@pytest.mark.model
@pytest.mark.parametrize("temperature", [1e-7, 1e-46, 1e-300])
def test_cold_generation_is_greedy(temperature):
    model = tiny_model()
    prompt = torch.tensor([[1, 5, 7]])
    greedy = generate(model, prompt, max_new_tokens=6, rule="greedy", eos_token_id=())
    cold = generate(
        model,
        prompt,
        max_new_tokens=6,
        temperature=temperature,
        eos_token_id=(),
        generator=torch.Generator().manual_seed(0),
    )
    assert torch.equal(cold.sequences, greedy.sequences)
