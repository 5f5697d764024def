"""The pictures that open the notebooks show what their captions say."""

from __future__ import annotations

import pytest

from tests.support.pictures import assert_shows_and_describes_itself
from tokenlab.chapters.sampling import opening

pytestmark = pytest.mark.model


def test_greedy_repeats_and_drawing_meets_the_tail():
    assert_shows_and_describes_itself(opening.two_ways, smallest=10)
    data = opening.two_ways()[1]
    greedy, drawn = data["marked"].values()
    # Most of the greedy text repeats itself; a few drawn tokens are poor ones.
    assert greedy > 20 and 2 <= drawn <= 8 and drawn == sum(data["tail"])
    # What is marked there is less likely than anything that is not.
    poor, good = (
        [p for p, t in zip(data["probs"], data["tail"], strict=True) if t is mark] for mark in (True, False)
    )
    assert max(poor) < 0.001 and max(good) > 0.5


def test_sweep_of_the_front_page():
    frames, data = opening.what_may_follow()
    assert len(frames) == 8 and data["rest"] == 4096 - 8
    assert all(token.startswith(" ") for token in data["tokens"])  # words after "The object is"
    assert opening.most_probable(opening.next_logits(opening.TEXT_PROMPT), 4) == [
        " the",
        " a",
        " its",
        " this",
    ]
