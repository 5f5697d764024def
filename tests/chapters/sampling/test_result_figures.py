"""The picture of the recorded experiment is tested on its data."""

from __future__ import annotations

import pytest

from tests.support.pictures import assert_shows_and_describes_itself
from tokenlab.chapters.sampling.experiments import METRICS
from tokenlab.chapters.sampling.result_figures import rules_tradeoff
from tokenlab.errors import ArgumentError

RESULTS = {
    "rules": {
        label: {"metrics": {m: {"mean": mean, "low": mean - 0.1, "high": mean + 0.2} for m in METRICS}}
        for label, mean in (("top-p 0.9", 1.5), ("greedy", 0.4), ("ancestral", 3.0))
    }
}


def test_the_tradeoff_shows_and_describes_itself():
    assert_shows_and_describes_itself(lambda: rules_tradeoff(RESULTS), smallest=9)


def test_tradeoff_data():
    data = rules_tradeoff(RESULTS)[1]
    assert data["labels"] == ["greedy", "top-p 0.9", "ancestral"]
    assert "greedy: entropy (nats) 0.4 (0.3 to 0.6)" in data["alt"]
    with pytest.raises(ArgumentError, match="'speed'"):
        rules_tradeoff(RESULTS, ("entropy", "speed"))
