"""Figures are tested on their data; the alternative text must carry the numbers."""

from __future__ import annotations

import math

import pytest
import torch

from tests.support.pictures import assert_shows_and_describes_itself
from tokenlab import claims
from tokenlab.chapters.sampling import figures
from tokenlab.chapters.sampling.effective import nearest_temperature
from tokenlab.errors import ArgumentError, ProbabilityError, ShapeError
from tokenlab.figures import show
from tokenlab.sampling import reference, truncation_mask


def one_frame(frames, data):
    return frames[0], data | {"alt": data["alt"][0]}


HAND = torch.tensor(figures.FOUR_TOKENS, dtype=torch.float64)


LAST = {
    "temperature_sweep": lambda: figures.temperature_sweep(range(9), ["one", " two"], (1.0, 2.0)),
    "softmax_temperature": figures.softmax_temperature,
    "tail_by_rank": lambda: figures.tail_by_rank(range(20), edges=(2, 5)),
    "gumbel_max": figures.gumbel_max,
    "race_under_a_ceiling": figures.race_under_a_ceiling,
}
DRAWN = {
    "bytes_of_a_draw": figures.bytes_of_a_draw,
    "inverse_cdf": figures.inverse_cdf,
    "exponential_race": figures.exponential_race,
    "lost_and_gained": figures.lost_and_gained,
    "truncation_family": figures.truncation_family,
    "marked_texts": lambda: figures.marked_texts(
        {"3 pieces": [("one", False), (" two", True), ("!", False)]}
    ),
    "kept_tokens_along_text": lambda: figures.kept_tokens_along_text(
        {("top_k", 3): [3, 3, 3], ("top_p", 0.9): torch.tensor([1, 40, 7])}, ["def", " $x", "\n"]
    ),
}
DRAWN |= {name: lambda draw=draw: one_frame(*draw()) for name, draw in LAST.items()}


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_every_figure_shows_and_describes_itself(name):
    assert_shows_and_describes_itself(DRAWN[name], smallest=10)


@pytest.mark.parametrize("name", sorted(LAST))
def test_frames_are_alike_and_each_has_its_words(name):
    """Marks move only between frames of one size that hold the same artists in the same order."""
    frames, data = LAST[name]()
    assert len(frames) == len(data["captions"]) == len(data["alt"]) >= 2
    assert len(set(data["captions"])) == len(frames)
    assert len({tuple(frame.get_size_inches()) for frame in frames}) == 1
    for axes in zip(*(frame.axes for frame in frames), strict=True):
        assert len({each.get_xlim() for each in axes}) == len({each.get_ylim() for each in axes}) == 1
        assert len({tuple(type(artist) for artist in each.get_children()) for each in axes}) == 1


def test_softmax_temperature_data():
    data = figures.softmax_temperature(temperatures=(0.5, 1))[1]
    assert data["probs"][1] == pytest.approx(HAND.tolist())
    assert data["probs"][0] == pytest.approx((HAND**2 / (HAND**2).sum()).tolist())
    assert data["captions"][1] == "At temperature 1 “the” has 0.500, and the entropy is 1.21 nats."
    # The caption of the page: flatter with each temperature.
    entropies = figures.softmax_temperature()[1]["entropy"]
    assert entropies == sorted(entropies)


@pytest.mark.parametrize(("uniform", "drawn"), [(0.01, 0), (0.49, 0), (0.51, 1), (0.89, 2), (0.999, 3)])
def test_inverse_cdf_data(uniform, drawn):
    data = figures.inverse_cdf(uniform=uniform)[1]
    assert data["drawn"] == drawn and data["cdf"] == pytest.approx([0.5, 0.75, 0.9, 1.0])
    assert f"the step of “{figures.FOUR_WORDS[drawn]}”, which is drawn" in data["alt"]


def test_temperature_sweep_data():
    logits = -torch.arange(1, 101, dtype=torch.float64).log()
    temperatures = (0.25, 1.0, 4.0)
    frames, data = figures.temperature_sweep(logits.flip(0), list("abcde"), temperatures)
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
    assert data["captions"][0].endswith("top-p 0.9 keeps 1 and min-p 0.1 keeps 1.")


def test_sweep_names_its_tokens():
    frames, _ = figures.temperature_sweep(range(20), [" one", "two"], (0.5, 2.0))
    assert "␣one" in show(frames[0], caption="A frame of a sweep.", alt="Two tokens and the rest.").svg


