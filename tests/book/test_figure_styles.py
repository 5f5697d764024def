"""Words in data colours: the style sheet darkens each of them on the light ground."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tokenlab.figures import METHODS
from tokenlab.figures.style import CYCLE

COLOURS = sorted({*CYCLE, *(method.colour for methods in METHODS.values() for method in methods.values())})


def luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.03928 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return sum(weight * x for weight, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colour", COLOURS)
def test_words_in_data_colours_can_be_read(root: Path, colour: str):
    sheet = (root / "book" / "_static" / "figures.css").read_text(encoding="utf-8")
    (darker,) = re.findall(rf'text\[style\*="{colour}"\] {{ fill: (#\w+) !important; }}', sheet)
    assert contrast(darker, "#ffffff") >= 4.5
    assert contrast(colour, "#121212") >= 4.5
