"""Figures are tested on their data; the alternative text must carry the numbers."""

from __future__ import annotations

import math

import pytest
import torch

from tests.support.pictures import assert_shows_and_describes_itself
from tokenlab.chapters.sampling import figures
from tokenlab.errors import ArgumentError, ProbabilityError, ShapeError
from tokenlab.figures import show
from tokenlab.sampling import reference, truncation_mask


def one_frame(frames, data):
    return frames[0], data | {"alt": data["alt"][0]}


HAND = torch.tensor(figures.FOUR_TOKENS, dtype=torch.float64)


DRAWN = {
    "temperature_sweep": lambda: one_frame(*figures.temperature_sweep(range(9), (2.0,))),
    "softmax_temperature": figures.softmax_temperature,
    "inverse_cdf": figures.inverse_cdf,
    "gumbel_max": figures.gumbel_max,
    "exponential_race": figures.exponential_race,
    "capped_gumbel": lambda: figures.capped_gumbel(draws=2000),
    "truncation_family": figures.truncation_family,
    "kept_tokens_along_text": lambda: figures.kept_tokens_along_text(
        {"top-k 3": [3, 3, 3], "top-p 0.9": torch.tensor([1, 40, 7])}, tokens=["def", " $x", "\n"]
    ),
}


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_every_figure_shows_and_describes_itself(name):
    assert_shows_and_describes_itself(DRAWN[name], smallest=9)


def test_softmax_temperature_data():
    data = figures.softmax_temperature(temperatures=(0.5, 1))[1]
    assert data["probs"][1] == pytest.approx(HAND.tolist())
    assert data["probs"][0] == pytest.approx((HAND**2 / (HAND**2).sum()).tolist())


@pytest.mark.parametrize(("uniform", "drawn"), [(0.01, 0), (0.49, 0), (0.51, 1), (0.89, 2), (0.999, 3)])
def test_inverse_cdf_data(uniform, drawn):
    data = figures.inverse_cdf(uniform=uniform)[1]
    assert data["drawn"] == drawn and data["cdf"] == pytest.approx([0.5, 0.75, 0.9, 1.0])
    assert f"token {'abcd'[drawn]}, which is drawn" in data["alt"]


def test_temperature_sweep_data():
    logits = -torch.arange(1, 101, dtype=torch.float64).log()
    temperatures = (0.25, 1.0, 4.0)
    frames, data = figures.temperature_sweep(logits.flip(0), temperatures, shown=5)
    assert len(frames) == len(data["alt"]) == 3 and data["rest"] == 95
    for temperature, bars, entropy in zip(temperatures, data["probs"], data["entropy"], strict=True):
        probs = (logits / temperature).softmax(-1)
        assert bars == pytest.approx([*probs[:5].tolist(), probs[5:].sum().item()])
        assert entropy == pytest.approx(-(probs * probs.log()).sum().item())
    for label, rule, value in (("top-p 0.9", "top_p", 0.9), ("min-p 0.1", "min_p", 0.1)):
        masks = [truncation_mask((logits / t).softmax(-1), rule, value) for t in temperatures]
        assert data["kept"][label] == [int(mask.sum()) for mask in masks]
    # What the picture is for: with heat the mass leaves the head, and every rule opens.
    tails = [bars[-1] for bars in data["probs"]]
    assert tails == sorted(tails) and tails[0] < 0.01 and tails[-1] > 0.8
    assert all(counts == sorted(counts) for counts in data["kept"].values())
    assert "min-p 0.1 keeps 1 token." in data["alt"][0]


def test_temperature_sweep_frames_are_alike():
    frames, _ = figures.temperature_sweep(range(20), (0.5, 2.0), tokens=[" one", "two"], shown=2)
    assert len({tuple(frame.get_size_inches()) for frame in frames}) == 1
    assert len({frame.axes[0].get_ylim() for frame in frames}) == 1
    assert "␣one" in show(frames[0], caption="A frame of a sweep.", alt="Two tokens and the rest.").svg