def test_tail_by_rank_data():
    logits = -torch.arange(1, 1001, dtype=torch.float64).log()
    data = figures.tail_by_rank(logits.flip(0), (0.5, 1.0, 2.0), edges=(10, 100))[1]
    assert data["groups"] == ["rank 1 to 10", "rank 11 to 100", "rank 101 to 1,000"]
    for temperature, mass, largest in zip((0.5, 1.0, 2.0), data["mass"], data["largest"], strict=True):
        probs = (logits / temperature).softmax(-1)
        assert mass == pytest.approx([part.sum().item() for part in (probs[:10], probs[10:100], probs[100:])])
        assert largest == pytest.approx(probs[100].item())
    # The caption of the page: the tail grows with the temperature.
    tails = [mass[-1] for mass in data["mass"]]
    assert tails == sorted(tails) and tails[0] < 0.01 and tails[-1] > 0.5


def test_gumbel_and_race_data():
    data = figures.gumbel_max(draws=4, seed=3)[1]
    for noise, scores, winner in zip(data["noise"], data["scores"], data["winners"], strict=True):
        assert scores == pytest.approx([math.log(p) + g for p, g in zip(HAND.tolist(), noise, strict=True)])
        assert winner == max(range(4), key=scores.__getitem__)
    assert len(set(figures.gumbel_max()[1]["winners"])) > 2  # a picture with one winner would teach little
    data = figures.exponential_race(seed=3)[1]
    assert data["winner"] == min(range(4), key=data["times"].__getitem__)
    # The caption of the page: “its” is first and has not the largest rate.
    data = figures.exponential_race()[1]
    assert data["tokens"][data["winner"]] == "its" and max(data["rates"]) > data["rates"][data["winner"]]


def test_ceiling_makes_every_runner_late_by_c_over_p():
    data = figures.race_under_a_ceiling(c=0.1)[1]
    free, late = (torch.tensor(times) for times in data["times"])
    assert (late - free).tolist() == pytest.approx([0.1 / p for p in figures.FIVE_TOKENS])
    assert all(time > start for time, start in zip(data["times"][1], data["starts"][1], strict=True))
    assert data["winners"] == [int(free.argmin()), int(late.argmin())]
    # The picture shows a rare token that wins and then does not.
    assert data["winners"][0] == 0 and data["winners"][1] != 0
    assert "5 for “an”" in data["captions"][1] and "“its” is first" in data["captions"][1]


def test_lost_and_gained_bears_out_its_caption():
    data = figures.lost_and_gained()[1]
    assert sum(data["drawn"]) == pytest.approx(1) == sum(data["tempered"])
    ratio = data["ratio"]
    assert ratio == sorted(ratio) and sum(value < 1 for value in ratio) == 3
    # The nearest temperature takes much less from the rarest token, and is nearest.
    assert data["tempered"][0] > 10 * data["drawn"][0]
    probs, drawn = (torch.tensor(data[name], dtype=torch.float64) for name in ("probs", "drawn"))

    def divergence(temperature: float) -> float:
        return (drawn * (drawn.log() - (probs.log() / temperature).log_softmax(-1))).sum().item()

    best = divergence(data["temperature"])
    assert all(divergence(data["temperature"] * factor) > best for factor in (0.98, 1.02))


def test_bytes_of_a_draw_bears_out_its_caption():
    data = figures.bytes_of_a_draw()[1]
    assert data["ratio"] == pytest.approx(claims.get("kernels-traffic-ratio").ours, abs=0.001)
    operations, kernels = data["passes"].values()
    assert len(operations) == 4 and len(kernels) == 2
    # The first of each reads the logits once; the second kernel hardly reads at all.
    assert operations[0].read == kernels[0].read == 256 * 128_256 * 4
    assert round(kernels[0].read / 1e6) == 131 and kernels[1].read < 0.02 * kernels[0].read


def test_nearest_temperature_finds_the_one_that_was_used():
    drawn = reference.softmax(HAND.log(), 1.7)
    assert nearest_temperature(HAND, drawn) == pytest.approx(1.7)


def test_marked_texts_wraps_between_words_and_keeps_marks():
    pieces = [("The value", False), (" of", True), ("\n    the", True), (" value", False)]
    data = figures.marked_texts({"one": pieces}, width=12)[1]
    lines = data["lines"]["one"]
    assert [[text for _, text, _ in line] for line in lines] == [["The value", "of"], ["the", "value"]]
    assert lines[0][1] == (10, "of", True) and lines[1][1] == (4, "value", False)
    assert data["marked"] == {"one": 2} and "“The value of the value”" in data["alt"]


def test_what_is_marked():
    assert figures.repeats(list("abcdabcd")) == [False] * 7 + [True]
    assert figures.repeats(list("aaaaaa")) == [False] * 4 + [True] * 2
    kept = torch.tensor([[True, False], [True, False]])
    assert figures.outside(kept, [0, 1]) == [False, True]


