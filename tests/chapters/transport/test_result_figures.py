"""Pictures of rules on models are tested on their data; the alternative text carries the numbers."""

from __future__ import annotations

import pytest
import torch

from tests.support.pictures import assert_shows_and_describes_itself
from tokenlab.chapters.transport import experiments, result_figures
from tokenlab.chapters.transport.experiments import Round
from tokenlab.errors import ArgumentError
from tokenlab.figures import player
from tokenlab.transport.trees.draft_tree import DraftTree
from tokenlab.transport.trees.verify import VerifiedPath

SERIES = tuple(experiments.SERIES)


def rates(shift: float) -> dict[str, list[list[float]]]:
    """For each series two numbers of drafts with three files."""
    return {
        name: [
            [base + shift, base + shift + 0.1, base + shift + 0.2]
            for base in (0.1 + 0.05 * i, 0.2 + 0.05 * i)
        ]
        for i, name in enumerate(SERIES)
    }


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
                "rates": {
                    name: [value, value + 0.1] for name, value in zip(result_figures.FEW_STYLES, values)
                },
            }
            for label, k, values in (
                ("T = 1", 4, (0.8, 0.7, 0.7, 0.6)),
                ("T = 1", 2, (0.6, 0.5, 0.5, 0.4)),
                ("T = 0.5", 4, (0.7, 0.65, 0.5, 0.45)),
            )
        ]
    },
}


DECODING = {
    "texts": {
        label: {
            way: {"tokens": [20 + i, 30 + i, 40], "calls": [10, 10, 10 - i]}
            for i, way in enumerate(
                ("chain of 4", "3 sequences of 4, K-SEQ", "dynamic tree of 12, recursive")
            )
        }
        for label in ("T = 0.5", "T = 1")
    }
}


def drawn_round(nodes: list[int], final: int) -> Round:
    """Two branches of two and one, over a vocabulary of four; the path is given."""
    rows = torch.tensor([[0.1, 0.2, 0.3, 0.4]], dtype=torch.float64).repeat(4, 1)
    tree = DraftTree(torch.tensor([3, 2, 0]), torch.tensor([-1, -1, 0]), rows, "without_replacement")
    path = torch.tensor(nodes, dtype=torch.long)
    return Round(tree, rows, VerifiedPath(torch.cat([tree.tokens[path], torch.tensor([final])]), path))


TEXTS = ["a", " the", "\n    ", "$x"]


def one_frame(frames, data):
    return frames[-1], data | {"alt": data["alt"][-1]}


DRAWN = {
    "acceptance_on_steps": lambda: one_frame(*result_figures.acceptance_on_steps(ACCEPTANCE)),
    "gap_by_temperature": lambda: result_figures.gap_by_temperature(ACCEPTANCE),
    "without_replacement": lambda: result_figures.without_replacement(ACCEPTANCE),
    "block_efficiency": lambda: result_figures.block_efficiency(DECODING),
    "round_tree": lambda: result_figures.round_tree(drawn_round([0], 1), TEXTS.__getitem__),
}


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_every_figure_shows_and_describes_itself(name):
    assert_shows_and_describes_itself(DRAWN[name], smallest=9)


def test_acceptance_on_steps_data():
    frames, data = result_figures.acceptance_on_steps(ACCEPTANCE)
    assert len(frames) == 3 and data["labels"] == list(ACCEPTANCE["rates"])
    # The mean of three files: the middle one.
    assert data["rates"]["T = 1"]["kseq"] == pytest.approx([0.55, 0.65])
    assert "K-SEQ: 0.550, 0.650." in data["alt"][1]
    assert "greedy" not in data["rates"]["T = 1, top-p 0.9"] and "greedy" not in data["alt"][2]
    assert player(frames, data["labels"], caption="Frames of one size.", alt=data["alt"])
    lines = {line.get_label(): line.get_ydata() for line in frames[1].axes[0].lines if len(line.get_ydata())}
    assert list(lines["K-SEQ"]) == pytest.approx([0.55, 0.65])


def test_gap_by_temperature_data():
    data = result_figures.gap_by_temperature(ACCEPTANCE)[1]
    assert data["temperatures"] == [0.5, 1.0]  # truncated settings have no place on this axis
    assert data["gaps"]["recursive"] == pytest.approx([0.1, 0.1])
    assert data["gaps"]["kseq"] == pytest.approx([0.05, 0.05])


def test_without_replacement_data():
    data = result_figures.without_replacement(ACCEPTANCE)[1]
    assert data["num_drafts"]["x"] == [2, 4] and data["temperature"]["x"] == [0.5, 1.0]
    assert data["num_drafts"]["optimal"] == pytest.approx([0.65, 0.85])
    assert data["temperature"]["recursive, iid"] == pytest.approx([0.5, 0.65])


def test_block_efficiency_data():
    data = result_figures.block_efficiency(DECODING, ["T = 1"])[1]
    assert data["ways"] == list(DECODING["texts"]["T = 1"]) and list(data["values"]) == ["T = 1"]
    assert data["values"]["T = 1"]["chain of 4"]["mean"] == pytest.approx(3.0)
    assert data["values"]["T = 1"]["dynamic tree of 12, recursive"]["mean"] == pytest.approx(
        (2.2 + 3.2 + 5) / 3, abs=1e-5
    )
    assert "chain of 4 3.00 (0.52 to 5.48)" in data["alt"]


def test_round_tree_tells_accepted_rejected_and_final_tokens():
    data = result_figures.round_tree(drawn_round([0], 1), TEXTS.__getitem__, title="Round 7: ")[1]
    assert data["accepted"] == [0] and data["kind"] == "correction" and data["final"] == 1
    assert data["probs"] == pytest.approx([0.4, 0.3, 0.1])
    assert data["alt"] == (
        "Round 7: A tree of 3 drafted tokens, 2 deep. Accepted: '$x'. Beside them, with draft "
        "probabilities: '\\n    ' (0.30), 'a' (0.10). The target adds the correction ' the'."
    )
    data = result_figures.round_tree(drawn_round([0, 2], 1), TEXTS.__getitem__)[1]
    assert data["kind"] == "bonus" and "Accepted: '$x' 'a'." in data["alt"]
    data = result_figures.round_tree(drawn_round([], 0), TEXTS.__getitem__)[1]
    assert data["kind"] == "correction" and "Accepted: none." in data["alt"]


def test_round_tree_hides_no_token_after_another():
    for nodes in ([], [0], [0, 2], [1]):
        data = result_figures.round_tree(drawn_round(nodes, 1), TEXTS.__getitem__)[1]
        depth = {-1: 0, 0: 1, 1: 1, 2: 2, 3: 1 + (len(nodes))}
        spots = [(depth[node], row) for node, row in data["rows"].items()]
        assert len(spots) == 5 and len(set(spots)) == 5


def test_tokens_are_written_so_that_spaces_can_be_seen():
    figure, _ = result_figures.round_tree(drawn_round([0], 1), TEXTS.__getitem__)
    written = {text.get_text() for text in figure.axes[0].texts}
    assert written == {"a", "␣the", r"\n4␣", r"\$x"}


def test_bad_input():
    with pytest.raises(ArgumentError, match="label is 'T = 9'"):
        result_figures.acceptance_on_steps(ACCEPTANCE, ["T = 9"])
    with pytest.raises(ArgumentError, match="series is 'block'"):
        result_figures.gap_by_temperature(ACCEPTANCE, series=["block"])
    with pytest.raises(ArgumentError, match="temperature is 'T = 9'"):
        result_figures.block_efficiency(DECODING, ["T = 9"])