def test_gumbel_and_race_data():
    data = figures.gumbel_max(draws=4, seed=3)[1]
    for noise, scores, winner in zip(data["noise"], data["scores"], data["winners"], strict=True):
        assert scores == pytest.approx([math.log(p) + g for p, g in zip(HAND.tolist(), noise, strict=True)])
        assert winner == max(range(4), key=scores.__getitem__)
    assert len(set(figures.gumbel_max()[1]["winners"])) > 1  # a picture with one winner would teach little
    data = figures.exponential_race(seed=3)[1]
    assert data["winner"] == min(range(4), key=data["times"].__getitem__)


def test_capped_gumbel_data():
    data = figures.capped_gumbel(draws=40_000)[1]
    assert data["float32_cap"] == pytest.approx(16.6355, abs=5e-5)
    # A rare token keeps exp(-m / p) of its mass, half of it at p = m / log 2.
    assert data["half_probability"] == pytest.approx(2**-24 / math.log(2), rel=0.02)
    for p, computed, counted in zip(
        data["visible_probs"], data["visible_ratio"], data["counted_ratio"], strict=True
    ):
        assert counted == pytest.approx(computed, abs=4 * math.sqrt(p * max(computed, 0.02) / 40_000) / p)
    assert not any(
        abs(counted - 1) < 4 / math.sqrt(40_000 * p)
        for p, counted in zip(data["visible_probs"][:3], data["counted_ratio"][:3], strict=True)
    )


def test_truncation_family_data():
    data = figures.truncation_family()[1]
    assert data["masks"]["top-H 0.55"] == [True, True, False, False]
    assert data["masks"]["top-H, released 0.55"] == [True, False, False, False]
    assert data["masks"]["typical 0.2"] == reference.typical_mask(HAND, 0.2).tolist()
    assert "typical 0.2 keeps b." in data["alt"]


def test_kept_data():
    data = DRAWN["kept_tokens_along_text"]()[1]
    assert data["kept"] == {"top-k 3": [3, 3, 3], "top-p 0.9": [1, 40, 7]}
    assert "top-p 0.9: from 1 to 40, median 7." in data["alt"]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: figures.softmax_temperature((0.5, 0.4)), ProbabilityError, "sums to 0.9"),
        (lambda: figures.softmax_temperature(temperatures=(1, 0)), ArgumentError, "temperature is 0"),
        (lambda: figures.softmax_temperature(temperatures=()), ArgumentError, "0 entries"),
        (lambda: figures.temperature_sweep([1.0, 0.0]), ArgumentError, "more than the 8 tokens"),
        (lambda: figures.temperature_sweep(range(9), (0,)), ArgumentError, "temperature is 0"),
        (lambda: figures.temperature_sweep([*range(9), -math.inf]), ArgumentError, "finite"),
        (lambda: figures.temperature_sweep(range(9), rules=()), ArgumentError, "0 entries"),
        (lambda: figures.temperature_sweep(range(9), tokens=["a"]), ShapeError, "1 entries, expected the 8"),
        (lambda: figures.inverse_cdf(uniform=1.0), ArgumentError, "uniform is 1"),
        (lambda: figures.inverse_cdf((1.0, 0.0)), ArgumentError, "none of probability zero"),
        (lambda: figures.gumbel_max(draws=0), ArgumentError, "draws is 0"),
        (lambda: figures.gumbel_max([1 / 13] * 13), ArgumentError, "at most 12"),
        (lambda: figures.exponential_race(torch.full((2, 2), 0.5)), ShapeError, "probs has shape"),
        (lambda: figures.capped_gumbel(cap=math.nan), ArgumentError, "cap is nan"),
        (lambda: figures.truncation_family(rules=[("nucleus", 0.5)]), ArgumentError, "'nucleus'"),
        (lambda: figures.kept_tokens_along_text({}), ArgumentError, "0 rules"),
        (lambda: figures.kept_tokens_along_text({"a": [1], "b": [1, 2]}), ShapeError, r"lengths \[1, 2\]"),
        (lambda: figures.kept_tokens_along_text({"a": [1, 0]}), ArgumentError, "below one"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()
