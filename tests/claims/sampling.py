"""Computations of the sampling chapter's claims; the ledger is book/claims.yml."""

from __future__ import annotations

import math

import torch
from scipy.optimize import minimize_scalar
from scipy.stats import spearmanr

from tests.claims.registry import computes
from tokenlab import lm
from tokenlab.chapters.sampling import experiments
from tokenlab.chapters.traffic import memory_traffic
from tokenlab.ops import gumbel
from tokenlab.sampling import reference

HAND = torch.tensor([0.5, 0.25, 0.15, 0.1], dtype=torch.float64)
FIVE = torch.tensor([0.02, 0.08, 0.2, 0.3, 0.4], dtype=torch.float64)
VOCAB = 50_257
FLOAT32_CAP = -math.log(-math.log1p(-(2.0**-24)))


# --- derive --------------------------------------------------------------------------


@computes("gumbel-cap-float32")
def gumbel_cap_float32() -> float:
    """From the largest float32 below one, not from the formula that the book prints."""
    largest = torch.nextafter(torch.tensor(1.0), torch.tensor(0.0)).double()
    return -math.log(-math.log(largest.item()))


@computes("gumbel-cap-float64")
def gumbel_cap_float64() -> float:
    return -math.log(-math.log1p(-(2.0**-53)))


@computes("capped-gumbel-rarest")
def capped_gumbel_rarest() -> float:
    return reference.capped_gumbel_distribution(FIVE, cap=-math.log(0.1))[0].item()


@computes("capped-gumbel-likeliest")
def capped_gumbel_likeliest() -> float:
    return reference.capped_gumbel_distribution(FIVE, cap=-math.log(0.1))[-1].item()


def drawn_under_a_ceiling() -> torch.Tensor:
    return reference.capped_gumbel_distribution(FIVE, cap=-math.log(0.1))


def nearest_by_search() -> float:
    """The temperature of least divergence, by a search for the minimum; the book solves for a root."""
    drawn = drawn_under_a_ceiling()

    def divergence(temperature: float) -> float:
        return (drawn * (drawn.log() - (FIVE.log() / temperature).log_softmax(-1))).sum().item()

    return minimize_scalar(divergence, bounds=(0.1, 3), method="bounded", options={"xatol": 1e-9}).x


@computes("capped-gumbel-temperature")
def capped_gumbel_temperature() -> float:
    return nearest_by_search()


@computes("capped-gumbel-moved")
def capped_gumbel_moved() -> float:
    return (drawn_under_a_ceiling() - FIVE).clamp(min=0).sum().item()


@computes("capped-gumbel-unexplained")
def capped_gumbel_unexplained() -> float:
    tempered = (FIVE.log() / nearest_by_search()).softmax(-1)
    return (drawn_under_a_ceiling() - tempered).clamp(min=0).sum().item()


def surviving_tail(t: float) -> float:
    """Share of a rare token's mass that survives, in percent, by summing over the float32 grid.

    The token wins at the j-th point of the grid if a head of rate one is later still.
    """
    j = torch.arange(1, 2**24, dtype=torch.float64)
    arrival = -torch.log1p(-j * 2.0**-24) / t
    return 100 * (2.0**-24 * torch.exp(-arrival)).sum().item() / t


@computes("gumbel-tail-1e-6")
def gumbel_tail_1e6() -> float:
    return surviving_tail(1e-6)


@computes("gumbel-tail-1e-7")
def gumbel_tail_1e7() -> float:
    return surviving_tail(1e-7)


@computes("gumbel-tail-1e-9")
def gumbel_tail_1e9() -> float:
    return surviving_tail(1e-9)


@computes("gumbel-tail-smooth-1e-7")
def gumbel_tail_smooth_1e7() -> float:
    row = torch.full((VOCAB,), 1e-7, dtype=torch.float64)
    row[0] = 1 - (VOCAB - 1) * 1e-7
    drawn = reference.capped_gumbel_distribution(row, cap=FLOAT32_CAP)
    return 100 * (drawn[1:].sum() / row[1:].sum()).item()


@computes("hand-entropy")
def hand_entropy() -> float:
    return reference.entropy(HAND).item()


