"""Pictures of acceptance rates on steps of models are tested on their data."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from tests.support.pictures import assert_shows_and_describes_itself, overlapping_texts
from tokenlab.chapters.transport import experiments, result_figures
from tokenlab.errors import ArgumentError, ShapeError
from tokenlab.figures import METHODS, player

RULES = METHODS["transport"]


def rates(shift: float) -> dict[str, list[list[float]]]:
    """For each series two numbers of drafts with three files."""
    return {
        name: [
            [base + shift, base + shift + 0.1, base + shift + 0.2]
            for base in (0.1 + 0.05 * i, 0.2 + 0.05 * i)
        ]
        for i, name in enumerate(experiments.SERIES)
    }


FEW = ("optimal", "recursive", "optimal, iid", "recursive, iid")
ACCEPTANCE = {
    "num_drafts": [1, 4],
    "rates": {
        "T = 0.5": rates(0.0),
        "T = 1": rates(0.2),
        "T = 1, top-p 0.9": {name: row for name, row in rates(0.1).items() if name != "greedy"},
    },
    "without_replacement": {
        "cells": [
            {
                "setting": label,
                "num_drafts": k,
                "rates": {name: [value, value + 0.1] for name, value in zip(FEW, values, strict=True)},
            }
            for label, k, values in (
                ("T = 1", 4, (0.8, 0.7, 0.75, 0.6)),
                ("T = 1", 2, (0.6, 0.5, 0.5, 0.4)),
                ("T = 0.5", 4, (0.7, 0.65, 0.5, 0.45)),
            )
        ]
    },
}
P_ROW, Q_ROW = (torch.tensor(row, dtype=torch.float64) for row in ([0.5, 0.3, 0.2], [0.2, 0.2, 0.6]))


def one_frame(frames, data):
    return frames[-1], data | {"alt": data["alt"][-1]}


DRAWN = {
    "step_tokens": lambda: result_figures.step_tokens(P_ROW, Q_ROW, {0: " if", 2: "\n$x"}),
    "acceptance_on_steps": lambda: one_frame(*result_figures.acceptance_on_steps(ACCEPTANCE)),
    "gap_by_temperature": lambda: result_figures.gap_by_temperature(ACCEPTANCE),
    "drafts_or_rule": lambda: result_figures.drafts_or_rule(ACCEPTANCE),
}


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_every_figure_shows_and_describes_itself(name):
    assert_shows_and_describes_itself(DRAWN[name], smallest=10)
    assert overlapping_texts(DRAWN[name]()[0]) == []


def test_step_tokens_data():
    data = DRAWN["step_tokens"]()[1]
    assert data["target"] == pytest.approx([0.5, 0.2]) and data["draft"] == pytest.approx([0.2, 0.6])
    assert "' if': 0.500 and 0.200." in data["alt"]
    with pytest.raises(ShapeError, match="names has 0 entries"):
        result_figures.step_tokens(P_ROW, Q_ROW, {})


def test_acceptance_on_steps_data():
    frames, data = result_figures.acceptance_on_steps(ACCEPTANCE)
    assert len(frames) == 3 and data["labels"] == list(ACCEPTANCE["rates"])
    # The mean of three files: the middle one.
    assert data["rates"]["T = 1"]["kseq"] == pytest.approx([0.55, 0.65])
    assert "K-SEQ: 0.550, 0.650." in data["alt"][1]
    assert "greedy" not in data["rates"]["T = 1, top-p 0.9"] and "greedy" not in data["alt"][2]
    assert player(frames, data["labels"], caption="Frames of one size.", alt=data["alt"])
    lines = {line.get_color(): line for line in frames[1].axes[0].lines}
    assert list(lines[RULES["kseq"].colour].get_ydata()) == pytest.approx([0.55, 0.65])
    assert lines[RULES["kseq"].colour].get_marker() == RULES["kseq"].marker


def test_frames_keep_their_axes_and_names_lie_apart():
    frames, _ = result_figures.acceptance_on_steps(ACCEPTANCE)
    assert len({frame.axes[0].get_xlim() for frame in frames}) == 1
    for frame in frames:
        heights = sorted(text.get_position()[1] for text in frame.axes[0].texts)
        assert all(b - a >= 0.075 - 1e-9 for a, b in pairwise(heights))
        assert heights[-1] < 1.05


def test_gap_by_temperature_data():
    data = result_figures.gap_by_temperature(ACCEPTANCE)[1]
    assert data["temperatures"] == [0.5, 1.0]  # truncated settings have no place on this axis
    assert data["gaps"]["recursive"] == pytest.approx([0.1, 0.1])
    assert data["gaps"]["kseq"] == pytest.approx([0.05, 0.05])


def test_drafts_or_rule_takes_differences_at_the_same_steps():
    data = result_figures.drafts_or_rule(ACCEPTANCE)[1]
    assert data["num_drafts"]["x"] == [2, 4] and data["temperature"]["x"] == [0.5, 1.0]
    assert data["temperature"]["drafts without repeats"] == pytest.approx([0.2, 0.05])
    assert data["temperature"]["best rule, same drafts"] == pytest.approx([0.05, 0.15])
    assert data["num_drafts"]["best rule, same drafts"] == pytest.approx([0.1, 0.15])


def test_what_the_captions_say_of_the_recorded_results():
    """In the cold the drafts decide, in the heat the rule; K-SEQ closes about a third of the gap."""
    results = experiments.load_results("acceptance")
    gains = result_figures.drafts_or_rule(results)[1]["temperature"]
    drafts, rule = gains["drafts without repeats"], gains["best rule, same drafts"]
    ahead = [a > b for a, b in zip(drafts, rule, strict=True)]
    assert dict(zip(gains["x"], ahead)) == {
        0.25: True,
        0.5: True,
        0.75: False,
        1: False,
        1.25: False,
        1.5: False,
    }
    assert drafts == sorted(drafts, reverse=True) and rule == sorted(rule)
    gaps = result_figures.gap_by_temperature(results)[1]["gaps"]
    assert gaps["recursive"] == sorted(gaps["recursive"]) and gaps["kseq"] == sorted(gaps["kseq"])
    closed = [1 - k / r for k, r in zip(gaps["kseq"], gaps["recursive"], strict=True)]
    assert all(0.25 < share < 0.45 for share in closed)


def test_what_the_player_of_rates_says_of_each_frame():
    table = result_figures.acceptance_on_steps(experiments.load_results("acceptance"))[1]["rates"]
    cold, half, three_quarters, one, hot, hottest, truncated = table.values()
    independent = ("target_only", "naive", "recursive", "kseq", "optimal")

    def above(frame, rule, other, first=1):
        """From two drafts on, unless said otherwise."""
        return all(a > b for a, b in zip(frame[rule][first:], frame[other][first:], strict=True))

    assert all(cold["greedy"][2] > cold[rule][7] for rule in independent)
    assert all(above(half, "greedy", rule) for rule in independent)
    assert above(three_quarters, "optimal", "greedy") and not above(three_quarters, "kseq", "greedy")
    assert above(one, "kseq", "greedy") and not above(one, "recursive", "greedy")
    assert all(
        one["target_only"][k] < one[rule][k] - 0.3 for rule in one if rule != "target_only" for k in range(8)
    )
    assert above(hot, "recursive", "greedy")
    spread = [frame["optimal"][3] - frame["target_only"][3] for frame in table.values()]
    assert max(spread) == spread[5] and hottest is list(table.values())[5]
    for rule, row in truncated.items():
        assert all((a > b) == (rule == "target_only") for a, b in zip(row, one[rule], strict=True))
    # Greedy drafts hardly depend on temperature, from four drafts on.
    from_four = [
        frame["greedy"][k] - cold["greedy"][k] for frame in (half, one, hottest) for k in range(3, 8)
    ]
    assert max(map(abs, from_four)) < 0.035


def test_bad_input():
    with pytest.raises(ArgumentError, match="label is 'T = 9'"):
        result_figures.acceptance_on_steps(ACCEPTANCE, ["T = 9"])
    with pytest.raises(ArgumentError, match="series is 'block'"):
        result_figures.gap_by_temperature(ACCEPTANCE, series=["block"])
