"""Our masks against transformers' warpers: equal away from ties, different where they say so."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from transformers import LogitsProcessorList

from tokenlab.errors import ArgumentError, DtypeError
from tokenlab.sampling import RULES, StatedTopH, hf_processors, reference, truncated_probs

HAND = torch.tensor([[0.5, 0.25, 0.15, 0.1]], dtype=torch.float64)
VALUES = {
    "top_k": (1, 7, 50),
    "top_p": (0.1, 0.5, 0.9),
    "min_p": (0.3, 0.05, 0.001),
    "typical": (0.1, 0.5, 0.95),
    "epsilon": (0.3, 1e-2, 1e-4),
    "eta": (0.5, 2e-3, 3e-4),
    "top_h": (0.1, 0.4, 0.9),
    "top_h_released": (0.1, 0.4, 0.9),
}
#: In float32 the warpers' sums and thresholds are rounded: rows this close to one are left out.
MARGIN = 1e-4


def near_a_boundary(probs: torch.Tensor, rule: str, value: float) -> torch.Tensor:
    """Rows whose kept set changes when the parameter, or one logit gap, moves by the margin."""
    if rule == "top_k":
        ranked = probs.sort(descending=True).values
        return (ranked[:, value - 1] / ranked[:, value]).log() < MARGIN
    low, high = (RULES[rule].mask(probs, value * (1 + sign * MARGIN)) for sign in (-1, 1))
    changed = (low != high).any(-1)
    if rule == "typical":
        distances = (-probs.log() - reference.entropy(probs)[:, None]).abs().sort().values.diff()
        changed |= (distances < 1e-6).any(-1)
    return changed


@pytest.mark.parametrize("rule", sorted(RULES))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_masks_equal_the_warpers(rule, dtype, temperature):
    generator = torch.Generator().manual_seed(7)
    for value in VALUES[rule]:
        logits = 3 * torch.randn(200, 313, generator=generator, dtype=torch.float64)
        scores = hf_processors(rule, value, temperature)(None, logits.to(dtype))
        ours = truncated_probs(logits, temperature=temperature, rule=rule, value=value) > 0
        clear = ~near_a_boundary(reference.softmax(logits, temperature), rule, value)
        assert clear.float().mean() > 0.5
        if dtype == torch.float64:
            clear[:] = True
        assert torch.equal(scores.isfinite()[clear], ours[clear])
        # The test can fail: one parameter further, the sets differ.
        other = VALUES[rule][(VALUES[rule].index(value) + 1) % 3]
        theirs = hf_processors(rule, other, temperature)(None, logits.to(dtype)).isfinite()
        assert not torch.equal(theirs[clear], ours[clear])
        assert torch.allclose(
            scores.softmax(-1)[clear].double(),
            truncated_probs(logits, temperature=temperature, rule=rule, value=value)[clear],
            atol=1e-6,
        )


def kept(processors, probs: torch.Tensor) -> int:
    return int(processors(None, probs.log()).isfinite().sum())


def test_where_top_k_differs_ties_keep_more():
    tied = torch.tensor([[0.4, 0.2, 0.2, 0.2]], dtype=torch.float64)
    assert kept(hf_processors("top_k", 2), tied) == 4
    assert reference.top_k_mask(tied, 2).sum() == 2


def test_where_top_p_differs_equality_is_rounded():
    """0.5 + 0.25 + 0.15 reaches 0.9; summed from the other end, 0.1 is not at most 1 - 0.9."""
    assert kept(hf_processors("top_p", 0.9), HAND) == 4
    assert reference.top_p_mask(HAND, 0.9).sum() == 3


def test_where_typical_differs_equal_distances_are_kept_together():
    uniform = torch.full((1, 8), 0.125, dtype=torch.float64)
    assert kept(hf_processors("typical", 0.5), uniform) == 8
    assert reference.typical_mask(uniform, 0.5).sum() == 4


def test_where_epsilon_differs_several_most_probable_tokens():
    uniform = torch.full((1, 8), 0.125, dtype=torch.float64)
    assert kept(hf_processors("epsilon", 0.5), uniform) == 8
    assert reference.epsilon_mask(uniform, 0.5).sum() == 1


def test_eta_is_the_code_and_not_the_docstring_of_transformers():
    """The docstring says min(epsilon, sqrt(epsilon * exp(-H))), which would be 0.2994 here."""
    threshold = min(0.3, math.sqrt(0.3 * math.exp(-reference.entropy(HAND[0]).item())))
    assert int((threshold <= HAND).sum()) == 1
    assert kept(hf_processors("eta", 0.3), HAND) == reference.eta_mask(HAND, 0.3).sum() == 2


def test_top_h_parts_from_transformers_as_stated():
    assert kept(hf_processors("top_h_released", 0.55), HAND) == 1
    assert kept(hf_processors("top_h", 0.55), HAND) == 2


def test_the_list_is_transformers_own():
    processors = hf_processors("min_p", 0.1, temperature=0.5)
    assert isinstance(processors, LogitsProcessorList)
    modules = {type(processor).__module__ for processor in processors}
    assert modules == {"transformers.generation.logits_process"}
    assert hf_processors() == []
    assert [type(p) for p in hf_processors("top_h", 0.4)] == [StatedTopH]


def test_stated_top_h_takes_masked_scores_and_leaves_its_input():
    scores = torch.tensor([[2.0, -torch.inf, 1.0, 0.0], [0.0, 0.0, -torch.inf, -torch.inf]])
    before = scores.clone()
    out = StatedTopH(0.9)(None, scores)
    assert torch.equal(scores, before)
    assert out.isfinite().tolist() == [[True, False, True, False], [True, False, False, False]]


def test_bad_input():
    with pytest.raises(ArgumentError, match="alpha is 1.5"):
        StatedTopH(1.5)
    with pytest.raises(DtypeError, match="alpha"):
        StatedTopH("0.4")
    with pytest.raises(ArgumentError, match="'nucleus'"):
        hf_processors("nucleus", 0.9)
    with pytest.raises(ArgumentError, match="rule is given without value"):
        hf_processors("top_p")
    with pytest.raises(ArgumentError, match="p is 0"):
        hf_processors("top_p", 0.0)
    with pytest.raises(ArgumentError, match="argmax"):
        hf_processors("top_p", 0.9, temperature=0)
    with pytest.raises(DtypeError, match="k must be an int"):
        hf_processors("top_k", 2.0)


def test_importing_the_wing_does_not_load_transformers():
    code = (
        "import sys, tokenlab.sampling, tokenlab.chapters.sampling.figures; "
        "print([name for name in ('transformers', 'matplotlib', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
