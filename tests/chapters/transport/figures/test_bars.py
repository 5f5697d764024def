"""The plan as bars, and tests that shrink the target."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.pictures import assert_shows_and_describes_itself
from tokenlab.chapters.transport import exact, figures
from tokenlab.errors import ArgumentError

P, Q = map(np.array, figures.FIVE_TOKENS)


@pytest.mark.parametrize("stage", range(3))
def test_each_frame_of_the_plan_describes_itself(stage):
    def draw():
        frames, data = figures.plan_bars()
        return frames[stage], data | {"alt": data["alt"][stage]}

    assert_shows_and_describes_itself(draw, smallest=10, legible=True)


def tops(frame) -> np.ndarray:
    """Where the filled bars of a frame end, for each word."""
    found = np.zeros(len(P))
    for bar in frame.axes[0].patches:
        if bar.get_facecolor()[3] == 1:
            place = round(bar.get_x() + bar.get_width() / 2)
            found[place] = max(found[place], bar.get_y() + bar.get_height())
    return found


def test_the_bars_of_the_plan_are_first_the_draft_and_then_the_target():
    frames, data = figures.plan_bars()
    assert tops(frames[0]) == pytest.approx(Q) and tops(frames[1]) == pytest.approx(Q)
    assert tops(frames[2]) == pytest.approx(P)
    # What a word has too much leaves it, what it lacks arrives; nothing else moves.
    pieces = np.array(data["pieces"])
    assert pieces.sum(1) == pytest.approx(np.maximum(Q - P, 0))
    assert pieces.sum(0) == pytest.approx(np.maximum(P - Q, 0))
    assert "0.45 in all" in data["captions"][1] and sum(data["shared"]) == pytest.approx(0.45)


def test_what_each_test_takes_by_enumeration():
    """Of the three words: the tests of both rules, summed over all pairs of drafts."""
    p, q = exact.as_row("p", ["1/2", "3/10", "1/5"]), exact.as_row("q", ["1/5", "3/10", "1/2"])
    taken = figures.shrinking_target(*figures.THREE_TOKENS, 2)[1]["taken"]
    first = [min(a, b) for a, b in zip(p, q)]
    assert taken["recursive"][0] == pytest.approx([float(x) for x in first])
    left = exact.normalised(exact.excess(p, q))
    second = [(1 - sum(first)) * min(a, b) for a, b in zip(left, q)]
    assert taken["recursive"][1] == pytest.approx([float(x) for x in second])
    for rule, rows in taken.items():
        rate = float(exact.acceptance_rate(rule, p, q, 2))
        assert np.sum(rows) == pytest.approx(rate) and np.array(rows).sum(0).max() <= 0.5
    # K-SEQ's tests are equal: the second takes the same shares of what reaches it.
    first, second = map(np.array, taken["kseq"])
    assert second / second.sum() == pytest.approx(first / first.sum())


def test_what_the_caption_says_of_the_tests():
    data = figures.shrinking_target()[1]
    sums = {rule: np.sum(rows, axis=1) for rule, rows in data["taken"].items()}
    assert sums["recursive"][0] > sums["kseq"][0], "recursive rejection takes much at first"
    assert (sums["recursive"][1:] < sums["kseq"][1:]).all(), "and little later"
    assert sums["kseq"].sum() > sums["recursive"].sum(), "K-SEQ's tests take more in all"
    assert f"{sums['kseq'].sum():.3f}" in data["captions"][-1]
    assert data["captions"][0].startswith("Test 1 accepts 0.450"), "it rests on two pictures that differ"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: figures.plan_bars((0.5, 0.5), (0.5, 0.5)), "are equal"),
        (lambda: figures.shrinking_target(num_drafts=1), "num_drafts is 1"),
        (lambda: figures.shrinking_target(num_drafts=9), "num_drafts is 9"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ArgumentError, match=words):
        call()
