"""One name, colour and marker for each method, and colours that every page can show."""

from __future__ import annotations

import pytest

from tokenlab.bytelevel.tasks.baselines import METHODS as BYTE_METHODS
from tokenlab.chapters.bytelevel import experiments as bytelevel
from tokenlab.errors import ArgumentError
from tokenlab.figures import BLUE, METHODS, Method, temperature_colours
from tokenlab.sampling import RULES as SAMPLING_RULES
from tokenlab.transport.rules import RULES as NODE_RULES
from tokenlab.transport.trees.verify import BOTTOM_UP


def expected() -> dict[str, set[str]]:
    """What the package and its recorded results call their methods."""
    load = bytelevel.load_results
    return {
        "sampling": {"ancestral", "greedy", "temperature", *SAMPLING_RULES},
        "transport": {"plain", *NODE_RULES, *BOTTOM_UP},
        "bytelevel": {
            "transformers",
            "one_token",
            "mix",
            "product",
            *BYTE_METHODS,
            *load("cuts")["methods"],
            *load("infilling")["fills"]["psm"],
            *load("tokenizations")["distributions"],
            *load("ensembles")["members"],
        },
    }


def faults(chapter: dict[str, Method]) -> list[str]:
    """What two methods of a chapter share; two names of one method are no fault."""
    methods = sorted(set(chapter.values()))
    found = []
    for kind, values in (
        ("name", [method.name for method in methods]),
        ("colour and marker", [method[1:] for method in methods]),
        # Without colour vision the marker must do alone.
        ("marker", [method.marker for method in methods]),
    ):
        found += [f"{kind} {value}" for value in values if values.count(value) > 1]
    return found


def test_every_method_has_an_entry():
    assert {chapter: set(methods) for chapter, methods in METHODS.items()} == expected()


@pytest.mark.parametrize("chapter", METHODS)
def test_methods_can_be_told_apart(chapter: str):
    assert faults(METHODS[chapter]) == []
    (one, other, *_) = set(METHODS[chapter].values())
    for planted in (other._replace(name=one.name), other._replace(colour=one.colour, marker=one.marker)):
        assert faults(METHODS[chapter] | {"planted": planted})


@pytest.mark.parametrize(("chapter", "rule"), [("transport", "optimal"), ("bytelevel", "exact")])
def test_blue_is_exact(chapter: str, rule: str):
    assert METHODS[chapter][rule].colour == BLUE


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def is_readable(colour: str) -> bool:
    """A contrast of 3:1 or more on white and on black."""
    return 1.05 / (luminance(colour) + 0.05) >= 3 and (luminance(colour) + 0.05) / 0.05 >= 3


def test_colours_are_readable_on_white_and_black():
    colours = {method.colour for methods in METHODS.values() for method in methods.values()}
    assert [colour for colour in colours if not is_readable(colour)] == []
    assert [colour for colour in temperature_colours(range(1, 30)) if not is_readable(colour)] == []
    assert not is_readable("#f0e442") and not is_readable("#000080")


def test_hotter_is_lighter():
    colours = temperature_colours([0.5, 1.0, 1.5, 2.0, 4.0])
    light = [luminance(colour) for colour in colours]
    assert light == sorted(light) and len(set(colours)) == 5
    assert temperature_colours([4.0, 0.5]) == [colours[-1], colours[0]]


def test_bad_temperature():
    with pytest.raises(ArgumentError, match="temperature is 0"):
        temperature_colours([1.0, 0])