@computes("typical-first-token")
def typical_first_token() -> float:
    """The token that the smallest typical set keeps, counted from one."""
    return reference.typical_mask(HAND, 0.01).nonzero().item() + 1


@computes("top-h-hand-stated")
def top_h_hand_stated() -> float:
    return reference.top_h_mask(HAND, 0.55, "stated").sum().item()


@computes("top-h-hand-released")
def top_h_hand_released() -> float:
    return reference.top_h_mask(HAND, 0.55, "released").sum().item()


def top_h_size(probs: torch.Tensor, variant: str) -> float:
    return reference.top_h_mask(probs, 0.41, variant).sum().item()


UNIFORM = torch.full((100,), 0.01, dtype=torch.float64)
SPIKE = torch.cat(
    [torch.tensor([0.9], dtype=torch.float64), torch.full((99,), 0.1 / 99, dtype=torch.float64)]
)


@computes("top-h-uniform-100-stated")
def top_h_uniform_stated() -> float:
    return top_h_size(UNIFORM, "stated")


@computes("top-h-uniform-100-released")
def top_h_uniform_released() -> float:
    return top_h_size(UNIFORM, "released")


@computes("top-h-spike-stated")
def top_h_spike_stated() -> float:
    return top_h_size(SPIKE, "stated")


@computes("top-h-spike-released")
def top_h_spike_released() -> float:
    return top_h_size(SPIKE, "released")


# --- run -----------------------------------------------------------------------------
# Recorded when the models were trained. What needs only the shipped weights and the held-out text,
# tests/lm/test_shipped.py recomputes; the Witten-Bell column needs the training text.


def below_witten_bell(text: str) -> float:
    """How far lab-target lies below Witten-Bell on a text, in percent."""
    bits = lm.metrics("lab-target")["bits_per_byte"][text]
    return 100 * (1 - bits["lab-target"] / bits["Witten-Bell, 5 bytes"])


@computes("lab-target-below-witten-bell-source")
def below_witten_bell_source() -> float:
    return below_witten_bell("heldout-source")


@computes("lab-target-below-witten-bell-english")
def below_witten_bell_english() -> float:
    return below_witten_bell("heldout-english")


def agreement_percent(text: str) -> float:
    return 100 * lm.metrics("lab-draft")["agreement"][text]["greedy"]


@computes("lab-draft-agreement-source")
def agreement_source() -> float:
    return agreement_percent("heldout-source")


@computes("lab-draft-agreement-english")
def agreement_english() -> float:
    return agreement_percent("heldout-english")


@computes("lab-draft-forward-share")
def draft_forward_share() -> float:
    """Recorded times only: a test does not time."""
    metrics = lm.metrics("lab-draft")
    return 100 * metrics["forward_milliseconds"]["1"] / metrics["teacher_forward_milliseconds"]["1"]


@computes("rules-entropy-repetition-rank-correlation")
def rules_rank_correlation() -> float:
    """Over the ways of choosing, greedy among them; each point is a mean over prompts."""
    rules = experiments.load_results("rules")["rules"].values()
    points = [(row["metrics"]["entropy"]["mean"], row["metrics"]["repetition_4"]["mean"]) for row in rules]
    return spearmanr(points).statistic


# --- kernels -------------------------------------------------------------------------


@computes("kernels-traffic-ratio")
def kernels_traffic_ratio() -> float:
    logits = torch.empty(256, 128_256, device="meta")

    def softmax_and_draw(x: torch.Tensor) -> torch.Tensor:
        probs = x.softmax(-1)
        return (probs / torch.empty_like(probs).exponential_()).argmax(-1)

    moved = sum(step.read + step.written for step in memory_traffic(softmax_and_draw, logits))
    # Read all; write and read a maximum and a sum per tile; read one tile again; write an id.
    rows, vocab, tile = *logits.shape, 1024
    kernels = rows * (4 * vocab + 2 * 8 * math.ceil(vocab / tile) + 4 * tile + 8)
    return moved / kernels


@computes("gumbel-cap-philox")
def gumbel_cap_philox() -> float:
    """At the word 0, by the package's own transform."""
    return gumbel(torch.tensor(0.5 / 2**32, dtype=torch.float64)).item()