def test_truncation_family_data():
    data = figures.truncation_family()[1]
    assert data["masks"]["top-H 0.55"] == [True, True, False, False]
    assert data["masks"]["top-H, released 0.55"] == [True, False, False, False]
    assert data["masks"]["typical 0.2"] == reference.typical_mask(HAND, 0.2).tolist()
    assert "typical 0.2 keeps a." in data["alt"]


def test_kept_data():
    data = DRAWN["kept_tokens_along_text"]()[1]
    assert data["kept"] == {"top-k 3": [3, 3, 3], "top-p 0.9": [1, 40, 7]}
    assert "top-p 0.9: from 1 to 40, median 7." in data["alt"]


def test_kept_marks_positions_and_numbers_bars():
    figure, data = figures.kept_tokens_along_text({("top_p", 0.9): [1, 40]}, ["def", " x"], marked=[1])
    assert data["marked"] == [1] and data["alt"].endswith("Marked: position 2, ␣x")
    first, second = figure.axes[0].patches
    assert first.get_facecolor() != second.get_facecolor()
    assert [text.get_text() for text in figure.axes[0].texts[::2]] == ["1", "40"]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: figures.softmax_temperature((0.5, 0.4), words=["a", "b"]), ProbabilityError, "sums to 0.9"),
        (lambda: figures.softmax_temperature(temperatures=(1, 0)), ArgumentError, "temperature is 0"),
        (lambda: figures.softmax_temperature(temperatures=(1,)), ArgumentError, "1 entries"),
        (lambda: figures.temperature_sweep([1.0, 0.0], ["a", "b"]), ArgumentError, "more than the 2 tokens"),
        (lambda: figures.temperature_sweep(range(9), ["a"], (0,)), ArgumentError, "temperature is 0"),
        (lambda: figures.temperature_sweep([*range(9), -math.inf], ["a"]), ArgumentError, "finite"),
        (lambda: figures.temperature_sweep(range(9), ["a"], rules=()), ArgumentError, "0 entries"),
        (lambda: figures.temperature_sweep(range(9), []), ArgumentError, "tokens is 0"),
        (lambda: figures.tail_by_rank(range(9), edges=(5, 3)), ArgumentError, "expected rising ranks"),
        (lambda: figures.inverse_cdf(uniform=1.0), ArgumentError, "uniform is 1"),
        (lambda: figures.inverse_cdf((1.0, 0.0), words="ab"), ArgumentError, "none of probability zero"),
        (lambda: figures.inverse_cdf(words=["the"]), ShapeError, "words has 1 entries"),
        (lambda: figures.gumbel_max(draws=1), ArgumentError, "draws is 1"),
        (lambda: figures.gumbel_max([1 / 13] * 13), ArgumentError, "at most 12"),
        (lambda: figures.exponential_race(torch.full((2, 2), 0.5)), ShapeError, "probs has shape"),
        (lambda: figures.two_kernels(1, 10, 0), ArgumentError, "tile is 0"),
        (lambda: figures.race_under_a_ceiling(c=0), ArgumentError, "c is 0"),
        (lambda: figures.lost_and_gained(c=2.0), ArgumentError, "c is 2"),
        (lambda: nearest_temperature(HAND, HAND[:3] / HAND[:3].sum()), ShapeError, "drawn has shape"),
        (
            lambda: nearest_temperature(HAND.new_tensor([1.0, 0.0]), HAND.new_tensor([0.5, 0.5])),
            ArgumentError,
            "holds a zero",
        ),
        (lambda: nearest_temperature(HAND, HAND.flip(0)), ArgumentError, "any temperature"),
        (lambda: figures.truncation_family(rules=[("nucleus", 0.5)]), ArgumentError, "'nucleus'"),
        (lambda: figures.marked_texts({}), ArgumentError, "0 entries"),
        (lambda: figures.kept_tokens_along_text({}, ["a"]), ArgumentError, "0 rules"),
        (
            lambda: figures.kept_tokens_along_text({("top_k", 1): [1]}, ["a"], marked=[1]),
            ArgumentError,
            "positions below 1",
        ),
        (
            lambda: figures.kept_tokens_along_text({("top_k", 1): [1]}, ["a", "b"]),
            ShapeError,
            r"lengths \[1, 2\]",
        ),
        (
            lambda: figures.kept_tokens_along_text({("top_k", 1): [1, 0]}, ["a", "b"]),
            ArgumentError,
            "below one",
        ),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()
