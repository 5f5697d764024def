"""Figures are tested on their data; the alternative text must carry the numbers."""

from __future__ import annotations

import itertools
import re
from fractions import Fraction

import numpy as np
import pytest
import torch

from tests.support.pictures import assert_shows_and_describes_itself
from tests.transport import mutants
from tests.transport.instances import EDGES
from tokenlab.chapters.transport import exact, figures
from tokenlab.errors import ArgumentError, ProbabilityError, ShapeError
from tokenlab.figures import METHODS, svg
from tokenlab.transport.rules import DEFINED, RULES, SAMPLINGS

TWO, THREE = EDGES["two tokens"], EDGES["reversed"]


def one_frame(frames, data):
    return frames[0], data | {"alt": data["alt"][0]}


def last_frame(frames, data):
    return frames[-1], data | {"alt": data["alt"][-1]}


DRAWN = {
    "plan_flow": figures.plan_flow,
    "plan_flow, three drafts": lambda: figures.plan_flow(*figures.TWO_TOKENS, 3),
    "plan_flow, greedy": lambda: figures.plan_flow(*figures.FIVE_TOKENS, 2, "greedy"),
    "hub_plan": lambda: last_frame(*figures.hub_plan()),
    "plan_table": figures.plan_table,
    "repetition": lambda: figures.repetition([figures.TWO_TOKENS, ((0.5, 0.5), (0.0, 1.0))]),
    "threshold_curves": lambda: one_frame(*figures.threshold_curves(num_drafts=(3,))),
    "minimum_cut": figures.minimum_cut,
    "all_subsets": lambda: one_frame(*figures.all_subsets(num_drafts=(2,))),
    "acceptance_by_drafts": figures.acceptance_by_drafts,
}


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_every_figure_shows_and_describes_itself(name):
    assert_shows_and_describes_itself(DRAWN[name], smallest=10, legible=True)


MOVING = {
    "plan_bars": figures.plan_bars,
    "shrinking_target": figures.shrinking_target,
    "hub_plan": figures.hub_plan,
    "block_debts": figures.block_debts,
    "threshold_curves": lambda: figures.threshold_curves(num_drafts=(1, 2, 4)),
    "all_subsets": lambda: figures.all_subsets(num_drafts=(1, 4)),
}


@pytest.mark.parametrize("name", sorted(MOVING))
def test_marks_can_move_from_frame_to_frame(name):
    """A player moves what has the same elements in the same order."""
    frames, _ = MOVING[name]()
    elements = [
        re.findall(r"<([a-z]+)", re.sub("<defs>.*?</defs>", "", svg(frame, name), flags=re.S))
        for frame in frames
    ]
    assert len(elements) > 1 and all(found == elements[0] for found in elements)


def test_labels_name_every_rule_and_distribution():
    assert set(RULES) <= set(METHODS["transport"]) and tuple(figures.SAMPLING_LABELS) == SAMPLINGS


@pytest.mark.parametrize(("num_drafts", "rate"), [(1, 1 / 2), (2, 11 / 16), (3, 53 / 64)])
def test_plan_flow_is_an_optimal_plan(num_drafts, rate):
    data = figures.plan_flow(*figures.TWO_TOKENS, num_drafts)[1]
    accepted, moved = np.array(data["accepted"]), np.array(data["moved"])
    assert accepted.sum() == pytest.approx(rate) and accepted.min() >= 0 and moved.min() >= -1e-12
    assert (accepted + moved).sum(1) == pytest.approx(data["tuple_probs"])
    assert (accepted + moved).sum(0) == pytest.approx(figures.TWO_TOKENS[0])
    for word, row in zip(data["tuples"], data["accepted"], strict=True):
        assert all(mass == 0 or name in word.split() for name, mass in zip(data["tokens"], row, strict=True))


