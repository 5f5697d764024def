"""The picture of the recorded experiment is tested on its data."""

from __future__ import annotations

import pytest

from tests.support.pictures import assert_shows_and_describes_itself, overlapping_texts
from tokenlab.chapters.sampling.experiments import METRICS, load_results
from tokenlab.chapters.sampling.result_figures import bits_per_byte, method_of, rules_tradeoff
from tokenlab.errors import ArgumentError
from tokenlab.figures import METHODS

RESULTS = {
    "rules": {
        label: {
            "rule": rule,
            "temperature": temperature,
            "metrics": {m: {"mean": mean, "low": mean - 0.1, "high": mean + 0.2} for m in METRICS},
        }
        for label, rule, temperature, mean in (
            ("top-p 0.9", "top_p", 1.0, 1.5),
            ("greedy", "greedy", 1.0, 0.4),
            ("ancestral", None, 1.0, 3.0),
            ("temperature 0.7", None, 0.7, 1.0),
        )
    }
}


def test_the_tradeoff_shows_and_describes_itself():
    assert_shows_and_describes_itself(lambda: rules_tradeoff(RESULTS), smallest=10)


def test_tradeoff_data():
    data = rules_tradeoff(RESULTS)[1]
    assert data["labels"] == ["greedy", "temperature 0.7", "top-p 0.9", "ancestral"]
    assert "greedy: entropy (nats) 0.4 (0.3 to 0.6)" in data["alt"]
    with pytest.raises(ArgumentError, match="'speed'"):
        rules_tradeoff(RESULTS, ("entropy", "speed"))


def test_each_way_has_its_own_mark():
    rules = load_results("rules")["rules"]
    assert method_of(rules["temperature 0.7"]) == METHODS["sampling"]["temperature"]
    # By colour and marker together: greedy and a temperature are both baselines.
    assert len({(m.colour, m.marker) for m in map(method_of, rules.values())}) == len(rules)


def test_recorded_results_bear_out_the_caption():
    """Greedy text has the lowest entropy and repeats most; ancestral text has the highest and repeats least."""
    data = rules_tradeoff(load_results("rules"))[1]
    repetition = {label: values["repetition_4"]["mean"] for label, values in data["values"].items()}
    assert data["labels"][0] == "greedy" == max(repetition, key=repetition.get)
    assert data["labels"][-1] == "ancestral" == min(repetition, key=repetition.get)


def test_names_of_the_recorded_ways_are_apart():
    figure, _ = rules_tradeoff(load_results("rules"))
    assert overlapping_texts(figure) == []


BITS = {"our text": {"model": 1.5, "gzip": 2.25}, "library": {"model": 1.0, "gzip": 2.0}}


def test_bits_per_byte_shows_and_describes_itself():
    draw = lambda: bits_per_byte(BITS, ["model", "gzip"])  # noqa: E731
    assert_shows_and_describes_itself(draw, smallest=10, legible=True)
    assert draw()[1]["bits"] == {"our text": [1.5, 2.25], "library": [1.0, 2.0]}
    assert "our text: model 1.50, gzip 2.25." in draw()[1]["alt"]
    with pytest.raises(ArgumentError, match="0 kinds"):
        bits_per_byte({}, ["model"])