@pytest.mark.parametrize("num_drafts", [1, 2, 3])
def test_only_floor_alone_has_mass_to_move(num_drafts):
    """As the notebook's captions say."""
    data = figures.plan_flow(*figures.TWO_TOKENS, num_drafts)[1]
    moving = [word for word, row in zip(data["tuples"], data["moved"], strict=True) if sum(row) > 1e-9]
    assert moving == [" ".join(["floor"] * num_drafts)]


def test_hub_plan_is_spechubs():
    frames, data = figures.hub_plan(*figures.THREE_TOKENS)
    others, own, moved = (np.array(data[name]) for name in ("others", "own", "moved"))
    assert data["hub"] == "sofa" and all("sofa" in pair.split() for pair in data["pairs"])
    assert (others + own).sum() == pytest.approx(float(exact.acceptance_rate("spechub", *THREE, 2)))
    assert (others + own + moved).sum(1) == pytest.approx(data["pair_probs"])
    assert (others + own + moved).sum(0) == pytest.approx(figures.THREE_TOKENS[0])
    assert [
        f"{mass.sum():.2f}" in text for mass, text in zip((others, own, moved), data["captions"][1:])
    ] == [True] * 3
    # Each frame shows one kind of ribbon more.
    shown = [sum(patch.get_alpha() == 0.55 for patch in frame.axes[0].patches) for frame in frames]
    assert shown == sorted(shown) and len(set(shown)) == 4


def test_plan_table_data():
    data = figures.plan_table()[1]
    assert data["accepted"] == pytest.approx(11 / 16)
    assert np.array(data["plan"]) == pytest.approx(np.array([[1, 0], [3, 0], [3, 0], [5, 4]]) / 16)


def test_repetition_is_the_distribution_by_enumeration():
    output = figures.repetition([figures.TWO_TOKENS], max_drafts=4)[1]["output"][0]
    for k, found in enumerate(output, start=1):
        distribution = exact.draft_distribution(TWO[1], k)
        true = sum(mass * mutants.unchanged_target(*TWO, drafts)[0] for drafts, mass in distribution.items())
        assert found == pytest.approx(float(true))
    assert output[1] == pytest.approx(5 / 8)


def test_threshold_curves_data():
    frames, data = figures.threshold_curves(*figures.THREE_TOKENS, (1, 2, 3))
    assert len(frames) == 3
    assert data["thresholds"] == pytest.approx([1, 13 / 10, 77 / 50])
    assert data["recursive"] == pytest.approx([7 / 10, 19 / 25, 101 / 125])
    assert data["kseq"] == pytest.approx([0.7, 0.79135529, 0.85851861])
    assert data["factors"] == pytest.approx([1, 1.45677644, 1.79259303])
    assert data["optimal"] == pytest.approx([7 / 10, 43 / 50, 247 / 250])
    assert "threshold 1.54, K-SEQ at 1.79" in data["captions"][2]
    # In the pictures before it a rule is told only where it is drawn.
    curve, climb = (
        figures.threshold_curves(num_drafts=(1, 2), rules=rules)[1] for rules in ((), ("recursive",))
    )
    assert "height 0.45 at 1" in curve["alt"][0] and "recursive" not in curve["alt"][0]
    assert (
        "1.55 and accepts 0.53" in climb["captions"][1]
        and "K-SEQ" not in climb["captions"][1] + climb["alt"][1]
    )
    # Frames of one player share their scale.
    assert len({frame.axes[0].get_xlim() for frame in frames}) == 1


def test_minimum_cut_data():
    data = figures.minimum_cut()[1]
    assert data["set"] == ["floor", "sofa"]
    assert (data["drafted"], data["taken"], data["waste"]) == pytest.approx((0.64, 0.5, 0.14))
    for sampling in ("iid", "without_replacement", "greedy"):
        waste = figures.minimum_cut(sampling=sampling)[1]["waste"]
        assert 1 - waste == pytest.approx(float(exact.optimal_acceptance_rate(*THREE, 2, sampling)))


def test_all_subsets_data():
    p, q = figures.FIVE_TOKENS
    frames, data = figures.all_subsets(p, q, (1, 2, 5))
    rows = [exact.as_row("row", [Fraction(round(100 * v), 100) for v in row]) for row in (p, q)]
    best = [float(exact.optimal_acceptance_rate(*rows, k)) for k in (1, 2, 5)]
    assert [1 - waste for waste in data["waste"]] == pytest.approx(best)
    # As the caption says: the deepest drop is on the border, at a beginning of the sorted list.
    order = sorted(range(5), key=lambda token: p[token] / q[token])
    beginnings = [{figures.WORDS[token] for token in order[:m]} for m in range(6)]
    assert all(set(chosen) in beginnings for chosen in data["sets"])
    # The border lies below every set of tokens.
    xs, ys = data["border"]
    for size in range(6):
        for chosen in itertools.combinations(range(5), size):
            x, y = sum(q[token] for token in chosen), sum(p[token] for token in chosen)
            assert y >= np.interp(x, xs, ys) - 1e-12
    assert len({frame.axes[0].get_ylim() for frame in frames}) == 1


def test_acceptance_by_drafts_data():
    data = figures.acceptance_by_drafts(*figures.THREE_TOKENS, num_drafts=(1, 2))[1]
    rates = data["rates"]
    assert rates["naive, independent"] == pytest.approx([7 / 10, 19 / 25])
    assert rates["recursive, without replacement"] == pytest.approx([7 / 10, 41 / 50])
    assert rates["optimum, without replacement"] == pytest.approx([7 / 10, 69 / 70])
    assert rates["greedy drafts"] == pytest.approx([7 / 10, 9 / 10])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: figures.plan_bars((0.5, 0.4), (0.5, 0.5)), ProbabilityError, "sums to 0.9"),
        (lambda: figures.plan_bars((0.5, 0.5), (0.5, 0.3, 0.2)), ShapeError, "draft has 3"),
        (lambda: figures.plan_bars((1.0,), (1.0,)), ArgumentError, "1 tokens, expected 2 to 12"),
        (lambda: figures.plan_bars(torch.full((2, 2), 0.5), (0.5, 0.5)), ShapeError, "target has shape"),
        (lambda: figures.plan_flow(*figures.FIVE_TOKENS, 2), ArgumentError, "25 tuples; at most 16"),
        (lambda: figures.plan_table(*figures.FIVE_TOKENS), ArgumentError, "25 tuples; at most 16"),
        (lambda: figures.minimum_cut(num_drafts=3), ArgumentError, "27 tuples; at most 16"),
        (lambda: figures.repetition([]), ArgumentError, "0 entries"),
        (lambda: figures.repetition([figures.TWO_TOKENS], 1), ArgumentError, "max_drafts is 1"),
        (lambda: figures.threshold_curves(num_drafts=()), ArgumentError, "0 entries"),
        (lambda: figures.threshold_curves(rules=("naive",)), ArgumentError, "has 'naive'"),
        (lambda: figures.threshold_curves(num_drafts=(9,)), ArgumentError, "num_drafts is 9"),
        (lambda: figures.all_subsets((1 / 11,) * 11, (1 / 11,) * 11), ArgumentError, "at most 10"),
        (lambda: figures.all_subsets(num_drafts=()), ArgumentError, "0 entries"),
        (lambda: figures.all_subsets(num_drafts=(0,)), ArgumentError, "num_drafts is 0"),
        (lambda: figures.acceptance_by_drafts(num_drafts=(1,)), ArgumentError, "at least 1 and 2"),
        (lambda: figures.acceptance_by_drafts(pairs=[("best", "iid")]), ArgumentError, "'best'"),
        (lambda: figures.acceptance_by_drafts(pairs=[("kseq", "greedy")]), ArgumentError, "not defined"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_the_table_of_the_api_page_is_the_one_that_is_enforced(root):
    page = (root / "book" / "api" / "transport.md").read_text(encoding="utf-8")
    lines = [line.split("|") for line in page.splitlines() if line.startswith("| `")]
    table = {line[1].strip(" `"): tuple(name.strip(" `") for name in line[2].split(",")) for line in lines}
    assert table == DEFINED
